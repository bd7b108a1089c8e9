// SPDX-License-Identifier: Apache-2.0

import Failures
import Glibc
import RedisClient
import RedisProtocol
import TestParts
import Testing

/// The replication source on real servers, when something goes wrong.
@Suite struct ReplicationSourceTests {
    /// The rights that the manual asks for.
    private static let rights = [
        "+ping", "+hello", "+auth", "+info", "+role", "+time", "+lastsave", "+client|setname", "+replconf", "+psync",
        "+sync",
    ]

    private static func source(
        _ server: RedisServer,
        port: Int? = nil,
        noProgressSeconds: Double = 30,
        log: LogRecord = LogRecord()
    ) -> any SnapshotSource {
        Method.replication.source(of: server, port: port, noProgressSeconds: noProgressSeconds, log: log)
    }

    @Test(arguments: RedisFlavour.allCases)
    func theRightsOfTheManualAreEnough(_ flavour: RedisFlavour) async throws {
        try await withReplicatedRedis(flavour) { primary, replicas in
            let replica = try #require(replicas.first)
            for server in [primary, replica] {
                try await server.withConnection { connection in
                    let user = ["backup", "on", ">s3cret", "resetkeys", "resetchannels"]
                    try await connection.command(["ACL", "SETUSER"] + user + Self.rights)
                }
                let log = LogRecord()
                let source = Method.replication.source(of: server, user: "backup", password: "s3cret", log: log)
                let captured = try await source.capture()
                #expect(captured.summary.bytes > 0)
                // These rights do not tell whether a Sentinel watches a primary; that is said, and is no failure.
                #expect(log.text.contains("Sentinel") == (server.port == primary.port))
            }
        }
    }

    @Test(arguments: RedisFlavour.allCases, ["info", "time", "replconf", "psync"])
    func aRightThatIsMissingIsNamed(_ flavour: RedisFlavour, _ missing: String) async throws {
        try await withRedis(flavour) { server in
            try await server.withConnection { connection in
                let words = ["ACL", "SETUSER", "backup", "on", ">s3cret"] + Self.rights.filter { $0 != "+\(missing)" }
                try await connection.command(words)
            }
            let failure = try await failure {
                try await Method.replication.source(of: server, user: "backup", password: "s3cret").capture()
            }
            #expect(failure.code == .permissionDenied)
            #expect(failure.hint == "Type on the server: ACL SETUSER backup +\(missing)")
            // What it says to type, helps.
            try await server.command("ACL", "SETUSER", "backup", "+\(missing)")
            _ = try await Method.replication.source(of: server, user: "backup", password: "s3cret").capture()
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func aValueThatHoldsTheMarkOfTheServerIsBackedUp(_ flavour: RedisFlavour) async throws {
        try await withRedis(flavour, .with { $0.config = ["repl-diskless-sync yes"] }) { server in
            // The server uses one mark for all its transfers.
            let mark = try await server.withConnection { connection in
                try await connection.command("REPLCONF", "rdb-only", "1")
                try await connection.command("REPLCONF", "capa", "eof")
                try await connection.channel.write("PSYNC ? -1\r\n")
                _ = try await connection.channel.read(through: "$EOF:")
                return try await connection.channel.readExactly(40)
            }
            let noise: [UInt8] = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
            try await server.command("SET", "one", noise + mark + noise)
            try await server.command("SET", "two", mark)
            try await server.command("SET", mark, noise + mark)
            let expected = try await DatasetDigest(of: server)
            let captured = try await Self.source(server).capture()
            #expect(captured.announcedBytes == nil)
            let loaded = try await contents(of: captured.bytes, loadedBy: flavour)
            #expect(loaded == expected)
        }
    }

    @Test(arguments: [7, 41, 1460])
    func piecesOfAnySizeMakeTheSameSnapshot(_ size: Int) async throws {
        try await withRedis(.redis70, .with { $0.config = ["repl-diskless-sync yes"] }) { server in
            // Each piece is a segment of its own, so few bytes are enough.
            try await server.command("SET", "key", [UInt8](repeating: 7, count: size * 200))
            try await server.command("SET", "other", ScriptedMember.rdb())
            let expected = try await DatasetDigest(of: server)
            try await withFaultProxy(to: server.port) { proxy in
                proxy.add(.slices(bytes: size), .toClient)
                let captured = try await Self.source(server, port: proxy.port).capture()
                let loaded = try await contents(of: captured.bytes, loadedBy: .redis70)
                #expect(loaded == expected)
            }
        }
    }

    @Test(arguments: [
        FaultProxy.Fault.close(afterBytes: 1_000_000), .reset(afterBytes: 1_000_000), .stall(afterBytes: 1_000_000),
    ])
    func aTransferThatBreaksOffIsNeverASnapshot(_ fault: FaultProxy.Fault) async throws {
        for framing in ["yes", "no"] {
            try await withRedis(.redis70, .with { $0.config = ["repl-diskless-sync \(framing)"] }) { server in
                try await server.loadBytes(2_000_000)
                try await withFaultProxy(to: server.port) { proxy in
                    proxy.add(fault, .toClient)
                    let isStall = fault == .stall(afterBytes: 1_000_000)
                    let failure = try await failure {
                        try await Self.source(server, port: proxy.port, noProgressSeconds: isStall ? 1 : 60).capture()
                    }
                    #expect(failure.code == (isStall ? .timeout : .unreachable))
                }
                try await server.expectNothingOfOursIsLeft()
            }
        }
    }

    @Test func aServerThatIsStoppedOrKilledMidwayIsNoticed() async throws {
        for signal in [SIGSTOP, SIGKILL] {
            try await withRedis(.redis70, .with { $0.config = ["repl-diskless-sync no"] }) { server in
                try await server.loadBytes(40_000_000)
                let failure = try await failure {
                    // What is closed is noticed at once, unless the machine stands still meanwhile.
                    try await Self.source(server, noProgressSeconds: signal == SIGSTOP ? 1 : 60)
                        .capture(midway: { server.child.kill(signal) })
                }
                server.child.kill(SIGCONT)
                #expect(failure.code == (signal == SIGSTOP ? .timeout : .unreachable))
            }
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func aPromotionMidwayGivesAWholeSnapshotOrNone(_ flavour: RedisFlavour) async throws {
        try await withReplicatedRedis(flavour) { primary, replicas in
            let replica = try #require(replicas.first)
            try await primary.withConnection { _ in try await primary.loadBytes(20_000_000) }
            try await primary.waitUntilSynchronized([replica])
            let expected = try await DatasetDigest(of: primary)
            do {
                let captured = try await Self.source(replica).capture(midway: {
                    try await replica.command("REPLICAOF", "NO", "ONE")
                })
                let loaded = try await contents(of: captured.bytes, loadedBy: flavour)
                #expect(loaded == expected)
            } catch let failure as Failure {
                // The promotion makes a server drop those that replicate from it.
                #expect(failure.code == .unreachable)
            }
            try await replica.expectNothingOfOursIsLeft()
        }
    }

    @Test func anAOFRewriteIsWaitedForWithinTheBound() async throws {
        try await withRedis(.redis70, .with { $0.appendOnly = true }) { server in
            try await Dataset.with { $0.databases = [0] }.load(into: server)
            try await server.slowDownSaves(microsecondsPerKey: 2000)
            try await server.command("BGREWRITEAOF")
            try await eventually("the rewrite to run") {
                try await server.info("persistence")["aof_rewrite_in_progress"] == "1" ? true : nil
            }
            let endpoint = RedisEndpoint(server)
            let hasty = ReplicationSource(
                endpoint: endpoint,
                options: .init(saveWaitSecondsMax: 1),
                logger: LogRecord().logger
            )
            let failure = try await failure { try await hasty.capture() }
            #expect(failure.code == .timeout)
            try await server.slowDownSaves(microsecondsPerKey: 0)
            let captured = try await Self.source(server).capture()
            let loaded = try await contents(of: captured.bytes, loadedBy: .redis70)
            let expected = try await DatasetDigest(of: server)
            #expect(loaded == expected)
        }
    }

    @Test func aServerThatCannotForkSaysSo() async throws {
        try await withRedis(.redis70, .with { $0.config = ["repl-diskless-sync no"] }) { server in
            try await Forkless.run(server) {
                let failure = try await failure { try await Self.source(server).capture() }
                #expect(failure.code == .saveFailed)
                #expect(failure.hint?.contains("overcommit_memory") == true)
            }
            _ = try await Self.source(server).capture()
        }
    }

    @Test func aReaderThatDoesNotReadHoldsTheServerBack() async throws {
        try await withRedis(.redis70, .with { $0.config = ["repl-diskless-sync no"] }) { server in
            try await server.loadBytes(100_000_000)
            try await withFaultProxy(to: server.port) { proxy in
                let captured = try await Self.source(server, port: proxy.port).capture(midway: {
                    // Wait until nothing moves any more: all buffers on the way are full.
                    var last = -1
                    while last != proxy.bytesToClient {
                        last = proxy.bytesToClient
                        try await Task.sleep(for: .milliseconds(300))
                    }
                    #expect(last < 50_000_000, "the reader holds more than buffers of sockets")
                })
                #expect(captured.summary.bytes > 100_000_000)
            }
        }
    }
}

/// Primaries that a Sentinel watches.
@Suite struct SentinelTests {
    @Test func aWatchedPrimaryIsLeftAloneUnlessAllowed() async throws {
        try await withReplicatedRedis { primary, replicas in
            let replica = try #require(replicas.first)
            _ = try await Method.replication.source(of: primary).capture()
            try await withSentinel(watching: primary) {
                let failure = try await failure { try await Method.replication.source(of: primary).capture() }
                #expect(failure.code == .guardRefused)
                #expect(failure.hint?.contains("--from-watched-primary") == true)
                // Neither is its replica, which Sentinel watches too, nor the file of the primary.
                _ = try await Method.replication.source(of: replica).capture()
                _ = try await Method.volume.source(of: primary).capture()
                let allowed = ReplicationSource(
                    endpoint: RedisEndpoint(primary),
                    options: .init(allowsWatchedPrimary: true),
                    logger: LogRecord().logger
                )
                _ = try await allowed.capture()
                // Without the right to ask one way, the other tells.
                try await primary.command(
                    "ACL",
                    "SETUSER",
                    "backup",
                    "on",
                    ">s3cret",
                    "+@all",
                    "-pubsub",
                    "resetchannels"
                )
                let source = Method.replication.source(of: primary, user: "backup", password: "s3cret")
                let other = try await RedisClientTests.failure { try await source.capture() }
                #expect(other.code == .guardRefused)
            }
        }
    }

    private func withSentinel(watching primary: RedisServer, _ body: () async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            try await withFreePort { port in
                let file = folder.appendingPathComponent("sentinel.conf")
                let lines = [
                    "port \(port)", "bind 127.0.0.1", "dir \"\(folder.path)\"", "logfile \"\"",
                    "sentinel monitor watched 127.0.0.1 \(primary.port) 1",
                    "sentinel down-after-milliseconds watched 60000", "",
                ]
                try lines.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
                try await withProcess(try Parts.server(.redis70), [file.path, "--sentinel"], folder: folder) { _ in
                    try await eventually("the Sentinel to watch") {
                        let count = try await primary.command("PUBSUB", "NUMSUB", "__sentinel__:hello").array?.last?.int
                        return count == 1 ? true : nil
                    }
                    try await body()
                }
            }
        }
    }
}
