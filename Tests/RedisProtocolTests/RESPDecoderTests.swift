// SPDX-License-Identifier: Apache-2.0

import Failures
import RedisProtocol
import Testing

/// Values as they stand on the wire, and what they are.
struct WireValue: Sendable, CustomTestStringConvertible {
    let wire: String
    let value: RESPValue

    init(_ wire: String, _ value: RESPValue) {
        self.wire = wire
        self.value = value
    }

    var testDescription: String { String(reflecting: wire) }

    static let all: [WireValue] = [
        WireValue("+OK\r\n", .simple("OK")),
        WireValue("+\r\n", .simple("")),
        WireValue("-ERR no\r\n", .error(RESPError(kind: "ERR", message: "no"))),
        WireValue("-ERR\r\n", .error(RESPError(kind: "ERR", message: ""))),
        WireValue(":-42\r\n", .integer(-42)),
        WireValue(":9223372036854775807\r\n", .integer(.max)),
        WireValue("$0\r\n\r\n", .bulk([])),
        WireValue("$5\r\na\r\nb\n\r\n", .bulk(Array("a\r\nb\n".utf8))),
        WireValue("$-1\r\n", .null),
        WireValue("*-1\r\n", .null),
        WireValue("_\r\n", .null),
        WireValue("*0\r\n", .array([])),
        WireValue("*2\r\n:1\r\n*1\r\n$1\r\nx\r\n", .array([.integer(1), .array([.bulk([0x78])])])),
        WireValue("*3\r\n*0\r\n*-1\r\n*1\r\n*0\r\n", .array([.array([]), .null, .array([.array([])])])),
        WireValue("#t\r\n", .boolean(true)),
        WireValue("#f\r\n", .boolean(false)),
        WireValue(",1.5e3\r\n", .double(1500)),
        WireValue(",-inf\r\n", .double(-.infinity)),
        WireValue("(-349289032840923850932485094385\r\n", .bigNumber("-349289032840923850932485094385")),
        WireValue("!8\r\nERR oops\r\n", .error(RESPError(kind: "ERR", message: "oops"))),
        WireValue("=7\r\ntxt:a\r\n\r\n", .verbatim(format: "txt", text: Array("a\r\n".utf8))),
        WireValue("%1\r\n+k\r\n:1\r\n", .map([RESPEntry(key: .simple("k"), value: .integer(1))])),
        WireValue("%0\r\n", .map([])),
        WireValue("~2\r\n:1\r\n:2\r\n", .set([.integer(1), .integer(2)])),
        WireValue(">2\r\n+invalidate\r\n_\r\n", .push([.simple("invalidate"), .null])),
        WireValue("|1\r\n+ttl\r\n:10\r\n*1\r\n|1\r\n+a\r\n+b\r\n+x\r\n", .array([.simple("x")])),
    ]
}

@Suite struct RESPDecoderTests {
    @Test(arguments: WireValue.all)
    func eachValueIsReadAtEverySplit(_ sample: WireValue) throws {
        let wire = Array(sample.wire.utf8)
        for split in 0...wire.count {
            var decoder = RESPDecoder()
            decoder.append(wire[..<split])
            let early = try decoder.next()
            if split < wire.count { #expect(early == nil, "whole after \(split) of \(wire.count) bytes") }
            decoder.append(wire[split...])
            #expect(try early ?? decoder.next() == sample.value)
            #expect(try decoder.next() == nil)
            #expect(!decoder.isInsideValue)
        }
    }

    @Test(arguments: [1, 2, 3, 7, 4096])
    func manyValuesInPiecesOfAnySizeAreReadInOrder(_ size: Int) throws {
        let wire = WireValue.all.flatMap { Array($0.wire.utf8) }
        var decoder = RESPDecoder()
        var values: [RESPValue] = []
        for start in stride(from: 0, to: wire.count, by: size) {
            decoder.append(wire[start..<min(start + size, wire.count)])
            while let value = try decoder.next() { values.append(value) }
        }
        #expect(values == WireValue.all.map(\.value))
    }

    @Test(arguments: WireValue.all)
    func aTruncatedValueIsNeverAValue(_ sample: WireValue) throws {
        let wire = Array(sample.wire.utf8)
        for length in 0..<wire.count {
            var decoder = RESPDecoder()
            decoder.append(wire[..<length])
            #expect(try decoder.next() == nil)
            // Between an attribute and its value no value has begun.
            if wire[0] != UInt8(ascii: "|") { #expect(decoder.isInsideValue == (length > 0)) }
        }
    }

    @Test(arguments: [
        "\u{15}\u{3}\u{3}", "HTTP/1.1 200 OK\r\n", "+OK\n", "+O\nK\r\n", ":\r\n", ":1x\r\n", ":9223372036854775808\r\n",
        "$x\r\n", "$-2\r\n", "$?\r\n", "*-2\r\n", "*?\r\n", "$3\r\nabcd\r\n", "$1\r\na\n\n", "#x\r\n", ",abc\r\n",
        "(12a\r\n",
        "(\r\n", "=2\r\nab\r\n", "=5\r\nabcde\r\n", "%-1\r\n", "~-1\r\n", "\r\n",
    ])
    func whatIsNotRESPIsRefused(_ wire: String) {
        var decoder = RESPDecoder()
        decoder.append(wire.utf8)
        let first = #expect(throws: Failure.self) { try decoder.next() }
        #expect(first?.code == .protocolViolation)
        // The stream is lost: good bytes behind the bad ones are not read.
        decoder.append("+OK\r\n".utf8)
        #expect(throws: Failure.self) { try decoder.next() }
    }

    @Test(arguments: [
        "$9223372036854775807\r\n", "$67108865\r\n", "*9223372036854775807\r\n", "*1000001\r\n", "%1000001\r\n",
        "~9223372036854775807\r\n", "|9223372036854775807\r\n", "!9223372036854775807\r\n", "=9223372036854775807\r\n",
    ])
    func hugeLengthsAreRefusedBeforeAnythingIsAllocated(_ wire: String) {
        var decoder = RESPDecoder()
        decoder.append(wire.utf8)
        #expect(throws: Failure.self) { try decoder.next() }
    }

    @Test func theLimitsHoldAtTheirEdges() throws {
        let limits = RESPLimits(replyBytes: 64, lineBytes: 16, valueCount: 4, depth: 2)
        let good = [
            "$53\r\n" + String(repeating: "x", count: 53) + "\r\n", "*3\r\n:1\r\n:2\r\n:3\r\n", "*1\r\n*1\r\n:1\r\n",
        ]
        for wire in good {
            var decoder = RESPDecoder(limits: limits)
            // Limits are for each reply, not for the connection.
            for _ in 0..<3 {
                decoder.append(wire.utf8)
                #expect(try decoder.next() != nil, "\(wire)")
            }
        }
        let bad = [
            "$60\r\n", "*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n", "*1\r\n*1\r\n*1\r\n", "+" + String(repeating: "x", count: 20),
            "*2\r\n$30\r\n" + String(repeating: "x", count: 30) + "\r\n$30\r\n",
        ]
        for wire in bad {
            var decoder = RESPDecoder(limits: limits)
            decoder.append(wire.utf8)
            #expect(throws: Failure.self, "\(wire)") { try decoder.next() }
        }
    }

    @Test func newlinesBetweenValuesAreSkipped() throws {
        var decoder = RESPDecoder()
        decoder.append("\n\n+OK\r\n\n:1\r\n\n".utf8)
        #expect(try decoder.next() == .simple("OK"))
        #expect(try decoder.next() == .integer(1))
        #expect(try decoder.next() == nil)
    }

    @Test func whatFollowsAReplyCanBeTakenOut() throws {
        var decoder = RESPDecoder()
        decoder.append("+OK\r\nREDIS0011".utf8)
        #expect(try decoder.next() == .simple("OK"))
        #expect(decoder.takeRest() == Array("REDIS0011".utf8))
        #expect(decoder.takeRest() == [])
    }

    @Test func aLongReplyInSmallPiecesTakesLinearTime() throws {
        // 200,000 values byte by byte: quadratic work would take hours.
        let wire = Array("*200000\r\n".utf8) + Array(repeatElement(Array(":1\r\n".utf8), count: 200_000).joined())
        var decoder = RESPDecoder()
        var value: RESPValue?
        for byte in wire {
            decoder.append(CollectionOfOne(byte))
            value = try decoder.next()
        }
        #expect(value?.elements?.count == 200_000)
    }
}

@Suite struct RESPValueTests {
    @Test(arguments: [
        ("ERR unknown command", "ERR", "unknown command"), ("ERR", "ERR", ""),
        ("NOAUTH Authentication required.", "NOAUTH", "Authentication required."),
        ("-NOMASTERLINK Can't SYNC", "NOMASTERLINK", "Can't SYNC"), ("something else", "", "something else"),
        ("", "", ""),
    ])
    func errorsAreSplitIntoKindAndMessage(line: String, kind: String, message: String) {
        let error = RESPError(line: line)
        #expect(error.kind == kind)
        #expect(error.message == message)
        #expect(error.description == (line.first == "-" ? String(line.dropFirst()) : line))
    }

    @Test func pairsOfBothVersionsAreEntries() {
        let entries = [RESPEntry(key: .bulk([0x61]), value: .integer(1))]
        #expect(RESPValue.map(entries).entries == entries)
        #expect(RESPValue.array([.bulk([0x61]), .integer(1)]).entries == entries)
        #expect(RESPValue.array([.bulk([0x61])]).entries == nil)
        #expect(RESPValue.simple("x").entries == nil)
    }

    @Test func numbersInStringsAreIntegers() {
        #expect(RESPValue.bulk(Array("1700000000".utf8)).integer == 1_700_000_000)
        #expect(RESPValue.integer(7).integer == 7)
        #expect(RESPValue.bulk(Array("7a".utf8)).integer == nil)
        #expect(RESPValue.null.integer == nil)
    }
}

@Suite struct RESPCommandTests {
    @Test func argumentsMayBeAnyBytes() throws {
        let arguments: [[UInt8]] = [Array("SET".utf8), [0, 13, 10, 36, 255], [], Array("*1\r\n".utf8)]
        var decoder = RESPDecoder()
        decoder.append(RESPCommand(arguments).encoded())
        #expect(try decoder.next() == .array(arguments.map { .bulk($0) }))
        #expect(!decoder.isInsideValue)
    }

    @Test(arguments: [
        (["psync", "?", "-1"], "PSYNC", "psync"), (["CONFIG", "GET", "dir"], "CONFIG GET", "config|get"),
        (["CLIENT", "SETNAME", "x"], "CLIENT SETNAME", "client|setname"), (["INFO"], "INFO", "info"),
        (["BGSAVE", "SCHEDULE"], "BGSAVE", "bgsave"), (["REPLCONF", "rdb-only", "1"], "REPLCONF", "replconf"),
    ])
    func namesAndRightsAreThoseOfACL(words: [String], name: String, right: String) {
        #expect(RESPCommand(words).name == name)
        #expect(RESPCommand(words).right == right)
    }

    @Test func argumentsAreNeverPrinted() {
        let command = RESPCommand("AUTH", "backup", "s3cret")
        var dumped = ""
        dump(command, to: &dumped)
        let texts = [
            dumped, "\(command)", String(reflecting: command),
            String(describing: Mirror(reflecting: command).children.map(\.value)),
        ]
        for text in texts { #expect(!text.contains("s3cret")) }
    }
}
