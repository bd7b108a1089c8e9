// SPDX-License-Identifier: Apache-2.0

/// A position in bytes that lie at hand. Reading looks ahead; only `advance` moves on, and only over whole fields, so a
/// field that is cut off is read again once more bytes have come.
struct RDBCursor {
    private let start: UnsafeRawPointer
    private let count: Int
    /// How many bytes are done with.
    private(set) var position = 0

    /// - Parameter bytes: at least one; they stay where they are while the cursor lives.
    init(_ start: UnsafeRawPointer, count: Int) {
        self.start = start
        self.count = count
    }

    var remaining: Int { count - position }

    /// - Parameter bytes: at most `remaining`.
    mutating func advance(_ bytes: Int) { position += bytes }

    /// - Parameter index: from here, below `remaining`.
    func byte(_ index: Int) -> UInt8 {
        start.load(fromByteOffset: position + index, as: UInt8.self)
    }

    /// A fixed-size integer, lowest byte first, unless it is cut off.
    func littleEndian<Integer: FixedWidthInteger & BitwiseCopyable>(
        _ index: Int = 0,
        as type: Integer.Type
    ) -> Integer? {
        guard remaining - index >= MemoryLayout<Integer>.size else { return nil }
        return Integer(littleEndian: start.loadUnaligned(fromByteOffset: position + index, as: type))
    }

    /// A signed integer of 24 bits, lowest byte first, unless it is cut off.
    func littleEndian24(_ index: Int) -> Int32? {
        guard remaining - index >= 3 else { return nil }
        let bits = UInt32(byte(index)) << 8 | UInt32(byte(index + 1)) << 16 | UInt32(byte(index + 2)) << 24
        return Int32(bitPattern: bits) >> 8
    }

    /// The next bytes, at most `limit` of them.
    func bytes(_ limit: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: start + position, count: min(limit, remaining))
    }

    /// The next bytes without the first ones of them.
    ///
    /// - Parameter limit: at most `remaining`.
    func bytes(_ limit: Int, after skipped: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: start + position + skipped, count: limit - skipped)
    }
}

// MARK: - Lengths

/// A length as it stands in an RDB, in 1, 2, 5 or 9 bytes; or, in its place, the mark of an encoding.
struct RDBLength {
    /// The length, or the number of the encoding.
    var value: UInt64
    /// How many bytes it takes itself.
    var size: Int
    var isEncoding = false
}

extension RDBCursor {
    /// The length `index` bytes from here, or `nil` if it is cut off (redis src/rdb.h, "RDB_6BITLEN").
    @inline(__always)
    func length(_ index: Int = 0) throws(RDBViolation) -> RDBLength? {
        guard index < remaining else { return nil }
        let first = byte(index)
        if first < 0x40 { return RDBLength(value: UInt64(first), size: 1) }
        return try longLength(index, first)
    }

    private func longLength(_ index: Int, _ first: UInt8) throws(RDBViolation) -> RDBLength? {
        switch first {
        case 0..<0x80:
            guard remaining - index >= 2 else { return nil }
            return RDBLength(value: UInt64(first & 0x3f) << 8 | UInt64(byte(index + 1)), size: 2)
        case 0x80:
            guard let value = littleEndian(index + 1, as: UInt32.self) else { return nil }
            return RDBLength(value: UInt64(value.byteSwapped), size: 5)
        case 0x81:
            guard let value = littleEndian(index + 1, as: UInt64.self) else { return nil }
            return RDBLength(value: value.byteSwapped, size: 9)
        case 0xc0...:
            return RDBLength(value: UInt64(first & 0x3f), size: 1, isEncoding: true)
        default:
            throw RDBViolation(.lengthEncoding, "no length begins with \(hexadecimal(first))")
        }
    }

    /// A length that is a plain integer.
    @inline(__always)
    func number(_ index: Int = 0) throws(RDBViolation) -> RDBLength? {
        guard let length = try length(index) else { return nil }
        if length.isEncoding {
            throw RDBViolation(.lengthEncoding, "the mark of encoding \(length.value) where a number must stand")
        }
        return length
    }
}

// MARK: - Strings

/// How the bytes of a string are stored.
enum RDBStringEncoding: Equatable {
    case plain
    /// A signed integer, lowest byte first, that stands for its decimal digits.
    case integer
    case compressed
}

/// What precedes the bytes of a string.
struct RDBStringHeader {
    /// How many bytes the header takes.
    var size: Int
    /// How many bytes follow it.
    var stored: Int
    /// How many bytes the string has, decompressed. Of an integer, those stored.
    var length: Int
    var encoding = RDBStringEncoding.plain
}

extension RDBCursor {
    /// The header of the string `index` bytes from here, or `nil` if it is cut off.
    @inline(__always)
    func stringHeader(_ index: Int = 0) throws(RDBViolation) -> RDBStringHeader? {
        guard index < remaining else { return nil }
        let first = byte(index)
        if first < 0x40 { return RDBStringHeader(size: 1, stored: Int(first), length: Int(first)) }
        return try longStringHeader(index)
    }

    private func longStringHeader(_ index: Int) throws(RDBViolation) -> RDBStringHeader? {
        guard let length = try length(index) else { return nil }
        guard length.isEncoding else {
            let bytes = try Self.checkedStringLength(length.value)
            return RDBStringHeader(size: length.size, stored: bytes, length: bytes)
        }
        switch length.value {
        case 0: return RDBStringHeader(size: 1, stored: 1, length: 1, encoding: .integer)
        case 1: return RDBStringHeader(size: 1, stored: 2, length: 2, encoding: .integer)
        case 2: return RDBStringHeader(size: 1, stored: 4, length: 4, encoding: .integer)
        case 3: return try compressedStringHeader(index + 1)
        default: throw RDBViolation(.stringEncoding, "a string has no encoding \(length.value)")
        }
    }

    private func compressedStringHeader(_ index: Int) throws(RDBViolation) -> RDBStringHeader? {
        guard let stored = try number(index), let length = try number(index + stored.size) else { return nil }
        guard LZF.canStore(try Self.checkedStringLength(length.value), in: try Self.checkedStringLength(stored.value))
        else {
            throw RDBViolation(
                .compressedString,
                "a string of \(length.value) bytes cannot be compressed to \(stored.value)"
            )
        }
        return RDBStringHeader(
            size: 1 + stored.size + length.size,
            stored: Int(stored.value),
            length: Int(length.value),
            encoding: .compressed
        )
    }

    private static func checkedStringLength(_ length: UInt64) throws(RDBViolation) -> Int {
        guard length <= RDBLimits.stringBytesMax else {
            throw RDBViolation(.lengthRange, "a string of \(length) bytes")
        }
        return Int(length)
    }
}

/// A byte such as `0x8f`.
func hexadecimal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16)
    return "0x" + (digits.count == 1 ? "0" : "") + digits
}
