// SPDX-License-Identifier: Apache-2.0

/// A listpack: its length and the number of its elements, then each element with its own length behind it, then 255
/// (redis src/listpack.c, `lpValidateIntegrity`).
struct ListpackWalk {
    /// How many bytes the listpack has.
    private let bytes: Int
    /// How many of them were read.
    private var position = 0
    /// How many elements its header announces; 65535 if it does not say.
    private var announced = UInt16.max
    /// The length of the current element, which must follow it.
    private var elementBytes = 0
    private var hasEnded = false

    init(bytes: Int) { self.bytes = bytes }

    mutating func walk(_ cursor: inout RDBCursor, _ sink: inout ElementSink) throws(RDBViolation) {
        while cursor.remaining > 0, try step(&cursor, &sink) {}
    }

    /// Reads the next thing: the header, the head of an element, what is at hand of its text, or the length behind it.
    ///
    /// - Returns: whether it was whole.
    @inline(__always)
    mutating func step(_ cursor: inout RDBCursor, _ sink: inout ElementSink) throws(RDBViolation) -> Bool {
        if sink.textBytes > 0 {
            position += try sink.passText(&cursor)
            return true
        }
        if position == 0 { return try readHeader(&cursor) }
        if elementBytes > 0 { return try readLengthBehind(&cursor) }
        return try readElement(&cursor, &sink)
    }

    func finish(_ sink: ElementSink) throws(RDBViolation) {
        guard hasEnded else { throw violation("is cut off") }
        guard announced == .max || Int(announced) == sink.shape.count else {
            throw violation("has \(sink.shape.count) elements and announces \(announced)")
        }
        try sink.shape.finish()
    }

    private mutating func readHeader(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let total = cursor.littleEndian(as: UInt32.self), let count = cursor.littleEndian(4, as: UInt16.self)
        else { return false }
        guard Int(total) == bytes else { throw violation("says it has \(total)") }
        announced = count
        advance(6, &cursor)
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
        guard let (header, text, value) = try decode(first, cursor) else { return false }
        elementBytes = header + text
        guard elementBytes < bytes - 1 - position else {
            throw violation("has an element of \(elementBytes) bytes at byte \(position)")
        }
        try sink.accept(value, text)
        advance(header, &cursor)
        return true
    }

    /// The size of an element's header, the length of its text, and its value if it is an integer.
    private func decode(
        _ first: UInt8,
        _ cursor: RDBCursor
    ) throws(RDBViolation) -> (header: Int, text: Int, value: Int64?)? {
        switch first {
        case 0..<0x80: return (1, 0, Int64(first))
        case 0x80..<0xc0: return (1, Int(first & 0x3f), nil)
        case 0xc0..<0xe0:
            guard cursor.remaining >= 2 else { return nil }
            let value = Int64(first & 0x1f) << 8 | Int64(cursor.byte(1))
            return (2, 0, value >= 1 << 12 ? value - 1 << 13 : value)
        case 0xe0..<0xf0:
            guard cursor.remaining >= 2 else { return nil }
            return (2, Int(first & 0x0f) << 8 | Int(cursor.byte(1)), nil)
        case 0xf0: return cursor.littleEndian(1, as: UInt32.self).map { (5, Int($0), nil) }
        case 0xf1: return cursor.littleEndian(1, as: Int16.self).map { (3, 0, Int64($0)) }
        case 0xf2: return cursor.littleEndian24(1).map { (4, 0, Int64($0)) }
        case 0xf3: return cursor.littleEndian(1, as: Int32.self).map { (5, 0, Int64($0)) }
        case 0xf4: return cursor.littleEndian(1, as: Int64.self).map { (9, 0, $0) }
        default: throw violation("has an element of kind \(hexadecimal(first)) at byte \(position)")
        }
    }

    /// The length of the element before it, seven bits a byte, the highest first; all bytes but the first have their
    /// highest bit set (redis src/listpack.c, `lpEncodeBacklen`).
    private mutating func readLengthBehind(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        let size =
            switch elementBytes {
            case ...127: 1
            case ..<16_383: 2
            case ..<2_097_151: 3
            case ..<268_435_455: 4
            default: 5
            }
        guard cursor.remaining >= size else { return false }
        for index in 0..<size {
            let bits = UInt8(elementBytes >> (7 * (size - 1 - index)) & 0x7f)
            guard cursor.byte(index) == (index == 0 ? bits : bits | 0x80) else {
                throw violation(
                    "has another length behind the element of \(elementBytes) that ends at byte \(position)"
                )
            }
        }
        elementBytes = 0
        advance(size, &cursor)
        return true
    }

    private mutating func advance(_ count: Int, _ cursor: inout RDBCursor) {
        position += count
        cursor.advance(count)
    }

    private func violation(_ what: String) -> RDBViolation {
        RDBViolation(.listpack, "a listpack of \(bytes) bytes \(what)")
    }
}
