// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage

/// What one drill found: a set was restored into a throw-away server, and what the server then held was held against
/// it. Format 1, specified in docs/backup-format.md; later versions only add fields.
package struct DrillRecord: Sendable, Hashable, NumberedRecord {
    package static let formatNumber = 1
    package static let title = "the record of a drill"

    /// What came of it, for the drill as a whole and for each member.
    package enum Verdict: String, Sendable, Hashable, Codable {
        /// The server held the content of the snapshot.
        case proven
        /// The server, or the store, held something else.
        case different
        /// It could not be found out.
        case failed
    }

    package var format: Int
    /// Of the drill itself, in the form of an id of a set.
    package var id: BackupID
    /// The subject, and the set of it.
    package var name: String
    package var backup: BackupID
    /// When the set was begun.
    package var backupStartedAt: Timestamp
    package var startedAt: Timestamp
    package var finishedAt: Timestamp
    package var tool: Manifest.Tool
    /// The location of the store, without credentials.
    package var store: String
    /// The machine, or pod, on which it ran.
    package var host: String
    /// The throw-away server.
    package var server: Server?
    package var verdict: Verdict
    package var members: [Member]
    /// Members of the set that were not drilled.
    package var omitted: [String]

    package init(
        id: BackupID,
        of manifest: Manifest,
        tool: Manifest.Tool,
        store: String,
        host: String,
        server: Server?,
        finishedAt: Timestamp,
        members: [Member]
    ) {
        let drilled = Set(members.map(\.member))
        format = Self.formatNumber
        self.id = id
        name = manifest.name
        backup = manifest.id
        backupStartedAt = manifest.startedAt
        startedAt = id.time
        self.finishedAt = finishedAt
        self.tool = tool
        self.store = store
        self.host = host
        self.server = server
        verdict = Self.verdict(of: members)
        self.members = members
        omitted = manifest.members.map(\.member).filter { !drilled.contains($0) }
    }

    /// Content that differs must not hide behind a server that did not start.
    private static func verdict(of members: [Member]) -> Verdict {
        if members.contains(where: { $0.verdict == .different }) { return .different }
        return members.isEmpty || members.contains { $0.verdict == .failed } ? .failed : .proven
    }
}

extension DrillRecord {
    package struct Server: Sendable, Hashable, Codable {
        /// `redis` or `valkey`.
        package var product: String
        package var version: String
        package var appendOnly: Bool
        /// Where it ran already; absent for one that was started for the drill.
        package var endpoint: String?

        package init(product: String, version: String, appendOnly: Bool, endpoint: String? = nil) {
            self.endpoint = endpoint
            self.product = product
            self.version = version
            self.appendOnly = appendOnly
        }
    }

    package struct Member: Sendable, Hashable, Codable {
        package var member: String
        package var verdict: Verdict
        /// The slots of its shard, where clustered.
        package var slots: String?
        /// The server that the snapshot is from, as `redis 7.0.15`.
        package var source: String?
        /// The number after the magic of the snapshot.
        package var rdbVersion: Int?
        /// Bytes of the snapshot, and of the object in the store.
        package var bytes: Int64
        package var storedBytes: Int64
        /// How many keys the manifest says.
        package var keys: UInt64
        /// How many of them were expired when the server was read back: servers drop them, so they are not compared.
        package var expired: UInt64?
        /// The digest that the manifest has, of the whole snapshot; absent where it was not read at level content.
        package var manifestDigest: String?
        /// What the snapshot says, and what the server held, both at the moment of reading back.
        package var expected: Content?
        package var found: Content?
        package var seconds: Seconds
        package var error: Manifest.Problem?

        package init(of member: Manifest.Member, verdict: Verdict = .failed) {
            self.member = member.member
            self.verdict = verdict
            slots = member.shard?.slots
            source = member.server.map { "\($0.product) \($0.version)" }
            rdbVersion = member.rdb?.version
            bytes = member.rdb?.bytes ?? 0
            storedBytes = member.stored?.bytes ?? 0
            keys = member.rdb?.keyCount ?? 0
            manifestDigest = member.rdb?.contentDigest
            seconds = Seconds()
        }
    }

    /// What a dataset says, without the keys and fields that are expired.
    package struct Content: Sendable, Hashable, Codable {
        package var digest: String
        /// Keys by database number.
        package var keys: [String: UInt64]
        package var types: [String: UInt64]
        package var functions: UInt64

        package init(digest: String, keys: [String: UInt64], types: [String: UInt64], functions: UInt64) {
            self.digest = digest
            self.keys = keys
            self.types = types
            self.functions = functions
        }

        package var keyCount: UInt64 { keys.values.reduce(0, &+) }
    }

    /// How long the steps took; absent where a step was not reached.
    package struct Seconds: Sendable, Hashable, Codable {
        /// Reading from the store, proving, and writing to the disk.
        package var restore: Double?
        /// From the start of the server until it had loaded everything.
        package var load: Double?
        /// Reading back what the server holds.
        package var readBack: Double?
        /// Reading the restored snapshot once more, for what had not expired by then.
        package var compare: Double?

        package init() {}
    }
}

extension DrillRecord.Member {
    /// From nothing to a server that answers, in seconds.
    package var secondsToRestore: Double? {
        guard let restore = seconds.restore, let load = seconds.load else { return nil }
        return restore + load
    }
}

extension DrillRecord {
    /// One member after the other: what all of them took together, where all came to that point.
    package var secondsToRestore: Double? {
        let each = members.map(\.secondsToRestore)
        return each.contains(nil) || each.isEmpty ? nil : each.compactMap { $0 }.reduce(0, +)
    }

    /// Bytes of the snapshots that were restored.
    package var bytes: Int64 { members.reduce(0) { $0 &+ $1.bytes } }
}

// MARK: - In the store

extension DrillRecord {
    /// Records lie beside the sets and not among them: a reader of sets does not see them, what removes a set leaves
    /// its drills, and one rule of a bucket can allow a drill to write here and nowhere else.
    package static let folderName = ".drills"
    /// The largest record that is read, in bytes.
    fileprivate static let sizeBytesMax = 4 << 20
    fileprivate static let suffix = ".json"

    fileprivate var key: ObjectKey {
        get throws { try ObjectKey([Self.folderName, name, backup.text, id.text + Self.suffix]) }
    }

    package func validate() throws {
        guard members.allSatisfy(\.isPlausible) else { throw Self.broken("a number in it cannot be one") }
    }
}

extension DrillRecord.Member {
    /// A pebibyte and a year: what is beyond would be drawn, and added up, as if it were a number.
    fileprivate var isPlausible: Bool {
        let times = [seconds.restore, seconds.load, seconds.readBack, seconds.compare].compactMap { $0 }
        return (0...(1 << 50)).contains(bytes) && (0...(1 << 50)).contains(storedBytes)
            && times.allSatisfy { (0...366.0 * 86400).contains($0) }
    }
}

extension Catalog {
    /// Writes what a drill found, beside the sets.
    /// - Throws: what the store answers; `.permissionDenied` or `.inputOutput` where it may only be read.
    @discardableResult
    package func write(_ record: DrillRecord) async throws -> ObjectKey {
        let key = try record.key
        try await store.create(key, try record.encoded())
        return key
    }

    /// The newest drills of a subject, or of one of its sets, oldest first.
    ///
    /// A record that cannot be read is left out: it proves nothing, and nothing depends on it.
    /// - Parameter limit: how many are read at the most.
    /// - Throws: what the store answers to the listing.
    package func drills(of name: String, set: BackupID? = nil, limit: Int) async throws -> [DrillRecord] {
        var records: [DrillRecord] = []
        for (id, key) in try await drillKeys(of: name, set: set).sorted(by: { $0.id < $1.id }).suffix(limit) {
            if let record = try await drill(at: key), record.id == id, record.name == name { records.append(record) }
        }
        return records
    }

    /// The keys of the records of a subject, or of one of its sets.
    func drillKeys(of name: String, set: BackupID? = nil) async throws -> [(id: BackupID, key: ObjectKey)] {
        let folder = try KeyFolder([DrillRecord.folderName, name] + (set.map { [$0.text] } ?? []))
        return try await store.list(under: folder).compactMap { object in
            Self.drillID(object.key).map { (id: $0, key: object.key) }
        }
    }

    /// One record; `nil` where it cannot be read.
    func drill(at key: ObjectKey) async throws -> DrillRecord? {
        do {
            return try DrillRecord(decoding: try await store.read(key, bytesMax: DrillRecord.sizeBytesMax).bytes)
        } catch let failure as Failure
            where [.corruptManifest, .unsupported, .noSuchObject].contains(failure.code)
        {
            return nil
        }
    }

    private static func drillID(_ key: ObjectKey) -> BackupID? {
        guard key.components.count == 4, key.components[3].hasSuffix(DrillRecord.suffix) else { return nil }
        return BackupID(String(key.components[3].dropLast(DrillRecord.suffix.count)))
    }
}
