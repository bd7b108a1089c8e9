// SPDX-License-Identifier: Apache-2.0

import Failures
import RedisProtocol
import Testing

@Suite struct ReplicationPayloadDecoderTests {
    static let identity = "06f818d294be6629b7a1bf2e5cb36d69213f9031"
    static let mark = "009e58d0c74cc5924e4344921f715e9e74a481a0"
    static let rdb = Array("REDIS0011\r\n".utf8) + (0...255).map { UInt8($0) }

    /// Everything a decoder gave, for comparison between splits.
    struct Outcome: Equatable {
        var payload: [UInt8] = []
        var phase = ReplicationPayloadDecoder.Phase.awaitingReply
        var identity: String?
        var offset: Int64?
        var announced: Int64?
        var failure: Failure.Code?
    }

    /// Feeds pieces one after the other, then the end of the connection.
    static func outcome(
        _ pieces: [ArraySlice<UInt8>],
        trailing: ReplicationPayloadDecoder.TrailingBytes = .refused
    ) -> Outcome {
        var decoder = ReplicationPayloadDecoder(trailingBytes: trailing)
        var outcome = Outcome()
        do {
            for piece in pieces {
                try piece.withUnsafeBytes { try decoder.decode($0, appendingPayloadTo: &outcome.payload) }
            }
            try decoder.finish()
        } catch {
            outcome.failure = (error as? Failure)?.code ?? .unclassified
        }
        outcome.phase = decoder.phase
        outcome.identity = decoder.replication?.id
        outcome.offset = decoder.replication?.offset
        outcome.announced = decoder.announcedBytes
        #expect(decoder.payloadBytes == Int64(outcome.payload.count))
        return outcome
    }

    static func framed(length payload: [UInt8], keepAlives: Int = 0) -> [UInt8] {
        let newlines = String(repeating: "\n", count: keepAlives)
        return Array("\(newlines)+FULLRESYNC \(identity) 1593\r\n\(newlines)$\(payload.count)\r\n".utf8) + payload
    }

    static func framed(marked payload: [UInt8], keepAlives: Int = 0) -> [UInt8] {
        let newlines = String(repeating: "\n", count: keepAlives)
        return Array("\(newlines)+FULLRESYNC \(identity) 1593\r\n\(newlines)$EOF:\(mark)\r\n".utf8) + payload
            + Array(mark.utf8)
    }

    static func good(_ payload: [UInt8], announced: Bool) -> Outcome {
        Outcome(
            payload: payload,
            phase: .complete,
            identity: identity,
            offset: 1593,
            announced: announced ? Int64(payload.count) : nil,
            failure: nil
        )
    }

    @Test func bothFramesAreReadAtEverySplit() {
        for (wire, announced) in [(Self.framed(length: Self.rdb), true), (Self.framed(marked: Self.rdb), false)] {
            for split in 0...wire.count {
                #expect(Self.outcome([wire[..<split], wire[split...]]) == Self.good(Self.rdb, announced: announced))
            }
        }
    }

    @Test(arguments: [1, 2, 3, 7, 39, 40, 41, 4096])
    func bothFramesAreReadInPiecesOfAnySize(_ size: Int) {
        for (wire, announced) in [(Self.framed(length: Self.rdb), true), (Self.framed(marked: Self.rdb), false)] {
            let pieces = stride(from: 0, to: wire.count, by: size).map { wire[$0..<min($0 + size, wire.count)] }
            #expect(Self.outcome(pieces) == Self.good(Self.rdb, announced: announced))
        }
    }

    @Test(arguments: 1...39)
    func theMarkIsFoundInTwoPieces(_ first: Int) {
        let wire = Self.framed(marked: Self.rdb)
        let split = wire.count - 40 + first
        #expect(Self.outcome([wire[..<split], wire[split...]]) == Self.good(Self.rdb, announced: false))
    }

    @Test func theMarkInsideAValueIsData() {
        let mark = Array(Self.mark.utf8)
        let payloads = [
            Self.rdb + mark + Self.rdb, mark + Self.rdb, Self.rdb + mark, mark, mark + mark, Self.rdb + mark + mark,
            Self.rdb + mark.dropLast(), Self.rdb + mark.dropFirst(), mark.prefix(20) + mark,
        ]
        for payload in payloads {
            let wire = Self.framed(marked: Array(payload))
            for size in [1, 3, 39, 40, 41, 1000] {
                let pieces = stride(from: 0, to: wire.count, by: size).map { wire[$0..<min($0 + size, wire.count)] }
                #expect(Self.outcome(pieces) == Self.good(Array(payload), announced: false))
            }
        }
    }

    @Test func prefixesOfTheMarkAreData() {
        // A mark that begins with what it ends with makes naive matchers skip too far.
        let mark = Array(Self.mark.utf8)
        let payload = Self.rdb + (1...39).flatMap { mark.prefix($0) } + (1...39).flatMap { mark.suffix($0) }
        let wire = Self.framed(marked: Array(payload))
        for split in 0...wire.count {
            #expect(Self.outcome([wire[..<split], wire[split...]]) == Self.good(Array(payload), announced: false))
        }
    }

    @Test func keepAlivesMayComeBeforeEachLine() {
        #expect(
            Self.outcome([Self.framed(length: Self.rdb, keepAlives: 100)[...]]) == Self.good(Self.rdb, announced: true)
        )
        #expect(
            Self.outcome([Self.framed(marked: Self.rdb, keepAlives: 100)[...]]) == Self.good(Self.rdb, announced: false)
        )
    }

    @Test func newlinesOfTheRDBAreNotKeepAlives() {
        let payload: [UInt8] = [10, 10, 13, 10] + Self.rdb
        #expect(Self.outcome([Self.framed(length: payload)[...]]).payload == payload)
        #expect(Self.outcome([Self.framed(marked: payload)[...]]).payload == payload)
    }

    @Test func everyTruncationIsNoticed() {
        for wire in [Self.framed(length: Self.rdb), Self.framed(marked: Self.rdb)] {
            for length in 0..<wire.count {
                #expect(Self.outcome([wire[..<length]]).failure == .truncated, "at \(length) of \(wire.count)")
            }
        }
    }

    @Test func theReaderCanTellThatTheMarkHasCome() throws {
        let wire = Self.framed(marked: Self.rdb)
        var decoder = ReplicationPayloadDecoder()
        var payload: [UInt8] = []
        for (index, byte) in wire.enumerated() {
            try withUnsafeBytes(of: byte) { try decoder.decode($0, appendingPayloadTo: &payload) }
            #expect(decoder.isAtMark == (index == wire.count - 1))
        }
        try decoder.finish()
        #expect(decoder.phase == .complete)
        #expect(!decoder.isAtMark)
    }

    @Test func bytesBehindTheEndAreRefusedOrDropped() {
        let wire = Self.framed(length: Self.rdb) + Array("*1\r\n$4\r\nPING\r\n".utf8)
        for split in 0...wire.count {
            #expect(Self.outcome([wire[..<split], wire[split...]]).failure == .trailingBytes)
            let outcome = Self.outcome([wire[..<split], wire[split...]], trailing: .discarded)
            #expect(outcome == Self.good(Self.rdb, announced: true))
        }
        // With a mark, more bytes mean that it was no end: then the end is missing.
        #expect(Self.outcome([(Self.framed(marked: Self.rdb) + [10])[...]]).failure == .truncated)
    }

    @Test(arguments: [
        ("NOMASTERLINK Can't SYNC while not connected with my master", "NOMASTERLINK"),
        ("LOADING Redis is loading the dataset in memory", "LOADING"),
        ("ERR unknown command", "ERR"), ("NOAUTH Authentication required.", "NOAUTH"), ("NOPERM no", "NOPERM"),
    ])
    func errorsAreSurfaced(line: String, kind: String) {
        let error = RESPError(line: line)
        #expect(error.kind == kind)
        let early = Array("\n\n-\(line)\r\n".utf8)
        let late = Array("+FULLRESYNC \(Self.identity) 0\r\n\n-\(line)\r\nwhat else".utf8)
        for wire in [early, late] {
            for split in 0...wire.count {
                let outcome = Self.outcome([wire[..<split], wire[split...]])
                #expect(outcome.phase == .refused(error))
                #expect(outcome.payload.isEmpty)
                #expect(outcome.failure == nil)
            }
        }
    }

    @Test(arguments: [
        "+CONTINUE\r\n", "+CONTINUE \(identity)\r\n", "+DUALCHANNELSYNC\r\n", "+OK\r\n", "*1\r\n", "$5\r\n", ":1\r\n",
        "REDIS0011\r\n", "x\n",
        "+FULLRESYNC\r\n", "+FULLRESYNC \(identity)\r\n", "+FULLRESYNC short 1\r\n", "+FULLRESYNC \(identity) x\r\n",
        "+FULLRESYNC \(identity) -1\r\n", "+FULLRESYNC \(identity) 1 2\r\n", "+FULLRESYNC \(identity) 1\n",
        "+FULLRESYNC \(identity) 1\r\n+OK\r\n", "+FULLRESYNC \(identity) 1\r\n$\r\n",
        "+FULLRESYNC \(identity) 1\r\n$-1\r\n",
        "+FULLRESYNC \(identity) 1\r\n$0\r\n", "+FULLRESYNC \(identity) 1\r\n$9223372036854775808\r\n",
        "+FULLRESYNC \(identity) 1\r\n$EOF:\(mark.dropLast())\r\n", "+FULLRESYNC \(identity) 1\r\n$EOF:\(mark)0\r\n",
        "+FULLRESYNC \(identity) 1\r\n$EOF:\r\n",
    ])
    func otherAnswersAreViolations(_ text: String) {
        let wire = Array(text.utf8)
        for split in 0...wire.count {
            #expect(Self.outcome([wire[..<split], wire[split...]]).failure == .protocolViolation)
        }
    }

    @Test func aLineWithoutEndIsRefused() {
        let wire = [UInt8](repeating: UInt8(ascii: "x"), count: ReplicationPayloadDecoder.lineBytesMax + 1)
        #expect(Self.outcome([wire[...]]).failure == .protocolViolation)
        #expect(Self.outcome(wire.map { [$0][...] }).failure == .protocolViolation)
        #expect(Self.outcome([wire.dropLast()]).failure == .truncated)
    }

    @Test func aHugeLengthIsOnlyANumber() {
        let wire = Array("+FULLRESYNC \(Self.identity) 0\r\n$9223372036854775807\r\nabc".utf8)
        let outcome = Self.outcome([wire[...]])
        #expect(outcome.announced == .max)
        #expect(outcome.payload == Array("abc".utf8))
        #expect(outcome.failure == .truncated)
    }
}
