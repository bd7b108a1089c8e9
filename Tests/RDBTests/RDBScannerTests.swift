// SPDX-License-Identifier: Apache-2.0

import RDB
import Testing

struct RDBScannerTests {
    @Test(arguments: Fixture.all, RDBLevel.allCases)
    func everyTypeIsReadAndCounted(fixture: Fixture, level: RDBLevel) throws {
        let bytes = fixture.bytes
        let summary = try scan(bytes, level: level)
        #expect(summary.types == fixture.types)
        #expect(summary.keyCount == fixture.types.values.reduce(0, +))
        #expect(summary.bytes == Int64(bytes.count))
        #expect(summary.crc64 == bitwiseCRC64(summary.version >= 5 ? bytes.dropLast(8) : bytes[...]))
        #expect(summary.hasChecksum == (summary.version >= 5))
    }

    @Test(arguments: Fixture.all, [1, 2, 3, 7, 4096])
    func chunksOfAnySizeGiveTheSame(fixture: Fixture, size: Int) throws {
        let bytes = fixture.bytes
        #expect(try scan(bytes, chunk: size) == scan(bytes))
        #expect(try scan(bytes, level: .deep, chunk: size) == scan(bytes))
        #expect(try scan(bytes, level: .content, chunk: size) == scan(bytes, level: .content))
    }

    @Test(arguments: Fixture.all.filter { $0.bytes.count < 5000 }, RDBLevel.allCases)
    func everySplitGivesTheSame(fixture: Fixture, level: RDBLevel) throws {
        let bytes = fixture.bytes
        let whole = try scan(bytes, level: level)
        for split in 0...bytes.count {
            var scanner = RDBScanner(level: level)
            try scanner.consume(Array(bytes[..<split]))
            try scanner.consume(Array(bytes[split...]))
            #expect(try scanner.finish() == whole)
        }
    }

    @Test func blocksLongerThanTheScannerTakesAtOnceGiveTheSame() throws {
        var rdb = RDBWriter("REDIS0011")
        for index in 0..<40_000 {
            rdb.key(0, "key:\(index)")
            rdb.string("value of \(index)")
        }
        rdb.key(0, "long")
        rdb.string([UInt8](repeating: 1, count: 300_000))
        let bytes = rdb.ended()
        let whole = try scan(bytes)
        #expect(whole.keys == [0: 40_001])
        #expect(whole.crc64 == bitwiseCRC64(bytes.dropLast(8)))
        #expect(try scan(bytes, chunk: 65_537) == whole)
        #expect(try scan(bytes, chunk: 1000) == whole)
    }

    @Test func auxFieldsComeOutAsText() throws {
        let summary = try scan(Fixture.opcodes.bytes)
        #expect(summary.aux["redis-ver"] == "7.4.0")
        #expect(summary.aux["redis-bits"] == "64")
        #expect(summary.usedMemoryBytes == 900_000)
        #expect(summary.aux["compressed"] == String(repeating: "c", count: 100))
        #expect(summary.replicationID?.count == 40)
        #expect(summary.functions == 2)
        #expect(summary.version == 12)
        #expect(!summary.isValkey)
    }

    @Test func auxFieldsBeyondTheLimitsAreReadAndDropped() throws {
        var rdb = RDBWriter("REDIS0011")
        rdb.aux("long value", String(repeating: "x", count: 1025))
        rdb.aux(String(repeating: "n", count: 1025), "long name")
        rdb.aux("longest", String(repeating: "x", count: 1024))
        for index in 0..<100 { rdb.aux("field \(index)", "value") }
        rdb.aux("field 0", "changed")
        let summary = try scan(rdb.ended())
        #expect(summary.aux.count == 64)
        #expect(summary.aux["long value"] == nil)
        #expect(summary.aux["longest"]?.count == 1024)
        #expect(summary.aux["field 0"] == "changed")
    }

    @Test func expiriesAreCounted() throws {
        let summary = try scan(Fixture.expiries.bytes)
        #expect(summary.expires == 3)
        #expect(summary.expired == 2)
        #expect(summary.createdAtSeconds == 1_700_000_000)
    }

    @Test func modulesAreNamed() throws {
        #expect(try scan(Fixture.modules.bytes).modules == ["MBbloom--", "ReJSON-RL"])
    }

    @Test func keysAreCountedForEachDatabase() throws {
        let summary = try scan(Fixture.manyDatabases.bytes)
        #expect(summary.keys == [3: 2, 0: 1, 15: 1])
        #expect(summary.isValkey)
        #expect(summary.version == 80)
    }

    @Test func checksumOfZeroMeansNone() throws {
        let bytes = Fixture.allTogether.writer.endedWithoutChecksum()
        let summary = try scan(bytes)
        #expect(!summary.hasChecksum)
        #expect(summary.crc64 == bitwiseCRC64(bytes.dropLast(8)))
    }

    @Test func beforeVersionFiveNothingFollowsTheEnd() throws {
        let bytes = Fixture.oldCollections.bytes
        #expect(try !scan(bytes).hasChecksum)
        #expect(throws: RDBError.self) { try scan(bytes + [0]) }
    }

    @Test func completenessIsKnownBeforeTheEndOfTheInput() throws {
        let bytes = Fixture.expiries.bytes
        var scanner = RDBScanner()
        try scanner.consume(Array(bytes.dropLast()))
        #expect(!scanner.isComplete)
        #expect(scanner.receivedBytes == Int64(bytes.count - 1))
        try scanner.consume([bytes[bytes.count - 1]])
        #expect(scanner.isComplete)
        try scanner.consume([])
        #expect(scanner.isComplete)
    }
}

/// Scans a whole RDB, in chunks of `chunk` bytes.
func scan(_ bytes: [UInt8], level: RDBLevel = .framing, chunk: Int = .max) throws(RDBError) -> RDBSummary {
    var scanner = RDBScanner(level: level)
    var rest = bytes[...]
    while !rest.isEmpty {
        try scanner.consume(Array(rest.prefix(chunk)))
        rest = rest.dropFirst(chunk)
    }
    return try scanner.finish()
}
