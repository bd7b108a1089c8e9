// SPDX-License-Identifier: Apache-2.0

import RDB
import Testing

/// An RDB that breaks one rule.
struct Breach: CustomTestStringConvertible {
    let name: String
    let rule: RDBRule
    let bytes: [UInt8]

    var testDescription: String { "\(rule.rawValue): \(name)" }

    /// - Parameter write: the field that breaks the rule comes last.
    init(_ rule: RDBRule, _ name: String, _ magic: String = "REDIS0012", _ write: (inout RDBWriter) -> Void) {
        var rdb = RDBWriter(magic)
        write(&rdb)
        self.rule = rule
        self.name = name
        bytes = rdb.ended()
    }
}

struct RDBRuleTests {
    @Test(arguments: Breach.ofRecords + Breach.ofStrings + Breach.ofValues + Breach.ofModulesAndArrays)
    func oneBrokenRuleIsNamed(breach: Breach) throws {
        let error = try #require(refusal(breach.bytes))
        #expect(error.rule == breach.rule, "\(error)")
        #expect(refusal(breach.bytes, chunk: 1) == error)
        #expect(refusal(breach.bytes, chunk: 3) == error)
    }

    @Test func everyRuleIsTried() {
        let elsewhere: Set<RDBRule> = [
            .magic, .version, .truncated, .trailingBytes, .opcodeOfLaterVersion, .preReleaseOpcode, .tooMany,
            .listpack, .ziplist, .intset, .zipmap, .packedShape, .streamNode, .duplicateElement,
            .rewriting,
        ]
        let breaches = Breach.ofRecords + Breach.ofStrings + Breach.ofValues + Breach.ofModulesAndArrays
        #expect(Set(breaches.map(\.rule)).union(elsewhere) == Set(RDBRule.allCases))
    }

    @Test(arguments: ["1", "-2.5", "+3", "1e5", "1E-5", ".5", "5.", "0.30000000000000004", "17179869184"])
    func scoresInTextAreRead(text: String) {
        #expect(refusal(Self.scored(text)) == nil)
    }

    @Test(arguments: ["", "-", "e5", "1e", "1e+", "nan", "inf", "0x10", "1 ", " 1", "1.2.3", "--1", "."])
    func textThatIsNoScoreIsRefused(text: String) {
        #expect(refusal(Self.scored(text))?.rule == .score)
    }

    private static func scored(_ text: String) -> [UInt8] {
        var rdb = RDBWriter("REDIS0006")
        rdb.key(3, "zset")
        rdb.length(1, .count)
        rdb.string("member")
        rdb.raw([UInt8(text.utf8.count)] + Array(text.utf8))
        return rdb.ended()
    }
}

extension Breach {
    static let ofRecords: [Breach] = [
        Breach(.unknownOpcode, "a type between two known ones") { $0.raw(8) },
        Breach(.unknownOpcode, "a type of Redis in a file of Valkey", "VALKEY080") { $0.raw(24) },
        Breach(.unknownOpcode, "an opcode of Redis in a file of Valkey", "VALKEY080") { $0.raw(242) },
        Breach(.checksum, "of other content") { rdb in
            rdb.raw([255] + littleEndianBytes(UInt64(1)))
        },
        Breach(.databaseNumber, "beyond an int") { $0.select(1 << 31) },
        Breach(.keyAttribute, "an expiry at the end") { $0.expire(1) },
        Breach(.keyAttribute, "an expiry before another database") { rdb in
            rdb.expire(1)
            rdb.select(1)
        },
        Breach(.keyAttribute, "two expiries") { rdb in
            rdb.expire(1)
            rdb.raw(253, 0, 0, 0, 0)
        },
        Breach(.keyAttribute, "two frequencies") { $0.raw(249, 1, 249, 1) },
    ]

    static let ofStrings: [Breach] = [
        Breach(.lengthEncoding, "a first byte that is reserved") { $0.raw(0, 0x82) },
        Breach(.lengthEncoding, "an encoding where a count must stand") { rdb in
            rdb.key(1, "list")
            rdb.raw(0xc0, 1)
        },
        Breach(.lengthEncoding, "an encoding where a compressed length must stand") { $0.raw(0, 0xc3, 0xc0) },
        Breach(.lengthRange, "more elements than memory has") { rdb in
            rdb.key(2, "set")
            rdb.length((1 << 48) + 1)
        },
        Breach(.lengthRange, "a compressed length") { rdb in
            rdb.raw(0, 0xc3)
            rdb.numbers(1 << 63, 5)
        },
        Breach(.stringEncoding, "the first that is free") { $0.raw(0, 0xc4) },
        Breach(.stringEncoding, "an integer instead of a listpack") { rdb in
            rdb.key(16, "hash")
            rdb.raw(0xc2, 1, 0, 0, 0)
        },
        Breach(.compressedString, "of no bytes") { $0.raw(0, 0xc3, 5, 0) },
        Breach(.compressedString, "in no bytes") { $0.raw(0, 0xc3, 0, 5) },
        Breach(.compressedString, "better than it can be") { rdb in
            rdb.raw(0, 0xc3, 10)
            rdb.length(881)
        },
        Breach(.compressedString, "worse than it can be") { $0.raw(0, 0xc3, 21, 10) },
        Breach(.compressedString, "an AUX value that copies from before its beginning") { rdb in
            rdb.raw(250)
            rdb.string("name")
            rdb.raw(0xc3, 5, 30, 0, 0x61, 0xe0, 20, 9)
        },
        Breach(.compressedString, "an AUX name that is longer than it says") { rdb in
            rdb.raw(250, 0xc3, 5, 30, 0, 0x61, 0xe0, 21, 0)
            rdb.string("value")
        },
        Breach(.compressedString, "an AUX name that is shorter than it says") { rdb in
            rdb.raw(250, 0xc3, 5, 31, 0, 0x61, 0xe0, 20, 0)
            rdb.string("value")
        },
    ]

    static let ofValues: [Breach] = [
        Breach(.packedLength, "a listpack without its header") { rdb in
            rdb.key(16, "hash")
            rdb.string([0, 0, 0, 0, 0, 255])
        },
        Breach(.packedLength, "a ziplist without its header") { rdb in
            rdb.key(10, "list")
            rdb.string([UInt8](repeating: 0, count: 10))
        },
        Breach(.stream, "a node whose id is too long") { rdb in
            rdb.key(15, "stream")
            rdb.length(1)
            rdb.string([UInt8](repeating: 0, count: 17))
        },
        Breach(.packedLength, "a plain node without bytes") { rdb in
            rdb.key(18, "list")
            rdb.numbers(1, 1, 0)
        },
        Breach(.listNode, "of kind 0") { rdb in
            rdb.key(18, "list")
            rdb.numbers(1, 0)
        },
        Breach(.score, "not a number") { rdb in
            rdb.key(5, "zset")
            rdb.length(1)
            rdb.string("member")
            rdb.double(-.nan)
        },
        Breach(.score, "not a number, before version 8", "REDIS0007") { rdb in
            rdb.key(3, "zset")
            rdb.length(1)
            rdb.string("member")
            rdb.raw(253)
        },
        Breach(.stream, "a node whose id is an integer") { rdb in
            rdb.key(15, "stream")
            rdb.raw(1, 0xc0, 16)
        },
        Breach(.fieldExpiry, "a time before -1", "VALKEY080") { rdb in
            rdb.key(22, "hash")
            rdb.length(1)
            rdb.string("field")
            rdb.string("value")
            rdb.littleEndian(Int64(-2))
        },
        Breach(.stream, "entries without nodes") { rdb in
            rdb.key(15, "stream")
            rdb.numbers(0, 1)
        },
        Breach(.stream, "more entries for a consumer than for its group") { rdb in
            rdb.key(15, "stream")
            rdb.numbers(0, 0, 0, 0, 1)
            rdb.string("group")
            rdb.numbers(0, 0, 0, 1)
            rdb.string("consumer")
            rdb.littleEndian(UInt64(0))
            rdb.length(1)
        },
        Breach(.fieldExpiry, "the earliest one") { rdb in
            rdb.key(25, "hash")
            rdb.littleEndian(UInt64(1 << 48) + 1)
        },
        Breach(.fieldExpiry, "one that is too far from the earliest") { rdb in
            rdb.key(24, "hash")
            rdb.littleEndian(UInt64(1 << 47))
            rdb.length(1)
            rdb.length((1 << 47) + 1)
        },
    ]

    static let ofModulesAndArrays: [Breach] = [
        Breach(.arrayElement, "of no kind", "REDIS0014") { rdb in
            rdb.key(28, "array")
            rdb.numbers(1, 0, 0, 4)
        },
        Breach(.arrayElement, "a cursor that is neither known nor unknown", "REDIS0014") { rdb in
            rdb.key(28, "array")
            rdb.numbers(1, 2)
        },
        Breach(.template, "of a hash, not described", "REDIS0015") { rdb in
            rdb.key(32, "hash")
            rdb.length(1)
        },
        Breach(.template, "without fields", "REDIS0015") { rdb in
            rdb.raw(242)
            rdb.numbers(1, 0)
        },
        Breach(.template, "described twice", "REDIS0015") { rdb in
            for _ in 0..<2 {
                rdb.raw(242)
                rdb.numbers(1, 1)
                rdb.string("field")
            }
        },
        Breach(.moduleData, "a field of no kind") { rdb in
            rdb.key(7, "module")
            rdb.length(moduleType("ReJSON-RL", version: 3))
            rdb.length(6)
        },
        Breach(.moduleData, "a moment of another kind") { rdb in
            rdb.raw(247)
            rdb.length(moduleType("ReJSON-RL", version: 3))
            rdb.numbers(1, 1)
        },
    ]
}
