// SPDX-License-Identifier: Apache-2.0

import Foundation
import RDB
import TestParts
import Testing

/// Dumps that real servers write, in every encoding they can be made to use.
struct RealServerDumpTests {
    @Test(arguments: RedisFlavour.allCases, DumpForm.allCases)
    func everyDumpIsAcceptedAndCounted(flavour: RedisFlavour, form: DumpForm) async throws {
        try await withRedis(flavour, .with { $0.config = form.config(flavour) }) { server in
            try await Dataset.with { $0.scale = 0.05 }.load(into: server)
            try await server.loadRarities()
            let dump = try await server.dump()
            let summary = try scan(dump, chunk: 4096)
            #expect(try scan(dump) == summary)
            #expect(try scan(dump, chunk: 7) == summary)
            #expect(try scan(dump, level: .deep) == summary)
            #expect(try scan(dump, level: .deep, chunk: 1000) == summary)
            var content = try scan(dump, level: .content, chunk: 1000)
            #expect(content.content != nil)
            #expect(content.contentTally?.keys == summary.keys && content.contentTally?.types == summary.types)
            (content.content, content.contentTally) = (nil, nil)
            #expect(content == summary)
            try await expectAgreement(summary, dump, server)
            #expect(summary.hasChecksum == (form != .withoutChecksum))
            #expect(summary.functions == (flavour.hasFunctions ? 1 : 0))
            let missing = form.records(flavour).subtracting(summary.records.keys)
            #expect(missing.isEmpty, "the dump should hold records of types \(missing.sorted())")
            try await checkWithTool(server)
        }
    }

    /// docs/rdb.md says which value types stem from which server: exactly these occur, over all ways of writing.
    @Test(arguments: RedisFlavour.allCases)
    func everyCellIsTried(flavour: RedisFlavour) async throws {
        let types: Set<UInt8> =
            switch flavour {
            case .redis62: [0, 2, 4, 5, 11, 12, 13, 14, 15]
            case .redis70: [0, 2, 4, 5, 11, 16, 17, 18, 19]
            case .valkey91: [0, 2, 4, 5, 11, 16, 17, 18, 20, 21, 22]
            }
        var found: Set<UInt8> = []
        for form in [DumpForm.packed, .elementByElement] {
            try await withRedis(flavour, .with { $0.config = form.config(flavour) }) { server in
                try await Dataset.with { $0.scale = 0.05 }.load(into: server)
                try await server.loadRarities()
                let summary = try scan(try await server.dump(), level: .deep)
                found.formUnion(summary.records.keys.filter { $0 < 64 })
            }
        }
        #expect(found == types)
    }

    @Test(arguments: RedisFlavour.allCases)
    func damagedDumpsAreRefused(flavour: RedisFlavour) async throws {
        let dump = try await withRedis(flavour) { server in
            try await Dataset.small.load(into: server)
            try await server.loadRarities()
            return try await server.dump()
        }
        #expect(refusal(dump) == nil)
        var random = SeededRandom(seed: 7)
        for _ in 0..<500 {
            var damaged = dump
            let bit = Int.random(in: 0..<dump.count * 8, using: &random)
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(refusal(damaged) != nil, "bit \(bit % 8) of byte \(bit / 8) of \(dump.count)")
        }
        for _ in 0..<100 {
            let length = Int.random(in: 0..<dump.count, using: &random)
            #expect(refusal(Array(dump.prefix(length)))?.rule == .truncated, "\(length) bytes of \(dump.count)")
        }
        #expect(refusal(dump + [10])?.rule == .trailingBytes)
    }

    @Test(arguments: [RedisFlavour.redis70, .valkey91])
    func dumpsOfClusterNodesAreAccepted(flavour: RedisFlavour) async throws {
        // The usual port of the bus, 10000 above the other, may be that of an outgoing connection.
        try await withFreePort { bus in
            let options = RedisOptions.with { $0.config = ["cluster-enabled yes", "cluster-port \(bus)"] }
            try await withRedis(flavour, options) { server in
                try await server.command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
                try await eventually("the cluster to be up", withinSeconds: 30) {
                    try await server.command("CLUSTER", "INFO").text?.contains("cluster_state:ok") == true ? true : nil
                }
                try await Dataset.with {
                    $0.scale = 0.05
                    $0.databases = [0]
                }.load(into: server)
                let dump = try await server.dump()
                try await expectAgreement(try scan(dump), dump, server)
            }
        }
    }

    @Test func expiredKeysAreCountedAtTheTimeOfTheSnapshot() async throws {
        try await withRedis(.redis70) { server in
            try await server.command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
            for index in 0..<10 { try await server.command("SET", "soon:\(index)", "1", "PX", 1) }
            for index in 0..<5 { try await server.command("SET", "late:\(index)", "1", "EX", 100_000) }
            // The time of a snapshot is in whole seconds: it must be in a later one than the expiries.
            let summary = try await eventually("a second to pass", withinSeconds: 30) {
                let summary = try scan(try await server.dump())
                return summary.expired == 10 ? summary : nil
            }
            #expect(summary.expires == 15)
        }
    }

    private func expectAgreement(_ summary: RDBSummary, _ dump: [UInt8], _ server: RedisServer) async throws {
        var keys: [UInt64: UInt64] = [:]
        var expires: UInt64 = 0
        for (name, text) in try await server.info("keyspace") where name.hasPrefix("db") {
            let fields = text.split(separator: ",").map { UInt64($0.drop { $0 != "=" }.dropFirst()) ?? 0 }
            keys[try #require(UInt64(name.dropFirst(2)))] = fields[0]
            expires += fields[1]
        }
        #expect(summary.keys == keys)
        #expect(summary.expires == expires)
        #expect(summary.expired == 0)
        #expect(summary.keyCount == summary.types.values.reduce(0, +))
        #expect(Set(summary.types.keys) == ["string", "list", "set", "zset", "hash", "stream"])
        #expect(summary.bytes == Int64(dump.count))
        let info = try await server.info("server")
        #expect(summary.serverVersion == info["valkey_version"] ?? info["redis_version"])
        #expect(summary.isValkey == (server.flavour == .valkey91))
    }

    /// The server's own tool must accept the dump too, so that the test tries what it means to try.
    private func checkWithTool(_ server: RedisServer) async throws {
        guard server.flavour == .valkey91 else {
            try await run(Parts.redisCheckRDB(), [server.dumpFile.path])
            return
        }
        // Valkey is its own check when it is called by that name.
        let tool = server.folder.appendingPathComponent("valkey-check-rdb").path
        try FileManager.default.createSymbolicLink(atPath: tool, withDestinationPath: Parts.server(.valkey91))
        try await run(tool, [server.dumpFile.path])
    }
}

/// How a server is made to write its values.
enum DumpForm: String, CaseIterable, CustomTestStringConvertible {
    case packed
    case elementByElement
    case uncompressed
    case withoutChecksum
    case withIdleTimes
    case withFrequencies

    var testDescription: String { rawValue }

    func config(_ flavour: RedisFlavour) -> [String] {
        switch self {
        case .packed: Self.limits(10_000, flavour)
        case .elementByElement: Self.limits(0, flavour)
        case .uncompressed: ["rdbcompression no"]
        case .withoutChecksum: ["rdbchecksum no"]
        case .withIdleTimes: ["maxmemory-policy allkeys-lru"]
        case .withFrequencies: ["maxmemory-policy allkeys-lfu"]
        }
    }

    private static func limits(_ entries: Int, _ flavour: RedisFlavour) -> [String] {
        var lines = ["set-max-intset-entries \(entries)", "stream-node-max-entries \(entries == 0 ? 3 : entries)"]
        for type in ["hash", "zset"] + (flavour == .valkey91 ? ["set"] : []) {
            let packing = flavour == .redis62 ? "ziplist" : "listpack"
            lines += ["\(type)-max-\(packing)-entries \(entries)", "\(type)-max-\(packing)-value \(entries)"]
        }
        return lines
    }

    /// Value types and opcodes that the dump must hold, or the test tries less than it says.
    func records(_ flavour: RedisFlavour) -> Set<UInt8> {
        let types: (list: UInt8, stream: UInt8, packedHash: UInt8, packedZset: UInt8) =
            switch flavour {
            case .redis62: (14, 15, 13, 12)
            case .redis70: (18, 19, 16, 17)
            case .valkey91: (18, 21, 16, 17)
            }
        var records: Set<UInt8> = [0, types.list, types.stream, 250, 251, 252, 254, 255]
        if flavour.hasFunctions { records.insert(245) }
        if flavour == .valkey91 { records.insert(22) }
        switch self {
        case .packed:
            records.formUnion([11, flavour == .valkey91 ? 20 : 2, types.packedHash, types.packedZset])
        case .elementByElement: records.formUnion([2, 4, 5])
        case .uncompressed, .withoutChecksum: records.formUnion([2, 4, 5, 11, types.packedHash, types.packedZset])
        case .withIdleTimes: records.insert(248)
        case .withFrequencies: records.insert(249)
        }
        return records
    }
}

extension RedisServer {
    /// What an ordinary dataset leaves out: hash fields that expire, empty streams, lengths at the edges of encodings.
    fileprivate func loadRarities() async throws {
        var commands: [[any CommandWord]] = [
            ["XGROUP", "CREATE", "rare:stream", "group", "$", "MKSTREAM"],
            ["SETRANGE", "rare:zeros", 100_000, "x"],
            ["PFADD", "rare:loglog", "a", "b", "c"],
            ["HSET", "rare:hash", String(repeating: "f", count: 70_000), String(repeating: "v", count: 200_000)],
        ]
        for length in [63, 64, 16_383, 16_384] {
            commands.append(["SET", "rare:\(length)", (0..<length).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }])
        }
        if flavour == .valkey91 {
            commands.append(["HSET", "rare:fields", "never", "1", "far", "2"])
            commands.append(["HPEXPIREAT", "rare:fields", 4_000_000_000_000, "FIELDS", 1, "far"])
        }
        try await pipeline(commands + Self.busyStream)
    }

    /// A stream to which everything was done that changes what waits for whom.
    private static var busyStream: [[any CommandWord]] {
        let key = "rare:busy"
        var commands: [[any CommandWord]] = (1...60).map { ["XADD", key, "\($0)-1", "field", $0, "other", "x"] }
        commands.append(["XADD", key, "*", "fields", "1", "of", "2", "its", "3", "own", "4"])
        commands += ["a", "b", "c"].map { ["XGROUP", "CREATE", key, $0, "0"] }
        for group in ["a", "b"] {
            for consumer in ["one", "two", "three"] {
                commands.append(["XREADGROUP", "GROUP", group, consumer, "COUNT", 12, "STREAMS", key, ">"])
            }
        }
        commands.append(["XCLAIM", key, "a", "two", 0, "1-1", "2-1", "30-1", "JUSTID"])
        commands.append(["XCLAIM", key, "a", "three", 0, "50-1", "TIME", 1, "RETRYCOUNT", 70_000, "FORCE"])
        commands.append(["XACK", key, "a", "3-1", "13-1", "25-1"])
        commands.append(["XDEL", key, "4-1", "5-1", "14-1", "60-1"])
        commands.append(["XAUTOCLAIM", key, "a", "one", 0, "0"])
        commands.append(["XGROUP", "DELCONSUMER", key, "b", "two"])
        commands.append(["XTRIM", key, "MAXLEN", 40])
        commands.append(["XGROUP", "SETID", key, "c", "20-1"])
        commands.append(["XGROUP", "CREATECONSUMER", key, "c", "idle"])
        return commands
    }

    /// Saves, and reads the file.
    fileprivate func dump() async throws -> [UInt8] {
        try await command("SAVE")
        return [UInt8](try Data(contentsOf: dumpFile))
    }
}
