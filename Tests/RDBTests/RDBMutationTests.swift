// SPDX-License-Identifier: Apache-2.0

import RDB
import TestParts
import Testing

/// Random damage, the same on every run. Without a checksum the scanner must see with its own eyes.
struct RDBMutationTests {
    @Test(arguments: Fixture.all.filter { $0.bytes.count < 5000 })
    func damageNeverConfusesTheScanner(fixture: Fixture) {
        let original = fixture.writer.endedWithoutChecksum()
        var random = SeededRandom(seed: UInt64(original.count))
        for turn in 0..<400 {
            let bytes = Self.damaged(original, &random)
            let level: RDBLevel = turn % 2 == 0 ? .framing : .deep
            let whole = outcome(bytes, level, chunk: .max)
            #expect(outcome(bytes, level, chunk: Int.random(in: 1...9, using: &random)) == whole)
            #expect(outcome(bytes, level, chunk: Int.random(in: 10...300, using: &random)) == whole)
            if case .failure(let error) = whole { #expect(error.offset <= Int64(bytes.count)) }
        }
    }

    /// With a checksum every damage is found, whatever it does to the records.
    @Test(arguments: Fixture.all.filter { $0.bytes.count < 5000 })
    func damageIsFound(fixture: Fixture) {
        let original = fixture.bytes
        guard fixture.writer.endedWithoutChecksum().count > fixture.writer.bytes.count + 1 else { return }
        var random = SeededRandom(seed: UInt64(original.count) + 1)
        for _ in 0..<400 {
            let bytes = Self.damaged(original, &random)
            #expect(refusal(bytes) != nil || bytes == original || !Self.hasChecksum(bytes))
        }
    }

    private func outcome(_ bytes: [UInt8], _ level: RDBLevel, chunk: Int) -> Result<RDBSummary, RDBError> {
        Result { () throws(RDBError) in try scan(bytes, level: level, chunk: chunk) }
    }

    private static func hasChecksum(_ bytes: [UInt8]) -> Bool { bytes.suffix(8).contains { $0 != 0 } }

    private static func damaged(_ original: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var bytes = original
        for _ in 0...Int.random(in: 0...3, using: &random) {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
            case 3 where bytes.count > 1: bytes.remove(at: place)
            default:
                let other = Int.random(in: 0..<bytes.count, using: &random)
                let length = min(Int.random(in: 1...20, using: &random), bytes.count - max(place, other))
                let copied = Array(bytes[other..<other + length])
                bytes.replaceSubrange(place..<place + length, with: copied)
            }
        }
        return bytes
    }
}
