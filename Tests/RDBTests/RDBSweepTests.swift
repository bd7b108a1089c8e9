// SPDX-License-Identifier: Apache-2.0

import FuzzOracle
import RDB
import Testing

/// Every cut, every flipped bit and every length of the fixtures, one at a time. Each sweep counts what it tried, so
/// that one which tries nothing fails.
struct RDBSweepTests {
    private static let small = Fixture.all.filter { $0.bytes.count < 5000 }
    /// Those that the one of all together is made of.
    private static let smallest = small.filter { $0.bytes.count < 2000 }

    /// A scanner that has read so much is copied and told that this was all.
    @Test(arguments: Fixture.all, RDBLevel.allCases)
    func everyTruncationAtEveryLevelIsNamed(fixture: Fixture, level: RDBLevel) throws {
        let bytes = fixture.bytes
        var scanner = RDBScanner(level: level)
        var named = 0
        for (length, byte) in bytes.enumerated() {
            var cut = scanner
            let error = try #require(throws: RDBError.self) { try cut.finish() }
            if error.rule == .truncated, error.offset == Int64(length) { named += 1 }
            try scanner.consume([byte])
        }
        #expect(named == bytes.count)
        _ = try scanner.finish()
    }

    /// The same where the bytes come at once, so that the quick look is in play.
    @Test(arguments: small, RDBLevel.allCases)
    func everyTruncationOfAWholeChunkIsNamed(fixture: Fixture, level: RDBLevel) {
        let bytes = fixture.bytes
        let named = bytes.indices.count { length in
            let error = refusal(Array(bytes[..<length]), level: level)
            return error?.rule == .truncated && error?.offset == Int64(length)
        }
        #expect(named == bytes.count)
    }

    /// No flip makes another RDB of an RDB with a checksum: not in the version, nor in the checksum itself.
    @Test(arguments: small.filter { $0.writer.hasChecksum })
    func everyFlippedBitIsRefusedByTheChecksum(fixture: Fixture) {
        let bytes = fixture.bytes
        let refused = (0..<(8 * bytes.count)).count { refusal(flipped(bytes, $0)) != nil }
        #expect(refused == 8 * bytes.count)
    }

    /// Without a checksum a flip may make another RDB. It is read alike at every split, and by each level what the
    /// level below it accepts.
    @Test(arguments: smallest)
    func everyFlippedBitIsReadAlikeAtEverySplit(fixture: Fixture) {
        let bytes = fixture.writer.endedWithoutChecksum()
        let alike = (0..<(8 * bytes.count)).count { bit in
            isReadAlike(flipped(bytes, bit), chunks: bit / 8)
        }
        #expect(alike == 8 * bytes.count)
    }

    /// Lengths that no memory holds, and such as a 32-bit length just holds: refused, or missing at the end.
    @Test(arguments: Fixture.all, [1 << 63, (1 << 63) - 1, 1 << 32, (1 << 32) - 1, (1 << 48) + 1] as [UInt64])
    func everyEnormousLengthIsRefused(fixture: Fixture, length: UInt64) {
        let bytes = fixture.writer.endedWithoutChecksum()
        var tried = 0
        for (kind, range) in fixture.writer.lengths {
            var broken = bytes
            broken.replaceSubrange(range, with: RDBWriter.encoded(length))
            let rules = RDBLevel.allCases.map { refusal(broken, level: $0)?.rule }
            switch kind {
            case .string: #expect(rules.allSatisfy { $0 == .lengthRange || $0 != nil && length <= 1 << 40 })
            case .count where length > 1 << 48: #expect(rules.allSatisfy { $0 == .lengthRange })
            case .count: #expect(rules.allSatisfy { $0 != nil })
            case .number: break
            }
            if isReadAlike(broken, chunks: tried) { tried += 1 }
        }
        #expect(tried == fixture.writer.lengths.count)
    }

    /// The fixtures are what the sweeps live on.
    @Test func theSweepsHaveSomethingToTry() {
        #expect(Self.small.reduce(0) { $0 + $1.bytes.count } > 8000)
        #expect(Self.small.reduce(0) { $0 + $1.writer.lengths.count } > 400)
        #expect(Self.small.filter { $0.writer.hasChecksum }.count >= 12)
    }

    private func flipped(_ bytes: [UInt8], _ bit: Int) -> [UInt8] {
        var flipped = bytes
        flipped[bit / 8] ^= 1 << (bit % 8)
        return flipped
    }

    /// - Parameter chunks: chooses how the bytes are cut.
    private func isReadAlike(_ bytes: [UInt8], chunks: Int) -> Bool {
        do throws(Contradiction) {
            try FuzzTarget.rdb.check([UInt8(chunks & 7), UInt8(chunks / 8 & 0xff)] + bytes)
            return true
        } catch {
            Issue.record("\(error)")
            return false
        }
    }
}
