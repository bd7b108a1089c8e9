// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// The pods of an Indexed Job make one set together: committed once, by whichever is last, also when pods die and are
/// started again.
struct IndexedJobTests {
    private static func arguments(_ shards: [RedisServer], _ store: TestedStore, count: Int, job: String) -> [String] {
        [
            "backup", "--to", store.url, "--name", "many", "--output", "json", "--members", "one-per-shard",
            "--shard-count", "\(count)", "--job-id", "00000000-0000-4000-8000-0000000000\(job)",
        ] + shards.flatMap { ["--endpoint", $0.url] }
    }

    private static func run(
        _ index: Int,
        of count: Int,
        _ shards: [RedisServer],
        _ store: TestedStore,
        job: String = "01"
    ) async throws -> Redoubt.Outcome {
        try await Redoubt.run(
            arguments(shards, store, count: count, job: job),
            environment: store.environment.merging(["JOB_COMPLETION_INDEX": "\(index)"]) { $1 }
        )
    }

    private func withShards(_ count: Int, _ body: ([RedisServer]) async throws -> Void) async throws {
        func more(_ servers: [RedisServer]) async throws {
            guard servers.count < count else { return try await body(servers) }
            try await withRedis(.redis70) { server in
                try await server.command("SET", "shard", servers.count)
                try await more(servers + [server])
            }
        }
        try await more([])
    }

    /// Everything that is visible, but for what the pods of a Job leave for each other.
    private static func expectClean(_ store: TestedStore, good: [String]) async throws {
        let stray = try await store.keys().filter { key in
            !key.hasPrefix(".runs/") && !good.contains { key.contains("/\($0)/") }
        }
        #expect(stray.isEmpty)
        #expect(try await store.unfinished().isEmpty)
    }

    @Test func theLastPodCommitsTheSet() async throws {
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder)
            try await withShards(4) { shards in
                for index in [2, 0] {
                    let outcome = try await Self.run(index, of: 3, shards, store)
                    #expect(outcome.code == 0, "\(outcome.errors)")
                    #expect(try TestJSON(parsing: outcome.output)["committed"] == nil)
                    #expect(try await store.listedIDs() == [])
                }
                let last = try await Self.run(1, of: 3, shards, store)
                try #require(last.code == 0, "\(last.errors)")
                let manifest = try #require(try TestJSON(parsing: last.output)["committed"])
                #expect(manifest["members"]?.array?.count == 4)
                let good = try await store.listedIDs()
                #expect(good.count == 1)
                try await store.expectSound(after: last, code: 0, good: good)
                try await Self.expectClean(store, good: good)
                // A pod that is started again finds nothing to do.
                for index in 0..<3 {
                    let again = try await Self.run(index, of: 3, shards, store)
                    try await store.expectSound(after: again, code: 0, good: good)
                }
            }
        }
    }

    @Test(arguments: InterruptionTests.Kind.allCases)
    func allPodsAtOnceCommitOneSet(kind: InterruptionTests.Kind) async throws {
        try await kind.withStore { store in
            try await withShards(6) { shards in
                let outcomes = try await withThrowingTaskGroup(of: Redoubt.Outcome.self) { group in
                    for index in 0..<4 { group.addTask { try await Self.run(index, of: 4, shards, store) } }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(outcomes.allSatisfy { $0.code == 0 }, "\(outcomes.map(\.errors))")
                let good = try await store.listedIDs()
                #expect(good.count == 1)
                for outcome in outcomes { try await store.expectSound(after: outcome, code: 0, good: good) }
                try await Self.expectClean(store, good: good)
            }
        }
    }

    /// Pods are killed at any moment and started again, as a Job does, until all have ended well.
    @Test func podsThatAreKilledGoOnWhereTheyWere() async throws {
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder)
            try await withShards(3) { shards in
                for round in 0..<4 {
                    let job = "1\(round)"
                    for index in 0..<2 {
                        let words = Self.arguments(shards, store, count: 2, job: job)
                        try await Redoubt.withRunning(
                            words,
                            environment: ["JOB_COMPLETION_INDEX": "\(index)"]
                        ) { process in
                            try await Task.sleep(for: .milliseconds(Int.random(in: 30...250)))
                            process.kill(SIGKILL)
                            _ = try await Redoubt.outcome(of: process)
                        }
                        let outcome = try await Self.run(index, of: 2, shards, store, job: job)
                        #expect(outcome.code == 0, "\(outcome.errors)")
                    }
                    let good = try await store.listedIDs()
                    #expect(good.count == round + 1)
                    for id in good { try await store.expectRestores(id) }
                }
            }
        }
    }

    @Test func aMemberThatFailsMakesThePartAndTheSetPartial() async throws {
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder)
            try await withShards(2) { shards in
                try await withFreePort { port in
                    let missing = ["--endpoint", "redis://127.0.0.1:\(port)"]
                    var codes: [Int32?] = []
                    for index in 0..<3 {
                        codes.append(
                            try await Redoubt.run(
                                Self.arguments(shards, store, count: 3, job: "01") + missing,
                                environment: ["JOB_COMPLETION_INDEX": "\(index)"]
                            ).code
                        )
                    }
                    #expect(codes.contains(3) && codes.allSatisfy { $0 == 0 || $0 == 3 })
                    let good = try await store.listedIDs()
                    #expect(good.count == 1)
                    for id in good { try await store.expectRestores(id) }
                }
            }
        }
    }

    /// Another run of the same subject waits, or is told so; it never mixes with the pods of a Job.
    @Test func anotherRunIsLockedOutMeanwhile() async throws {
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder)
            try await withShards(2) { shards in
                for shard in shards { try await shard.command("CONFIG", "SET", "rdb-key-save-delay", 30_000_000) }
                try await Redoubt.withRunning(
                    Self.arguments(shards, store, count: 1, job: "01"),
                    environment: ["JOB_COMPLETION_INDEX": "0"]
                ) { process in
                    try await eventually("the lease is there", withinSeconds: 30) {
                        try await store.keys().contains(".locks/many.json") ? true : nil
                    }
                    let other = try await Redoubt.run(
                        ["backup", "--to", store.url, "--name", "many", "--endpoint", shards[0].url]
                    )
                    #expect(other.code == 11, "\(other.errors)")
                    // A pod of the same Job that was given something else fails, and takes the lease from nobody.
                    try await eventually("the plan is there", withinSeconds: 30) {
                        try await store.keys().contains { $0.hasSuffix("/plan.json") } ? true : nil
                    }
                    let wrong = try await Self.run(1, of: 2, shards, store)
                    #expect(wrong.code == 7, "\(wrong.errors)")
                    #expect(try await store.keys().contains(".locks/many.json"))
                    process.kill(SIGTERM)
                    let ended = try await Redoubt.outcome(of: process)
                    try await store.expectSound(after: ended, code: 143, good: [])
                }
            }
        }
    }

    private static let uuid = "00000000-0000-4000-8000-000000000001"

    @Test(arguments: [
        ["--shard-count", "2"], ["--shard-index", "1"], ["--job-id", uuid],
        ["--shard-count", "0", "--job-id", uuid, "--shard-index", "0"], ["--shard-count", "2", "--job-id", uuid],
        ["--shard-count", "2", "--job-id", uuid, "--shard-index", "2"],
        ["--shard-count", "2", "--job-id", "nightly", "--shard-index", "1"],
    ])
    func whatIsNoPartIsUsage(options: [String]) async throws {
        let outcome = try await Redoubt.run(
            ["backup", "--to", "file:///nonexistent", "--endpoint", "redis://127.0.0.1:1"] + options
        )
        #expect(outcome.code == 64, "\(outcome.errors)")
    }
}
