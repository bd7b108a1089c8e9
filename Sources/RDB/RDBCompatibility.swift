// SPDX-License-Identifier: Apache-2.0

/// What an RDB asks of a server that shall load it.
package struct RDBRequirements: Sendable, Hashable {
    /// The number after the magic; from 80 on the magic is that of Valkey.
    package var version: Int
    /// Names of the modules' types, as `RDBSummary.modules` has them.
    package var modules: [String]
    /// How many function libraries.
    package var functions: UInt64
    /// The greatest number of a database that holds keys.
    package var highestDatabase: UInt64?
    /// The memory that the dataset took in the server that wrote it, in bytes.
    package var usedMemoryBytes: Int64?
    /// The opcodes and value types that occur, where they are known.
    package var records: Set<UInt8>?

    package init(
        version: Int,
        modules: [String] = [],
        functions: UInt64 = 0,
        highestDatabase: UInt64? = nil,
        usedMemoryBytes: Int64? = nil,
        records: Set<UInt8>? = nil
    ) {
        self.version = version
        self.modules = modules
        self.functions = functions
        self.highestDatabase = highestDatabase
        self.usedMemoryBytes = usedMemoryBytes
        self.records = records
    }

    package init(_ summary: RDBSummary) {
        self.init(
            version: summary.version,
            modules: summary.modules,
            functions: summary.functions,
            highestDatabase: summary.keys.keys.max(),
            usedMemoryBytes: summary.usedMemoryBytes,
            records: Set(summary.records.keys)
        )
    }
}

/// Why a server cannot load an RDB, or must not.
package struct RDBObstacle: Sendable, Hashable, CustomStringConvertible {
    /// What kind of obstacle; the raw value is stable.
    package enum Code: String, Sendable, Hashable, CaseIterable {
        /// The RDB version is newer than the server, which exits when it loads it.
        case rdbVersion = "rdb-version"
        /// The RDB version belongs to the other product; the server refuses it unless it is told to try.
        case foreignVersion = "foreign-version"
        /// The RDB holds values that the other product encodes differently.
        case foreignValues = "foreign-values"
        /// A module that wrote data is not loaded in the server.
        case moduleMissing = "module-missing"
        /// A type of module data occurs, and it is not known here which module reads it.
        case moduleUnknown = "module-unknown"
        /// There are function libraries, and the server has none.
        case functions = "functions"
        /// A database holds keys that the server does not have.
        case databases = "databases"
        /// The dataset is larger than the server may become: it would evict keys or refuse writes.
        case memory = "memory"
    }

    package let code: Code
    /// What the RDB has and what the server lacks, with numbers: lower case, no final period.
    package let description: String
}

extension RDBServer {
    /// Why this server cannot load such an RDB: nothing if it can, as far as it is known.
    package func obstacles(toLoading rdb: RDBRequirements) -> [RDBObstacle] {
        versionObstacles(rdb) + moduleObstacles(rdb) + [functions(rdb), databases(rdb), memory(rdb)].compactMap(\.self)
    }

    // MARK: The version

    private func versionObstacles(_ rdb: RDBRequirements) -> [RDBObstacle] {
        switch product {
        case .redis: redisVersionObstacles(rdb)
        case .valkey: valkeyVersionObstacles(rdb)
        }
    }

    private func redisVersionObstacles(_ rdb: RDBRequirements) -> [RDBObstacle] {
        if rdb.version >= Self.valkeyVersionMin {
            return [obstacle(.foreignVersion, "the RDB has version \(rdb.version) of Valkey, which no Redis loads")]
        }
        return rdb.version > rdbVersion ? [newer(rdb)] : []
    }

    /// Valkey refuses the versions 12 to 79, which belong to Redis, and those newer than its own (valkey src/rdb.c,
    /// `rdbIsVersionAccepted`); 8.1 and later try them if told so.
    private func valkeyVersionObstacles(_ rdb: RDBRequirements) -> [RDBObstacle] {
        let isForeign = (12..<Self.valkeyVersionMin).contains(rdb.version)
        if !isForeign, rdb.version <= rdbVersion { return [] }
        let canTry = (major, minor) >= (8, 1)
        if canTry, triesForeignVersions { return unknownRecords(rdb) }
        guard isForeign else { return [newer(rdb)] }
        let remedy = canTry ? " unless rdb-version-check is relaxed" : ""
        return [
            obstacle(.foreignVersion, "the RDB has version \(rdb.version) of Redis, which \(self) refuses\(remedy)")
        ]
    }

    /// A version that is tried does not help with records that the server cannot read: it exits at the first one.
    private func unknownRecords(_ rdb: RDBRequirements) -> [RDBObstacle] {
        let knowsItsOwn = rdb.version >= Self.valkeyVersionMin && rdbVersion >= Self.valkeyVersionMin
        let unknown: ClosedRange<UInt8> = knowsItsOwn ? 23...242 : 22...243
        let found = (rdb.records ?? []).filter(unknown.contains).sorted()
        guard !found.isEmpty else { return [] }
        let list = found.map { "\($0)" }.joined(separator: ", ")
        return [obstacle(.foreignValues, "the RDB holds records of types that \(self) does not know: \(list)")]
    }

    private func newer(_ rdb: RDBRequirements) -> RDBObstacle {
        obstacle(.rdbVersion, "the RDB has version \(rdb.version), \(self) loads up to \(rdbVersion)")
    }

    /// Versions from here on belong to Valkey.
    private static let valkeyVersionMin = 80

    // MARK: What is in it

    private func moduleObstacles(_ rdb: RDBRequirements) -> [RDBObstacle] {
        guard let modules else { return [] }
        return rdb.modules.compactMap { type in
            guard let readers = RDBModuleType.readers[type] else {
                return obstacle(.moduleUnknown, "the RDB holds data of a module, of type \(type)")
            }
            if readers.contains(where: { modules.contains($0) }) { return nil }
            let names = readers.sorted().joined(separator: " or ")
            return obstacle(.moduleMissing, "the RDB holds data of type \(type), and module \(names) is not loaded")
        }
    }

    private func functions(_ rdb: RDBRequirements) -> RDBObstacle? {
        let isPreRelease = rdb.records?.contains(246) == true
        if isPreRelease, product == .valkey || (major, minor) != (7, 0) {
            return obstacle(.functions, "function libraries stand in the form of a pre-release, which \(self) refuses")
        }
        guard rdb.functions > 0, product == .redis, major < 7 else { return nil }
        return obstacle(.functions, "the RDB holds \(rdb.functions) function libraries, which \(self) does not have")
    }

    private func databases(_ rdb: RDBRequirements) -> RDBObstacle? {
        guard let databases, let highest = rdb.highestDatabase, highest >= databases else { return nil }
        return obstacle(.databases, "keys stand in database \(highest), and the server has \(databases) databases")
    }

    private func memory(_ rdb: RDBRequirements) -> RDBObstacle? {
        guard let memoryBytesMax, memoryBytesMax > 0, let used = rdb.usedMemoryBytes, used > memoryBytesMax else {
            return nil
        }
        return obstacle(.memory, "the dataset took \(used) bytes of memory, and maxmemory is \(memoryBytesMax)")
    }

    private func obstacle(_ code: RDBObstacle.Code, _ description: String) -> RDBObstacle {
        RDBObstacle(code: code, description: description)
    }
}

/// The types of data that well-known modules write, and the modules that read them, by their names in `MODULE LIST`.
enum RDBModuleType {
    static let readers: [String: Set<String>] = [
        "ReJSON-RL": ["ReJSON", "json"],
        "MBbloom--": ["bf"],
        "MBbloomCF": ["bf"],
        "CMSk-TYPE": ["bf"],
        "TopK-TYPE": ["bf"],
        "TDIS-TYPE": ["bf"],
        "bloomfltr": ["bf"],
        "TSDB-TYPE": ["timeseries"],
        "ft_index0": ["search"],
        "scdtype00": ["search"],
        "trietype0": ["search"],
        "Vk-Search": ["search"],
        "graphdata": ["graph"],
        "vectorset": ["vectorset"],
    ]
}
