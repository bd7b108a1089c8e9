// SPDX-License-Identifier: Apache-2.0

/// Fields that are strings. Each function returns whether the field was whole, but for the bytes of the string: those
/// are skipped as far as they are at hand, and `record.body` says how many are left.
extension RDBScanner {
    @inline(__always)
    mutating func readText(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let header = try cursor.stringHeader() else { return false }
        cursor.advance(header.size)
        skip(header.stored, &cursor)
        return true
    }

    mutating func readKey(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard try readExcerpt(&cursor, limit: RDBError.keyLengthMax) else { return false }
        record.hasKey = true
        return true
    }

    /// A string of which the beginning is kept in the excerpt.
    mutating func readExcerpt(_ cursor: inout RDBCursor, limit: Int) throws(RDBViolation) -> Bool {
        guard let header = try cursor.stringHeader() else { return false }
        cursor.advance(header.size)
        excerpt.begin(header, limit: limit)
        excerpt.append(cursor.bytes(header.stored))
        skip(header.stored, &cursor)
        return true
    }

    /// A string that is data in a form of its own, or an element of a list that is not packed.
    mutating func readPacked(_ field: RDBField, _ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let header = try cursor.stringHeader() else { return false }
        let isPlainNode = field == .listNode && record.nodeIsPlain
        let least = isPlainNode ? 1 : leastBytes(field)
        guard header.encoding != .integer || isPlainNode else {
            throw RDBViolation(.stringEncoding, "an integer where a \(field) must stand")
        }
        guard header.length >= least, field != .streamNodeID || header.length == least else {
            throw RDBViolation(.packedLength, "\(header.length) bytes where a \(field) has at least \(least)")
        }
        cursor.advance(header.size)
        skip(header.stored, &cursor)
        return true
    }

    private func leastBytes(_ field: RDBField) -> Int {
        switch field {
        case .ziplist: 11
        case .listpack, .listNode: 7
        case .intset: 8
        case .zipmap: 2
        case .streamNodeID: 16
        default: 0
        }
    }

    /// Skips what is at hand of the bytes of a string.
    @inline(__always)
    mutating func skip(_ bytes: Int, _ cursor: inout RDBCursor) {
        let skipped = min(bytes, cursor.remaining)
        cursor.advance(skipped)
        record.body = bytes - skipped
    }

    /// Skips the rest of a string whose beginning came with an earlier block.
    ///
    /// - Returns: whether its end was at hand.
    mutating func skipBody(_ cursor: inout RDBCursor) -> Bool {
        if excerpt.room > 0 { excerpt.append(cursor.bytes(record.body)) }
        skip(record.body, &cursor)
        return record.body == 0
    }
}
