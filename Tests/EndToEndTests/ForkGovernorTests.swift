// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// Forks that are governed: where they happen, and whether there is memory for them (F13–F15).
struct ForkGovernorTests {
    private static func isSaving(_ server: RedisServer) async throws -> Bool {
        try await server.info("persistence")["rdb_bgsave_in_progress"] == "1"
    }

    /// Four servers on two nodes, four at a time asked for: never two forks on one node, and two at a time all the
    /// same.
    @Test func oneForkANodeAndSeveralNodesAtATime() async throws {
        try await KubernetesRunTests.withRig(
            pods: 4,
            replicate: false,
            config: ["rdb-key-save-delay 800000"],
            nodes: ["a", "b", "a", "b"]
        ) { rig in
            for pod in rig.pods { try await pod.command("SET", "a", "b") }
            try await Redoubt.withRunning(rig.arguments(["--parallel", "4"])) { process in
                var together = false
                while process.isRunning {
                    var saving: [Bool] = []
                    for pod in rig.pods { saving.append(try await Self.isSaving(pod)) }
                    #expect(!(saving[0] && saving[2]) && !(saving[1] && saving[3]))
                    if saving.count(where: { $0 }) == 2 { together = true }
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect(together)
                let outcome = try await Redoubt.outcome(of: process)
                try await rig.store.expectSound(after: outcome, code: 0, good: try await rig.store.listedIDs())
            }
        }
    }

    @Test func aForkThatDoesNotFitIsRefusedUnlessAllowed() async throws {
        try await KubernetesRunTests.withRig(pods: 1, memoryLimit: "4Mi") { rig in
            try await rig.pods[0].command("SET", "a", String(repeating: "b", count: 4_000_000))
            let refused = try await rig.backup()
            #expect(refused.errors.contains("--ignore-memory-headroom"))
            try await rig.store.expectSound(after: refused, code: 8, good: [])
            #expect(rig.api.events.first?["reason"] == "BackupFailed")
            #expect(try await rig.pods[0].info("stats")["total_forks"] == "0")
            let check = try await Redoubt.run(
                ["check", "--statefulset", "redis", "--kubeconfig", rig.kubeconfig, "--port", "\(rig.pods[0].port)"]
            )
            #expect(check.code == 8 && check.output.contains("FAILS  memory"), "\(check.output)")
            let allowed = try await rig.backup("--ignore-memory-headroom")
            try await rig.store.expectSound(after: allowed, code: 0, good: try await rig.store.listedIDs())
        }
    }

    /// A server whose memory grows while it saves: the save is given up before the container is killed.
    @Test func aSaveThatRunsOutOfMemoryIsGivenUp() async throws {
        try await KubernetesRunTests.withRig(
            pods: 1,
            config: ["rdb-key-save-delay 100000"],
            memoryLimit: "96Mi"
        ) { rig in
            // The server notices that nobody reads when it has something to write: each of these is more than a
            // buffer.
            for number in 0..<300 {
                try await rig.pods[0].command("SET", "key:\(number)", [UInt8](repeating: 7, count: 40_000))
            }
            try await Redoubt.withRunning(rig.arguments()) { process in
                try await eventually("it saves", withinSeconds: 30) {
                    try await Self.isSaving(rig.pods[0]) ? true : nil
                }
                for number in 0..<10 {
                    try await rig.pods[0].command("SET", "big:\(number)", [UInt8](repeating: 7, count: 10_000_000))
                }
                let outcome = try await Redoubt.outcome(of: process, withinSeconds: 60)
                #expect(outcome.errors.contains("the save was given up"))
                try await rig.store.expectSound(after: outcome, code: 8, good: [])
                try await rig.store.expectNothingHalfMade(good: [])
                try await eventually("the fork ends", withinSeconds: 15) {
                    try await Self.isSaving(rig.pods[0]) ? nil : true
                }
            }
        }
    }

    /// A hundred shards in one run, eight at a time: few descriptors, little memory, one set.
    @Test func aHundredShardsAreOneRun() async throws {
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder.appendingPathComponent("store"))
            func more(_ shards: [RedisServer]) async throws {
                guard shards.count == 100 else {
                    return try await withRedis(.redis70) { try await more(shards + [$0]) }
                }
                for shard in shards { try await shard.command("SET", "port", shard.port) }
                let arguments =
                    ["backup", "--to", store.url, "--name", "many", "--output", "json", "--parallel", "8"]
                    + shards.flatMap { ["--endpoint", $0.url] }
                try await Redoubt.withRunning(arguments) { process in
                    var descriptors = 0
                    while process.isRunning {
                        let open = try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process.pid)/fd")
                        descriptors = max(descriptors, open?.count ?? 0)
                        try await Task.sleep(for: .milliseconds(5))
                    }
                    let outcome = try await Redoubt.outcome(of: process)
                    try #require(outcome.code == 0, "\(outcome.errors)")
                    #expect(try TestJSON(parsing: outcome.output)["members"]?.array?.count == 100)
                    #expect((8..<300).contains(descriptors), "\(descriptors) open descriptors")
                    #expect(outcome.peakMemoryBytes < 96 << 20, "\(outcome.peakMemoryBytes) bytes")
                }
                #expect(try await store.listedIDs().count == 1)
            }
            try await more([])
        }
    }
}
