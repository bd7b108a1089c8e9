// SPDX-License-Identifier: Apache-2.0

/// CRC-32C, which Cloud Storage keeps of every object (RFC 9260, appendix A; "Hashes and ETags", Cloud Storage
/// documentation).
package struct CastagnoliChecksum: Sendable {
    private var state: UInt64 = 0

    package init() {}

    package mutating func update(_ bytes: [UInt8]) {
        state = CyclicChecksum.crc32C.value(of: bytes, after: state)
    }

    package var value: UInt32 { UInt32(truncatingIfNeeded: state) }

    /// As Google writes it: base64 of the four bytes, the highest first.
    package var text: String {
        Base64.text((0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) })
    }
}
