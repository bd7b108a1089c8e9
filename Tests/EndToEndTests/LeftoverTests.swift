// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// `list --incomplete` and `prune --incomplete` on real stores.
struct LeftoverTests {
    private struct Incomplete: Decodable {
        let incomplete: [Item]

        struct Item: Decodable {
            let kind: String
            let key: String
            let name: String
            let ageSeconds: Int
            let bytes: Int?
            let lease: String?
        }
    }

    private struct Pruned: Decodable {
        let remnants: [Item]

        struct Item: Decodable {
            let key: String
            let outcome: String
        }
    }

    private func incomplete(_ store: TestedStore) async throws -> [Incomplete.Item] {
        let outcome = try await store.redoubt("list", "--incomplete", "--from", store.url, "--output", "json")
        try #require(outcome.code == 0, "\(outcome.errors)")
        return try JSONDecoder().decode(Incomplete.self, from: Data(outcome.outputBytes)).incomplete
    }

    private func prune(_ store: TestedStore, _ more: String...) async throws -> (Redoubt.Outcome, [Pruned.Item]) {
        let outcome = try await Redoubt.run(
            ["prune", "--incomplete", "--from", store.url, "--output", "json"] + more,
            environment: store.environment
        )
        let pruned = try? JSONDecoder().decode(Pruned.self, from: Data(outcome.outputBytes))
        return (outcome, pruned?.remnants ?? [])
    }

    /// A server that gives its snapshot slowly, so that a backup of it is under way for a while.
    private func withStallingServer(_ body: (String, FaultProxy) async throws -> Void) async throws {
        try await withRedis(.redis70) { redis in
            try await Dataset.with { $0.bigValueBytes = 20_000_000 }.load(into: redis)
            try await withFaultProxy(to: redis.port) { proxy in
                proxy.add(.stall(afterBytes: 15_000_000), .toClient)
                try await body("redis://127.0.0.1:\(proxy.port)", proxy)
            }
        }
    }

    /// What a killed backup leaves is shown, and goes only when it is old enough, nobody works on its subject, and
    /// somebody said yes.
    @Test(arguments: InterruptionTests.Kind.allCases)
    func whatAKilledBackupLeavesIsShownAndRemoved(kind: InterruptionTests.Kind) async throws {
        try await kind.withStore { store in
            try await withRedis(.redis70) { redis in
                try await Dataset.small.load(into: redis)
                let good = ["backup", "--endpoint", redis.url, "--to", store.url, "--name", "demo"]
                let first = try await Redoubt.run(good, environment: store.environment)
                try #require(first.code == 0, "\(first.errors)")
            }
            let ids = try await store.listedIDs()
            #expect(try await incomplete(store).isEmpty)
            try await withStallingServer { endpoint, _ in
                let backup = [
                    "backup", "--endpoint", endpoint, "--to", store.url, "--name", "demo", "--part-size", "5",
                    "--compression", "none",
                ]
                try await Redoubt.withRunning(backup, environment: store.environment) { process in
                    try await eventually("the backup to stage something") {
                        try await store.unfinished().contains { $0.contains(".rdb") } ? true : nil
                    }
                    let live = try await incomplete(store)
                    #expect(live.map(\.kind) == ["unfinished"] && live[0].lease?.contains("backup by process") == true)
                    // 50: a live run loses nothing, whatever the grace.
                    let (locked, kept) = try await prune(store, "--grace", "0s", "--yes")
                    #expect(locked.code == 11 && kept.map(\.outcome) == ["locked"], "\(locked.errors)")
                    #expect(try await incomplete(store).count == 1)
                    process.kill(SIGKILL)
                    _ = try await Redoubt.outcome(of: process)
                }
            }
            let dead = try await incomplete(store)
            #expect(dead.map(\.kind) == ["unfinished"] && dead[0].lease == nil && dead[0].name == "demo")
            let (young, kept) = try await prune(store, "--yes")
            #expect(young.code == 0 && kept.map(\.outcome) == ["young"], "\(young.errors)")
            let (asked, _) = try await prune(store, "--grace", "0s")
            #expect(asked.code == 8 && asked.errors.contains("--yes"), "\(asked.errors)")
            let (dry, planned) = try await prune(store, "--grace", "0s", "--dry-run")
            #expect(dry.code == 0 && planned.map(\.outcome) == ["would-remove"])
            #expect(try await incomplete(store).count == 1)
            let (done, removed) = try await prune(store, "--grace", "0s", "--yes")
            #expect(removed.map(\.outcome) == ["removed"])
            try await store.expectSound(after: done, code: 0, good: ids)
            try await store.expectNothingHalfMade(good: ids)
            #expect(try await incomplete(store).isEmpty)
        }
    }

    /// Members without a manifest: of a set whose removal, or whose copy, stopped half way.
    @Test func halfOfASetGoesAndTheWholeOneStays() async throws {
        try await withTemporaryFolder { folder in
            let store = OpenedStore.folder(folder)
            let ids = try await store.fill(sets: 2)
            try await store.delete("demo/\(ids[0])/manifest.json")
            let found = try await incomplete(store.tested)
            #expect(found.map(\.kind) == Array(repeating: "member-without-manifest", count: 3))
            #expect(found.allSatisfy { $0.key.hasPrefix("demo/\(ids[0])/") && ($0.bytes ?? 0) > 0 })
            let (elsewhere, _) = try await prune(store.tested, "--grace", "0s", "--yes", "--name", "another")
            #expect(elsewhere.code == 0)
            #expect(try await incomplete(store.tested).count == 3)
            let (done, removed) = try await prune(store.tested, "--grace", "0s", "--yes")
            #expect(removed.map(\.outcome) == ["removed", "removed", "removed"])
            try await store.tested.expectSound(after: done, code: 0, good: [ids[1]])
            try await store.tested.expectNothingHalfMade(good: [ids[1]])
        }
    }

    /// 50: cleaning up races live backups, again and again.
    @Test(arguments: InterruptionTests.Kind.allCases)
    func cleaningUpBesideLiveBackupsTakesNothingOfThem(kind: InterruptionTests.Kind) async throws {
        try await kind.withStore { store in
            try await withRedis(.redis70) { redis in
                try await Dataset.with { $0.bigValueBytes = 6_000_000 }.load(into: redis)
                let done = Shared(false)
                let committed = try await withThrowingTaskGroup(of: Int.self) { group in
                    group.addTask {
                        while !done.value {
                            let (outcome, _) = try await prune(store, "--grace", "0s", "--yes")
                            // Before the first backup there may be no store.
                            #expect([0, 3, 10, 11].contains(outcome.code), "\(outcome.errors)")
                        }
                        return 0
                    }
                    group.addTask {
                        var committed = 0
                        for _ in 0..<12 {
                            let outcome = try await store.redoubt(
                                "backup",
                                "--endpoint",
                                redis.url,
                                "--to",
                                store.url,
                                "--name",
                                "demo",
                                "--part-size",
                                "5"
                            )
                            #expect([0, 11].contains(outcome.code), "\(outcome.errors)")
                            if outcome.code == 0 { committed += 1 }
                        }
                        done.change { $0 = true }
                        return committed
                    }
                    return try await group.reduce(0, +)
                }
                let ids = try await store.listedIDs()
                #expect(ids.count == committed && committed > 0)
                for id in ids {
                    let verify = try await store.redoubt("verify", "demo/\(id)", "--from", store.url)
                    #expect(verify.code == 0, "\(verify.errors)")
                }
                try await store.expectNothingHalfMade(good: ids)
            }
        }
    }

    @Test func withoutIncompleteOrARuleItIsNotUnderstood() async throws {
        let outcome = try await Redoubt.run("prune", "--from", "file:///nowhere")
        #expect(outcome.code == 64 && outcome.errors.contains("--incomplete"), "\(outcome.errors)")
        let nowhere = try await Redoubt.run("prune", "--incomplete", "--from", "file:///nowhere")
        #expect(nowhere.code == 10, "\(nowhere.errors)")
    }
}
