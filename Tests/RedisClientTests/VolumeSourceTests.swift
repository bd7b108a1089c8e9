// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import Glibc
import RDB
import RedisClient
import RedisProtocol
import TestParts
import Testing

/// The volume source on real servers, when other things go on there, or wrong.
@Suite struct VolumeSourceTests {
    private static func source(
        _ server: RedisServer,
        log: LogRecord = LogRecord(),
        _ change: (inout VolumeSource.Options) -> Void = { _ in }
    ) -> VolumeSource {
        VolumeSource(endpoint: RedisEndpoint(server), options: .init(server, change), logger: log.logger)
    }

    /// Runs `interference` while the server saves for us.
    private static func capture(
        _ source: VolumeSource,
        of server: RedisServer,
        during interference: @escaping @Sendable () async throws -> Void
    ) async throws -> Captured {
        try await withThrowingTaskGroup(of: Captured?.self) { group in
            group.addTask { try await source.capture() }
            group.addTask {
                try await server.waitUntilSaving()
                try await interference()
                return nil
            }
            var captured: Captured?
            for try await result in group { captured = result ?? captured }
            return try #require(captured)
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func aSaveThatRunsAlreadyIsWaitedForAndNotAdopted(_ flavour: RedisFlavour) async throws {
        try await withRedis(flavour) { server in
            try await Dataset.small.load(into: server)
            try await server.slowDownSaves(microsecondsPerKey: 20_000)
            try await server.command("BGSAVE")
            try await server.waitUntilSaving()
            // The save that runs has not seen this key.
            try await server.command("SET", "late", "1")
            let expected = try await DatasetDigest(of: server)
            let captured = try await Self.source(server).capture()
            let loaded = try await contents(of: captured.bytes, loadedBy: flavour)
            #expect(loaded == expected)
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func aDisklessTransferThatRunsAlreadyIsWaitedFor(_ flavour: RedisFlavour) async throws {
        try await withRedis(flavour, .with { $0.config = ["repl-diskless-sync yes"] }) { server in
            try await Dataset.small.load(into: server)
            let expected = try await DatasetDigest(of: server)
            try await server.slowDownSaves(microsecondsPerKey: 20_000)
            try await server.withConnection { replica in
                try await replica.command("REPLCONF", "capa", "eof")
                try await replica.channel.write("PSYNC ? -1\r\n")
                try await server.waitUntilSaving()
                async let drained = replica.channel.readToEnd()
                let captured = try await Self.source(server).capture()
                let loaded = try await contents(of: captured.bytes, loadedBy: flavour)
                #expect(loaded == expected)
                await replica.channel.close()
                _ = try? await drained
            }
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func anAOFRewriteThatRunsAlreadyIsWaitedFor(_ flavour: RedisFlavour) async throws {
        try await withRedis(flavour, .with { $0.appendOnly = true }) { server in
            try await Dataset.small.load(into: server)
            let expected = try await DatasetDigest(of: server)
            try await server.slowDownSaves(microsecondsPerKey: 20_000)
            try await server.command("BGREWRITEAOF")
            try await eventually("the rewrite to run") {
                try await server.info("persistence")["aof_rewrite_in_progress"] == "1" ? true : nil
            }
            let captured = try await Self.source(server).capture()
            let loaded = try await contents(of: captured.bytes, loadedBy: flavour)
            #expect(loaded == expected)
            #expect(server.log.contains("Background saving scheduled") || captured.summary.bytes > 0)
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func aSaveThatFLUSHALLKillsIsAskedForOnceMore(_ flavour: RedisFlavour) async throws {
        try await withRedis(flavour) { server in
            try await Dataset.small.load(into: server)
            // An old file that a careless reader would take for the new one.
            try await server.command("SAVE")
            try await server.slowDownSaves(microsecondsPerKey: 20_000)
            let log = LogRecord()
            let captured = try await Self.capture(Self.source(server, log: log), of: server) {
                try await server.command("FLUSHALL")
                try await server.command("SET", "only", "1")
            }
            #expect(captured.summary.keyCount <= 1)
            #expect(log.text.contains("asking for another save"))
        }
    }

    @Test func aSaveThatIsKilledAgainAndAgainIsNotFresh() async throws {
        try await withRedis { server in
            try await Dataset.small.load(into: server)
            try await server.command("SAVE")
            try await server.slowDownSaves(microsecondsPerKey: 20_000)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    // The signal with which a server ends its own child; it says that all is well afterwards.
                    while true {
                        try await server.waitUntilSaving()
                        try await server.killSavingChild(SIGUSR1)
                        try await Task.sleep(for: .milliseconds(20))
                    }
                }
                let failure = try await failure { try await Self.source(server).capture() }
                #expect(failure.code == .snapshotNotFresh)
                let status = try await server.info("persistence")["rdb_last_bgsave_status"]
                #expect(status == "ok")
                group.cancelAll()
            }
        }
    }

    @Test func aSaveWhoseChildIsKilledByTheSystemHasFailed() async throws {
        try await withRedis { server in
            try await Dataset.small.load(into: server)
            try await server.slowDownSaves(microsecondsPerKey: 20_000)
            let failure = try await failure {
                try await Self.capture(Self.source(server), of: server) {
                    try await server.killSavingChild(SIGKILL)
                }
            }
            #expect(failure.code == .saveFailed)
            #expect(failure.hint?.contains("stop-writes-on-bgsave-error") == true)
        }
    }

    @Test func whatAKilledServerLeftIsTold() async throws {
        try await withRedis { server in
            try await Dataset.small.load(into: server)
            try await server.slowDownSaves(microsecondsPerKey: 20_000)
            try await server.command("BGSAVE")
            try await eventually("the child to write") {
                let names = try FileManager.default.contentsOfDirectory(atPath: server.folder.path)
                return names.contains { $0.hasPrefix("temp-") } ? true : nil
            }
            try await server.kill()
            try await server.start()
            let log = LogRecord()
            _ = try await Self.source(server, log: log).capture()
            #expect(log.text.contains("an interrupted save left a file behind"))
            #expect(log.text.contains("temp-"))
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func aFullSynchronizationDuringTheSaveIsNeverTakenForIt(_ flavour: RedisFlavour) async throws {
        try await withReplicatedRedis(
            flavour,
            .with { $0.config = ["repl-diskless-sync no", "repl-diskless-load disabled"] }
        ) {
            primary,
            replicas in
            let replica = try #require(replicas.first)
            try await Dataset.small.load(into: primary)
            try await primary.waitUntilSynchronized([replica])
            try await withRedis(flavour) { other in
                try await other.command("SET", "other", "1")
                try await replica.slowDownSaves(microsecondsPerKey: 20_000)
                let log = LogRecord()
                do {
                    // Its child is killed, the file of the other primary takes the place of ours, and all is well
                    // there.
                    let captured = try await Self.capture(Self.source(replica, log: log), of: replica) {
                        try await replica.command("REPLICAOF", "127.0.0.1", other.port)
                        try await other.waitUntilSynchronized([replica])
                    }
                    // Only as a save of its own that was asked for once more.
                    #expect(log.text.contains("asking for another save"))
                    #expect(captured.summary.keyCount == 1)
                    let info = try await other.info("replication")
                    #expect(captured.replication?.id == info["master_replid"])
                } catch let failure as Failure {
                    #expect([.memberLoading, .replicaLinkDown].contains(failure.code))
                }
            }
        }
    }

    @Test func aServerThatIsKilledOrRestartedDuringTheSaveIsNoticed() async throws {
        for restarts in [false, true] {
            try await withRedis { server in
                try await Dataset.small.load(into: server)
                try await server.slowDownSaves(microsecondsPerKey: 20_000)
                let failure = try await failure {
                    try await Self.capture(Self.source(server), of: server) {
                        try await server.kill()
                        if restarts { try await server.start() }
                    }
                }
                #expect([.unreachable, .memberChanged].contains(failure.code))
            }
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func aServerThatCannotForkSaysSo(_ flavour: RedisFlavour) async throws {
        try await withRedis(flavour) { server in
            try await Forkless.run(server) {
                let failure = try await failure { try await Self.source(server).capture() }
                #expect(failure.code == .saveFailed)
                #expect(failure.message.contains("fork"))
                #expect(failure.hint?.contains("overcommit_memory") == true)
            }
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func aSaveThatCannotBeWrittenHasFailed(_ flavour: RedisFlavour) async throws {
        try await withRedis(flavour) { server in
            // A folder in the place of the file: the server cannot rename its file over it.
            try FileManager.default.createDirectory(at: server.dumpFile, withIntermediateDirectories: false)
            let failure = try await failure { try await Self.source(server).capture() }
            #expect(failure.code == .saveFailed)
        }
    }
}

/// Where the file is, and whether it may be read.
@Suite struct VolumeFolderTests {
    private static func source(
        _ server: RedisServer,
        log: LogRecord = LogRecord(),
        _ change: (inout VolumeSource.Options) -> Void = { _ in }
    ) -> VolumeSource {
        VolumeSource(endpoint: RedisEndpoint(server), options: .init(server, change), logger: log.logger)
    }

    @Test func theNameOfTheFileIsAskedFor() async throws {
        try await withRedis(.redis70, .with { $0.config = ["dbfilename other.rdb"] }) { server in
            try await server.command("SET", "key", "1")
            let captured = try await Self.source(server).capture()
            #expect(captured.summary.keyCount == 1)
        }
    }

    @Test func aServerThatDoesNotTellTheNameIsToldIt() async throws {
        let options = RedisOptions.with { $0.config = ["dbfilename other.rdb", "rename-command CONFIG \"\""] }
        try await withRedis(.redis70, options) { server in
            try await server.command("SET", "key", "1")
            let guessed = try await failure { try await Self.source(server).capture() }
            #expect(guessed.code == .snapshotNotFresh)
            #expect(guessed.message.contains("dump.rdb"))
            let captured = try await Self.source(server) { $0.fileName = "other.rdb" }.capture()
            #expect(captured.summary.keyCount == 1)
        }
    }

    @Test func anotherFolderThanThatOfTheServerIsNoticed() async throws {
        try await withRedis { server in
            try await withTemporaryFolder { folder in
                let wrong = Self.source(server) { $0.dataDirectory = folder.path }
                let failure = try await failure { try await wrong.capture() }
                #expect(failure.code == .snapshotNotFresh)
                #expect(failure.hint?.contains(server.folder.path) == true)
                // Not even a good old file in it is taken.
                try FileManager.default.copyItem(at: server.dumpFile, to: folder.appendingPathComponent("dump.rdb"))
                let again = try await RedisClientTests.failure { try await wrong.capture() }
                #expect(again.code == .snapshotNotFresh)
            }
            let missing = Self.source(server) { $0.dataDirectory = "/nowhere" }
            let nowhere = try await failure { try await missing.capture() }
            #expect(nowhere.code == .configuration)
            #expect(nowhere.message.contains("/nowhere"))
        }
    }

    @Test(arguments: ["../dump.rdb", "..", "", "/etc/passwd", "a\0b"])
    func aNameThatLeadsElsewhereIsRefused(_ name: String) async throws {
        try await withRedis { server in
            let failure = try await failure { try await Self.source(server) { $0.fileName = name }.capture() }
            #expect(failure.code == .configuration)
        }
    }

    @Test func aLinkInThePlaceOfTheFileIsReplacedAndNotFollowed() async throws {
        try await withRedis { server in
            try await server.command("SET", "key", "1")
            try FileManager.default.createSymbolicLink(
                at: server.dumpFile,
                withDestinationURL: URL(fileURLWithPath: "/etc/passwd")
            )
            let captured = try await Self.source(server).capture()
            #expect(captured.summary.keyCount == 1)
        }
    }

    @Test func aDiskWithoutHeadroomIsRefusedUnlessAllowed() async throws {
        try await withScriptedServer { connection, _ in
            var member = ScriptedMember { _ in }
            member.info["used_memory"] = "\(Int64.max / 2)"
            try await member.serve(connection, seen: .init([]))
        } body: { port in
            try await withTemporaryFolder { folder in
                func source(ignoring: Bool) -> VolumeSource {
                    VolumeSource(
                        endpoint: RedisEndpoint(port: port),
                        options: .init(
                            dataDirectory: folder.path,
                            ignoresDiskHeadroom: ignoring,
                            saveWaitSecondsMax: 1,
                            pollMilliseconds: 50
                        ),
                        logger: LogRecord().logger
                    )
                }
                let refused = try await failure { try await source(ignoring: false).capture() }
                #expect(refused.code == .guardRefused)
                #expect(refused.hint?.contains("--ignore-disk-headroom") == true)
                // Allowed, it goes on until it finds no file.
                let allowed = try await failure { try await source(ignoring: true).capture() }
                #expect(allowed.code == .snapshotNotFresh)
            }
        }
    }

    @Test func aSaveThatTakesTooLongIsGivenUp() async throws {
        try await withRedis { server in
            try await Dataset.small.load(into: server)
            try await server.slowDownSaves(microsecondsPerKey: 100_000)
            let failure = try await failure { try await Self.source(server) { $0.saveWaitSecondsMax = 0.5 }.capture() }
            #expect(failure.code == .timeout)
            #expect(failure.message.contains("save"))
        }
    }

    @Test func theRightToSaveIsNamedWhenItIsMissing() async throws {
        try await withRedis { server in
            try await server.command("ACL", "SETUSER", "backup", "on", ">s3cret", "+info", "+time")
            let endpoint = RedisEndpoint(port: server.port, user: "backup", password: "s3cret")
            let source = VolumeSource(endpoint: endpoint, options: .init(server), logger: LogRecord().logger)
            let failure = try await failure { try await source.capture() }
            #expect(failure.code == .permissionDenied)
            #expect(failure.hint == "Type on the server: ACL SETUSER backup +bgsave")
            try await server.command("ACL", "SETUSER", "backup", "+bgsave")
            _ = try await source.capture()
        }
    }

    @Test func aSnapshotThatIsBeingReadSurvivesTheNextSave() async throws {
        try await withRedis { server in
            try await server.loadBytes(3_000_000)
            let expected = try await DatasetDigest(of: server)
            let captured = try await Self.source(server).capture(midway: {
                try await server.command("FLUSHALL")
                try await server.command("SAVE")
            })
            let loaded = try await contents(of: captured.bytes, loadedBy: .redis70)
            #expect(loaded == expected)
        }
    }

    @Test func aFileThatIsCutWhileItIsReadIsTruncated() async throws {
        try await withRedis { server in
            try await server.loadBytes(3_000_000)
            let failure = try await failure {
                try await Self.source(server).capture(midway: {
                    let file = try FileHandle(forWritingTo: server.dumpFile)
                    try file.truncate(atOffset: 1_000_000)
                })
            }
            #expect(failure.code == .truncated)
        }
    }
}

extension RedisServer {
    /// Sends a signal to the child that saves.
    func killSavingChild(_ signal: Int32) async throws {
        let children = try await run("/bin/cat", ["/proc/\(child.pid)/task/\(child.pid)/children"])
        for pid in String(decoding: children, as: UTF8.self).split(separator: " ").compactMap({ pid_t($0) }) {
            Glibc.kill(pid, signal)
        }
    }
}
