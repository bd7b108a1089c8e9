// SPDX-License-Identifier: Apache-2.0

import RDB
import Testing

/// What only level deep sees: the inside of strings.
struct RDBDeepTests {
    @Test(
        arguments: Breach.inListpacks + Breach.inOldPackings + Breach.inStreamNodes + Breach.inStreams
            + Breach.inCompressedStrings + Breach.ofDuplicates + Breach.ofScores
    )
    func brokenContentIsNamed(breach: Breach) throws {
        let error = try #require(refusal(breach.bytes, level: .deep))
        #expect(error.rule == breach.rule, "\(error)")
        #expect(error.key == "key")
        for chunk in [1, 2, 5, 16] { #expect(refusal(breach.bytes, level: .deep, chunk: chunk) == error) }
        #expect(refusal(breach.bytes) == nil, "level framing sees no more than the frame")
    }

    @Test func everyRuleOfTheLevelIsTried() {
        let breaches =
            Breach.inListpacks + Breach.inOldPackings + Breach.inStreamNodes + Breach.inCompressedStrings
            + Breach.ofDuplicates + Breach.ofScores
        let rules: Set<RDBRule> = [
            .listpack, .ziplist, .intset, .zipmap, .packedShape, .streamNode, .duplicateElement, .score,
        ]
        #expect(rules.isSubset(of: Set(breaches.map(\.rule))))
    }

    /// Redis before 6.2 could make such keys of an overflow, and servers load them: -1 as no expiry, the others as
    /// expired.
    @Test(arguments: [Int64(-1), -2, .min])
    func keysThatExpireBeforeTheEpochAreRead(expiry: Int64) throws {
        var rdb = RDBWriter("REDIS0011")
        rdb.expire(expiry)
        rdb.key(0, "key")
        rdb.string("value")
        let summary = try scan(rdb.ended(), level: .content)
        #expect(summary.expires == (expiry == -1 ? 0 : 1))
        var without = RDBWriter("REDIS0011")
        without.key(0, "key")
        without.string("value")
        let digest = try scan(without.ended(), level: .content).content
        #expect((summary.content == digest) == (expiry == -1))
    }

    /// A key that does not decompress is not named, whether its bytes came at once or not.
    @Test(arguments: [1, 2, 3, 4, 100])
    func brokenKeysAreNotNamed(chunk: Int) throws {
        var rdb = RDBWriter("REDIS0011")
        rdb.raw(0)
        rdb.compressed([0, 0x61, 0x20, 9, 0, 0x61], 5)
        rdb.string("value")
        let error = try #require(refusal(rdb.ended(), level: .deep, chunk: chunk))
        #expect(error.rule == .compressedString)
        #expect(error.key == nil)
        #expect(error.offset == 10)
    }

    @Test func errorsPointToTheBrokenString() throws {
        var rdb = RDBWriter("REDIS0011")
        rdb.key(20, "first")
        rdb.string(listpack(["good"]))
        rdb.key(20, "second")
        let offset = rdb.bytes.count
        rdb.string([9, 0, 0, 0, 1, 0, 1, 2, 255])
        let error = try #require(refusal(rdb.ended(), level: .deep, chunk: 1))
        #expect(error.offset == Int64(offset))
        #expect(error.key == "second")
    }

    @Test(arguments: [1, 100, 4096, 100_000, .max])
    func longCompressedStringsAreWalkedThrough(chunk: Int) throws {
        let entries = (0..<20_000).map { "\($0)-\($0 % 13)" }
        let packed = listpack(entries)
        let compressed = lzf(packed)
        #expect(packed.count > 100_000 && compressed.count < packed.count)
        var rdb = RDBWriter("REDIS0011")
        rdb.key(20, "key")
        rdb.compressed(compressed, packed.count)
        #expect(refusal(rdb.ended(), level: .deep, chunk: chunk) == nil)

        var damaged = compressed
        damaged[compressed.count / 2] ^= 1
        rdb = RDBWriter("REDIS0011")
        rdb.key(20, "key")
        rdb.compressed(damaged, packed.count)
        #expect(refusal(rdb.ended(), level: .deep, chunk: chunk) != nil)
    }

    @Test(arguments: [127, 128, 129, 4095, 4096, 16_380, 16_384, 70_000, 2_200_000])
    func elementsOfEveryLengthAreRead(length: Int) throws {
        let texts = ["before", String(repeating: "x", count: length), "after"]
        var rdb = RDBWriter("REDIS0011")
        rdb.key(20, "set")
        rdb.string(listpack(texts))
        rdb.key(10, "list")
        rdb.string(ziplist(texts))
        #expect(refusal(rdb.ended(), level: .deep, chunk: 10_000) == nil)
    }

    @Test func integersOfEverySizeAreRead() throws {
        let integers: [Int64] = [0, 127, 128, -1, 4095, -4096, 4096, 32_767, -32_768, 8_388_607, -8_388_608]
        let larger: [Int64] = [8_388_608, .init(Int32.max), .init(Int32.min), .init(Int32.max) + 1, .max, .min]
        var rdb = RDBWriter("REDIS0011")
        rdb.key(20, "set")
        rdb.string(listpack((integers + larger).map { "\($0)" }))
        rdb.key(10, "list")
        rdb.string(ziplist((integers + larger).map { "\($0)" }))
        for members in [[Int64(1), 2], [-70_000, 70_000], [.min, 0, .max]] {
            rdb.key(11, "intset")
            rdb.string(intset(members))
        }
        #expect(refusal(rdb.ended(), level: .deep) == nil)
    }

    /// Trimming by Redis 5.0 could leave a stream with another length than its nodes have, and servers load it.
    @Test(arguments: [UInt64(1), 2, 3, 130])
    func streamsThatMiscountThemselvesAreRead(length: UInt64) {
        var rdb = RDBWriter("REDIS0009")
        rdb.key(15, "stream")
        rdb.length(1)
        rdb.string(rawID(1, 0))
        rdb.string(streamNode(["f"], [["1"], ["2"]]))
        rdb.numbers(length, 3, 0, 0)
        #expect(refusal(rdb.ended(), level: .deep) == nil)
    }

    @Test(arguments: [UInt8(254), 255])
    func zipmapsThatDoNotSayTheirLengthAreRead(announced: UInt8) {
        var rdb = RDBWriter("REDIS0003")
        rdb.key(9, "zipmap")
        rdb.string([announced] + zipmap([("f", "v"), ("g", "w")]).dropFirst())
        #expect(refusal(rdb.ended(), level: .deep) == nil)
    }

    @Test func emptyCollectionsAreReadAsServersDo() {
        var rdb = RDBWriter("REDIS0011")
        for type in [UInt8(16), 17, 20] {
            rdb.key(type, "empty")
            rdb.string(listpack([]))
        }
        rdb.key(13, "empty")
        rdb.string(ziplist([]))
        #expect(refusal(rdb.ended(), level: .deep) == nil)
    }
}

extension Breach {
    /// A packed value under the key `key`.
    private init(_ rule: RDBRule, _ name: String, type: UInt8, _ packed: [UInt8]) {
        self.init(rule, name) { rdb in
            rdb.key(type, "key")
            if type == 25 { rdb.littleEndian(UInt64(0)) }
            rdb.string(packed)
        }
    }

    /// A listpack of ten bytes or more, changed in one place.
    private static func listpackChanged(at index: Int, to byte: UInt8, _ name: String) -> Breach {
        var packed = listpack(["abc", "5"])
        packed[index < 0 ? packed.count + index : index] = byte
        return Breach(.listpack, name, type: 20, packed)
    }

    static let inListpacks: [Breach] = [
        listpackChanged(at: 0, to: 1, "another length in the header"),
        listpackChanged(at: 4, to: 3, "another number of elements"),
        listpackChanged(at: -1, to: 0, "no end"),
        listpackChanged(at: 6, to: 0xff, "an end in the middle"),
        listpackChanged(at: 6, to: 0xbf, "an element that is too long"),
        listpackChanged(at: 6, to: 0xf5, "an element of no kind"),
        listpackChanged(at: 10, to: 9, "another length behind an element"),
        listpackChanged(at: 10, to: 0x84, "a length behind an element that goes on"),
        Breach(.listpack, "bytes after the end", type: 20, [9, 0, 0, 0, 0, 0, 255, 1, 255]),
        Breach(.packedShape, "a field without a value", type: 16, listpack(["field", "value", "other"])),
        Breach(.packedShape, "a member without a score", type: 17, listpack(["member"])),
        Breach(.packedShape, "a field without an expiry", type: 25, listpack(["field", "value"])),
        Breach(.fieldExpiry, "a text", type: 25, listpack(["field", "value", "soon"])),
        Breach(.fieldExpiry, "beyond 48 bits", type: 25, listpack(["field", "value", "281474976710656"])),
        Breach(.listpack, "a node of a list") { rdb in
            rdb.key(18, "key")
            rdb.numbers(1, 2)
            rdb.string([7, 0, 0, 0, 1, 0, 255])
        },
    ]

    private static func ziplistChanged(at index: Int, to byte: UInt8, _ name: String) -> Breach {
        var packed = ziplist(["abc", "de"])
        packed[index < 0 ? packed.count + index : index] = byte
        return Breach(.ziplist, name, type: 10, packed)
    }

    static let inOldPackings: [Breach] = [
        ziplistChanged(at: 0, to: 9, "another length in the header"),
        ziplistChanged(at: 4, to: 10, "another place of the last element"),
        ziplistChanged(at: 7, to: 9, "a place of the last element outside"),
        ziplistChanged(at: 8, to: 1, "another number of elements"),
        ziplistChanged(at: 10, to: 1, "a length in front of the first element"),
        ziplistChanged(at: 15, to: 4, "another length in front of an element"),
        ziplistChanged(at: 16, to: 0x30, "an element that is too long"),
        ziplistChanged(at: 16, to: 0xff, "an element of no kind"),
        ziplistChanged(at: -1, to: 0, "no end"),
        ziplistChanged(at: 15, to: 0xff, "an end in the middle"),
        Breach(.packedShape, "a field without a value, in a ziplist", type: 13, ziplist(["field"])),
        Breach(.intset, "of no members", type: 11, [2, 0, 0, 0, 0, 0, 0, 0]),
        Breach(.intset, "of an unknown size", type: 11, [3, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3]),
        Breach(.intset, "of fewer members than it says", type: 11, [2, 0, 0, 0, 2, 0, 0, 0, 1, 0]),
        Breach(.intset, "out of order", type: 11, intset([5, 4] as [Int64])),
        Breach(.intset, "with a member twice", type: 11, intset([5, 5] as [Int64])),
        Breach(.zipmap, "of no fields", type: 9, [0, 255]),
        Breach(.zipmap, "of another number of fields", type: 9, [2] + zipmap([("f", "v")]).dropFirst()),
        Breach(.zipmap, "without an end", type: 9, Array(zipmap([("f", "v")]).dropLast()) + [0]),
        Breach(.zipmap, "with a text that is too long", type: 9, [1, 200, 0x66, 1, 0, 0x76, 255]),
        Breach(.zipmap, "with a field without a value", type: 9, [1, 1, 0x66, 255]),
        Breach(.zipmap, "with bytes after the end", type: 9, zipmap([("f", "v")]) + [255]),
    ]

    private static func node(_ name: String, _ elements: [String]) -> Breach {
        Breach(.streamNode, name) { rdb in
            rdb.key(15, "key")
            rdb.length(1)
            rdb.string(rawID(1, 1))
            rdb.string(listpack(elements))
            rdb.numbers(1, 1, 1, 0)
        }
    }

    /// A stream of one node with three entries, whose group has these that wait, and these for each consumer.
    private static func stream(_ name: String, _ pending: [UInt64], _ owned: [[UInt64]]) -> Breach {
        Breach(.stream, name) { rdb in
            rdb.key(15, "key")
            rdb.length(1)
            rdb.string(rawID(1, 0))
            rdb.string(streamNode(["f"], [["1"], ["2"], ["3"]]))
            rdb.numbers(3, 3, 0, 1)
            rdb.string("group")
            rdb.numbers(3, 0)
            rdb.each(pending) { rdb, milliseconds in
                rdb.raw(rawID(milliseconds, 0))
                rdb.littleEndian(UInt64(0))
                rdb.length(1)
            }
            rdb.each(owned) { rdb, ids in
                rdb.string("consumer \(ids)")
                rdb.littleEndian(UInt64(0))
                rdb.each(ids) { rdb, milliseconds in rdb.raw(rawID(milliseconds, 0)) }
            }
        }
    }

    static let inStreams: [Breach] = [
        stream("an entry that waits for no consumer", [1, 2], [[1]]),
        stream("an entry that waits for a consumer alone", [1, 2], [[1, 3]]),
        stream("an entry that waits for two consumers", [1, 2], [[1, 2], [1]]),
        stream("an entry that waits for two instead of one other", [1, 2], [[1], [1]]),
        stream("an entry that waits twice", [1, 1], [[1, 1]]),
        stream("waiting entries out of order", [2, 1], [[1, 2]]),
        stream("entries of a consumer out of order", [1, 2], [[2, 1]]),
        Breach(.stream, "an entry after the last id") { rdb in
            rdb.key(15, "key")
            rdb.length(1)
            rdb.string(rawID(1, 0))
            rdb.string(streamNode(["f"], [["1"], ["2"]]))
            rdb.numbers(2, 0, 9, 0)
        },
        Breach(.stream, "two nodes with the same id") { rdb in
            rdb.key(15, "key")
            rdb.each([UInt64(5), 5]) { rdb, milliseconds in
                rdb.string(rawID(milliseconds, 0))
                rdb.string(streamNode(["f"], [["1"]]))
            }
            rdb.numbers(2, 5, 0, 0)
        },
    ]

    static let inStreamNodes: [Breach] = [
        node("without elements", []),
        node("a text for the number of entries", ["x", "0", "1", "f", "0", "2", "0", "0", "v", "4"]),
        node("a negative number of entries", ["-1", "0", "1", "f", "0"]),
        node("no zero after the first fields", ["1", "0", "1", "f", "1", "2", "0", "0", "v", "4"]),
        node("a miscounted entry", ["1", "0", "1", "f", "0", "2", "0", "0", "v", "5"]),
        node(
            "a miscounted entry with fields of its own",
            ["1", "0", "1", "f", "0", "0", "0", "0", "1", "g", "v", "4"]
        ),
        node("an entry too few", ["2", "0", "1", "f", "0", "2", "0", "0", "v", "4"]),
        node("an entry too few among deleted ones", ["1", "1", "1", "f", "0", "2", "0", "0", "v", "4"]),
        node("an entry too many", ["0", "0", "1", "f", "0", "2", "0", "0", "v", "4"]),
        node("two entries with one id", ["2", "0", "1", "f", "0", "2", "0", "0", "v", "4", "2", "0", "0", "v", "4"]),
        Breach(.streamNode, "an entry before the last one of another node") { rdb in
            rdb.key(15, "key")
            rdb.length(2)
            rdb.string(rawID(1, 0))
            rdb.string(streamNode(["f"], [["1"], ["2"], ["3"]]))
            rdb.string(rawID(1, 1))
            rdb.string(streamNode(["f"], [["1"]]))
            rdb.numbers(4, 9, 0, 0)
        },
        node("an entry that is cut off", ["1", "0", "1", "f", "0", "2", "0", "0"]),
    ]

    private static func compressed(_ name: String, _ data: [UInt8], _ length: Int) -> Breach {
        Breach(.compressedString, name) { rdb in
            rdb.key(0, "key")
            rdb.compressed(data, length)
        }
    }

    static let inCompressedStrings: [Breach] = [
        compressed("a copy from before the beginning", [0, 0x61, 0x20, 1], 4),
        compressed("more than it says", [0, 0x61, 0x20, 0], 3),
        compressed("less than it says", [0, 0x61, 0x20, 0], 5),
        compressed("a copy that is cut off", [0, 0x61, 0x20], 4),
        compressed("literals that are cut off", [3, 0x61, 0x61], 4),
        compressed("more literals than it says", [2, 0x61, 0x61, 0x61], 2),
        Breach(.listpack, "a listpack that is broken once it is decompressed") { rdb in
            rdb.key(20, "key")
            rdb.compressed(0x61, 100)
        },
    ]
}
