// SPDX-License-Identifier: Apache-2.0

import Catalog
import Operations
import RDB

/// What is in a snapshot, as programs read it. Names of keys and texts of the server are in printable ASCII, other
/// bytes as `\xhh`. What is not known, or does not exist, is left out.
struct InspectReport: Encodable {
    let source: Source
    let rdb: Snapshot
    let keys: Keys
    let databases: [Database]
    let types: [Group]
    let encodings: [Group]
    let prefixes: Prefixes
    let expiry: Expiry
    let largestKeys: Largest
    let modules: [Module]
    let functions: Functions
    let memory: Memory
    let target: Target

    /// Where the snapshot was read: a file, or a member of a backup set.
    struct Source: Encodable {
        var file: String?
        var name: String?
        var id: String?
        var member: String?
        /// How many members of the set hold a snapshot.
        var storedMembers: Int?

        init(file: String) { self.file = file }

        init(_ manifest: Manifest, _ member: Manifest.Member) {
            name = manifest.name
            id = manifest.id.text
            self.member = member.member
            storedMembers = manifest.storedMembers.count
        }
    }

    struct Snapshot: Encodable {
        /// `redis` or `valkey`: the magic, which is not always that of the server.
        let dialect: String
        let version: Int
        let bytes: Int64
        let crc64: String
        let hasChecksum: Bool
        let serverProduct: String?
        let serverVersion: String?
        let createdAt: Timestamp?
        let replicationID: String?
        let replicationOffset: Int64?
        /// The AUX fields, those above too: up to 64, of at most 1 KiB each.
        let aux: [String: String]
    }

    struct Keys: Encodable {
        let count: UInt64
        let withExpiry: UInt64
        let bytes: Int64
    }

    struct Database: Encodable {
        let database: UInt64
        let keys: UInt64
        let withExpiry: UInt64
        let bytes: Int64
    }

    /// Keys of one type, or of one encoding.
    struct Group: Encodable {
        let type: String
        /// Left out where all encodings of the type are meant.
        let encoding: String?
        let valueType: UInt8?
        let keys: UInt64
        let elements: UInt64
        let bytes: Int64
        let meanBytes: Int64
        let largestBytes: Int64
    }

    struct Expiry: Encodable {
        /// The time of the snapshot, or of this run where the snapshot has none.
        let measuredFrom: Timestamp
        let classes: [Class]

        struct Class: Encodable {
            /// `expired`, `under1Minute`, … `later`, `none`.
            let lifetime: String
            let keys: UInt64
        }
    }

    struct Largest: Encodable {
        let byBytes: [Key]
        let byElements: [Key]
    }

    struct Key: Encodable {
        let key: String
        /// Whether only the beginning of the name is shown.
        let isNameCut: Bool
        let database: UInt64
        let type: String
        let encoding: String
        let bytes: Int64
        let elements: UInt64
    }

    struct Module: Encodable {
        let type: String
        /// The modules that read it, by their names in `MODULE LIST`; empty where none is known.
        let readBy: [String]
    }

    struct Functions: Encodable {
        let count: UInt64
        let libraries: [Library]

        struct Library: Encodable {
            let name: String?
            let engine: String?
        }
    }

    struct Memory: Encodable {
        /// What the server that wrote it used (`used-mem`).
        let usedBytes: Int64?
        /// What the keys are estimated to take.
        let estimatedBytes: Int64
    }

    /// What a server must be and have to load it.
    struct Target: Encodable {
        let oldestRedis: String?
        let oldestValkey: String?
        /// The oldest Valkey that loads it with `rdb-version-check relaxed`, where none does without.
        let oldestValkeyRelaxed: String?
        let databases: UInt64
        /// The least `maxmemory`, unless it is 0.
        let maxmemoryBytes: Int64?
    }
}

// MARK: - From findings

extension InspectReport {
    init(_ source: Source, _ findings: Inspect.Findings, top: Int) {
        let (summary, census, loader) = (findings.summary, findings.census, findings.loader)
        self.source = source
        rdb = Snapshot(summary)
        let databases = census.databases.sorted { $0.key < $1.key }
        keys = Keys(
            count: summary.keyCount,
            withExpiry: summary.expires,
            bytes: databases.reduce(0) { $0 &+ $1.value.bytes }
        )
        self.databases = databases.map {
            Database(database: $0.key, keys: $0.value.keys, withExpiry: $0.value.expires, bytes: $0.value.bytes)
        }
        types = census.types.map { Group($0.key, nil, nil, $0.value) }.sorted()
        encodings = census.encodings.map { valueType, tally in
            let encoding = RDBEncoding(valueType: valueType)
            return Group(encoding.type, encoding.name, valueType, tally)
        }.sorted()
        prefixes = Prefixes(census, top: top)
        expiry = Expiry(
            measuredFrom: findings.measuredFrom,
            classes: RDBLifetime.allCases.map { .init(lifetime: $0.name, keys: census.lifetimes[$0] ?? 0) }
        )
        largestKeys = Largest(
            byBytes: census.largestByBytes.entries.map { Key($0.key) },
            byElements: census.largestByElements.entries.map { Key($0.key) }
        )
        modules = loader.modules.map { Module(type: $0.type, readBy: $0.readers) }
        functions = Functions(
            count: summary.functions,
            libraries: census.libraries.map { .init(name: $0.name, engine: $0.engine) }
        )
        memory = Memory(usedBytes: summary.usedMemoryBytes, estimatedBytes: census.memoryBytes)
        target = Target(
            oldestRedis: loader.oldestRedis?.release,
            oldestValkey: loader.oldestValkey?.release,
            oldestValkeyRelaxed: loader.oldestRelaxedValkey?.release,
            databases: loader.databases,
            maxmemoryBytes: loader.memoryBytes
        )
    }
}

extension InspectReport.Snapshot {
    init(_ summary: RDBSummary) {
        dialect = summary.isValkey ? "valkey" : "redis"
        version = summary.version
        bytes = summary.bytes
        crc64 = summary.crc64Text
        hasChecksum = summary.hasChecksum
        serverProduct = summary.serverVersion.map { _ in summary.aux["valkey-ver"] == nil ? "redis" : "valkey" }
        serverVersion = summary.serverVersion.map { PrintableASCII.text($0) }
        createdAt = summary.createdAtSeconds.map(Timestamp.init(secondsSince1970:))
        replicationID = summary.replicationID.map { PrintableASCII.text($0) }
        replicationOffset = summary.replicationOffset
        aux = Dictionary(
            summary.aux.map { (PrintableASCII.text($0.key), PrintableASCII.text($0.value)) },
            uniquingKeysWith: { first, _ in first }
        )
    }
}

extension InspectReport.Group: Comparable {
    init(_ type: String, _ encoding: String?, _ valueType: UInt8?, _ tally: RDBCensus.Tally) {
        self.type = type
        self.encoding = encoding
        self.valueType = valueType
        keys = tally.keys
        elements = tally.elements
        bytes = tally.bytes
        meanBytes = tally.bytes / Int64(clamping: max(1, tally.keys))
        largestBytes = tally.bytesMax
    }

    static func < (left: Self, right: Self) -> Bool {
        (left.type, left.valueType ?? 0) < (right.type, right.valueType ?? 0)
    }
}

extension InspectReport.Key {
    init(_ key: RDBKey) {
        let encoding = RDBEncoding(valueType: key.encoding)
        self.key = PrintableASCII.text(key.name)
        isNameCut = !key.isNameWhole
        database = key.database
        type = encoding.type
        self.encoding = encoding.name
        bytes = key.bytes
        elements = key.elements
    }
}

extension RDBLifetime {
    /// As it stands in the document.
    fileprivate var name: String {
        switch self {
        case .expired: "expired"
        case .minute: "under1Minute"
        case .hour: "under1Hour"
        case .day: "under1Day"
        case .week: "under7Days"
        case .month: "under30Days"
        case .year: "under1Year"
        case .later: "later"
        case .none: "none"
        }
    }
}

extension RDBServer {
    fileprivate var release: String { "\(major).\(minor)" }
}
