// SPDX-License-Identifier: Apache-2.0

/// Reads an RDB as it streams by, in chunks of any size, and proves its framing: that every record and every value is
/// whole and within its format, that the checksum is right, and that nothing follows it.
///
/// The memory it takes does not depend on the input: strings are skipped by counting, never collected. After an error
/// it stays failed.
package struct RDBScanner: Sendable {
    enum Phase {
        /// Before the magic and the version.
        case header
        case records
        /// The last record is read, and the CRC does not cover it yet.
        case recordsEnded
        case checksum
        case done
    }

    package let level: RDBLevel
    /// Whether strings are looked into: at every level but framing.
    let looksInside: Bool
    let limits: RDBLimits
    var phase = Phase.header
    var grammar = RDBGrammar.redis
    /// What was found so far; its `version` and `isValkey` are known after the header.
    var summary = RDBSummary()
    /// The record that is being read.
    var record = RDBRecordWalk()
    var counts = RDBCounts()
    /// The beginning of the key, or of the AUX text, that was read last.
    var excerpt = RDBExcerpt()
    /// What takes note of every key, if anything does.
    package internal(set) var census: RDBCensus?
    /// The look into the string that is being read, at levels deep and content.
    var inspection = StringInspection()
    /// Where records and fields stand, for whoever asked for it.
    var marks = RDBMarks()
    /// Where the first byte stands that is not read yet, in bytes from the start of the RDB.
    var offset: Int64 = 0

    /// The bytes from `offset` on that came with earlier blocks: the beginning of one field.
    private var carry: [UInt8] = []
    private var crc = CRC64()
    private var failure: RDBError?

    /// - Parameters:
    ///   - aliveAt: in milliseconds since 1970: keys, and fields of hashes, that expire before are left out of the
    ///     digest of the content, as a server leaves them out that loads them then. By default none is.
    ///   - census: takes note of every key, if given.
    ///   - pastAt: in milliseconds since 1970: keys that expire before are counted as past.
    package init(
        level: RDBLevel = .framing,
        limits: RDBLimits = .init(),
        aliveAt: Int64? = nil,
        census: RDBCensus? = nil,
        pastAt: Int64? = nil
    ) {
        self.level = level
        looksInside = level != .framing
        self.limits = limits
        self.census = census
        counts.pastAt = pastAt
        if level == .content { inspection.sink.content = ContentWalk(aliveAt: aliveAt) }
    }

    /// Whether the RDB is read to its end, checksum included. Any byte more is an error.
    package var isComplete: Bool { phase == .done && failure == nil }

    /// How many bytes were given to the scanner.
    package var receivedBytes: Int64 { offset + Int64(carry.count) }
}

// MARK: - Input

extension RDBScanner {
    /// No field takes more bytes, but for the bytes of a string (`RDBField.scoreText` takes up to 253).
    private static let fieldBytesMax = 256

    /// Chunks are taken in blocks of this size, so that the CRC finds in the cache what the walk has read.
    private static let blockBytes = 64 * 1024

    /// Reads the next bytes.
    ///
    /// - Parameter bytes: of any number; none is kept.
    /// - Throws: the rule that is broken; from then on always the same.
    package mutating func consume(_ bytes: UnsafeRawBufferPointer) throws(RDBError) {
        if let failure { throw failure }
        var taken = 0
        while taken < bytes.count {
            let end = min(taken + Self.blockBytes, bytes.count)
            try consume(block: UnsafeRawBufferPointer(rebasing: bytes[taken..<end]))
            taken = end
        }
    }

    /// Reads the next bytes.
    ///
    /// - Throws: the rule that is broken; from then on always the same.
    package mutating func consume(_ bytes: [UInt8]) throws(RDBError) {
        try bytes.withUnsafeBufferPointer { (bytes) throws(RDBError) in
            try consume(UnsafeRawBufferPointer(bytes))
        }
    }

    /// Ends the input.
    ///
    /// - Returns: what was found.
    /// - Throws: the rule that was broken, or that the input ends before the RDB does.
    package mutating func finish() throws(RDBError) -> RDBSummary {
        if let failure { throw failure }
        switch phase {
        case .done:
            return summary
        case .header:
            let violation = truncatedHeader(carry)
            throw fail(violation, at: violation.rule == .truncated ? receivedBytes : 0)
        default:
            throw fail(RDBViolation(.truncated, whereItStopped), at: receivedBytes)
        }
    }

    private mutating func consume(block: UnsafeRawBufferPointer) throws(RDBError) {
        var taken = try walkCarry(with: block)
        seal(block, upTo: taken)
        while carry.isEmpty, taken < block.count {
            taken += try walk(UnsafeRawBufferPointer(rebasing: block[taken...]))
            if phase == .recordsEnded {
                seal(block, upTo: taken)
            } else {
                carry += block[taken...]
                taken = block.count
            }
        }
        if phase == .header || phase == .records { crc.update(block) }
    }

    /// Reads the field that was cut off at the end of the last block, and whatever else lies in the bytes joined to it.
    ///
    /// - Returns: how many bytes of the block are done with.
    private mutating func walkCarry(with block: UnsafeRawBufferPointer) throws(RDBError) -> Int {
        guard !carry.isEmpty else { return 0 }
        let old = carry.count
        let added = block.prefix(Self.fieldBytesMax)
        let joined = carry + added
        carry.removeAll(keepingCapacity: true)
        let walked = try joined.withUnsafeBufferPointer { (joined) throws(RDBError) in
            try walk(UnsafeRawBufferPointer(joined))
        }
        if walked >= old { return walked - old }
        // Cut off once more: the block was shorter than the field.
        carry += joined[walked...]
        return added.count
    }

    /// Reads what is whole in bytes that begin at `offset`, up to the end of the last record.
    ///
    /// - Returns: how many bytes that are.
    private mutating func walk(_ bytes: UnsafeRawBufferPointer) throws(RDBError) -> Int {
        guard let start = bytes.baseAddress else { return 0 }
        var cursor = RDBCursor(start, count: bytes.count)
        do throws(RDBViolation) {
            try walk(&cursor)
        } catch {
            keepKey(from: bytes)
            throw fail(error, at: error.offset ?? offset + Int64(cursor.position))
        }
        keepKey(from: bytes)
        offset += Int64(cursor.position)
        return cursor.position
    }

    private mutating func walk(_ cursor: inout RDBCursor) throws(RDBViolation) {
        while cursor.remaining > 0 {
            switch phase {
            case .header:
                guard try readHeader(&cursor) else { return }
            case .records:
                try walkRecords(&cursor)
                if phase == .records { return }
            case .recordsEnded:
                return
            case .checksum:
                guard try readChecksum(&cursor) else { return }
            case .done:
                throw RDBViolation(.trailingBytes, "the RDB ended before this byte")
            }
        }
    }

    /// The CRC covers everything up to the opcode of the end: closes it there.
    private mutating func seal(_ block: UnsafeRawBufferPointer, upTo end: Int) {
        guard phase == .recordsEnded else { return }
        crc.update(UnsafeRawBufferPointer(rebasing: block[..<end]))
        summary.crc64 = crc.value
        summary.bytes = offset
        phase = summary.version >= 5 ? .checksum : .done
    }

    private mutating func fail(_ violation: RDBViolation, at offset: Int64) -> RDBError {
        let error = RDBError(
            rule: violation.rule,
            offset: offset,
            opcode: record.isOpen ? record.opcode : nil,
            key: record.isOpen && record.hasKey ? excerpt.escaped(limit: RDBError.keyLengthMax) : nil,
            detail: violation.detail
        )
        failure = error
        return error
    }
}
