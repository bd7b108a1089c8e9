// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import RedisClient
import RedisProtocol
import TestParts
import Testing

/// The transfer against exact bytes.
@Suite(.timeLimit(.minutes(2))) struct ReplicationTransferTests {
    private static let rdb = ScriptedMember.rdb()

    @Test func keepAlivesAndPiecesAreReadThrough() async throws {
        let member = ScriptedMember { connection in
            for _ in 0..<100 { try await connection.write("\n") }
            try await connection.write(ScriptedMember.granted)
            for _ in 0..<100 { try await connection.write("\n") }
            try await connection.write("$EOF:\(ScriptedMember.mark)\r\n")
            for byte in Self.rdb { try await connection.write([byte]) }
            try await connection.write(ScriptedMember.mark)
        }
        let (captured, _) = try await member.capture()
        #expect(captured.bytes == Self.rdb)
        #expect(captured.replication == ReplicationPoint(id: ScriptedMember.identity, offset: 100))
        #expect(captured.announcedBytes == nil)
        #expect(captured.estimatedBytes == 5_000_000)
    }

    @Test func aServerThatKeepsTheConnectionOpenAfterTheMarkIsNotWaitedFor() async throws {
        let member = ScriptedMember { connection in
            try await connection.write(ScriptedMember.marked(Self.rdb))
            _ = try await connection.readToEnd()
        }
        let (captured, _) = try await member.capture(noProgressSeconds: 600)
        #expect(captured.bytes == Self.rdb)
    }

    @Test func theMarkInsideAValueDoesNotEndTheSnapshot() async throws {
        let mark = Array(ScriptedMember.mark.utf8)
        let value = [UInt8](repeating: 1, count: 300_000) + mark + [UInt8](repeating: 2, count: 300_000)
        let rdb = ScriptedMember.rdb(filler: value)
        let member = ScriptedMember { connection in
            let wire = ScriptedMember.marked(rdb)
            // The mark inside the value is the last of what is written first.
            let place = wire.count - rdb.count - 40 + (rdb.count - 9 - 300_000)
            try await connection.write(Array(wire[..<place]))
            try await connection.write(Array(wire[place...]))
        }
        let (captured, _) = try await member.capture()
        #expect(captured.bytes == rdb)
    }

    @Test(arguments: [0, 1, 50, 60])
    func anEndBeforeTheEndIsNeverASnapshot(_ missing: Int) async throws {
        // With a mark: inside it, and inside the RDB. With a length: inside the RDB, and before its first byte.
        let wires = [
            ScriptedMember.marked(Self.rdb).dropLast(missing + 1), ScriptedMember.bulk(Self.rdb).dropLast(missing + 1),
        ]
        for wire in wires {
            let member = ScriptedMember { try await $0.write(Array(wire)) }
            let failure = try await failure { try await member.capture() }
            #expect(failure.code == .unreachable)
            #expect(failure.code.isTransient)
        }
    }

    @Test func aResetIsNeverASnapshot() async throws {
        let member = ScriptedMember { connection in
            try await connection.write(Array(ScriptedMember.bulk(Self.rdb).dropLast()))
            await connection.reset()
        }
        let failure = try await failure { try await member.capture() }
        #expect(failure.code == .unreachable)
    }

    @Test func whatTheKernelStillHoldsAtTheEndComesInChunks() async throws {
        let rdb = ScriptedMember.rdb(filler: [UInt8](repeating: 5, count: 8_000_000))
        let member = ScriptedMember { try await $0.write(ScriptedMember.bulk(rdb)) }
        let (captured, _) = try await member.capture(midway: { try await Task.sleep(for: .milliseconds(500)) })
        #expect(captured.bytes == rdb)
        #expect(captured.largestChunkBytes <= 8 * ByteStream.chunkSizeBytes)
    }

    /// A long RDB is read in large pieces. What is less than one must come all the same, with nothing behind it.
    @Test(arguments: [ScriptedMember.marked, ScriptedMember.bulk])
    func theLastBytesOfALongSnapshotAreNotLeftInTheSocket(wire: @Sendable ([UInt8]) -> [UInt8]) async throws {
        let rdb = ScriptedMember.rdb(filler: [UInt8](repeating: 5, count: 1_500_000))
        let bytes = wire(rdb)
        let member = ScriptedMember { connection in
            try await connection.write(Array(bytes.dropLast(5000)))
            try await connection.write(Array(bytes.suffix(5000).dropLast(70)))
            try await connection.write(Array(bytes.suffix(70)))
            _ = try await connection.readToEnd()
        }
        let (captured, _) = try await member.capture(noProgressSeconds: 600)
        #expect(captured.bytes == rdb)
    }

    @Test func aPaceThatBecomesSlowIsKeptUpWith() async throws {
        let rdb = ScriptedMember.rdb(filler: [UInt8](repeating: 5, count: 1_500_000))
        let wire = ScriptedMember.marked(rdb)
        let member = ScriptedMember { connection in
            try await connection.write(Array(wire.dropLast(600)))
            for byte in wire.suffix(600) { try await connection.write([byte]) }
            // Closed only when the reader has everything, and leaves.
            _ = try await connection.readToEnd()
        }
        let (captured, _) = try await member.capture(noProgressSeconds: 600)
        #expect(captured.bytes == rdb)
    }

    @Test func bytesBehindTheSnapshotAreRefused() async throws {
        let member = ScriptedMember {
            try await $0.write(ScriptedMember.bulk(Self.rdb) + Array("*1\r\n$4\r\nPING\r\n".utf8))
        }
        let failure = try await failure { try await member.capture() }
        #expect(failure.code == .trailingBytes)
    }

    @Test func anOlderServerThatKnowsNoRDBOnlyIsReadToTheEndOfItsFile() async throws {
        var member = ScriptedMember { connection in
            try await connection.write(ScriptedMember.bulk(Self.rdb) + Array("*1\r\n$4\r\nPING\r\n".utf8))
            _ = try await connection.readToEnd()
        }
        member.configuration["rdb-only"] = "-ERR Unrecognized REPLCONF option: rdb-only\r\n"
        let log = LogRecord()
        let (captured, seen) = try await member.capture(log: log)
        #expect(captured.bytes == Self.rdb)
        #expect(log.text.contains("client-output-buffer-limit"))
        // Without `capa eof` it saves into a file, so that the length is known and the stream behind it can be told
        // apart.
        #expect(!seen.contains { $0.contains("capa") })
    }

    @Test func nothingIsAnnouncedThatARealReplicaWouldBeFoundBy() async throws {
        let member = ScriptedMember { try await $0.write(ScriptedMember.bulk(Self.rdb)) }
        let (_, seen) = try await member.capture()
        let requests = seen.filter { $0.hasPrefix("REPLCONF") || $0.hasPrefix("PSYNC") }
        #expect(requests == ["REPLCONF rdb-only 1", "REPLCONF capa eof capa psync2", "PSYNC ? -1"])
    }

    @Test func valkeyIsToldItsOwnVersion() async throws {
        var member = ScriptedMember { try await $0.write(ScriptedMember.bulk(Self.rdb)) }
        member.info["server_name"] = "valkey"
        member.info["valkey_version"] = "9.1.2"
        let (_, seen) = try await member.capture()
        #expect(seen.contains("REPLCONF version 9.1.2"))
    }

    @Test func aVersionOrACapabilityThatIsRefusedIsNoReasonToFail() async throws {
        var member = ScriptedMember { try await $0.write(ScriptedMember.bulk(Self.rdb)) }
        member.info["valkey_version"] = "7.2.5"
        member.configuration = ["version": "-ERR Unrecognized REPLCONF option: version\r\n", "capa": "-ERR no\r\n"]
        let (captured, _) = try await member.capture()
        #expect(captured.bytes == Self.rdb)
    }

    @Test func newlinesAreProgressButNotForEver() async throws {
        let member = ScriptedMember { connection in
            while true {
                try await connection.write("\n")
                try await Task.sleep(for: .milliseconds(50))
            }
        }
        // Far longer than nothing may come, and only because something comes.
        let failure = try await failure {
            try await member.capture(
                options: .init(saveWaitSecondsMax: 1.5, loadingWaitSecondsMax: 0),
                noProgressSeconds: 0.5
            )
        }
        #expect(failure.code == .timeout)
        #expect(failure.message.contains("did not begin"))
    }

    @Test(arguments: ["", ScriptedMember.granted, "\(ScriptedMember.granted)$100\r\nREDIS0011"])
    func silenceIsATimeout(_ beginning: String) async throws {
        let member = ScriptedMember { connection in
            try await connection.write(beginning)
            _ = try await connection.readToEnd()
        }
        let failure = try await failure { try await member.capture(noProgressSeconds: 0.3) }
        #expect(failure.code == .timeout)
    }

    @Test(arguments: [
        ("-NOMASTERLINK Can't SYNC while not connected with my master", Failure.Code.replicaLinkDown),
        ("-ERR Can't SYNC while not connected with my master", .replicaLinkDown),
        ("-LOADING Redis is loading the dataset in memory", .memberLoading),
        ("-NOPERM this user has no permissions to run the 'psync' command", .permissionDenied),
        ("-ERR unknown command `PSYNC`", .unsupported),
        (
            "+FULLRESYNC 06f818d294be6629b7a1bf2e5cb36d69213f9031 0\r\n-ERR BGSAVE failed, replication can't continue",
            .saveFailed
        ),
        ("+CONTINUE", .protocolViolation),
    ])
    func refusalsAreToldApart(answer: String, code: Failure.Code) async throws {
        let member = ScriptedMember { try await $0.write("\(answer)\r\n") }
        let failure = try await failure { try await member.capture() }
        #expect(failure.code == code)
        if code == .permissionDenied { #expect(failure.hint == "Type on the server: ACL SETUSER default +psync") }
    }
}

/// Whether the RDB is the one that was asked for.
@Suite struct SnapshotOriginTests {
    private static func outcome(_ member: ScriptedMember) async throws -> Failure.Code? {
        do {
            _ = try await member.capture()
            return nil
        } catch let failure as Failure {
            return failure.code
        }
    }

    @Test(arguments: [
        (ScriptedMember.rdb(), nil as Failure.Code?),
        (ScriptedMember.rdb(identity: String(repeating: "f", count: 40)), .memberChanged),
        (ScriptedMember.rdb(offset: 99), .snapshotNotFresh), (ScriptedMember.rdb(offset: 101), .snapshotNotFresh),
        (ScriptedMember.rdb(offset: nil), .snapshotNotFresh),
        (ScriptedMember.rdb(createdAt: ScriptedMember.now - 1), nil),
        (ScriptedMember.rdb(createdAt: ScriptedMember.now - 2), .snapshotNotFresh),
        (ScriptedMember.rdb(createdAt: nil), .snapshotNotFresh),
    ])
    func theRDBMustStandWhereTheServerSaid(rdb: [UInt8], code: Failure.Code?) async throws {
        for wire in [ScriptedMember.bulk(rdb), ScriptedMember.marked(rdb)] {
            let primary = try await Self.outcome(ScriptedMember { try await $0.write(wire) })
            #expect(primary == code)
            let replica = try await Self.outcome(.replica { try await $0.write(wire) })
            #expect(replica == code)
        }
    }

    @Test func anRDBWithoutHistoryIsGoodFromAPrimaryAlone() async throws {
        let wire = ScriptedMember.bulk(ScriptedMember.rdb(identity: nil, offset: nil))
        let primary = try await Self.outcome(ScriptedMember { try await $0.write(wire) })
        #expect(primary == nil)
        let replica = try await Self.outcome(.replica { try await $0.write(wire) })
        #expect(replica == .snapshotNotFresh)
    }

    @Test func aSaveThatRanAlreadyMayBeShared() async throws {
        var member = ScriptedMember {
            try await $0.write(ScriptedMember.bulk(ScriptedMember.rdb(createdAt: ScriptedMember.now - 600)))
        }
        let alone = try await Self.outcome(member)
        #expect(alone == .snapshotNotFresh)
        member.info["rdb_bgsave_in_progress"] = "1"
        let shared = try await Self.outcome(member)
        #expect(shared == nil)
    }
}
