// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// Restoring into servers that run: one, or a whole set that was wiped.
@Suite(.serialized)
struct RestoreServersTests {
    /// F40: the servers load it with AOF on and off; F36: nobody follows an empty primary.
    @Test(arguments: RedisFlavour.allCases, [false, true])
    func aWipedSetComesBackByOneCommand(flavour: RedisFlavour, appendOnly: Bool) async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: flavour, in: folder)
            try await withFreshServers(3, flavour, .with { $0.appendOnly = appendOnly }) { servers in
                let restore = try await set.restore(into: servers, "--yes", "--output", "json")
                try #require(restore.code == 0, "\(restore.errors)")
                let report = try ServersReport(restore)
                #expect(report.outcome == "restored" && report.warnings.isEmpty)
                #expect(report.fullSyncs == 0 && report.partialSyncs == 2)
                #expect(report.servers.map(\.role) == ["primary", "replica", "replica"])
                #expect(report.servers.map(\.rejoin) == [nil, "partial", "partial"])
                try await set.expectRestored(servers)
                let stats = try await servers[0].info("stats")
                #expect(stats["sync_full"] == "0" && stats["sync_partial_ok"] == "2")
                // A write goes through, and what is on the disks is what is in memory.
                try await servers[0].command("SET", "written-after", "1")
                try await servers[0].waitUntilSynchronized(Array(servers.dropFirst()))
                // Once more: there is nothing to do.
                let again = try await set.restore(into: servers, "--yes", "--output", "json")
                #expect(again.code == 0, "\(again.errors)")
                #expect(try ServersReport(again).outcome == "nothing-to-do")
                let kept = try await servers[0].command("GET", "written-after").text
                #expect(kept == "1")
                if appendOnly {
                    let digest = try await DatasetDigest(of: servers[1])
                    try await servers[1].restart()
                    let found = try await DatasetDigest(of: servers[1])
                    #expect(found == digest)
                }
            }
        }
    }

    /// A fresh pod of a living set: it continues where the snapshot ended.
    @Test(arguments: RedisFlavour.allCases)
    func oneFreshServerRejoinsALivingPrimary(flavour: RedisFlavour) async throws {
        try await withTemporaryFolder { folder in
            let store = "file://\(folder.path)"
            try await withReplicatedRedis(flavour, replicas: 1) { primary, replicas in
                try await Dataset.small.load(into: primary)
                try await primary.waitUntilSynchronized(replicas)
                let backup = try await Redoubt.run("backup", "--endpoint", replicas[0].url, "--to", store)
                try #require(backup.code == 0, "\(backup.errors)")
                try await primary.command("SET", "written-after", "1")
                let before = try await primary.info("stats")
                try await withRedis(flavour) { fresh in
                    let restore = try await Redoubt.run(
                        [
                            "restore", "--from", store, "--endpoint", fresh.url, "--rejoin", primary.url, "--output",
                            "json",
                        ]
                    )
                    try #require(restore.code == 0, "\(restore.errors)")
                    let report = try ServersReport(restore)
                    #expect(report.servers.first?.rejoin == "partial")
                    #expect(report.servers.first?.rejoinBytes ?? 0 > 0)
                    try await primary.waitUntilSynchronized([fresh])
                    let (ours, theirs) = try await (DatasetDigest(of: primary), DatasetDigest(of: fresh))
                    #expect(ours == theirs)
                    let after = try await primary.info("stats")
                    #expect(after["sync_full"] == before["sync_full"])
                }
            }
        }
    }

    /// Over TLS on both ways, with passwords; and a user who has only the rights of the documentation.
    @Test func aSetOverTLSWithPasswords() async throws {
        let material = try await TLSMaterial.shared()
        let secret = "a-secret-of-the-set"
        let user =
            "restorer on >\(secret)-too "
            + "+info +replicaof +role +ping +client|setname +client|id +client|list +config|get +module|list "
            + "+pubsub|numsub"
        let options = RedisOptions.with {
            $0.tls = material
            $0.tlsClients = "yes"
            $0.password = secret
            $0.users = [user]
            $0.config = [
                "tls-replication yes", "masterauth \(secret)", "tls-client-cert-file \(material.clientCertificate)",
                "tls-client-key-file \(material.clientKey)",
            ]
        }
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: .redis70, in: folder)
            try await withFreshServers(2, .redis70, options) { servers in
                let arguments =
                    ["restore", "--from", set.store.url, "--yes", "--output", "json", "--user", "restorer"]
                    + servers.flatMap { ["--endpoint", "rediss://127.0.0.1:\($0.tlsPort)"] }
                    + [
                        "--cacert", material.authority, "--cert", material.clientCertificate, "--key",
                        material.clientKey,
                    ]
                let environment = ["REDISCLI_AUTH": "\(secret)-too"]
                // The certificate of a client does not make a server: its own is given, or it is refused before
                // anything is lost.
                let seed = ["--seed-cert", material.serverCertificate, "--seed-key", material.serverKey]
                let restore = try await Redoubt.run(arguments + seed, environment: environment)
                try #require(restore.code == 0, "\(restore.errors)")
                #expect(!restore.errors.contains(secret) && !restore.output.contains(secret))
                let report = try ServersReport(restore)
                #expect(report.fullSyncs == 0 && report.partialSyncs == 1)
                for server in servers {
                    let found = try await DatasetDigest(of: server)
                    #expect(found == set.digest)
                }
            }
        }
    }

    /// What was there is taken back only when all of the new is there; and what was the primary stays it.
    @Test func dataIsReplacedOnlyWhenThatIsSaid() async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: .redis70, in: folder)
            try await withReplicatedRedis(.redis70, replicas: 2) { primary, replicas in
                try await primary.command("SET", "old", "1")
                try await primary.waitUntilSynchronized(replicas)
                let servers = [replicas[0], primary, replicas[1]]
                let refused = try await set.restore(into: servers, "--yes")
                #expect(refused.code == 8 && refused.errors.contains("--replace"), "\(refused.errors)")
                let asked = try await set.restore(into: servers, "--replace")
                #expect(asked.code == 8 && asked.errors.contains("--yes"), "\(asked.errors)")
                let kept = try await primary.command("GET", "old").text
                #expect(kept == "1")
                let restore = try await set.restore(into: servers, "--replace", "--yes")
                try #require(restore.code == 0, "\(restore.errors)")
                try await set.expectRestored([primary] + replicas)
            }
        }
    }

    /// Every pair of versions: it loads, or is refused before anything is touched.
    @Test(arguments: RedisFlavour.allCases)
    func everyPairOfVersionsLoadsOrIsRefused(source: RedisFlavour) async throws {
        let loads: [RedisFlavour: Set<RedisFlavour>] = [
            .redis62: [.redis62, .redis70, .valkey91], .redis70: [.redis70, .valkey91], .valkey91: [.valkey91],
        ]
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: source, in: folder)
            for target in RedisFlavour.allCases {
                try await withFreshServers(1, target) { servers in
                    let runID = try await servers[0].info("replication")["master_replid"]
                    let restore = try await set.restore(into: servers)
                    let after = try await servers[0].info("replication")
                    if loads[source, default: []].contains(target) {
                        #expect(restore.code == 0, "\(source) into \(target): \(restore.errors)")
                        let held = try await DatasetDigest(of: servers[0])
                        #expect(held.keys == set.digest.keys, "\(source) into \(target)")
                    } else {
                        #expect(restore.code == 8, "\(source) into \(target): \(restore.errors)")
                        #expect(after["master_replid"] == runID && after["role"] == "master")
                    }
                }
            }
        }
    }

    /// The pods of a set know their primary by another name than the one by which they are spoken to.
    @Test func emptyServersThatFollowEachOtherByAnotherNameComeBack() async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: .redis70, in: folder)
            try await withFreshServers(2) { servers in
                try await servers[1].command("REPLICAOF", "localhost", servers[0].port)
                try await eventually("the replica to be online") {
                    try await servers[1].info("replication")["master_link_status"] == "up" ? true : nil
                }
                let outcome = try await set.restore(into: servers, "--yes")
                #expect(outcome.code == 0, "\(outcome.errors)")
                try await set.expectRestored(servers)
            }
        }
    }

    @Test func aDryRunShowsThePlanAndTouchesNothing() async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: .redis70, in: folder)
            try await withFreshServers(2) { servers in
                let dry = try await set.restore(into: servers, "--dry-run")
                #expect(dry.code == 0, "\(dry.errors)")
                for word in ["would-restore", "rdb-version", "GO", "memory"] { #expect(dry.output.contains(word)) }
                let keys = try await servers[0].command("DBSIZE").int
                #expect(keys == 0)
                try await servers[1].command("SET", "a", "1")
                let refused = try await set.restore(into: servers, "--dry-run")
                #expect(refused.code == 8 && refused.output.contains("NO-GO"), "\(refused.errors)")
            }
        }
    }

    /// Sentinel would fail over in the middle; where it was told to go on, it is asked at the end whom it follows.
    @Test func aSetThatSentinelWatchesIsRefusedOrAsked() async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: .redis70, in: folder)
            try await withReplicatedRedis(.redis70, replicas: 1) { primary, replicas in
                try await withFreePort { port in
                    let file = folder.appendingPathComponent("sentinel.conf")
                    try "port \(port)\nbind 127.0.0.1\nsentinel monitor group 127.0.0.1 \(primary.port) 1\n"
                        .write(to: file, atomically: true, encoding: .utf8)
                    try await withProcess(Parts.server(.redis70), [file.path, "--sentinel"]) { _ in
                        try await eventually("Sentinel watches both") { () -> Bool? in
                            for server in [primary, replicas[0]] {
                                let channels = try await server.command("PUBSUB", "NUMSUB", "__sentinel__:hello")
                                guard channels.array?.last?.int == 1 else { return nil }
                            }
                            return true
                        }
                        let servers = [primary] + replicas
                        let refused = try await set.restore(into: servers, "--yes")
                        #expect(refused.code == 8 && refused.errors.contains("--ignore-sentinel"), "\(refused.errors)")
                        let restore = try await set.restore(
                            into: servers,
                            "--yes",
                            "--ignore-sentinel",
                            "--output",
                            "json"
                        )
                        try #require(restore.code == 0, "\(restore.errors)")
                        let report = try ServersReport(restore)
                        #expect(report.sentinelAgrees == true && report.partialSyncs == 1)
                        try await set.expectRestored(servers)
                    }
                }
            }
        }
    }

    /// F38, F41: expiries that are moved or removed make another history, which all of the set share.
    @Test(arguments: RedisFlavour.allCases, ["shift", "persist"])
    func expiriesAreMovedOrRemovedInAllOfTheSet(flavour: RedisFlavour, ttl: String) async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: flavour, in: folder) { primary in
                try await primary.command("SET", "session", "1", "PX", 600_000)
            }
            try await Task.sleep(for: .seconds(1.1))
            try await withFreshServers(2, flavour) { servers in
                let restore = try await set.restore(into: servers, "--yes", "--ttl", ttl, "--output", "json")
                try #require(restore.code == 0, "\(restore.errors)")
                let report = try ServersReport(restore)
                #expect(report.fullSyncs == 0 && report.partialSyncs == 1, "\(restore.output)")
                var left: [Int?] = []
                for server in servers { left.append(try await server.command("PTTL", "session").int) }
                if ttl == "persist" {
                    #expect(left == [-1, -1])
                } else {
                    // 6.2 tells what is left, the second is asked a little later, and snapshots tell whole seconds.
                    let (first, second) = (try #require(left[0]), try #require(left[1]))
                    #expect(first > second - 10 && first <= 601_000)
                    let digests = try await (DatasetDigest(of: servers[0]), DatasetDigest(of: servers[1]))
                    #expect(digests.0 == digests.1)
                }
                let histories = try await servers[0].info("replication")
                let before = try await set.store.redoubt("show", set.id, "--from", set.store.url, "--output", "json")
                #expect(!before.output.contains(try #require(histories["master_replid2"])))
                let again = try await set.restore(into: servers, "--yes", "--ttl", ttl, "--output", "json")
                #expect(try ServersReport(again).outcome == "nothing-to-do", "\(again.errors)")
            }
        }
    }
}
