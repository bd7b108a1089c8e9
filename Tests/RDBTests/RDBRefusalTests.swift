// SPDX-License-Identifier: Apache-2.0

import RDB
import Testing

struct RDBRefusalTests {
    @Test(arguments: Fixture.all)
    func everyTruncationIsRefused(fixture: Fixture) throws {
        let bytes = fixture.bytes
        let step = bytes.count < 5000 ? 1 : 97
        for length in stride(from: 0, to: bytes.count, by: step) {
            let error = try #require(refusal(Array(bytes[..<length])), "\(length) bytes")
            #expect(error.rule == .truncated)
            #expect(error.offset == Int64(length))
        }
    }

    @Test(arguments: [Fixture.expiries, .opcodes, .collections])
    func everyBitFlipIsRefused(fixture: Fixture) {
        let bytes = fixture.bytes
        for bit in 0..<(bytes.count * 8) {
            var flipped = bytes
            flipped[bit / 8] ^= 1 << (bit % 8)
            #expect(refusal(flipped) != nil, "bit \(bit % 8) of byte \(bit / 8)")
        }
    }

    @Test(arguments: Fixture.all)
    func bytesAfterTheEndAreRefused(fixture: Fixture) throws {
        let bytes = fixture.bytes
        for extra in [[0], [255], Array("REDIS0011".utf8)] as [[UInt8]] {
            let error = try #require(refusal(bytes + extra))
            #expect(error.rule == .trailingBytes)
            #expect(error.offset == Int64(bytes.count))
            #expect(refusal(bytes + extra, chunk: 1) == error)
        }
    }

    /// Lengths that no memory holds: they must neither be believed nor allocated.
    @Test(arguments: Fixture.all, [1 << 63, .max, 1 << 62, 1 << 41, .max - 7] as [UInt64])
    func enormousLengthsAreRefused(fixture: Fixture, length: UInt64) throws {
        let bytes = fixture.writer.endedWithoutChecksum()
        for (kind, range) in fixture.writer.lengths {
            var broken = bytes
            broken.replaceSubrange(range, with: RDBWriter.encoded(length))
            let error = refusal(broken, chunk: 4096)
            switch kind {
            case .string: #expect(error?.rule == .lengthRange, "the string at \(range.lowerBound)")
            case .count: #expect(error != nil, "the count at \(range.lowerBound)")
            case .number: break
            }
        }
    }

    @Test func opcodesThatNobodyWritesAreRefused() throws {
        try refuseAll(but: Set([0, 1, 2, 3, 4, 5, 7, 30, 32] + Array(9...28) + Array(242...255)), "REDIS0015")
        try refuseAll(but: Set([0, 1, 2, 3, 4, 5, 7] + Array(9...22) + Array(243...255)), "VALKEY080")
    }

    private func refuseAll(but known: Set<UInt8>, _ magic: String) throws {
        for opcode in UInt8.min...UInt8.max {
            let error = try #require(refusal(Array(magic.utf8) + [opcode]))
            switch opcode {
            case 6: #expect(error.rule == .preReleaseOpcode)
            case _ where known.contains(opcode): #expect(error.rule == .truncated, "opcode \(opcode)")
            default: #expect(error.rule == .unknownOpcode, "opcode \(opcode)")
            }
            if error.rule != .truncated { #expect(error.offset == 9 && error.detail.contains("\(opcode) ")) }
        }
    }

    @Test(arguments: [
        (7, "REDIS0007"), (14, "REDIS0006"), (16, "REDIS0009"), (21, "REDIS0010"), (24, "REDIS0011"), (26, "REDIS0012"),
        (28, "REDIS0013"), (242, "REDIS0014"), (243, "REDIS0012"),
    ])
    func typesOfLaterVersionsAreRefused(type: UInt8, magic: String) throws {
        let error = try #require(refusal(Array(magic.utf8) + [type]))
        #expect(error.rule == .opcodeOfLaterVersion)
        #expect(error.description.contains("REDIS version \(Int(magic.suffix(2)) ?? 0)"))
    }

    @Test(arguments: [
        ("REDIS0000", RDBRule.version), ("REDIS0016", .version), ("REDIS0080", .version), ("REDIS 011", .version),
        ("VALKEY011", .version), ("VALKEY079", .version), ("VALKEY099", .version), ("REDIT0011", .magic),
        ("redis0011", .magic), ("\u{1f}\u{8b}gzip", .magic), ("VALKEX080", .magic), ("x", .magic),
    ])
    func unknownHeadersAreRefused(header: String, rule: RDBRule) throws {
        let error = try #require(refusal(Array(header.utf8) + [255]))
        #expect(error.rule == rule)
        #expect(error.offset == 0)
        #expect(refusal(Array(header.utf8) + [255], chunk: 1) == error)
    }

    @Test func errorsNameTheKeyAndThePlace() throws {
        var rdb = RDBWriter("REDIS0010")
        rdb.key(18, "a \"key\"\u{7}" + String(repeating: "x", count: 200))
        rdb.length(1, .count)
        let offset = rdb.bytes.count
        rdb.length(3)
        let error = try #require(refusal(rdb.ended()))
        #expect(error.rule == .listNode)
        #expect(error.offset == Int64(offset))
        #expect(error.opcode == 18)
        #expect(error.key?.hasPrefix("a \\\"key\\\"\\x07xxx") == true)
        #expect(error.key?.count == 128)
        #expect(error.description.hasPrefix("list-node at byte \(offset) (opcode 18, key \"a "))
        #expect(!error.description.contains("\n"))
        #expect(refusal(rdb.ended(), chunk: 1) == error)
    }

    @Test func compressedAndIntegerKeysAreNamed() throws {
        var rdb = RDBWriter("REDIS0010")
        rdb.raw(5)
        rdb.compressed(0x6b, 100)
        rdb.length(1, .count)
        rdb.string("member")
        rdb.double(.nan)
        #expect(refusal(rdb.ended())?.key == String(repeating: "k", count: 100))

        rdb = RDBWriter("REDIS0010")
        rdb.raw(0)
        rdb.integer(-300)
        rdb.raw(0xc9)
        #expect(refusal(rdb.ended())?.key == "-300")
    }

    @Test func afterAnErrorTheScannerStaysFailed() throws {
        var scanner = RDBScanner()
        let error = try #require(throws: RDBError.self) { try scanner.consume(Array("REDIS0011\u{8}".utf8)) }
        #expect(error.rule == .unknownOpcode)
        #expect(throws: error) { try scanner.consume([255]) }
        #expect(throws: error) { try scanner.finish() }
        #expect(!scanner.isComplete)
    }

    @Test func limitsOnDatabasesAndModulesHold() throws {
        var rdb = RDBWriter("REDIS0011")
        for database in 0..<UInt64(4) {
            rdb.select(database)
            rdb.key(0, "key")
            rdb.string("value")
        }
        let limits = RDBLimits(databasesMax: 3, modulesMax: 1)
        #expect(refusal(rdb.ended()) == nil)
        #expect(refusal(rdb.ended(), limits: limits)?.rule == .tooMany)
        #expect(refusal(Fixture.modules.bytes, limits: limits)?.rule == .tooMany)
        #expect(refusal(Fixture.newest.bytes, limits: RDBLimits(templatesMax: 1)) == nil)
        #expect(refusal(Fixture.newest.bytes, limits: RDBLimits(templatesMax: 0))?.rule == .tooMany)
    }
}

/// Why an RDB is refused, or `nil` if it is not.
func refusal(
    _ bytes: [UInt8],
    level: RDBLevel = .framing,
    chunk: Int = .max,
    limits: RDBLimits = .init()
) -> RDBError? {
    var scanner = RDBScanner(level: level, limits: limits)
    var rest = bytes[...]
    do throws(RDBError) {
        while !rest.isEmpty {
            try scanner.consume(Array(rest.prefix(chunk)))
            rest = rest.dropFirst(chunk)
        }
        _ = try scanner.finish()
        return nil
    } catch {
        return error
    }
}
