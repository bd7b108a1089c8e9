// SPDX-License-Identifier: Apache-2.0

import RDB
import TestParts
import Testing

struct RDBCensusTests {
    @Test func elementsAreCountedInEveryEncoding() throws {
        let expected: [(Fixture, [UInt8: UInt64])] = [
            (.packed, [10: 2, 11: 3, 12: 1, 13: 1, 16: 1, 17: 1, 20: 3]), (.collections, [1: 3, 2: 3, 5: 4, 4: 2]),
            (.oldCollections, [3: 5, 9: 2]), (.lists, [14: 3, 18: 4]), (.fieldExpiries, [22: 3, 23: 1, 24: 3, 25: 1]),
            (.valkey, [22: 2, 0: 1]), (.modules, [7: 0, 0: 1]), (.strings, [0: 9]),
        ]
        for (fixture, elements) in expected {
            let census = try census(of: fixture.bytes)
            #expect(census.encodings.mapValues(\.elements) == elements, "\(fixture.name)")
            #expect(census.types.mapValues(\.keys) == fixture.types)
            #expect(census.types.keys.sorted() == fixture.types.keys.sorted())
        }
    }

    @Test(arguments: Fixture.all, [1, 2, 7, 64])
    func chunksOfAnySizeGiveTheSame(fixture: Fixture, size: Int) throws {
        let bytes = fixture.bytes
        let whole = try census(of: bytes).everything
        #expect(try census(of: bytes, chunk: size).everything == whole)
    }

    @Test(arguments: Fixture.all)
    func itAgreesWithTheSummary(fixture: Fixture) throws {
        var scanner = RDBScanner(level: .deep, census: RDBCensus(top: 1000))
        try scanner.consume(fixture.bytes)
        let summary = try scanner.finish()
        let census = try #require(scanner.census)
        #expect(census.databases.mapValues(\.keys) == summary.keys)
        #expect(census.databases.values.reduce(0) { $0 + $1.expires } == summary.expires)
        #expect(census.lifetimes[.expired] == summary.expired)
        #expect(census.lifetimes.values.reduce(0, +) == summary.keyCount)
        #expect(census.types.mapValues(\.keys) == summary.types)
        #expect(census.encodings.mapValues(\.keys) == summary.records.filter { census.encodings[$0.key] != nil })
        let bytes = census.largestByBytes.entries.map(\.key.bytes)
        #expect(UInt64(bytes.count) == summary.keyCount && bytes == bytes.sorted(by: >))
        #expect(bytes.reduce(0, +) == census.types.values.reduce(0) { $0 + $1.bytes })
        #expect(bytes.reduce(0, +) < summary.bytes)
    }

    @Test func lifetimesBeginAtTheTimeOfTheSnapshot() throws {
        let day: Int64 = 86_400_000
        let limits: [Int64] = [60_000, 3_600_000, day, 7 * day, 30 * day, 365 * day]
        var times: [Int64] = [-1, 0, .max - 1_700_000_000_000]
        for limit in limits { times += [limit - 1, limit] }
        var rdb = RDBWriter("REDIS0009")
        rdb.aux("ctime", "1700000000")
        for (index, left) in times.enumerated() {
            rdb.expire(1_700_000_000_000 + left)
            rdb.key(0, "key:\(index)")
            rdb.string("value")
        }
        rdb.key(0, "never")
        rdb.string("value")
        let lifetimes = try census(of: rdb.ended()).lifetimes
        #expect(
            lifetimes == [
                .expired: 1, .minute: 2, .hour: 2, .day: 2, .week: 2, .month: 2, .year: 2, .later: 2, .none: 1,
            ]
        )
    }

    @Test func withoutATimeOfItsOwnTheClockIsThatOfTheCensus() throws {
        var rdb = RDBWriter("REDIS0006")
        rdb.expire(5000)
        rdb.key(0, "key")
        rdb.string("value")
        #expect(try census(of: rdb.ended(), RDBCensus(clock: 5001)).lifetimes[.expired] == 1)
        #expect(try census(of: rdb.ended(), RDBCensus(clock: 5000)).lifetimes[.minute] == 1)
    }

    @Test(arguments: [
        (":", ["user": 2, "": 1, "a": 1], 2), ("::", ["user": 1], 5), ("r", ["use": 3], 3), ("\u{e9}", ["caf": 1], 5),
    ])
    func aPrefixEndsBeforeTheFirstDelimiter(delimiter: String, prefixes: [String: UInt64], without: UInt64) throws {
        var rdb = RDBWriter("REDIS0009")
        for name in ["user:1", "user::2", ":", "a:b:c", "user", "caf\u{e9}"] {
            rdb.key(0, name)
            rdb.string("value")
        }
        let census = try census(of: rdb.ended(), RDBCensus(delimiter: Array(delimiter.utf8)))
        let found = census.prefixesByKeys.entries.map { (String(decoding: $0.name, as: UTF8.self), $0.weight) }
        #expect(Dictionary(uniqueKeysWithValues: found) == prefixes)
        #expect(census.withoutPrefix.keys == without)
        #expect(census.prefixesByBytes.total + UInt64(census.withoutPrefix.bytes) == UInt64(census.bytes))
    }

    @Test func namesThatAreStoredAsIntegersOrCompressedAreDecoded() throws {
        var rdb = RDBWriter("REDIS0009")
        rdb.raw(0)
        rdb.integer(-70_000)
        rdb.string("value")
        rdb.raw(0)
        rdb.compressed(0x3a, 200)
        rdb.string("value")
        rdb.key(0, String(repeating: "n", count: 1000))
        rdb.string("v")
        let census = try census(of: rdb.ended(), RDBCensus(delimiter: Array("0".utf8)))
        let keys = census.largestByBytes.entries.map(\.key)
        #expect(keys.map(\.name.count) == [256, 200, 6] || keys.map(\.name.count) == [256, 6, 200])
        #expect(keys.map(\.isNameWhole) == [false, true, true])
        #expect(keys.contains { $0.name == Array("-70000".utf8) })
        #expect(census.prefixesByKeys.entries.map(\.name) == [Array("-7".utf8)])
    }

    @Test func theLargestKeysAreKeptAndOfEqualOnesTheFirst() throws {
        var random = SeededRandom(seed: 5)
        var rdb = RDBWriter("REDIS0009")
        var sizes: [(name: String, size: Int)] = []
        for index in 0..<500 {
            let size = Int(random.next() % 60)
            sizes.append(("key:\(100 + index)", size))
            rdb.key(0, sizes[index].name)
            rdb.string([UInt8](repeating: 0x76, count: size))
        }
        rdb.key(1, "list")
        rdb.each(["a", "b"]) { rdb, element in rdb.string(element) }
        let census = try census(of: rdb.ended(), RDBCensus(top: 7))
        // A stable sort keeps the order of equal ones.
        let expected = sizes.enumerated().sorted { ($0.element.size, $1.offset) > ($1.element.size, $0.offset) }
        let found = census.largestByBytes.entries.map { String(decoding: $0.key.name, as: UTF8.self) }
        #expect(found == expected.prefix(7).map(\.element.name))
        #expect(census.largestByElements.entries.map(\.key.elements) == [2])
        #expect(try self.census(of: rdb.ended(), RDBCensus(top: 0)).largestByBytes.entries.isEmpty)
    }

    @Test func librariesAreNamedByTheFirstLineOfTheirCode() throws {
        var rdb = RDBWriter("REDIS0010")
        for code in [
            "#!lua name=one\nreturn", "#!js api_version=1.0 name=two", "return 1", "#!", "#!lua name=\u{1b}[1m",
        ] {
            rdb.raw(245)
            rdb.string(code + String(repeating: " ", count: 500))
        }
        let libraries = try census(of: rdb.ended(), chunk: 11).libraries
        #expect(libraries.map(\.engine) == ["lua", "js", nil, nil, "lua"])
        #expect(libraries.map(\.name) == ["one", "two", nil, nil, "\\x1b[1m"])
    }

    /// As many keys as a small production server has, each with a prefix of its own: made as they are read.
    @Test func aMillionPrefixesTakeNoMoreMemoryThanAFew() throws {
        var scanner = RDBScanner(level: .deep, census: RDBCensus())
        try scanner.consume(Array("REDIS0011".utf8))
        var counts: [Int] = []
        for block in 0..<100 {
            var bytes: [UInt8] = []
            for index in 0..<10_000 {
                let name = "tenant\(block * 10_000 + index):key"
                bytes += [0, UInt8(name.utf8.count)] + Array(name.utf8) + [1, 0x76]
            }
            try scanner.consume(bytes)
            counts.append(try #require(scanner.census).entryCount)
        }
        try scanner.consume([255] + [UInt8](repeating: 0, count: 8))
        #expect(try scanner.finish().keyCount == 1_000_000)
        let census = try #require(scanner.census)
        #expect(Set(counts).count == 1, "it stops growing within the first 10,000 keys")
        #expect(census.entryCount <= 2 * RDBCensus.prefixesMax + 10 + 256 + 9 + 1)
        #expect(!census.prefixesByKeys.isExact && census.prefixesByKeys.total == 1_000_000)
        #expect(census.prefixesByKeys.missingWeightMax <= 1_000_000 / UInt64(RDBCensus.prefixesMax))
    }

    private func census(
        of bytes: [UInt8],
        _ census: RDBCensus = RDBCensus(),
        chunk: Int = .max
    ) throws -> RDBCensus {
        var scanner = RDBScanner(level: .deep, census: census)
        var rest = bytes[...]
        while !rest.isEmpty {
            try scanner.consume(Array(rest.prefix(chunk)))
            rest = rest.dropFirst(chunk)
        }
        _ = try scanner.finish()
        return try #require(scanner.census)
    }
}

extension RDBCensus {
    fileprivate var bytes: Int64 { databases.values.reduce(0) { $0 + $1.bytes } }

    /// Everything that it found out, to be compared.
    fileprivate var everything: [String] {
        let keys = (largestByBytes.entries + largestByElements.entries).map(\.key).map {
            "\($0.name) \($0.database) \($0.encoding) \($0.bytes) \($0.elements) \($0.isNameWhole)"
        }
        return keys + [
            "\(databases.sorted { $0.key < $1.key })", "\(encodings.sorted { $0.key < $1.key })", "\(memoryBytes)",
            "\(prefixesByKeys.entries)", "\(prefixesByBytes.entries)", "\(withoutPrefix)", "\(libraries)",
            "\(lifetimes.sorted { $0.key.rawValue < $1.key.rawValue })",
        ]
    }
}
