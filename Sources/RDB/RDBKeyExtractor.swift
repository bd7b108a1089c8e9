// SPDX-License-Identifier: Apache-2.0

/// A key of an RDB, as `RESTORE` takes it.
package struct RDBExtractedKey: Sendable, Hashable {
    package let database: UInt64
    package let name: [UInt8]
    /// Such as `hash`.
    package let type: String
    /// Of a value of a module: the name of its type.
    package let moduleType: String?
    /// What `DUMP` gives, and `RESTORE` takes; `nil` where values are only counted, or cannot be written so.
    package let payload: [UInt8]?
    /// How many bytes that has.
    package let payloadBytes: Int64
    /// When it expires, in milliseconds since 1970.
    package let expiry: Int64?
    /// For how long nobody had asked for it, in seconds.
    package let idleSeconds: UInt64?
    /// How often it was asked for, as a logarithm (`OBJECT FREQ`).
    package let frequency: UInt8?
    /// Why `RESTORE` cannot take it.
    package let obstacle: RDBKeyObstacle?
}

/// Why a key cannot be given to `RESTORE`.
package enum RDBKeyObstacle: Sendable, Hashable, CaseIterable {
    /// It is larger than what may be held in memory.
    case tooLarge
    /// The names of its fields stand elsewhere in the RDB (Redis 8.10, value types 30 and 32).
    case template
    /// Modules attached something to it that a payload has no place for (Redis 8.6, opcode 243).
    case metadata
}

/// Takes keys out of an RDB that streams by, in chunks of any size, each with its value in the form of `DUMP` (redis
/// src/cluster.c, `createDumpPayload`): the value type, the value as it stands in the RDB, the RDB version in two bytes
/// and the CRC-64 of all that.
///
/// It holds no more than the value that is being read, and at most the bytes that it may.
package struct RDBKeyExtractor: Sendable {
    /// Whether a key is wanted.
    package typealias Selection = @Sendable (_ database: UInt64, _ name: [UInt8]) -> Bool

    /// Chunks are taken in blocks of this size.
    private static let blockBytes = 64 * 1024
    /// The version and the CRC-64 behind a value.
    private static let footerBytes = 10

    private let valueBytesMax: Int
    private let holdsValues: Bool
    private let selects: Selection

    private var scanner: RDBScanner
    /// What was received from `windowStart` on and is still needed.
    private var window: [UInt8] = []
    private var windowStart: Int64 = 0
    /// Where the first byte stands that is needed; `nil` where none is.
    private var kept: Int64?

    private var database: UInt64 = 0
    /// The key that is being read.
    private var key = Key()
    private var found: [RDBExtractedKey] = []

    private struct Key {
        var name: [UInt8]?
        /// Where the header of its name begins, and where the name ends.
        var nameStart: Int64 = 0
        var nameEnd: Int64 = 0
        // What was said before it.
        var expiry: Int64?
        var idleSeconds: UInt64?
        var frequency: UInt8?
        var hasMetadata = false
        var moduleType: String?
    }

    /// - Parameters:
    ///   - valueBytesMax: the greatest payload that is held, and the longest name, in bytes.
    ///   - holdsValues: without, the keys are only found and measured.
    ///   - level: how closely the RDB is read.
    ///   - selects: says which keys are wanted.
    package init(
        valueBytesMax: Int,
        holdsValues: Bool,
        level: RDBLevel = .framing,
        selecting selects: @escaping Selection
    ) {
        self.valueBytesMax = valueBytesMax
        self.holdsValues = holdsValues
        self.selects = selects
        scanner = RDBScanner(level: level)
        scanner.marks = RDBMarks(
            of: [.key, .database, .expirySeconds, .expiryMilliseconds, .number, .byte, .moduleType]
        )
    }

    /// Reads the next bytes.
    ///
    /// - Returns: the keys that are whole by now, in their order.
    /// - Throws: the rule that is broken.
    package mutating func consume(_ bytes: [UInt8]) throws(RDBError) -> [RDBExtractedKey] {
        try bytes.withUnsafeBufferPointer { (buffer) throws(RDBError) in
            let bytes = UnsafeRawBufferPointer(buffer)
            var start = 0
            while start < bytes.count {
                let end = min(start + Self.blockBytes, bytes.count)
                try consume(block: UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                start = end
            }
        }
        var found: [RDBExtractedKey] = []
        swap(&found, &self.found)
        return found
    }

    /// Ends the input.
    ///
    /// - Returns: what was found.
    /// - Throws: that the input ends before the RDB does.
    package mutating func finish() throws(RDBError) -> RDBSummary { try scanner.finish() }

    private mutating func consume(block: UnsafeRawBufferPointer) throws(RDBError) {
        window += block
        try scanner.consume(block)
        do throws(RDBViolation) {
            for mark in scanner.marks.take() { try handle(mark) }
            try decide(readUpTo: scanner.offset)
        } catch {
            throw RDBError(rule: error.rule, offset: key.nameStart, opcode: nil, key: nil, detail: error.detail)
        }
        if let kept, key.name != nil, scanner.offset - kept > Int64(valueBytesMax) { self.kept = nil }
        let needed = kept ?? scanner.offset
        window.removeFirst(Int(needed - windowStart))
        windowStart = needed
    }
}

// MARK: - Records

extension RDBKeyExtractor {
    private mutating func handle(_ mark: RDBMark) throws(RDBViolation) {
        let role = scanner.grammar.records[Int(mark.opcode)].role
        switch mark.what {
        case .opcode where role == .value: kept = mark.start
        case .opcode: break
        case .field(.key):
            let header = try read(mark) { (cursor) throws(RDBViolation) in try cursor.stringHeader() }
            key.nameStart = mark.start
            key.nameEnd = mark.start + Int64((header?.size ?? 0) + (header?.stored ?? 0))
        case .field(let field): try readAttribute(field, mark)
        case .recordEnd where role == .value:
            try decide(readUpTo: mark.end)
            endKey(mark)
        case .recordEnd: if mark.opcode == 243, role == .keyAttribute { key.hasMetadata = true }
        }
    }

    /// What is said before a key.
    private mutating func readAttribute(_ field: RDBField, _ mark: RDBMark) throws(RDBViolation) {
        switch (field, mark.opcode) {
        case (.database, _): database = try number(mark)
        case (.expiryMilliseconds, _):
            // Servers load -1 as no expiry.
            key.expiry = try read(mark) { (cursor) throws(RDBViolation) in cursor.littleEndian(as: Int64.self) }
            if key.expiry == -1 { key.expiry = nil }
        case (.expirySeconds, _):
            let seconds = try read(mark) { (cursor) throws(RDBViolation) in cursor.littleEndian(as: Int32.self) }
            key.expiry = seconds.map { Int64($0) * 1000 }
        case (.moduleType, 7): key.moduleType = moduleName(try number(mark))
        case (.number, 248): key.idleSeconds = try number(mark)
        case (.byte, 249): key.frequency = try read(mark) { (cursor) throws(RDBViolation) in cursor.byte(0) }
        default: break
        }
    }

    /// Whether the key is wanted, as soon as its name is whole.
    private mutating func decide(readUpTo offset: Int64) throws(RDBViolation) {
        guard kept != nil, key.name == nil, key.nameEnd > 0 else { return }
        guard key.nameEnd - key.nameStart <= Int64(valueBytesMax) else {
            // Whether it is wanted nobody can say. It counts as such, and cannot be written.
            key.name = []
            return kept = nil
        }
        guard key.nameEnd <= offset else { return }
        let (first, last) = (Int(key.nameStart - windowStart), Int(key.nameEnd - windowStart))
        let name = try window[first..<last].withUnsafeBufferPointer { (buffer) throws(RDBViolation) -> [UInt8]? in
            guard let start = buffer.baseAddress else { return nil }
            let cursor = RDBCursor(start, count: buffer.count)
            guard let header = try cursor.stringHeader() else { return nil }
            var excerpt = RDBExcerpt()
            excerpt.begin(header, limit: header.stored)
            excerpt.append(cursor.bytes(header.size + header.stored).dropFirst(header.size))
            return try excerpt.whole(limit: header.length)
        }
        guard let name, selects(database, name) else { return kept = nil }
        key.name = name
        kept = holdsValues ? key.nameEnd : nil
    }

    private mutating func endKey(_ mark: RDBMark) {
        defer {
            key = Key()
            kept = nil
        }
        guard let name = key.name else { return }
        let payloadBytes = 1 + mark.end - key.nameEnd + Int64(Self.footerBytes)
        let obstacle: RDBKeyObstacle? =
            if max(payloadBytes, key.nameEnd - key.nameStart) > valueBytesMax {
                .tooLarge
            } else if mark.opcode == 30 || mark.opcode == 32 {
                .template
            } else {
                key.hasMetadata ? .metadata : nil
            }
        found.append(
            RDBExtractedKey(
                database: database,
                name: name,
                type: scanner.grammar.records[Int(mark.opcode)].kind.name,
                moduleType: key.moduleType,
                payload: obstacle == nil && kept != nil ? payload(mark) : nil,
                payloadBytes: payloadBytes,
                expiry: key.expiry,
                idleSeconds: key.idleSeconds,
                frequency: key.frequency,
                obstacle: obstacle
            )
        )
    }

    private func payload(_ mark: RDBMark) -> [UInt8] {
        let value = window[Int(key.nameEnd - windowStart)..<Int(mark.end - windowStart)]
        var payload: [UInt8] = []
        payload.reserveCapacity(1 + value.count + Self.footerBytes)
        payload.append(mark.opcode)
        payload += value
        withUnsafeBytes(of: UInt16(truncatingIfNeeded: scanner.summary.version).littleEndian) { payload += $0 }
        var crc = CRC64()
        payload.withUnsafeBytes { crc.update($0) }
        withUnsafeBytes(of: crc.value.littleEndian) { payload += $0 }
        return payload
    }

    private func number(_ mark: RDBMark) throws(RDBViolation) -> UInt64 {
        try read(mark) { (cursor) throws(RDBViolation) in try cursor.number()?.value } ?? 0
    }

    private func read<Value>(
        _ mark: RDBMark,
        _ body: (RDBCursor) throws(RDBViolation) -> Value?
    ) throws(RDBViolation) -> Value? {
        let (first, count) = (Int(mark.start - windowStart), Int(mark.end - mark.start))
        return try window.withUnsafeBufferPointer { (buffer) throws(RDBViolation) in
            guard let base = UnsafeRawPointer(buffer.baseAddress) else { return nil }
            return try body(RDBCursor(base + first, count: count))
        }
    }
}
