// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// F12: a snapshot that is taken of a primary which Sentinel watches would show up there as a phantom replica.
struct SentinelTests {
    @Test func aWatchedPrimaryIsLeftOutByNameAndSentinelSeesNoPhantom() async throws {
        try await withTemporaryFolder { folder in
            try await withReplicatedRedis(.redis70, replicas: 1) { primary, replicas in
                try await Dataset.small.load(into: primary)
                try await primary.waitUntilSynchronized(replicas)
                try await withFreePort { port in
                    let file = folder.appendingPathComponent("sentinel.conf")
                    try """
                    port \(port)
                    bind 127.0.0.1
                    sentinel monitor group 127.0.0.1 \(primary.port) 1
                    """.write(to: file, atomically: true, encoding: .utf8)
                    try await withProcess(Parts.server(.redis70), [file.path, "--sentinel"]) { _ in
                        try await eventually("Sentinel watches the primary", withinSeconds: 30) {
                            let channels = try await primary.command("PUBSUB", "NUMSUB", "__sentinel__:hello")
                            return channels.array?.last?.int == 1 ? true : nil
                        }
                        try await backUp(
                            primary,
                            replicas[0],
                            TestedStore.folder(folder.appendingPathComponent("store"))
                        )
                        let seen = try await TestConnection.open(port: port, password: nil) {
                            try await $0.command(["SENTINEL", "REPLICAS", "group"])
                        }
                        #expect(seen.array?.count == 1)
                    }
                }
            }
        }
    }

    private func backUp(_ primary: RedisServer, _ replica: RedisServer, _ store: TestedStore) async throws {
        let both = try await store.redoubt(
            "backup",
            "--endpoint",
            primary.url,
            "--endpoint",
            replica.url,
            "--to",
            store.url,
            "--name",
            "demo"
        )
        #expect(both.code == 0, "\(both.errors)")
        #expect(both.output.contains("left out  127.0.0.1-\(primary.port)"))
        let good = try await store.listedIDs()
        #expect(good.count == 1)
        let alone = try await store.redoubt(
            "backup",
            "--endpoint",
            primary.url,
            "--to",
            store.url,
            "--name",
            "demo"
        )
        #expect(alone.errors.contains("--from-watched-primary"))
        try await store.expectSound(after: alone, code: 8, good: good)
    }
}
