// SPDX-License-Identifier: Apache-2.0

import TestParts
import Testing

/// The promise itself: what is backed up from a server comes back in another one, byte for byte.
@Suite(.serialized)
struct RoundTripTests {
    private static let dataset = Dataset.with { $0.bigValueBytes = 100_000_000 }

    @Test(arguments: RedisFlavour.allCases)
    func aReplicaComesBackWithAOFOnAndOffAndUnknown(flavour: RedisFlavour) async throws {
        try await withTemporaryFolder { folder in
            let store = "file://\(folder.path)/store"
            var digest: DatasetDigest?
            try await withReplicatedRedis(flavour, replicas: 1) { primary, replicas in
                try await Self.dataset.load(into: primary)
                try await primary.waitUntilSynchronized(replicas)
                digest = try await DatasetDigest(of: primary)
                let backup = try await Redoubt.run(
                    "backup",
                    "--endpoint",
                    primary.url,
                    "--endpoint",
                    replicas[0].url,
                    "--members",
                    "replicas",
                    "--to",
                    store,
                    "--name",
                    "demo"
                )
                try #require(backup.code == 0, "\(backup.errors)")
            }
            let verify = try await Redoubt.run("verify", "--from", store)
            #expect(verify.code == 0, "\(verify.errors)")
            for setting in ["yes", "no", nil] {
                try await restoreAndCompare(flavour, store, setting, to: try #require(digest))
            }
        }
    }

    /// Restores into a fresh folder and starts a server there: with the setting the restore was told, or with either.
    private func restoreAndCompare(
        _ flavour: RedisFlavour,
        _ store: String,
        _ setting: String?,
        to digest: DatasetDigest
    ) async throws {
        for appendOnly in setting.map({ [$0 == "yes"] }) ?? [true, false] {
            try await withTemporaryFolder { data in
                let restore = try await Redoubt.run(
                    ["restore", "--from", store, "--data-dir", data.path]
                        + (setting.map { ["--appendonly", $0] } ?? [])
                )
                try #require(restore.code == 0, "\(restore.errors)")
                #expect(restore.output.contains("restored: demo/"))
                let options = RedisOptions.with {
                    $0.appendOnly = appendOnly
                    $0.folder = data
                }
                try await withRedis(flavour, options) { server in
                    let found = try await DatasetDigest(of: server)
                    #expect(found == digest, "appendonly \(appendOnly)")
                }
            }
        }
    }

    @Test(arguments: [RedisFlavour.redis70, .valkey91, .redis62])
    func aRestoredReplicaRejoinsByPartialResync(flavour: RedisFlavour) async throws {
        try await withTemporaryFolder { folder in
            try await withReplicatedRedis(flavour, replicas: 2) { primary, replicas in
                try await Dataset.small.load(into: primary)
                try await primary.waitUntilSynchronized(replicas)
                let store = "file://\(folder.path)/store"
                let backup = try await Redoubt.run(
                    "backup",
                    "--endpoint",
                    replicas[0].url,
                    "--to",
                    store,
                    "--name",
                    "demo"
                )
                try #require(backup.code == 0, "\(backup.errors)")

                try await primary.command("SET", "after the backup", "1")
                let before = try await primary.info("stats")
                try await withTemporaryFolder { data in
                    let restore = try await Redoubt.run(
                        "restore",
                        "--from",
                        store,
                        "--data-dir",
                        data.path,
                        "--appendonly",
                        "no"
                    )
                    try #require(restore.code == 0, "\(restore.errors)")
                    let options = RedisOptions.with {
                        $0.folder = data
                        $0.replicaOf = primary
                    }
                    try await withRedis(flavour, options) { restored in
                        try await primary.waitUntilSynchronized([restored])
                        let after = try await primary.info("stats")
                        #expect(after["sync_full"] == before["sync_full"])
                        let partial = try #require(before["sync_partial_ok"].flatMap { Int($0) })
                        #expect(after["sync_partial_ok"] == "\(partial + 1)")
                        #expect(try await DatasetDigest(of: restored) == DatasetDigest(of: primary))
                    }
                }
            }
        }
    }
}
