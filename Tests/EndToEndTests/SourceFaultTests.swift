// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// What goes wrong at the servers, seen from outside: exit code, store, and output.
struct SourceFaultTests {
    /// A primary with a replica that is reached through a proxy, and a store with one good backup in it.
    private struct Rig: Sendable {
        let primary: RedisServer
        let replica: RedisServer
        let proxy: FaultProxy
        let store: TestedStore
        let good: String

        var throughProxy: String { "redis://127.0.0.1:\(proxy.port)" }

        func backup(_ arguments: String..., environment: [String: String] = [:]) async throws -> Redoubt.Outcome {
            try await Redoubt.run(
                ["backup", "--to", store.url, "--name", "demo"] + arguments,
                environment: environment
            )
        }
    }

    private func withRig(_ body: @Sendable @escaping (Rig) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            try await withReplicatedRedis(.redis70, replicas: 1) { primary, replicas in
                try await Dataset.small.load(into: primary)
                try await primary.waitUntilSynchronized(replicas)
                let store = TestedStore.folder(folder.appendingPathComponent("store"))
                try await withFaultProxy(to: replicas[0].port) { proxy in
                    let first = try await Redoubt.run(
                        "backup",
                        "--to",
                        store.url,
                        "--name",
                        "demo",
                        "--endpoint",
                        replicas[0].url
                    )
                    try #require(first.code == 0, "\(first.errors)")
                    let good = try #require(try await store.listedIDs().first)
                    try await body(
                        Rig(primary: primary, replica: replicas[0], proxy: proxy, store: store, good: good)
                    )
                }
            }
        }
    }

    /// 19, 20: the connection ends midway; 21 is tried byte by byte in RedisClientTests.
    @Test(arguments: [FaultProxy.Fault.reset(afterBytes: 5000), .close(afterBytes: 5000), .close(afterBytes: 300)])
    func aConnectionThatBreaksMidwayCommitsNothing(fault: FaultProxy.Fault) async throws {
        try await withRig { rig in
            // The first connection asks how the member does; the second takes the snapshot.
            rig.proxy.add(fault, .toClient, on: .from(2))
            let outcome = try await rig.backup("--endpoint", rig.throughProxy)
            try await rig.store.expectSound(after: outcome, code: outcome.code == 4 ? 4 : 5, good: [rig.good])
            try await rig.store.expectNothingHalfMade(good: [rig.good])
        }
    }

    @Test func aBitThatTurnsOverIsNeverCommitted() async throws {
        try await withRig { rig in
            rig.proxy.add(.flip(atByte: 6000, mask: 0x10), .toClient, on: .from(2))
            let outcome = try await rig.backup("--endpoint", rig.throughProxy)
            try await rig.store.expectSound(after: outcome, code: 4, good: [rig.good])
            try await rig.store.expectNothingHalfMade(good: [rig.good])
        }
    }

    @Test func theNextMemberStandsInForOneWhoseSnapshotIsDamaged() async throws {
        try await withRig { rig in
            rig.proxy.add(.flip(atByte: 6000, mask: 0x10), .toClient, on: .from(2))
            let outcome = try await rig.backup(
                "--endpoint",
                rig.throughProxy,
                "--endpoint",
                rig.primary.url,
                "--members",
                "one-per-shard",
                "--output",
                "json"
            )
            #expect(outcome.code == 0, "\(outcome.errors)")
            let shown = try ShownBackup(outcome)
            #expect(shown.members.count == 1 && shown.members[0].role == "primary")
            #expect(shown.members[0].warnings?.first?.contains("stands in for") == true)
            try await rig.store.expectSound(after: outcome, code: 0, good: [rig.good, shown.id])
        }
    }

    @Test func aMemberThatFailsMakesTheSetPartialAndTheRestIsCommitted() async throws {
        try await withRig { rig in
            rig.proxy.add(.reset(afterBytes: 5000), .toClient, on: .from(2))
            let outcome = try await rig.backup(
                "--endpoint",
                rig.throughProxy,
                "--endpoint",
                rig.primary.url,
                "--output",
                "json"
            )
            let shown = try ShownBackup(outcome)
            #expect(shown.members.filter { $0.rdb != nil }.map(\.role) == ["primary"])
            #expect(shown.members.filter { $0.error != nil }.count == 1)
            try await rig.store.expectSound(after: outcome, code: 3, good: [rig.good, shown.id])
        }
    }

    /// 12, 13: a replica that lost its primary would save stale data happily.
    @Test func aReplicaWhosePrimaryIsGoneIsRefused() async throws {
        try await withRig { rig in
            try await rig.primary.kill()
            try await eventually("the replica to notice", withinSeconds: 20) {
                try await rig.replica.info("replication")["master_link_status"] == "down" ? true : nil
            }
            let outcome = try await rig.backup("--endpoint", rig.replica.url)
            #expect(outcome.errors.contains("replica-link-down"))
            try await rig.store.expectSound(after: outcome, code: 6, good: [rig.good])
            try await rig.store.expectNothingHalfMade(good: [rig.good])
        }
    }

    /// 16: so long, here, is a second; the primary does not ping, and nobody writes.
    @Test func aReplicaThatHeardNothingForTooLongIsRefused() async throws {
        try await withRig { rig in
            try await rig.primary.command("CONFIG", "SET", "repl-ping-replica-period", "3600")
            try await eventually("the replica to hear nothing") {
                let idle = try await rig.replica.info("replication")["master_last_io_seconds_ago"].flatMap { Int($0) }
                return idle.map { $0 > 0 } == true ? true : nil
            }
            let outcome = try await rig.backup("--endpoint", rig.replica.url, "--max-link-idle", "0s")
            try await rig.store.expectSound(after: outcome, code: 6, good: [rig.good])
        }
    }

    /// 18: a server that is stopped midway makes no progress.
    @Test func aServerThatStopsMovingIsGivenUp() async throws {
        try await withRig { rig in
            rig.proxy.add(.stall(afterBytes: 5000), .toClient, on: .from(2))
            let outcome = try await rig.backup("--endpoint", rig.throughProxy, "--timeout", "1")
            try await rig.store.expectSound(after: outcome, code: 5, good: [rig.good])
            try await rig.store.expectNothingHalfMade(good: [rig.good])
        }
    }

    /// 8, 14, 17: what the server is changes while its snapshot is on the way.
    @Test func aServerThatIsKilledMidwayCommitsNothing() async throws {
        try await withRig { rig in
            rig.proxy.add(.bandwidth(bytesPerSecond: 20_000), .toClient, on: .from(2))
            let store = rig.store
            try await Redoubt.withRunning([
                "backup", "--to", store.url, "--name", "demo", "--endpoint", rig.throughProxy,
            ]) { process in
                try await eventually("the snapshot is on its way", withinSeconds: 20) {
                    rig.proxy.connections.contains { $0.index > 1 && $0.bytesToClient > 4000 } ? true : nil
                }
                try await rig.replica.kill()
                let outcome = try await Redoubt.outcome(of: process)
                try await store.expectSound(after: outcome, code: outcome.code == 4 ? 4 : 5, good: [rig.good])
                try await store.expectNothingHalfMade(good: [rig.good])
            }
        }
    }

    @Test func aServerThatCannotBeReachedIsATransientFailure() async throws {
        try await withRig { rig in
            try await withFreePort { port in
                let outcome = try await rig.backup("--endpoint", "redis://127.0.0.1:\(port)")
                try await rig.store.expectSound(after: outcome, code: 5, good: [rig.good])
            }
        }
    }

    /// 25: what is wrong is named, and the password is not.
    @Test func aWrongPasswordAndAMissingRightArePermanentAndNamed() async throws {
        let secret = "correct-horse-battery"
        let wrong = "wrong-horse-battery"
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder)
            let options = RedisOptions.with {
                $0.password = secret
                $0.users = ["blind on >\(secret) +ping +hello +auth +info +time +replconf"]
            }
            try await withRedis(.redis70, options) { server in
                let endpoint = "redis://127.0.0.1:\(server.port)"
                let refused = try await Redoubt.run(
                    "backup",
                    "--to",
                    store.url,
                    "--endpoint",
                    endpoint,
                    environment: ["REDISCLI_AUTH": wrong]
                )
                #expect(refused.errors.contains("authentication-failed"))
                try await store.expectSound(after: refused, code: 7, good: [], secrets: [secret, wrong])
                let inURL = try await Redoubt.run(
                    "backup",
                    "--to",
                    store.url,
                    "--endpoint",
                    "redis://:\(wrong)@127.0.0.1:\(server.port)"
                )
                try await store.expectSound(after: inURL, code: 7, good: [], secrets: [secret, wrong])
                let blind = try await Redoubt.run(
                    "backup",
                    "--to",
                    store.url,
                    "--endpoint",
                    endpoint,
                    "--user",
                    "blind",
                    environment: ["REDISCLI_AUTH": secret]
                )
                #expect(blind.errors.contains("+psync"))
                try await store.expectSound(after: blind, code: 7, good: [], secrets: [secret])
            }
        }
    }

    /// 5, 6: a save that is killed leaves the server saying that all is well; the file tells.
    @Test func aVolumeSnapshotIsTakenAndProvenByItsFile() async throws {
        try await withRig { rig in
            let outcome = try await rig.backup(
                "--endpoint",
                rig.replica.url,
                "--source",
                "volume",
                "--data-dir",
                rig.replica.folder.path,
                "--output",
                "json"
            )
            let shown = try ShownBackup(outcome)
            #expect(shown.members.map(\.method) == ["volume"])
            try await rig.store.expectSound(after: outcome, code: 0, good: [rig.good, shown.id])
        }
    }
}
