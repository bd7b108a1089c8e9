// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// Restores into servers that are refused, broken off or betrayed: nobody loses what they had, and the next run
/// completes.
@Suite(.serialized)
struct RestoreServersFaultTests {
    @Test func whatMustNotBeRestoredIsRefusedUntouched() async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: .redis70, in: folder)
            try await withReplicatedRedis(.redis70, replicas: 1) { primary, replicas in
                // It follows a primary that is not restored.
                let followed = try await set.restore(into: replicas)
                #expect(followed.code == 8 && followed.errors.contains("--detach"), "\(followed.errors)")
                try await withFreshServers(1) { fresh in
                    // F36: a primary that holds nothing.
                    let empty = try await set.restore(into: fresh, "--rejoin", primary.url)
                    #expect(empty.code == 8 && empty.errors.contains("--allow-empty-primary"), "\(empty.errors)")
                    // Twice the same server.
                    let twice = try await set.restore(into: fresh + fresh, "--yes")
                    #expect(twice.code == 8 && twice.errors.contains("same server"), "\(twice.errors)")
                    // Another restore is at work there.
                    try await fresh[0].withConnection { other in
                        try await other.command("CLIENT", "SETNAME", "redoubt-restore")
                        let locked = try await set.restore(into: fresh)
                        #expect(locked.code == 11, "\(locked.errors)")
                    }
                    let keys = try await fresh[0].command("DBSIZE").int
                    #expect(keys == 0)
                }
                let link = try await replicas[0].info("replication")["master_link_status"]
                #expect(link == "up")
            }
            try await withFreshServers(1, .redis70, .with { $0.config = ["cluster-enabled yes"] }) { node in
                let refused = try await set.restore(into: node)
                #expect(refused.code == 8 && refused.errors.contains("--data-dir"), "\(refused.errors)")
            }
            try await withFreshServers(1, .redis70, .with { $0.config = ["maxmemory 1mb"] }) { small in
                let refused = try await set.restore(into: small)
                #expect(refused.code == 8 && refused.errors.contains("memory"), "\(refused.errors)")
            }
        }
    }

    /// A backup that is not what its manifest says is not loaded, and what the server held is still there.
    @Test(arguments: RedisFlavour.allCases)
    func aCorruptBackupReplacesNothing(flavour: RedisFlavour) async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: flavour, in: folder)
            var bytes = Array(try Data(contentsOf: set.object))
            bytes[bytes.count - 20] ^= 1
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: set.object.path)
            try Data(bytes).write(to: set.object)
            let config = ["repl-diskless-load disabled"]
            try await withFreshServers(1, flavour, .with { $0.config = config }) { servers in
                try await servers[0].command("SET", "old", "1")
                let restore = try await set.restore(into: servers, "--replace", "--yes", "--member", set.member)
                #expect(restore.code == 4, "\(restore.errors)")
                let (kept, keys) = try await (servers[0].command("GET", "old").text, servers[0].command("DBSIZE").int)
                #expect(kept == "1" && keys == 1)
                let role = try await servers[0].info("replication")["role"]
                #expect(role == "master")
            }
        }
    }

    @Test func aServerThatCannotComeIsPutBack() async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: .redis70, in: folder)
            try await withFreshServers(1) { servers in
                let restore = try await set.restore(
                    into: servers,
                    "--advertise",
                    "127.0.0.1:1",
                    "--connect-timeout",
                    "0.5"
                )
                #expect(restore.code == 5 && restore.errors.contains("--advertise"), "\(restore.errors)")
                let role = try await servers[0].info("replication")["role"]
                #expect(role == "master")
            }
        }
    }

    /// The server is cut off, or stops, in the middle of the snapshot.
    @Test(arguments: [FaultProxy.Fault.reset(afterBytes: 300_000), .stall(afterBytes: 300_000)])
    func aBrokenStreamLoadsNothing(fault: FaultProxy.Fault) async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: .redis70, .with { $0.bigValueBytes = 8_000_000 }, in: folder)
            let held = try TestParts.Port()
            try await withFreshServers(1) { servers in
                try await servers[0].command("SET", "old", "1")
                try await withFaultProxy(to: held.number) { proxy in
                    proxy.add(fault, .toClient)
                    let restore = try await set.restore(
                        into: servers,
                        "--replace",
                        "--yes",
                        "--listen",
                        "127.0.0.1:\(held.number)",
                        "--advertise",
                        "127.0.0.1:\(proxy.port)",
                        "--timeout",
                        "2"
                    )
                    #expect(restore.code == 5, "\(restore.errors)")
                }
                let (kept, info) = try await (servers[0].command("GET", "old").text, servers[0].info("replication"))
                #expect(kept == "1" && info["role"] == "master")
                let again = try await set.restore(into: servers, "--replace", "--yes")
                #expect(again.code == 0, "\(again.errors)")
                try await set.expectRestored(servers)
            }
        }
    }

    /// The moments of a restore, by what it says.
    enum Phase: String, CaseIterable, Sendable {
        case planned = "takes the snapshot"
        case seeded = "holds the snapshot"
        case promoted = "is the primary"
        case rejoining = "by partial synchronization"
    }

    enum Victim: CaseIterable, Sendable {
        case redoubt
        case primary
        case replica
    }

    /// Whoever dies, whenever: it is run again, and completes.
    @Test(arguments: Phase.allCases, Victim.allCases)
    func whoeverDiesTheNextRunCompletes(phase: Phase, victim: Victim) async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: .redis70, .with { $0.scale = 0.05 }, in: folder)
            try await withFreshServers(3) { servers in
                let first = try await Redoubt.withRunning(set.arguments(servers) + ["--yes"]) { process in
                    try await eventually("the restore to say: \(phase.rawValue)") {
                        process.errors.text.contains(phase.rawValue) || !process.isRunning ? true : nil
                    }
                    switch victim {
                    case .redoubt: process.kill(SIGKILL)
                    case .primary: try await servers[0].kill()
                    case .replica: try await servers[2].kill()
                    }
                    return try await Redoubt.outcome(of: process)
                }
                // It may have come to its end before the signal did.
                #expect(first.code != 0 || victim != .redoubt || first.output.contains("restored"))
                for server in [servers[0], servers[2]] where !server.child.isRunning { try await server.start() }
                let next = try await set.restore(into: servers, "--yes", "--output", "json")
                try #require(next.code == 0, "\(next.errors)")
                let report = try ServersReport(next)
                for server in servers {
                    let found = try await DatasetDigest(of: server)
                    #expect(found == set.digest, "port \(server.port)")
                }
                let roles = try await [
                    servers[0].info("replication"), servers[1].info("replication"), servers[2].info("replication"),
                ]
                #expect(roles.count { $0["role"] == "master" } == 1)
                #expect(roles.allSatisfy { $0["role"] == "master" || $0["master_link_status"] == "up" })
                // A primary that was restarted has a history of its own, and sends its replicas everything.
                if victim != .primary {
                    #expect(report.servers.allSatisfy { $0.rejoin != "full" }, "\(next.output)")
                }
                try await set.store.expectSound(after: next, code: 0, good: [set.id])
            }
        }
    }

    /// SIGTERM: in order, in time, and nobody is left following an address where nobody answers.
    @Test func aTerminatedRestorePutsTheServersBack() async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: .redis70, .with { $0.bigValueBytes = 30_000_000 }, in: folder)
            let held = try TestParts.Port()
            try await withFreshServers(1) { servers in
                try await withFaultProxy(to: held.number) { proxy in
                    proxy.add(.bandwidth(bytesPerSecond: 1_000_000), .toClient)
                    let arguments =
                        set.arguments(servers) + [
                            "--listen", "127.0.0.1:\(held.number)", "--advertise", "127.0.0.1:\(proxy.port)",
                        ]
                    let outcome = try await Redoubt.withRunning(arguments) { process in
                        try await eventually("the server to be sent the snapshot") {
                            try await servers[0].info("replication")["master_sync_in_progress"] == "1" ? true : nil
                        }
                        process.kill(SIGTERM)
                        return try await Redoubt.outcome(of: process)
                    }
                    #expect(outcome.code == 143, "\(outcome.errors)")
                    let info = try await servers[0].info("replication")
                    #expect(info["role"] == "master")
                    try await set.store.expectSound(after: outcome, code: 143, good: [set.id])
                }
            }
        }
    }

    /// Only the server that is restored gets the data: not one of another address, nor another one of its own, which
    /// was told our port by a run that died.
    @Test(arguments: ["127.0.0.2", "127.0.0.1"])
    func nobodyElseIsGivenTheSnapshot(host: String) async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: .redis70, in: folder)
            let held = try TestParts.Port()
            try await withFreshServers(1) { servers in
                try await withRedis(.redis70, .with { $0.host = host }) { stranger in
                    try await stranger.command("SET", "precious", "1")
                    try await stranger.command("CONFIG", "SET", "bind-source-addr", host)
                    try await stranger.command("REPLICAOF", "127.0.0.1", held.number)
                    let restore = try await set.restore(into: servers, "--listen", "127.0.0.1:\(held.number)")
                    #expect(restore.code == 0, "\(restore.errors)")
                    try await set.expectRestored(servers)
                    let kept = try await stranger.command("GET", "precious").text
                    #expect(kept == "1")
                }
            }
        }
    }

    /// What was fresh when the plan was made, and holds data when its turn comes, is left as it is.
    @Test func aServerThatIsWrittenToMeanwhileIsLeftAlone() async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: .redis70, .with { $0.bigValueBytes = 20_000_000 }, in: folder)
            try await withFreshServers(2) { servers in
                let outcome = try await Redoubt.withRunning(
                    set.arguments(servers) + ["--yes", "--parallel", "1"]
                ) { process in
                    try await eventually("the first server to be sent the snapshot", everyMilliseconds: 5) {
                        try await servers[0].info("replication")["master_host"] != nil ? true : nil
                    }
                    try await servers[1].command("SET", "precious", "1")
                    return try await Redoubt.outcome(of: process)
                }
                #expect(outcome.code == 3, "\(outcome.errors)")
                let kept = try await servers[1].command("GET", "precious").text
                #expect(kept == "1")
                let found = try await DatasetDigest(of: servers[0])
                #expect(found == set.digest)
            }
        }
    }

    /// A replica that is being filled by its living primary is not taken away from it.
    @Test func aReplicaInItsFirstSynchronizationIsNotTakenAway() async throws {
        try await withTemporaryFolder { folder in
            let set = try await BackedUpSet.make(of: .redis70, in: folder)
            try await withRedis(.redis70, .with { $0.config = ["rdb-key-save-delay 2000"] }) { primary in
                try await primary.command("DEBUG", "POPULATE", 20_000)
                try await withRedis(.redis70, .with { $0.replicaOf = primary }) { replica in
                    try await eventually("the replica to be filled") {
                        try await replica.info("replication")["master_sync_in_progress"] == "1" ? true : nil
                    }
                    let refused = try await set.restore(into: [replica])
                    #expect(refused.code == 8 && refused.errors.contains("--detach"), "\(refused.errors)")
                    let follows = try await replica.info("replication")["master_port"]
                    #expect(follows == "\(primary.port)")
                }
            }
        }
    }
}
