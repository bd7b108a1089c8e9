// SPDX-License-Identifier: Apache-2.0

/// CRC-32C, which Cloud Storage keeps of every object (RFC 9260, appendix A; "Hashes and ETags", Cloud Storage
/// documentation). Eight bytes at a time, by tables: faster than any network.
package struct CastagnoliChecksum: Sendable {
    /// The polynomial with its bits reversed.
    private static let polynomial: UInt32 = 0x82F6_3B78

    /// `tables[256 * n + b]` is the checksum of the byte `b` and `n` zeros after it.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ polynomial : value >> 1 }
            tables[byte] = value
        }
        for index in 256..<tables.count {
            let before = tables[index - 256]
            tables[index] = before >> 8 ^ tables[Int(before & 0xFF)]
        }
        return tables
    }()

    private var state: UInt32 = 0xFFFF_FFFF

    package init() {}

    package mutating func update(_ bytes: [UInt8]) {
        var crc = state
        Self.tables.withUnsafeBufferPointer { tables in
            bytes.withUnsafeBytes { bytes in
                var offset = 0
                while offset + 8 <= bytes.count {
                    let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    crc = Self.step(crc, UInt64(littleEndian: word), tables)
                    offset += 8
                }
                while offset < bytes.count {
                    crc = crc >> 8 ^ tables[Int((crc ^ UInt32(bytes[offset])) & 0xFF)]
                    offset += 1
                }
            }
        }
        state = crc
    }

    @inline(__always)
    private static func step(_ crc: UInt32, _ word: UInt64, _ tables: UnsafeBufferPointer<UInt32>) -> UInt32 {
        let low = UInt32(truncatingIfNeeded: word) ^ crc
        let high = UInt32(truncatingIfNeeded: word >> 32)
        let first = tables[0x700 | Int(low & 0xFF)] ^ tables[0x600 | Int(low >> 8 & 0xFF)]
        let second = tables[0x500 | Int(low >> 16 & 0xFF)] ^ tables[0x400 | Int(low >> 24)]
        let third = tables[0x300 | Int(high & 0xFF)] ^ tables[0x200 | Int(high >> 8 & 0xFF)]
        let fourth = tables[0x100 | Int(high >> 16 & 0xFF)] ^ tables[Int(high >> 24)]
        return first ^ second ^ third ^ fourth
    }

    package var value: UInt32 { state ^ 0xFFFF_FFFF }

    /// As Google writes it: base64 of the four bytes, the highest first.
    package var text: String {
        Base64.text((0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) })
    }
}
