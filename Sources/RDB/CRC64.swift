// SPDX-License-Identifier: Apache-2.0

import CChecksum

/// The CRC-64 that Redis and Valkey put at the end of an RDB: the polynomial of Jones, reflected, starting at zero and
/// not inverted at the end (redis src/crc64.c). The CRC of `123456789` is `e9c6d914c4b8d9ca`.
package struct CRC64: Sendable, Hashable {
    /// A way to compute it. All give the same values; each is several times as fast as the one before it.
    package enum Method: UInt32, Sendable, CaseIterable, Comparable {
        /// Tables in memory, on any processor.
        case tables = 0
        /// Carry-less multiplication of 128 bits at once.
        case multiplication = 128
        /// Carry-less multiplication of 512 bits at once.
        case wideMultiplication = 512

        package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

        /// The best that this processor can do.
        package static let fastest: Self = {
            let width = checksum_crc64_clmul_width()
            return allCases.last { $0.rawValue <= width } ?? .tables
        }()
    }

    /// The CRC of everything seen so far.
    package private(set) var value: UInt64

    /// - Parameter value: the CRC of what came before; zero at the start.
    package init(_ value: UInt64 = 0) {
        self.value = value
    }

    /// Adds bytes. Any split of the input gives the same value.
    ///
    /// - Parameter method: how; what this processor cannot do is replaced by the best that it can.
    package mutating func update(_ bytes: UnsafeRawBufferPointer, by method: Method = .fastest) {
        guard let start = bytes.baseAddress else { return }
        let possible = min(method, .fastest)
        // The tables are needed for what is too short to multiply, and are built only then.
        if possible == .tables || bytes.count < CHECKSUM_CRC64_CLMUL_MIN {
            value = Self.byTables(value, start, count: bytes.count)
        } else {
            value = checksum_crc64_clmul(value, start, bytes.count, possible.rawValue)
        }
    }
}
