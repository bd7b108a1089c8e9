// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// Clusters: slots, nodes and epochs go into the manifest, and nothing is taken while slots move (F42).
struct ClusterTests {
    private static func fill(_ primaries: [RedisServer], from first: Int = 0) async throws {
        for number in first..<(first + 300) {
            for primary in primaries
            where try await primary.ask("SET", "key:\(number)", "value-\(number)").errorText == nil {
                break
            }
        }
    }

    private static func backup(
        _ nodes: [RedisServer],
        _ store: TestedStore,
        _ more: [String] = []
    ) async throws -> Redoubt.Outcome {
        let endpoints = nodes.flatMap { ["--endpoint", $0.url] }
        return try await Redoubt.run(
            ["backup", "--to", store.url, "--name", "cluster", "--output", "json"] + endpoints + more
        )
    }

    @Test(arguments: RedisFlavour.allCases)
    func oneSetCoversAllShards(flavour: RedisFlavour) async throws {
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder)
            try await withRedisCluster(flavour, shards: 3, replicas: 1) { primaries, replicas in
                try await Self.fill(primaries)
                let nodes = primaries + replicas.flatMap { $0 }
                let outcome = try await Self.backup(nodes, store, ["--members", "one-per-shard", "--parallel", "3"])
                try #require(outcome.code == 0, "\(outcome.errors)")
                let manifest = try TestJSON(parsing: outcome.output)
                #expect(manifest["cluster"]?["assignedSlots"] == "0-16383")
                #expect(manifest["cluster"]?["storedSlots"] == "0-16383")
                #expect((manifest["cluster"]?["currentEpoch"]?.int ?? 0) >= 3)
                let members = try #require(manifest["members"]?.array)
                #expect(members.count == 3)
                #expect(members.allSatisfy { $0["role"] == "replica" && $0["server"]?["mode"] == "cluster" })
                let slots = Set(members.compactMap { $0["shard"]?["slots"]?.text })
                #expect(slots == ["0-5460", "5461-10921", "10922-16383"])
                for member in members {
                    let shard = try #require(member["shard"])
                    #expect(shard["nodeId"]?.text?.count == 40 && shard["primaryId"]?.text?.count == 40)
                    #expect(shard["nodeId"]?.text != shard["primaryId"]?.text)
                }
                let keys = members.reduce(0) { $0 + ($1["rdb"]?["keys"]?["0"]?.int ?? 0) }
                #expect(keys == 300)
                try await store.expectSound(after: outcome, code: 0, good: try await store.listedIDs())
            }
        }
    }

    @Test func nothingIsTakenWhileSlotsMove() async throws {
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder)
            try await withRedisCluster(.redis70, shards: 2) { primaries, _ in
                try await Self.fill(primaries)
                let ids = [
                    try await primaries[0].command("CLUSTER", "MYID").text ?? "",
                    try await primaries[1].command("CLUSTER", "MYID").text ?? "",
                ]
                try await primaries[1].command("CLUSTER", "SETSLOT", 100, "IMPORTING", ids[0])
                try await primaries[0].command("CLUSTER", "SETSLOT", 100, "MIGRATING", ids[1])
                let refused = try await Self.backup(primaries, store)
                #expect(refused.errors.contains("--allow-slot-migration"))
                try await store.expectSound(after: refused, code: 8, good: [])
                let check = try await Redoubt.run(["check"] + primaries.flatMap { ["--endpoint", $0.url] })
                #expect(check.code == 8 && check.output.contains("FAILS  slots"), "\(check.output)")
                let allowed = try await Self.backup(primaries, store, ["--allow-slot-migration"])
                try #require(allowed.code == 0, "\(allowed.errors)")
                let warnings = try TestJSON(parsing: allowed.output)["members"]?[0]?["warnings"]?[0]?.text
                #expect(warnings?.contains("--allow-slot-migration") == true, "the set says so itself")
                try await primaries[0].command("CLUSTER", "SETSLOT", 100, "STABLE")
                try await primaries[1].command("CLUSTER", "SETSLOT", 100, "STABLE")
                let calm = try await Self.backup(primaries, store)
                #expect(calm.code == 0, "\(calm.errors)")
            }
        }
    }

    /// A slot that moves while the snapshots are taken: the set is not committed.
    @Test func aSlotThatMovedMeanwhileEndsTheRun() async throws {
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder)
            try await withRedisCluster(.redis70, shards: 2) { primaries, _ in
                try await Self.fill(primaries)
                let target = try await primaries[1].command("CLUSTER", "MYID").text ?? ""
                // A save that takes long enough for a slot to move.
                for primary in primaries { try await primary.command("CONFIG", "SET", "rdb-key-save-delay", 20_000) }
                let endpoints = primaries.flatMap { ["--endpoint", $0.url] }
                try await Redoubt.withRunning(
                    ["backup", "--to", store.url, "--name", "cluster", "--output", "json"] + endpoints
                ) { process in
                    try await eventually("a save runs", withinSeconds: 30) {
                        for primary in primaries
                        where try await primary.info("persistence")["rdb_bgsave_in_progress"] == "1" {
                            return true
                        }
                        return nil
                    }
                    for primary in primaries.reversed() {
                        try await primary.command("CLUSTER", "SETSLOT", 16000, "NODE", target)
                        try await primary.command("CLUSTER", "SETSLOT", 0, "NODE", target)
                    }
                    let outcome = try await Redoubt.outcome(of: process)
                    #expect(outcome.errors.contains("slots moved") || outcome.errors.contains("do not agree"))
                    let code = try #require(outcome.code)
                    #expect([6, 8].contains(code))
                    try await store.expectSound(after: outcome, code: code, good: [])
                    try await store.expectNothingHalfMade(good: [])
                }
            }
        }
    }

    @Test func aShardThatIsMissingIsRefusedUnlessAllowed() async throws {
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder)
            try await withRedisCluster(.redis70, shards: 2) { primaries, _ in
                let refused = try await Self.backup([primaries[0]], store)
                #expect(refused.code == 8 && refused.errors.contains("--allow-missing-slots"), "\(refused.errors)")
                let allowed = try await Self.backup([primaries[0]], store, ["--allow-missing-slots"])
                try #require(allowed.code == 0, "\(allowed.errors)")
                #expect(try TestJSON(parsing: allowed.output)["cluster"]?["storedSlots"] == "0-8191")
            }
        }
    }
}
