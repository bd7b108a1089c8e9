// SPDX-License-Identifier: Apache-2.0

import RDB
import Testing

struct CRC64Tests {
    @Test func knownVector() {
        #expect(crc64(Array("123456789".utf8)) == 0xe9c6_d914_c4b8_d9ca)
        #expect(bitwiseCRC64("123456789".utf8) == 0xe9c6_d914_c4b8_d9ca)
    }

    @Test func nothingLeavesItAsItIs() {
        var crc = CRC64(17)
        crc.update(UnsafeRawBufferPointer(start: nil, count: 0))
        #expect(crc.value == 17)
    }

    /// Lengths around the eight bytes of a step and around the lanes that are computed side by side.
    @Test(arguments: [0, 1, 7, 8, 9, 31, 4095, 4096, 8191, 8192, 8193, 8200, 12_289, 16_384, 20_001])
    func agreesWithTheBitwiseDefinition(length: Int) {
        let bytes = noise(length)
        #expect(crc64(bytes) == bitwiseCRC64(bytes))
    }

    @Test func everySplitGivesTheSame() {
        let bytes = noise(300)
        for split in 0...bytes.count {
            #expect(crc64(Array(bytes[..<split]), Array(bytes[split...])) == crc64(bytes))
        }
    }

    @Test func splitsOfLongInputGiveTheSame() {
        let bytes = noise(30_000)
        for split in stride(from: 1, to: bytes.count, by: 1013) {
            #expect(crc64(Array(bytes[..<split]), Array(bytes[split...])) == crc64(bytes))
        }
    }

    private func crc64(_ parts: [UInt8]...) -> UInt64 {
        var crc = CRC64()
        for part in parts { part.withUnsafeBytes { crc.update($0) } }
        return crc.value
    }

    private func noise(_ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: UInt64(count))
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }
}

/// The same numbers on every run (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
