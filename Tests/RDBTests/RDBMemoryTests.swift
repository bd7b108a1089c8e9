// SPDX-License-Identifier: Apache-2.0

import Foundation
import RDB
import TestParts
import Testing

/// The estimate of memory against servers that hold the data.
struct RDBMemoryTests {
    @Test(arguments: RedisFlavour.allCases, MemoryLoad.allCases)
    func theEstimateIsNearWhatAServerUses(flavour: RedisFlavour, load: MemoryLoad) async throws {
        try await withRedis(flavour) { server in
            let before = try await server.usedMemory()
            try await load.fill(server)
            let used = try await server.usedMemory() - before
            try await server.command("SAVE")
            var scanner = RDBScanner(level: .deep, census: RDBCensus())
            try scanner.consume([UInt8](try Data(contentsOf: server.dumpFile)))
            _ = try scanner.finish()
            let census = try #require(scanner.census)
            let ratio = Double(census.memoryBytes) / Double(used)
            #expect(flavour.expectedRatio.contains(ratio), "\(census.memoryBytes) bytes for \(used): \(ratio)")
            #expect(census.encodings.keys.contains { load.valueTypes.contains($0) }, "\(census.encodings.keys)")
        }
    }
}

/// Data of one kind, so much of it that the rest of the server does not count.
enum MemoryLoad: String, CaseIterable {
    case shortStrings, longStrings, expiringStrings, packedHashes, hashes, lists, intsets, sets, packedSortedSets
    case sortedSets

    /// The value types that it is meant to try.
    var valueTypes: Set<UInt8> {
        switch self {
        case .shortStrings, .longStrings, .expiringStrings: [0]
        case .packedHashes: [13, 16]
        case .hashes: [4]
        case .lists: [14, 18]
        case .intsets: [11]
        case .sets: [2]
        case .packedSortedSets: [12, 17]
        case .sortedSets: [5]
        }
    }

    /// Tables are grown long before the last key, so that none is being moved when the memory is read.
    func fill(_ server: RedisServer) async throws {
        let commands: [[any CommandWord]] =
            switch self {
            case .shortStrings: (0..<50_000).map { ["SET", "key:\($0)", "value of \($0)"] }
            case .longStrings: (0..<50_000).map { ["SET", "key:\($0)", String(repeating: "v", count: 100 + $0 % 400)] }
            case .expiringStrings: (0..<50_000).map { ["SET", "key:\($0)", "value of \($0)", "EX", 100_000] }
            case .packedHashes:
                (0..<25_000).map { ["HSET", "key:\($0)", "name", "of \($0)", "mail", "to \($0)", "number", $0] }
            case .lists: (0..<25_000).map { ["RPUSH", "key:\($0)", "one \($0)", "two", "three", $0] }
            case .intsets: (0..<25_000).map { ["SADD", "key:\($0)", $0, $0 + 1, $0 + 70_000, 7] }
            case .packedSortedSets: (0..<25_000).map { ["ZADD", "key:\($0)", 1, "one \($0)", "2.5", "two \($0)"] }
            case .hashes: Self.big { ["HSET", $0, "field:\($1)", "value of \($1)"] }
            case .sets: Self.big { ["SADD", $0, "member:\($1)"] }
            case .sortedSets: Self.big { ["ZADD", $0, $1, "member:\($1)"] }
            }
        for start in stride(from: 0, to: commands.count, by: 10_000) {
            try await server.pipeline(Array(commands[start..<min(start + 10_000, commands.count)]))
        }
    }

    private static func big(_ command: (String, Int) -> [any CommandWord]) -> [[any CommandWord]] {
        // Each once more: only commands move a table that has grown, step by step.
        (0..<60).flatMap { key in (0..<1600).map { command("key:\(key)", $0 % 800) } }
    }
}

extension RedisFlavour {
    /// How near the estimate must be. This build of Redis 6.2 has the jemalloc of Redis. Debian's Redis 7.0 has that of
    /// Debian, with coarser size classes, and this build of Valkey the allocator of glibc: small keys take more there.
    fileprivate var expectedRatio: ClosedRange<Double> {
        switch self {
        case .redis62: 0.97...1.03
        case .redis70: 0.8...1.03
        case .valkey91: 0.7...1.03
        }
    }
}

extension RedisServer {
    /// What it uses now, without this connection.
    fileprivate func usedMemory() async throws -> Int {
        let info = try await info("memory")
        return (info["used_memory"].flatMap { Int($0) } ?? 0) - (info["mem_clients_normal"].flatMap { Int($0) } ?? 0)
    }
}
