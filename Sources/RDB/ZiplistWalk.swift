// SPDX-License-Identifier: Apache-2.0

/// A ziplist: its length, the place of its last element and the number of its elements; then each element with the
/// length of the one before it in front; then 255 (redis src/ziplist.c, `ziplistValidateIntegrity`).
struct ZiplistWalk {
    /// How many bytes the ziplist has.
    private let bytes: Int
    /// How many of them were read.
    private var position = 0
    /// Where its header says that the last element begins.
    private var tail = 0
    /// How many elements its header announces; 65535 if it does not say.
    private var announced = UInt16.max
    /// Where the last element begins that was read.
    private var last = 0
    private var hasEnded = false

    private static let headerBytes = 10

    init(bytes: Int) { self.bytes = bytes }

    mutating func walk(_ cursor: inout RDBCursor, _ sink: inout ElementSink) throws(RDBViolation) {
        while cursor.remaining > 0 {
            if sink.textBytes > 0 {
                position += try sink.passText(&cursor)
            } else if position == 0 {
                guard try readHeader(&cursor) else { return }
            } else {
                guard try readElement(&cursor, &sink) else { return }
            }
        }
    }

    func finish(_ sink: ElementSink) throws(RDBViolation) {
        guard hasEnded else { throw violation("is cut off") }
        guard sink.shape.count == 0 || last == tail else {
            throw violation("has its last element at byte \(last) and says \(tail)")
        }
        guard announced == .max || Int(announced) == sink.shape.count else {
            throw violation("has \(sink.shape.count) elements and announces \(announced)")
        }
        try sink.shape.finish()
    }

    private mutating func readHeader(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let total = cursor.littleEndian(as: UInt32.self), let tail = cursor.littleEndian(4, as: UInt32.self),
            let count = cursor.littleEndian(8, as: UInt16.self)
        else { return false }
        guard Int(total) == bytes else { throw violation("says it has \(total)") }
        guard Int(tail) < bytes else { throw violation("says its last element is at byte \(tail)") }
        self.tail = Int(tail)
        announced = count
        last = Self.headerBytes
        advance(Self.headerBytes, &cursor)
        return true
    }

    private mutating func readElement(
        _ cursor: inout RDBCursor,
        _ sink: inout ElementSink
    ) throws(RDBViolation) -> Bool {
        let first = cursor.byte(0)
        if first == 0xff {
            guard position == bytes - 1 else { throw violation("ends at byte \(position)") }
            hasEnded = true
            advance(1, &cursor)
            return true
        }
        let lengthBytes = first == 0xfe ? 5 : 1
        guard cursor.remaining > lengthBytes else { return false }
        let before = first == 0xfe ? Int(cursor.littleEndian(1, as: UInt32.self) ?? 0) : Int(first)
        guard before == (sink.shape.count == 0 ? 0 : position - last) else {
            throw violation("has another length of \(before) in front of the element at byte \(position)")
        }
        guard let (header, text, value) = try decode(cursor.byte(lengthBytes), cursor, lengthBytes) else {
            return false
        }
        guard lengthBytes + header + text < bytes - position else {
            throw violation("has an element of \(lengthBytes + header + text) bytes at byte \(position)")
        }
        try sink.accept(value, text)
        last = position
        advance(lengthBytes + header, &cursor)
        return true
    }

    /// The size of an element's header with its integer, the length of its text, and its value if it is an integer.
    private func decode(
        _ encoding: UInt8,
        _ cursor: RDBCursor,
        _ index: Int
    ) throws(RDBViolation) -> (header: Int, text: Int, value: Int64?)? {
        switch encoding {
        case 0..<0x40: return (1, Int(encoding), nil)
        case 0x40..<0x80:
            guard cursor.remaining >= index + 2 else { return nil }
            return (2, Int(encoding & 0x3f) << 8 | Int(cursor.byte(index + 1)), nil)
        case 0x80..<0xc0:
            return cursor.littleEndian(index + 1, as: UInt32.self).map { (5, Int($0.byteSwapped), nil) }
        case 0xc0: return cursor.littleEndian(index + 1, as: Int16.self).map { (3, 0, Int64($0)) }
        case 0xd0: return cursor.littleEndian(index + 1, as: Int32.self).map { (5, 0, Int64($0)) }
        case 0xe0: return cursor.littleEndian(index + 1, as: Int64.self).map { (9, 0, $0) }
        case 0xf0: return cursor.littleEndian24(index + 1).map { (4, 0, Int64($0)) }
        case 0xfe: return cursor.littleEndian(index + 1, as: Int8.self).map { (2, 0, Int64($0)) }
        case 0xf1...0xfd: return (1, 0, Int64(encoding & 0x0f) - 1)
        default: throw violation("has an element of kind \(hexadecimal(encoding)) at byte \(position)")
        }
    }

    private mutating func advance(_ count: Int, _ cursor: inout RDBCursor) {
        position += count
        cursor.advance(count)
    }

    private func violation(_ what: String) -> RDBViolation {
        RDBViolation(.ziplist, "a ziplist of \(bytes) bytes \(what)")
    }
}
