// SPDX-License-Identifier: Apache-2.0

/// Fields that are strings. Each function returns whether the field was whole, but for the bytes of the string: those
/// are skipped as far as they are at hand, and `record.body` says how many are left.
extension RDBScanner {
    @inline(__always)
    mutating func readText(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let header = try cursor.stringHeader() else { return false }
        try pass(header, &cursor)
        return true
    }

    /// The key is kept only if its value goes on in the next block, or breaks a rule: here it is noted where it stands.
    @inline(__always)
    mutating func readKey(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let header = try cursor.stringHeader() else { return false }
        record.key = header
        record.keyPosition = cursor.position + header.size
        try pass(header, &cursor)
        return true
    }

    /// Keeps the beginning of the key that was read in these bytes, if it was.
    mutating func keepKey(from bytes: UnsafeRawBufferPointer) {
        guard record.isOpen, record.keyPosition > 0 else { return }
        excerpt.begin(record.key, limit: RDBError.keyLengthMax)
        excerpt.append(bytes[record.keyPosition...].prefix(record.key.stored))
        record.keyPosition = 0
    }

    /// A string of which the beginning is kept in the excerpt.
    mutating func readExcerpt(_ cursor: inout RDBCursor, limit: Int) throws(RDBViolation) -> Bool {
        guard let header = try cursor.stringHeader() else { return false }
        excerpt.begin(header, limit: limit)
        excerpt.append(cursor.bytes(header.size + header.stored).dropFirst(header.size))
        try pass(header, &cursor)
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
        guard header.length >= least else {
            throw RDBViolation(.packedLength, "\(header.length) bytes where a \(field) has at least \(least)")
        }
        try pass(header, packed: isPlainNode ? nil : field, &cursor)
        return true
    }

    private func leastBytes(_ field: RDBField) -> Int {
        switch field {
        case .ziplist: 11
        case .listpack, .listNode: 7
        case .intset: 8
        case .zipmap: 2
        default: 0
        }
    }

    /// Passes over the string of a header, as far as it is at hand.
    ///
    /// - Parameter packed: the field, if the string is packed data.
    /// - Parameter prefix: how many bytes of the field stand before the header.
    @inline(__always)
    mutating func pass(
        _ header: RDBStringHeader,
        packed: RDBField? = nil,
        after prefix: Int = 0,
        _ cursor: inout RDBCursor
    ) throws(RDBViolation) {
        if level == .deep { inspect(header, packed, at: offset + Int64(cursor.position + prefix)) }
        cursor.advance(prefix + header.size)
        try skip(header.stored, &cursor)
    }

    @inline(__always)
    private mutating func skip(_ bytes: Int, _ cursor: inout RDBCursor) throws(RDBViolation) {
        let skipped = min(bytes, cursor.remaining)
        if level == .deep { try look(at: cursor.bytes(skipped), isEnd: skipped == bytes) }
        cursor.advance(skipped)
        record.body = bytes - skipped
    }

    /// Skips the rest of a string whose beginning came with an earlier block.
    ///
    /// - Returns: whether its end was at hand.
    mutating func skipBody(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        if excerpt.room > 0 { excerpt.append(cursor.bytes(record.body)[...]) }
        try skip(record.body, &cursor)
        return record.body == 0
    }
}

/// Level deep: what is inside of strings.
extension RDBScanner {
    /// Begins to look into a string, if there is anything to see.
    private mutating func inspect(_ header: RDBStringHeader, _ packed: RDBField?, at offset: Int64) {
        let walk = packed.flatMap { packedWalk($0, bytes: header.length) }
        guard walk != nil || header.encoding == .compressed else { return }
        inspection.begin(header, walk, at: offset)
    }

    private func packedWalk(_ field: RDBField, bytes: Int) -> PackedWalk? {
        switch field {
        case .listpack: .listpack(ListpackWalk(bytes: bytes, shape))
        case .listNode: .listpack(ListpackWalk(bytes: bytes, .elements))
        case .ziplist: .ziplist(ZiplistWalk(bytes: bytes, shape))
        case .intset: .intset(IntsetWalk(bytes: bytes))
        case .zipmap: .zipmap(ZipmapWalk(bytes: bytes))
        default: nil
        }
    }

    /// What the elements of a listpack or ziplist are in the value that is being read.
    private var shape: PackedShape.Kind {
        switch record.kind {
        case .stream: .streamNode
        case .zset: .pairs
        case .hash where record.opcode == 23 || record.opcode == 25: .expiringFields
        // The values of a hash of a template come without its fields, after the number of the template.
        case .hash where record.opcode != 30: .pairs
        default: .elements
        }
    }

    private mutating func look(at bytes: UnsafeRawBufferPointer, isEnd: Bool) throws(RDBViolation) {
        guard inspection.isOpen else { return }
        do throws(RDBViolation) {
            try inspection.look(at: bytes)
            if isEnd {
                try inspection.finish()
                if record.kind == .stream { record.stream.entries += inspection.streamEntries }
            }
        } catch {
            var violation = error
            violation.offset = inspection.offset
            throw violation
        }
    }
}
