// SPDX-License-Identifier: Apache-2.0

import CChecksum
import Foundation
import RDB
import TestParts
import Testing

/// Every method is tried on every processor: what one cannot do, the best that it can stands in for.
struct CRC64Tests {
    @Test(arguments: CRC64.Method.allCases)
    func knownVectors(method: CRC64.Method) {
        #expect(crc64(Array("123456789".utf8), by: method) == 0xe9c6_d914_c4b8_d9ca)
        #expect(bitwiseCRC64("123456789".utf8) == 0xe9c6_d914_c4b8_d9ca)
        // redis src/crc64.c checks itself with this text and the zero byte behind it.
        let text = """
            Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et \
            dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi ut aliquip \
            ex ea commodo consequat. Duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore eu \
            fugiat nulla pariatur. Excepteur sint occaecat cupidatat non proident, sunt in culpa qui officia \
            deserunt mollit anim id est laborum.\0
            """
        #expect(crc64(Array(text.utf8), by: method) == 0xc779_4709_e696_83b3)
        #expect(bitwiseCRC64(text.utf8) == 0xc779_4709_e696_83b3)
    }

    @Test(arguments: CRC64.Method.allCases)
    func nothingLeavesItAsItIs(method: CRC64.Method) {
        var crc = CRC64(17)
        crc.update(UnsafeRawBufferPointer(start: nil, count: 0), by: method)
        #expect(crc.value == 17)
        #expect(crc64([], from: .max, by: method) == .max)
    }

    /// Every alignment, and every length around the blocks of multiplication; the bytes beside them must not count.
    @Test(arguments: CRC64.Method.allCases, [0, .max, 0x0123_4567_89ab_cdef] as [UInt64])
    func agreesWithTheBitwiseDefinition(method: CRC64.Method, start: UInt64) {
        let longest = 1100
        let bytes = noise(longest + 1)
        var expected = [start]
        for byte in bytes { expected.append(bitwise(expected[expected.count - 1], followedBy: byte)) }
        var wrong: [String] = []
        withUnsafeTemporaryAllocation(byteCount: longest + 32, alignment: 64) { buffer in
            for alignment in 0..<16 {
                buffer.initializeMemory(as: UInt8.self, repeating: 0xa5)
                buffer[alignment...].copyBytes(from: bytes)
                for length in 0...longest {
                    var crc = CRC64(start)
                    crc.update(UnsafeRawBufferPointer(rebasing: buffer[alignment..<alignment + length]), by: method)
                    if crc.value != expected[length] { wrong.append("\(length) bytes at \(alignment)") }
                }
            }
        }
        #expect(wrong.isEmpty)
        #expect(start != 0 || expected[bytes.count] == bitwiseCRC64(bytes))
    }

    /// Lengths around the lanes that the tables take side by side.
    @Test(arguments: [4095, 4096, 8191, 8192, 8193, 8200, 12_289, 16_384, 20_001], CRC64.Method.allCases)
    func agreesOnLongInput(length: Int, method: CRC64.Method) {
        let bytes = noise(length)
        #expect(crc64(bytes, by: method) == bitwiseCRC64(bytes))
    }

    @Test(arguments: CRC64.Method.allCases)
    func everySplitGivesTheSame(method: CRC64.Method) {
        let bytes = noise(300)
        for split in 0...bytes.count {
            let first = crc64(Array(bytes[..<split]), by: method)
            #expect(crc64(Array(bytes[split...]), from: first, by: method) == bitwiseCRC64(bytes))
        }
    }

    /// Long input from any starting value, in random pieces, each of them by a random method.
    @Test(arguments: 0..<32 as Range<UInt64>)
    func randomSplitsAndMethodsGiveTheSame(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let bytes = noise(50_000 + Int(seed))
        let start = seed == 0 ? .max : random.next()
        var crc = CRC64(start)
        var next = 0
        while next < bytes.count {
            let longest = [1, 20, 300, 5000, 30_000].randomElement(using: &random) ?? 1
            let piece = bytes[next...].prefix(Int.random(in: 0...longest, using: &random))
            let method = CRC64.Method.allCases.randomElement(using: &random) ?? .fastest
            piece.withUnsafeBytes { crc.update($0, by: method) }
            next = piece.endIndex
        }
        #expect(crc.value == bytes.reduce(start, bitwise))
    }

    /// Whoever has the instruction must use it: a detection that fails would only make everything slow.
    @Test func fastestIsWhatTheProcessorHas() throws {
        let cpu = try String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)
        let words = Set(cpu.split { " \n\t:".contains($0) })
        try #require(words.contains("processor"))
        #if arch(x86_64)
            let multiplies = words.contains("pclmulqdq")
        #else
            let multiplies = words.contains("pmull")
        #endif
        let isWide = multiplies && words.isSuperset(of: ["avx512f", "vpclmulqdq"])
        #expect(CRC64.Method.fastest == (isWide ? .wideMultiplication : multiplies ? .multiplication : .tables))
    }

    /// The constants of the C code follow from the polynomial alone, as the comment there says.
    @Test func constantsFollowFromThePolynomial() {
        let folds = checksum_crc64_folds
        for (pair, bits) in [(folds.0, 2048), (folds.1, 1024), (folds.2, 512), (folds.3, 256), (folds.4, 128)] {
            #expect(pair.0 == reflectedPower(bits + 63))
            #expect(pair.1 == reflectedPower(bits - 1))
        }
        // Read from its other end, the leading coefficient comes first, and that of x^0 no longer fits.
        #expect(checksum_crc64_polynomial == reflected(polynomial) << 1 | 1)
        let inverse = checksum_crc64_inverse
        let product = (0..<64).reduce(0 as UInt64) { product, bit in
            inverse >> UInt64(bit) & 1 == 1 ? product ^ checksum_crc64_polynomial << UInt64(bit) : product
        }
        #expect(product == 1)
    }

    /// The polynomial of Jones without its leading coefficient, as redis src/crc64.c writes it.
    private let polynomial: UInt64 = 0xad93_d235_94c9_35a9

    /// The power of x modulo the polynomial, with its bits reversed.
    private func reflectedPower(_ exponent: Int) -> UInt64 {
        var power: UInt64 = 1
        for _ in 0..<exponent { power = power << 1 ^ (power >> 63 == 1 ? polynomial : 0) }
        return reflected(power)
    }

    private func reflected(_ word: UInt64) -> UInt64 {
        (0..<64).reduce(0) { $0 | (word >> UInt64($1) & 1) << UInt64(63 - $1) }
    }

    /// One byte by the definition, from any starting value.
    private func bitwise(_ crc: UInt64, followedBy byte: UInt8) -> UInt64 {
        (0..<8).reduce(crc ^ UInt64(byte)) { crc, _ in crc >> 1 ^ (crc & 1 == 1 ? 0x95ac_9329_ac4b_c9b5 : 0) }
    }

    private func crc64(_ bytes: [UInt8], from start: UInt64 = 0, by method: CRC64.Method) -> UInt64 {
        var crc = CRC64(start)
        bytes.withUnsafeBytes { crc.update($0, by: method) }
        return crc.value
    }

    private func noise(_ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: UInt64(count))
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }
}
