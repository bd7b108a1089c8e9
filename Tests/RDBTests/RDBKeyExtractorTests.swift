// SPDX-License-Identifier: Apache-2.0

import RDB
import Testing

/// Keys taken out of an RDB: which, and with what.
struct RDBKeyExtractorTests {
    @Test(arguments: Fixture.all, [1, 3, 1000, .max])
    func allKeysComeOutWithTheirPayloads(fixture: Fixture, chunk: Int) throws {
        let summary = try scan(fixture.bytes)
        let keys = try extracted(fixture.bytes, chunk: chunk)
        #expect(UInt64(keys.count) == summary.keyCount)
        #expect(Dictionary(grouping: keys, by: \.type).mapValues { UInt64($0.count) } == summary.types)
        #expect(Dictionary(grouping: keys, by: \.database).mapValues { UInt64($0.count) } == summary.keys)
        #expect(UInt64(keys.count { $0.expiry != nil }) == summary.expires)
        #expect(Set(keys.compactMap(\.moduleType)).isSubset(of: summary.modules))
        for key in keys where key.obstacle == nil {
            let payload = try #require(key.payload)
            #expect(Int64(payload.count) == key.payloadBytes)
            #expect(payload.suffix(10).prefix(2) == [UInt8(summary.version), 0])
            let crc = withUnsafeBytes(of: bitwiseCRC64(payload.dropLast(8)).littleEndian, Array.init)
            #expect(Array(payload.suffix(8)) == crc)
            // The value is one: behind the key of an RDB of its own it is read.
            var rdb = RDBWriter(summary.isValkey ? "VALKEY080" : "REDIS0015")
            rdb.key(payload[0], "key")
            rdb.raw(Array(payload.dropFirst().dropLast(10)))
            #expect(try scan(rdb.ended(), level: .deep).types == [key.type: 1])
        }
        let measured = try extracted(fixture.bytes, chunk: chunk, holdsValues: false)
        #expect(measured.map(\.payloadBytes) == keys.map(\.payloadBytes))
        #expect(measured.allSatisfy { $0.payload == nil })
    }

    @Test(arguments: Fixture.all.filter { $0.bytes.count < 5000 })
    func everySplitGivesTheSame(fixture: Fixture) throws {
        let bytes = fixture.bytes
        let whole = try extracted(bytes)
        let alike = try (0...bytes.count).count { split in
            var extractor = RDBKeyExtractor(valueBytesMax: .max, holdsValues: true) { _, _ in true }
            var keys = try extractor.consume(Array(bytes[..<split]))
            keys += try extractor.consume(Array(bytes[split...]))
            _ = try extractor.finish()
            return keys == whole
        }
        #expect(alike == bytes.count + 1)
    }

    @Test func whatStandsBeforeAKeyBelongsToIt() throws {
        let keys = try extracted(Fixture.expiries.bytes)
        #expect(
            keys.map { String(decoding: $0.name, as: UTF8.self) }
                == ["alive", "expired", "expired, in seconds", "no expiry", "no expiry either"]
        )
        #expect(keys.map(\.expiry) == [1_700_000_000_001, 1_699_999_999_999, 1_600_000_000_000, nil, nil])
        #expect(keys.map(\.idleSeconds) == [100_000, nil, nil, nil, nil])
        #expect(keys.map(\.frequency) == [nil, 200, nil, nil, 1])
    }

    @Test func namesAreGivenAsTheServerHasThem() throws {
        var rdb = RDBWriter("REDIS0011")
        rdb.raw(0)
        rdb.integer(-12345)
        rdb.string("integer")
        rdb.raw(0)
        rdb.compressed(0x6b, 100)
        rdb.string("compressed")
        let keys = try extracted(rdb.ended())
        #expect(keys.map(\.name) == [Array("-12345".utf8), [UInt8](repeating: 0x6b, count: 100)])
    }

    @Test func onlyWhatIsSelectedComesOut() throws {
        let keys = try extracted(Fixture.manyDatabases.bytes) { database, name in database == 3 && name.count > 1 }
        #expect(keys.map(\.database) == [3, 3])
    }

    @Test(arguments: [1000, 65_536, 1_000_000])
    func whatIsTooLargeIsSaidAndNotHeld(size: Int) throws {
        var rdb = RDBWriter("REDIS0011")
        for (name, count) in [("before", 1), ("large", size), ("after", 2)] {
            rdb.key(0, name)
            rdb.string([UInt8](repeating: 1, count: count))
        }
        rdb.key(0, String(repeating: "n", count: 600))
        rdb.string("the name alone is too long")
        let keys = try extracted(rdb.ended(), valueBytesMax: 500, chunk: 100)
        #expect(keys.map(\.obstacle) == [nil, .tooLarge, nil, .tooLarge])
        #expect(keys[1].payload == nil && keys[1].payloadBytes > Int64(size))
        #expect(keys.count == 4)
    }

    @Test func whatRestoreDoesNotTakeIsSaid() throws {
        let keys = try extracted(Fixture.newest.bytes)
        #expect(keys.map(\.obstacle) == [.metadata, nil, nil, .template, .template])
    }

    @Test func aTruncatedRDBIsRefused() throws {
        let bytes = Fixture.packed.bytes
        for length in [0, 5, bytes.count / 2, bytes.count - 1] {
            #expect(throws: RDBError.self) { try extracted(Array(bytes.prefix(length))) }
        }
    }

    private func extracted(
        _ bytes: [UInt8],
        valueBytesMax: Int = .max,
        chunk: Int = .max,
        holdsValues: Bool = true,
        selecting: @escaping RDBKeyExtractor.Selection = { _, _ in true }
    ) throws(RDBError) -> [RDBExtractedKey] {
        var extractor = RDBKeyExtractor(
            valueBytesMax: valueBytesMax,
            holdsValues: holdsValues,
            selecting: selecting
        )
        var keys: [RDBExtractedKey] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            keys += try extractor.consume(Array(rest.prefix(chunk)))
            rest = rest.dropFirst(chunk)
        }
        _ = try extractor.finish()
        return keys
    }
}
