// SPDX-License-Identifier: Apache-2.0

import RDB
import Testing

/// Fields and members that occur twice, in values of every size: small ones are compared one by one, larger ones by a
/// table, and the largest while they stream by.
struct RDBDuplicateTests {
    @Test(arguments: [2, 3, 15, 16, 17, 18, 100, 511, 512, 513, 2000], [UInt8(10), 13, 16, 17, 20])
    func oneMemberTwiceIsFoundWhereverItStands(count: Int, type: UInt8) {
        for (first, second) in [(0, 1), (0, count - 1), (count / 2, count - 1), (count - 2, count - 1)] {
            guard first < second else { continue }
            var names = (0..<count).map { "name of an element \($0)" }
            #expect(refusal(Self.value(type, names), level: .deep) == nil)
            names[second] = names[first]
            let found = refusal(Self.value(type, names), level: .deep)
            #expect(found?.rule == (type == 10 ? nil : .duplicateElement), "\(first) and \(second) of \(count)")
            #expect(refusal(Self.value(type, names), level: .deep, chunk: 61) == found)
        }
    }

    /// Numbers are packed as integers, and two of them may share everything but one bit.
    @Test(arguments: [3, 16, 17, 500])
    func integersAreCompared(count: Int) {
        var names = (0..<count).map { "\($0 * 70_001 - 5)" }
        #expect(refusal(Self.value(20, names), level: .deep) == nil)
        names[count - 1] = names[0]
        #expect(refusal(Self.value(20, names), level: .deep)?.rule == .duplicateElement)
    }

    @Test func textsThatDifferInOneByteAreDifferent() {
        for length in 1...40 {
            let text = [UInt8](repeating: 0x78, count: length)
            let others = (0..<length).map { index in
                var other = text
                other[index] ^= 1
                return String(decoding: other, as: UTF8.self)
            }
            let names = [String(decoding: text, as: UTF8.self)] + others
            #expect(refusal(Self.value(20, names), level: .deep) == nil)
        }
    }

    private static func value(_ type: UInt8, _ names: [String]) -> [UInt8] {
        var rdb = RDBWriter("REDIS0012")
        rdb.key(type, "key")
        switch type {
        case 10: rdb.string(ziplist(names))
        case 13: rdb.string(ziplist(names.flatMap { [$0, "value"] }))
        case 16: rdb.string(listpack(names.flatMap { [$0, "value"] }))
        case 17: rdb.string(listpack(names.flatMap { [$0, "1.5"] }))
        default: rdb.string(listpack(names))
        }
        return rdb.ended()
    }
}

extension Breach {
    private static func value(_ rule: RDBRule, _ name: String, _ type: UInt8, _ packed: [UInt8]) -> Breach {
        Breach(rule, name) { rdb in
            rdb.key(type, "key")
            if type == 25 { rdb.littleEndian(UInt64(0)) }
            rdb.string(packed)
        }
    }

    /// The listpack of a set that has the integer 12 and the text "12".
    private static let twelveTwice: [UInt8] = [13, 0, 0, 0, 2, 0, 12, 1, 0x82, 0x31, 0x32, 3, 255]

    static let ofDuplicates: [Breach] = [
        value(.duplicateElement, "a field of a listpack", 16, listpack(["f", "1", "f", "2"])),
        value(.duplicateElement, "a field that expires", 25, listpack(["f", "1", "0", "f", "2", "0"])),
        value(.duplicateElement, "a field of a ziplist", 13, ziplist(["f", "1", "g", "2", "f", "3"])),
        value(.duplicateElement, "a field of a zipmap", 9, zipmap([("f", "v"), ("f", "w")])),
        value(.duplicateElement, "a member of a set", 20, listpack(["a", "b", "a"])),
        value(.duplicateElement, "a member of a sorted set", 17, listpack(["a", "1", "a", "2"])),
        value(.duplicateElement, "an integer and its digits", 20, twelveTwice),
    ]

    static let ofScores: [Breach] = [
        value(.score, "a word in a listpack", 17, listpack(["member", "many"])),
        value(.score, "nothing in a listpack", 17, listpack(["member", ""])),
        value(.score, "not a number in a ziplist", 12, ziplist(["member", "nan"])),
        value(
            .score,
            "more than a number can be",
            17,
            listpack(["member", String(repeating: "1", count: 600) + ".5"])
        ),
    ]
}
