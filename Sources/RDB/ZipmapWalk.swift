// SPDX-License-Identifier: Apache-2.0

/// A zipmap, the packed hash of Redis 2.4: the number of its fields, then each field and value with its length in
/// front, after the length of a value how many unused bytes follow it, then 255 (redis src/zipmap.c).
struct ZipmapWalk {
    /// How many bytes the zipmap has.
    private let bytes: Int
    /// How many of them were read.
    private var position = 0
    /// How many fields its header announces; 254 or 255 if it does not say.
    private var announced: UInt8 = 0
    private(set) var fields = 0
    /// The unused bytes after the current text that are still to be skipped.
    private var unused = 0
    private var isValueNext = false
    private var hasEnded = false

    init(bytes: Int) { self.bytes = bytes }

    mutating func walk(_ cursor: inout RDBCursor, _ sink: inout ElementSink) throws(RDBViolation) {
        while cursor.remaining > 0 {
            if sink.textBytes > 0 {
                position += try sink.passText(&cursor)
            } else if unused > 0 {
                let count = min(unused, cursor.remaining)
                unused -= count
                advance(count, &cursor)
            } else if position == 0 {
                announced = cursor.byte(0)
                advance(1, &cursor)
            } else if cursor.byte(0) == 0xff, !isValueNext {
                guard position == bytes - 1 else { throw violation("ends at byte \(position)") }
                hasEnded = true
                advance(1, &cursor)
            } else {
                guard try readText(&cursor, &sink) else { return }
            }
        }
    }

    func finish() throws(RDBViolation) {
        guard hasEnded else { throw violation("is cut off") }
        guard fields > 0, announced >= 254 || Int(announced) == fields else {
            throw violation("has \(fields) fields and announces \(announced)")
        }
    }

    private mutating func readText(_ cursor: inout RDBCursor, _ sink: inout ElementSink) throws(RDBViolation) -> Bool {
        let first = cursor.byte(0)
        guard first < 255 else { throw violation("has no value at byte \(position)") }
        var header = first == 254 ? 5 : 1
        guard cursor.remaining >= header + (isValueNext ? 1 : 0) else { return false }
        let text = first == 254 ? Int(cursor.littleEndian(1, as: UInt32.self) ?? 0) : Int(first)
        var free = 0
        if isValueNext {
            free = Int(cursor.byte(header))
            header += 1
            fields += 1
        }
        guard header + text + free < bytes - position else {
            throw violation("has a text of \(text + free) bytes at byte \(position)")
        }
        isValueNext.toggle()
        try sink.accept(nil, text)
        unused = free
        advance(header, &cursor)
        return true
    }

    private mutating func advance(_ count: Int, _ cursor: inout RDBCursor) {
        position += count
        cursor.advance(count)
    }

    private func violation(_ what: String) -> RDBViolation {
        RDBViolation(.zipmap, "a zipmap of \(bytes) bytes \(what)")
    }
}
