// SPDX-License-Identifier: Apache-2.0

/// Fields that are strings. Each function returns whether the field was whole, but for the bytes of the string: those
/// are skipped as far as they are at hand, and `record.body` says how many are left.
extension RDBScanner {
    @inline(__always)
    mutating func readText(_ field: RDBField, _ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let header = try cursor.stringHeader() else { return false }
        try pass(header, .text(field), &cursor)
        return true
    }

    /// The key is kept only if its value goes on in the next block, or breaks a rule: here it is noted where it stands.
    @inline(__always)
    mutating func readKey(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let header = try cursor.stringHeader() else { return false }
        record.key = header
        record.keyPosition = cursor.position + header.size
        if level == .content { beginContent() }
        if census != nil { keepBeginning(header, cursor, limit: RDBKey.nameBytesMax) }
        try pass(header, .text(.key), &cursor)
        return true
    }

    /// Keeps the beginning of the string whose header is at the cursor: of an AUX field, and for a census of every key.
    mutating func keepBeginning(_ header: RDBStringHeader, _ cursor: RDBCursor, limit: Int) {
        record.keyPosition = 0
        excerpt.begin(header, limit: limit)
        excerpt.append(cursor.bytes(header.size + header.stored).dropFirst(header.size))
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
        keepBeginning(header, cursor, limit: limit)
        try pass(header, .text(.auxValue), &cursor)
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
        guard looksInside else {
            try pass(header, .text(field), &cursor)
            return true
        }
        let form = isPlainNode ? .text(.listNode) : form(of: field)
        if header.encoding == .plain, cursor.remaining >= header.size + header.stored, !isPlainNode,
            let values = inspection.glance(at: cursor.bytes(header.size + header.stored, after: header.size), form)
        {
            record.packed += UInt64(values)
            record.payload += Int64(header.length)
            cursor.advance(header.size + header.stored)
            return true
        }
        if isPlainNode { record.packed += 1 }
        try pass(header, form, &cursor)
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
    /// - Parameter prefix: how many bytes of the field stand before the header.
    @inline(__always)
    mutating func pass(
        _ header: RDBStringHeader,
        _ form: StringInspection.Form,
        after prefix: Int = 0,
        _ cursor: inout RDBCursor
    ) throws(RDBViolation) {
        if looksInside { inspect(header, form, at: offset + Int64(cursor.position + prefix)) }
        record.payload += Int64(header.length)
        cursor.advance(prefix + header.size)
        try skip(header.stored, &cursor)
    }

    @inline(__always)
    private mutating func skip(_ bytes: Int, _ cursor: inout RDBCursor) throws(RDBViolation) {
        let skipped = min(bytes, cursor.remaining)
        if inspection.isOpen { try look(at: cursor.bytes(skipped), isEnd: skipped == bytes) }
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

/// Levels deep and content: what is inside of strings.
extension RDBScanner {
    /// Begins to look into a string, if there is anything to see.
    @inline(__always)
    private mutating func inspect(_ header: RDBStringHeader, _ form: StringInspection.Form, at offset: Int64) {
        if case .text = form, header.encoding != .compressed, level != .content { return }
        inspection.begin(header, form, at: offset)
    }

    // Without inlining, the whole scanner would be copied for the call.
    @inline(__always)
    private func form(of field: RDBField) -> StringInspection.Form {
        switch field {
        case .ziplist: .ziplist(shape)
        case .intset: .intset
        case .zipmap: .zipmap
        case .listNode: .listpack(.list)
        default: .listpack(shape)
        }
    }

    /// What the elements of a listpack or ziplist are in the value that is being read.
    @inline(__always)
    private var shape: PackedShape.Kind {
        switch record.kind {
        case .stream: .streamNode(record.stream.lastNode ?? .zero, after: record.stream.lastEntry)
        case .set: .set
        case .zset: .scores
        case .hash where record.opcode == 23 || record.opcode == 25: .expiringFields
        case .hash where record.opcode == 30: .templateValues
        case .hash: .fields
        default: .list
        }
    }

    private mutating func look(at bytes: UnsafeRawBufferPointer, isEnd: Bool) throws(RDBViolation) {
        do throws(RDBViolation) {
            try inspection.look(at: bytes)
            guard isEnd else { return }
            try inspection.finish()
            record.packed += UInt64(inspection.values)
            if inspection.isStreamNode { record.stream.endNode(inspection.node) }
        } catch {
            var violation = error
            violation.offset = inspection.offset
            throw violation
        }
    }
}
