// SPDX-License-Identifier: Apache-2.0

/// A CRC of bits in reflected order that starts with ones and is inverted at the end, such as those of AWS; eight bytes
/// at a time by tables.
package struct CyclicChecksum: Sendable {
    private let polynomial: UInt64
    private let widthBits: Int
    /// For each of eight places in a word, what each byte there comes to; one after the other.
    private let tables: [UInt64]

    /// `x-amz-checksum-crc64nvme`: the polynomial of the NVM Express specification. Of `123456789` it is
    /// `ae8b14860a799888`.
    package static let crc64NVME = CyclicChecksum(polynomial: 0x9A6C_9329_AC4B_C9B5, widthBits: 64)
    /// `x-amz-checksum-crc32c`: the polynomial of Castagnoli (RFC 3720, appendix B.4). Of `123456789` it is `e3069283`.
    package static let crc32C = CyclicChecksum(polynomial: 0x82F6_3B78, widthBits: 32)

    /// - Parameter polynomial: without its highest term, in reflected order.
    private init(polynomial: UInt64, widthBits: Int) {
        self.polynomial = polynomial
        self.widthBits = widthBits
        var tables = (0..<UInt64(256)).map { byte in
            (0..<8).reduce(byte) { value, _ in value & 1 == 1 ? value >> 1 ^ polynomial : value >> 1 }
        }
        for index in 256..<8 * 256 {
            let before = tables[index - 256]
            tables.append(before >> 8 ^ tables[Int(before & 0xFF)])
        }
        self.tables = tables
    }

    private var ones: UInt64 { .max >> UInt64(64 - widthBits) }

    /// The CRC of some bytes, or of them and what came before.
    /// - Parameter earlier: the CRC of what came before.
    package func value(of bytes: [UInt8], after earlier: UInt64 = 0) -> UInt64 {
        tables.withUnsafeBufferPointer { tables in
            bytes.withUnsafeBytes { bytes in
                var value = earlier ^ ones
                var offset = 0
                while offset + 8 <= bytes.count {
                    let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                    let mixed = word ^ value
                    var next: UInt64 = 0
                    for place in 0..<8 {
                        next ^= tables[(7 - place) << 8 | Int(truncatingIfNeeded: mixed >> UInt64(8 * place) & 0xFF)]
                    }
                    value = next
                    offset += 8
                }
                while offset < bytes.count {
                    value = value >> 8 ^ tables[Int(truncatingIfNeeded: value ^ UInt64(bytes[offset])) & 0xFF]
                    offset += 1
                }
                return value ^ ones
            }
        }
    }

    /// The CRC of bytes of which the CRC of the first ones and of the others is known: the first, moved by as many
    /// bytes as follow, and the second.
    package func value(joining first: UInt64, and second: UInt64, ofBytes count: Int64) -> UInt64 {
        product(first, power(8 * UInt64(count))) ^ second
    }

    /// x to a power, modulo the polynomial.
    private func power(_ exponent: UInt64) -> UInt64 {
        // Reflected: the highest bit stands for 1, the next one for x.
        var result: UInt64 = 1 << UInt64(widthBits - 1)
        var square = result >> 1
        var rest = exponent
        while rest > 0 {
            if rest & 1 == 1 { result = product(result, square) }
            square = product(square, square)
            rest >>= 1
        }
        return result
    }

    /// The product of two polynomials, modulo ours.
    private func product(_ left: UInt64, _ right: UInt64) -> UInt64 {
        var (sum, moved): (UInt64, UInt64) = (0, right)
        for bit in stride(from: widthBits - 1, through: 0, by: -1) {
            if left >> UInt64(bit) & 1 == 1 { sum ^= moved }
            moved = moved & 1 == 1 ? moved >> 1 ^ polynomial : moved >> 1
        }
        return sum
    }
}
