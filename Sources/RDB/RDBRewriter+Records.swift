// SPDX-License-Identifier: Apache-2.0

/// What becomes of each record. A mark is handled when the input before it is still at hand as far as it is undecided.
extension RDBRewriter {
    mutating func handle(_ mark: RDBMark) throws(RDBViolation) {
        switch mark.what {
        case .opcode: try begin(mark)
        case .recordEnd: try end(mark)
        case .field(let field): try handle(field, mark)
        }
    }

    private mutating func begin(_ mark: RDBMark) throws(RDBViolation) {
        numbers = 0
        if mark.opcode != RDBOpcode.aux, !isPastHead {
            isPastHead = true
            try writeMissingIdentity(before: mark.start)
        }
        switch mark.opcode {
        case RDBOpcode.aux where rewriting.identity != .keep:
            try hold(from: mark.start)
        case RDBOpcode.expirySeconds where rewriting.expiries != .keep,
            RDBOpcode.expiryMilliseconds where rewriting.expiries != .keep:
            try hold(from: mark.start)
        case 22 where rewriting.expiries == .persist, 24 where rewriting.expiries == .persist:
            // Without expiries it is a hash as it always was: a length, then each field and its value.
            try advance(to: mark.start)
            replace(to: mark.end, with: [4])
        default: break
        }
    }

    private mutating func end(_ mark: RDBMark) throws(RDBViolation) {
        try advance(to: mark.end)
        undecided = nil
        identityField = nil
        copy()
    }

    private mutating func hold(from start: Int64) throws(RDBViolation) {
        try advance(to: start)
        undecided = start
    }

    private mutating func handle(_ field: RDBField, _ mark: RDBMark) throws(RDBViolation) {
        switch field {
        case .expiryMilliseconds, .expirySeconds: try moveExpiry(field, mark)
        case .minimumExpiry: try moveMinimumExpiry(mark)
        case .fieldExpiry: try moveFieldExpiry(mark)
        case .fieldTime: try moveFieldTime(mark)
        case .listpack where mark.opcode == 23 || mark.opcode == 25:
            guard let header = try headerOfString(mark) else { return }
            try beginEditing(header, at: mark.start)
        case .number: try countNumber(mark)
        case .auxName: try readName(mark)
        case .auxNameEnd: try decide(mark)
        case .auxValue: try readValue(mark)
        case .auxValueEnd: try replaceDatabase(mark)
        case .endOfRecords:
            // What follows is the checksum, which is another one.
            try advance(to: mark.end)
            drop()
        default: break
        }
    }

    private func headerOfString(_ mark: RDBMark) throws(RDBViolation) -> RDBStringHeader? {
        try read(from: mark.start, to: mark.end) { (cursor) throws(RDBViolation) in try cursor.stringHeader() }
    }
}

/// The opcodes that a rewriter writes or looks for (redis src/rdb.h).
private enum RDBOpcode {
    static let slotSizes: UInt8 = 244
    static let aux: UInt8 = 250
    static let databaseSizes: UInt8 = 251
    static let expiryMilliseconds: UInt8 = 252
    static let expirySeconds: UInt8 = 253
}

// MARK: - Expiries

extension RDBRewriter {
    private mutating func moveExpiry(_ field: RDBField, _ mark: RDBMark) throws(RDBViolation) {
        undecided = nil
        guard let old = try expiry(field, mark) else {
            // -1 is none, as far as servers are concerned.
            if rewriting.expiries == .persist { replace(to: mark.end, with: []) }
            return
        }
        changes.keys += 1
        guard let new = rewriting.expiries.moved(key: old) else { return replace(to: mark.end, with: []) }
        // Milliseconds exist since version 3; before, there is nothing but seconds of 32 bits.
        if summary.version >= 3 {
            replace(to: mark.end, with: [RDBOpcode.expiryMilliseconds] + littleEndian(new))
        } else if let seconds = Int32(exactly: new / 1000 + (new % 1000).signum()) {
            replace(to: mark.end, with: [RDBOpcode.expirySeconds] + littleEndian(seconds))
        } else {
            throw RDBViolation(.rewriting, "RDB version \(summary.version) holds no expiry at \(new) ms")
        }
    }

    private func expiry(_ field: RDBField, _ mark: RDBMark) throws(RDBViolation) -> Int64? {
        let isInSeconds = field == .expirySeconds
        return try read(from: mark.start, to: mark.end) { (cursor) throws(RDBViolation) -> Int64? in
            if isInSeconds { return cursor.littleEndian(as: Int32.self).map { Int64($0) * 1000 } }
            return cursor.littleEndian(as: Int64.self).flatMap { $0 == -1 ? nil : $0 }
        }
    }

    private mutating func moveMinimumExpiry(_ mark: RDBMark) throws(RDBViolation) {
        try advance(to: mark.start)
        minimumExpiry =
            try read(from: mark.start, to: mark.end) { (cursor) throws(RDBViolation) in
                cursor.littleEndian(as: UInt64.self)
            } ?? 0
        if mark.opcode == 24, rewriting.expiries == .persist { return replace(to: mark.end, with: []) }
        // Zero where no field expires.
        guard minimumExpiry > 0 else { return }
        let new = try rewriting.expiries.moved(field: minimumExpiry, earliest: 0) ?? 0
        guard rewriting.expiries == .persist || new > 0 else {
            throw RDBViolation(
                .rewriting,
                "the fields of a hash expire from \(minimumExpiry) ms on, too early to be moved"
            )
        }
        replace(to: mark.end, with: littleEndian(new))
    }

    /// The distance from the earliest expiry stays as it is; without that it is the expiry itself.
    private mutating func moveFieldExpiry(_ mark: RDBMark) throws(RDBViolation) {
        let stored = try read(from: mark.start, to: mark.end) { (cursor) throws(RDBViolation) in try cursor.number() }
        let isRelative = mark.opcode == 24 && minimumExpiry > 0
        let value = stored?.value ?? 0
        if value > 0 { changes.fields += 1 }
        if rewriting.expiries == .persist {
            try advance(to: mark.start)
            return replace(to: mark.end, with: [])
        }
        guard value > 0 else { return }
        let expiry = isRelative ? value + minimumExpiry - 1 : value
        let new = try rewriting.expiries.moved(field: expiry, earliest: 1) ?? 0
        guard !isRelative else { return }
        try advance(to: mark.start)
        replace(to: mark.end, with: rdbLength(new))
    }

    private mutating func moveFieldTime(_ mark: RDBMark) throws(RDBViolation) {
        let old =
            try read(from: mark.start, to: mark.end) { (cursor) throws(RDBViolation) in
                cursor.littleEndian(as: Int64.self)
            } ?? -1
        if old >= 0 { changes.fields += 1 }
        try advance(to: mark.start)
        if rewriting.expiries == .persist { return replace(to: mark.end, with: []) }
        guard old >= 0 else { return }
        let new = try rewriting.expiries.moved(field: UInt64(old), earliest: 0, latest: .max) ?? 0
        replace(to: mark.end, with: littleEndian(new))
    }

    /// How many keys with an expiry there are, which a server makes room for: the last number of the sizes.
    private mutating func countNumber(_ mark: RDBMark) throws(RDBViolation) {
        numbers += 1
        let isLast =
            mark.opcode == RDBOpcode.databaseSizes && numbers == 2 || mark.opcode == RDBOpcode.slotSizes && numbers == 3
        guard isLast, rewriting.expiries == .persist else { return }
        try advance(to: mark.start)
        replace(to: mark.end, with: [0])
    }
}

// MARK: - The replication

/// An AUX field that says where in which history of the replication a dataset stands.
enum RDBIdentityField: String, CaseIterable, Sendable {
    case database = "repl-stream-db"
    case id = "repl-id"
    case offset = "repl-offset"
}

extension RDBRewriter {
    /// No name or value that is looked at is longer, in bytes as stored.
    private static let lookedAtBytesMax = 64

    private mutating func readName(_ mark: RDBMark) throws(RDBViolation) {
        guard let header = try headerOfString(mark) else { return }
        if header.stored > Self.lookedAtBytesMax { undecided = nil }
    }

    /// The name is at hand: the field is copied, dropped or replaced.
    private mutating func decide(_ mark: RDBMark) throws(RDBViolation) {
        guard let start = undecided else { return }
        guard let name = try text(from: start + 1, to: mark.end), let field = RDBIdentityField(rawValue: name) else {
            undecided = nil
            return
        }
        guard case .replace(let id, let offset) = rewriting.identity, !identity.contains(field) else {
            undecided = nil
            changes.identityFields += 1
            return drop()
        }
        identity.insert(field)
        switch field {
        case .database: identityField = field
        case .id: try replaceValue(at: mark.end, with: id)
        case .offset: try replaceValue(at: mark.end, with: "\(offset)")
        }
    }

    /// The database that the stream of commands stands in is kept, where it is one.
    private mutating func readValue(_ mark: RDBMark) throws(RDBViolation) {
        guard identityField != nil, let header = try headerOfString(mark),
            header.stored > Self.lookedAtBytesMax
        else { return }
        identityField = nil
        try replaceValue(at: mark.start, with: "0")
    }

    private mutating func replaceDatabase(_ mark: RDBMark) throws(RDBViolation) {
        guard identityField != nil, let start = undecided else { return }
        let nameEnd = try read(from: start + 1, to: mark.end) { (cursor) throws(RDBViolation) in
            try cursor.stringHeader().map { start + 1 + Int64($0.size + $0.stored) }
        }
        guard let nameEnd else { return }
        let value = try text(from: nameEnd, to: mark.end)
        if value.flatMap({ Int32($0) }).map({ $0 >= 0 }) == true { return }
        try replaceValue(at: nameEnd, with: "0")
    }

    /// Writes another value for the field whose name ends at an offset.
    private mutating func replaceValue(at nameEnd: Int64, with value: String) throws(RDBViolation) {
        undecided = nil
        changes.identityFields += 1
        try advance(to: nameEnd)
        replace(to: nameEnd, with: string(value))
        drop()
    }

    /// What the file does not say of the replication, before its first record that is no AUX field.
    private mutating func writeMissingIdentity(before start: Int64) throws(RDBViolation) {
        guard case .replace(let id, let offset) = rewriting.identity else { return }
        // AUX fields exist since version 7 of the format; version 6 has them in no released server.
        guard summary.version >= 7 else {
            throw RDBViolation(.rewriting, "RDB version \(summary.version) has no place for a replication id")
        }
        try advance(to: start)
        for field in RDBIdentityField.allCases where identity.insert(field).inserted {
            let value =
                switch field {
                case .database: "0"
                case .id: id
                case .offset: "\(offset)"
                }
            changes.identityFields += 1
            replace(to: start, with: [RDBOpcode.aux] + string(field.rawValue) + string(value))
        }
    }

    /// The text of a short string.
    private func text(from start: Int64, to end: Int64) throws(RDBViolation) -> String? {
        let header = try read(from: start, to: end) { (cursor) throws(RDBViolation) in try cursor.stringHeader() }
        guard let header else { return nil }
        var excerpt = RDBExcerpt()
        excerpt.begin(header, limit: Self.lookedAtBytesMax)
        let stored = bytes(from: start + Int64(header.size), to: end)
        stored.withUnsafeBytes { excerpt.append($0[...]) }
        return try excerpt.whole(limit: Self.lookedAtBytesMax).map { String(decoding: $0, as: UTF8.self) }
    }

    private func string(_ text: String) -> [UInt8] { rdbLength(UInt64(text.utf8.count)) + Array(text.utf8) }

    private func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian, Array.init)
    }
}
