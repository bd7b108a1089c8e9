// SPDX-License-Identifier: Apache-2.0

/// Writes an RDB anew while it streams by, in chunks of any size: with other expiries, or with another identity of its
/// replication. Everything else stays as it is, byte for byte; the checksum at the end is that of what was written, and
/// zero where it was zero.
///
/// A scanner finds what is to be changed, so only what is an RDB comes out whole. The memory it takes does not depend
/// on the input: it keeps back no more than the beginning of a record. After an error it stays failed.
package struct RDBRewriter: Sendable {
    /// Chunks are taken in blocks of this size.
    private static let blockBytes = 64 * 1024

    package let rewriting: RDBRewriting
    /// What was changed so far.
    package internal(set) var changes = RDBChanges()

    /// What becomes of the bytes that are walked.
    private enum Mode {
        case copy
        case drop
        /// The body of a packed hash, up to an offset.
        case edit(until: Int64)
    }

    private var scanner = RDBScanner()
    /// What was received from `windowStart` on and is not done with.
    private var window: [UInt8] = []
    private var windowStart: Int64 = 0
    /// Up to where the input is done with: copied, replaced or dropped.
    private(set) var taken: Int64 = 0
    /// Where the record begins of which it is not known yet what becomes of it.
    var undecided: Int64?
    private var mode = Mode.copy
    private var editor: PackedExpiryEditor?
    private var output: [UInt8] = []
    private var crc = CRC64()
    private var failure: RDBError?

    /// The AUX fields of the replication that were written.
    var identity: Set<RDBIdentityField> = []
    /// The AUX field whose value is looked at.
    var identityField: RDBIdentityField?
    /// Whether the AUX fields at the beginning are over.
    var isPastHead = false
    /// The earliest expiry of the fields of the hash that is being read.
    var minimumExpiry: UInt64 = 0
    /// How many numbers of the record were read.
    var numbers = 0

    package init(_ rewriting: RDBRewriting) {
        self.rewriting = rewriting
        var fields: Set<RDBField> = [.endOfRecords]
        if rewriting.expiries != .keep {
            fields.formUnion([.expirySeconds, .expiryMilliseconds, .minimumExpiry, .fieldExpiry, .fieldTime])
            fields.formUnion([.listpack, .number])
        }
        if rewriting.identity != .keep { fields.formUnion([.auxName, .auxNameEnd, .auxValue, .auxValueEnd]) }
        scanner.marks = RDBMarks(of: fields)
    }

    /// What was found so far in the input. `version` is known after the header.
    var summary: RDBSummary { scanner.summary }
}

// MARK: - Input and output

extension RDBRewriter {
    /// Reads the next bytes.
    ///
    /// - Returns: what can be written by now, which may be nothing.
    /// - Throws: the rule that the input breaks; `RDBRule.rewriting` where what was asked for cannot be written. From
    ///   then on always the same.
    package mutating func consume(_ bytes: UnsafeRawBufferPointer) throws(RDBError) -> [UInt8] {
        if let failure { throw failure }
        var start = 0
        do throws(RDBError) {
            while start < bytes.count {
                let end = min(start + Self.blockBytes, bytes.count)
                try consume(block: UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                start = end
            }
        } catch {
            failure = error
            throw error
        }
        return takeOutput()
    }

    /// Reads the next bytes.
    package mutating func consume(_ bytes: [UInt8]) throws(RDBError) -> [UInt8] {
        try bytes.withUnsafeBufferPointer { (bytes) throws(RDBError) in try consume(UnsafeRawBufferPointer(bytes)) }
    }

    /// Ends the input.
    ///
    /// - Returns: the rest of what is to be written.
    /// - Throws: as `consume`, or that the input ends before the RDB does.
    package mutating func finish() throws(RDBError) -> [UInt8] {
        if let failure { throw failure }
        let summary = try scanner.finish()
        var rest = takeOutput()
        guard summary.version >= 5 else { return rest }
        withUnsafeBytes(of: (summary.hasChecksum ? crc.value : 0).littleEndian) { rest += $0 }
        return rest
    }

    private mutating func takeOutput() -> [UInt8] {
        var taken: [UInt8] = []
        swap(&taken, &output)
        taken.withUnsafeBytes { crc.update($0) }
        return taken
    }

    private mutating func consume(block: UnsafeRawBufferPointer) throws(RDBError) {
        window += block
        try scanner.consume(block)
        do throws(RDBViolation) {
            for mark in scanner.marks.take() { try handle(mark) }
            try advance(to: undecided ?? scanner.offset)
        } catch {
            let opcode = scanner.record.isOpen ? scanner.record.opcode : nil
            throw RDBError(rule: error.rule, offset: taken, opcode: opcode, key: nil, detail: error.detail)
        }
        window.removeFirst(Int(taken - windowStart))
        windowStart = taken
    }

    /// Is done with the input up to an offset that the scanner has passed.
    mutating func advance(to end: Int64) throws(RDBViolation) {
        while taken < end {
            switch mode {
            case .copy:
                window.withUnsafeBytes { output += $0[range(to: end)] }
                taken = end
            case .drop:
                taken = end
            case .edit(let bodyEnd):
                let next = min(end, bodyEnd)
                try edit(to: next)
                taken = next
                if next == bodyEnd { try endEditing() }
            }
        }
        if case .edit(let bodyEnd) = mode, taken == bodyEnd { try endEditing() }
    }

    /// Is done with the input up to an offset, and writes something else instead.
    mutating func replace(to end: Int64, with bytes: [UInt8]) {
        output += bytes
        taken = end
    }

    /// From here on the input is not written, until `copy`.
    mutating func drop() { mode = .drop }
    mutating func copy() { mode = .copy }

    /// The input between two offsets, which are not done with.
    func bytes(from start: Int64, to end: Int64) -> ArraySlice<UInt8> {
        window[Int(start - windowStart)..<Int(end - windowStart)]
    }

    /// Reads something of the input that is not done with.
    func read<Value>(
        from start: Int64,
        to end: Int64,
        _ body: (RDBCursor) throws(RDBViolation) -> Value?
    ) throws(RDBViolation) -> Value? {
        let (first, count) = (Int(start - windowStart), Int(end - start))
        return try window.withUnsafeBufferPointer { (buffer) throws(RDBViolation) in
            guard let base = UnsafeRawPointer(buffer.baseAddress) else { return nil }
            return try body(RDBCursor(base + first, count: count))
        }
    }

    private func range(to end: Int64) -> Range<Int> { Int(taken - windowStart)..<Int(end - windowStart) }
}

// MARK: - Packed hashes

extension RDBRewriter {
    /// The expiries in a listpack are changed, whose header stands at an offset.
    mutating func beginEditing(_ header: RDBStringHeader, at start: Int64) throws(RDBViolation) {
        try advance(to: start)
        replace(to: start + Int64(header.size), with: rdbLength(UInt64(header.length)))
        editor = PackedExpiryEditor(rewriting.expiries, header)
        mode = .edit(until: taken + Int64(header.stored))
    }

    private mutating func edit(to end: Int64) throws(RDBViolation) {
        guard var editor else { return }
        self.editor = nil
        var output: [UInt8] = []
        swap(&output, &self.output)
        let range = range(to: end)
        try window.withUnsafeBufferPointer { (window) throws(RDBViolation) in
            try editor.take(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: window[range])), into: &output)
        }
        swap(&output, &self.output)
        self.editor = editor
    }

    private mutating func endEditing() throws(RDBViolation) {
        mode = .copy
        try editor?.finish(into: &output)
        changes.fields += editor?.changed ?? 0
        editor = nil
    }
}

/// A length as it stands in an RDB (redis src/rdb.c, `rdbSaveLen`).
func rdbLength(_ value: UInt64) -> [UInt8] {
    switch value {
    case 0..<0x40: [UInt8(value)]
    case 0x40..<0x4000: [0x40 | UInt8(value >> 8), UInt8(value & 0xff)]
    case 0x4000...0xffff_ffff: [0x80] + withUnsafeBytes(of: UInt32(value).bigEndian, Array.init)
    default: [0x81] + withUnsafeBytes(of: value.bigEndian, Array.init)
    }
}
