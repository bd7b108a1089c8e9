// SPDX-License-Identifier: Apache-2.0

/// Writes an RDB field by field, and remembers where lengths stand, so that tests can break exactly one of them.
struct RDBWriter {
    enum LengthKind {
        /// Of a string: so many bytes follow.
        case string
        /// Of a collection: so many elements follow.
        case count
        /// A number of any size.
        case number
    }

    private(set) var bytes: [UInt8] = []
    private(set) var lengths: [(kind: LengthKind, range: Range<Int>)] = []

    let hasChecksum: Bool

    /// - Parameter magic: with the version.
    init(_ magic: String) {
        bytes = Array(magic.utf8)
        hasChecksum = !["REDIS0001", "REDIS0002", "REDIS0003", "REDIS0004"].contains(magic)
    }

    // MARK: Fields

    mutating func raw(_ more: [UInt8]) { bytes += more }
    mutating func raw(_ more: UInt8...) { bytes += more }

    mutating func littleEndian<Integer: FixedWidthInteger>(_ value: Integer) {
        withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
    }

    mutating func length(_ value: UInt64, _ kind: LengthKind = .number) {
        let start = bytes.count
        bytes += Self.encoded(value)
        lengths.append((kind, start..<bytes.count))
    }

    static func encoded(_ value: UInt64) -> [UInt8] {
        switch value {
        case 0..<64: [UInt8(value)]
        case 64..<16384: [0x40 | UInt8(value >> 8), UInt8(value & 0xff)]
        case 16384...0xffff_ffff: [0x80] + withUnsafeBytes(of: UInt32(value).bigEndian, Array.init)
        default: [0x81] + withUnsafeBytes(of: value.bigEndian, Array.init)
        }
    }

    mutating func numbers(_ values: UInt64...) {
        for value in values { length(value) }
    }

    mutating func string(_ text: String) { string(Array(text.utf8)) }

    mutating func string(_ text: [UInt8]) {
        length(UInt64(text.count), .string)
        bytes += text
    }

    /// A string of `count` equal bytes, compressed: one literal and one copy.
    mutating func compressed(_ byte: UInt8, _ count: Int) {
        compressed([0, byte, 0xe0, UInt8(count - 1 - 2 - 7), 0], count)
    }

    /// A string of `count` bytes that was compressed to `data`.
    mutating func compressed(_ data: [UInt8], _ count: Int) {
        bytes.append(0xc3)
        length(UInt64(data.count), .string)
        length(UInt64(count), .string)
        bytes += data
    }

    /// An integer as a string of 8, 16 or 32 bits.
    mutating func integer(_ value: Int32) {
        if let small = Int8(exactly: value) {
            bytes.append(0xc0)
            littleEndian(small)
        } else if let medium = Int16(exactly: value) {
            bytes.append(0xc1)
            littleEndian(medium)
        } else {
            bytes.append(0xc2)
            littleEndian(value)
        }
    }

    mutating func double(_ value: Double) { littleEndian(value.bitPattern) }

    // MARK: Records

    mutating func aux(_ name: String, _ value: String) {
        bytes.append(250)
        string(name)
        string(value)
    }

    mutating func select(_ database: UInt64) {
        bytes.append(254)
        length(database)
    }

    mutating func expire(_ milliseconds: Int64) {
        bytes.append(252)
        littleEndian(milliseconds)
    }

    /// The type and the key of a value.
    mutating func key(_ type: UInt8, _ name: String) {
        bytes.append(type)
        string(name)
    }

    /// A collection: its count, then each element as `write` writes it.
    mutating func each<Element>(_ elements: [Element], _ write: (inout Self, Element) -> Void) {
        length(UInt64(elements.count), .count)
        for element in elements { write(&self, element) }
    }

    // MARK: The end

    /// The whole RDB, with its checksum if its version has one.
    func ended() -> [UInt8] {
        let content = bytes + [255]
        guard hasChecksum else { return content }
        return content + withUnsafeBytes(of: bitwiseCRC64(content).littleEndian, Array.init)
    }

    /// The whole RDB as a server with `rdbchecksum no` writes it.
    func endedWithoutChecksum() -> [UInt8] { bytes + [255] + [UInt8](repeating: 0, count: hasChecksum ? 8 : 0) }
}

/// The CRC-64 of Redis, one bit after the other, as redis src/crc64.c describes it.
func bitwiseCRC64(_ bytes: some Sequence<UInt8>) -> UInt64 {
    var crc: UInt64 = 0
    for byte in bytes {
        for bit in 0..<8 {
            let top = crc >> 63 ^ UInt64(byte >> bit & 1)
            crc = (crc << 1) ^ (top == 1 ? 0xad93_d235_94c9_35a9 : 0)
        }
    }
    return (0..<64).reduce(0) { $0 | (crc >> UInt64($1) & 1) << UInt64(63 - $1) }
}
