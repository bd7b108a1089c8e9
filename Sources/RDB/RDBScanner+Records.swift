// SPDX-License-Identifier: Apache-2.0

/// The walk over records: from opcode to opcode, and inside of one from field to field.
extension RDBScanner {
    /// Walks as far as the bytes go: up to the first field that is not whole, or to the end of the records.
    mutating func walkRecords(_ cursor: inout RDBCursor) throws(RDBViolation) {
        let grammar = grammar
        try grammar.fields.withUnsafeBufferPointer { (buffer) throws(RDBViolation) in
            guard let fields = buffer.baseAddress else { return }
            repeat {
                if record.body > 0, try !skipBody(&cursor) { return }
                if !record.isOpen {
                    guard cursor.remaining > 0 else { return }
                    try beginRecord(cursor.byte(0), at: offset + Int64(cursor.position), grammar)
                    cursor.advance(1)
                }
            } while try walkFields(&cursor, fields)
        }
    }

    /// Reads fields up to the end of the record, or to a string whose end is not at hand.
    ///
    /// - Returns: whether to go on: not if a field is cut off, nor after the last record.
    private mutating func walkFields(
        _ cursor: inout RDBCursor,
        _ fields: UnsafePointer<RDBField>
    ) throws(RDBViolation) -> Bool {
        while record.body == 0 {
            let start = cursor.position
            let isRead: Bool
            switch fields[record.field] {
            case .text:
                guard try readText(.text, &cursor) else { return false }
                record.field += 1
                continue
            case .again:
                record.again()
                continue
            case .end:
                let end = offset + Int64(cursor.position)
                try endRecord(at: end)
                if marks.isOn { marks.add(.recordEnd, record.opcode, end, end) }
                return true
            case .key:
                isRead = try readKey(&cursor)
            case .ziplist, .listpack, .intset, .zipmap, .listNode:
                isRead = try readPacked(fields[record.field], &cursor)
            case .times, .timesPending, .timesPendingOfConsumer, .timesOfArray, .timesOfTemplate:
                guard try readTimes(&cursor, fields) else { return false }
                continue
            case .endOfRecords:
                endRecords()
                let end = offset + Int64(cursor.position)
                if marks.isOn { marks.add(.field(.endOfRecords), record.opcode, end, end) }
                return false
            case let field:
                isRead = try readOther(field, &cursor)
            }
            guard isRead else { return false }
            if marks.isOn { mark(fields[record.field], from: start, to: cursor.position) }
            record.field += 1
        }
        return true
    }

    private mutating func beginRecord(_ opcode: UInt8, at offset: Int64, _ grammar: RDBGrammar) throws(RDBViolation) {
        let found = grammar.records[Int(opcode)]
        switch found.role {
        case .unknown:
            throw RDBViolation(.unknownOpcode, "\(opcode) is no opcode or value type of \(dialect)")
        case .preRelease:
            throw RDBViolation(.preReleaseOpcode, "\(opcode) stems from a pre-release, which servers of today refuse")
        case _ where Int(found.since) > summary.version:
            throw RDBViolation(
                .opcodeOfLaterVersion,
                "\(opcode) exists since RDB version \(found.since), this is \(dialect)"
            )
        case .keyAttribute:
            let attribute = RDBCounts.Attribute(opcode: opcode)
            guard counts.attributes.insert(attribute).inserted else {
                throw RDBViolation(.keyAttribute, "opcode \(opcode) repeats an attribute of the same key")
            }
        case .other where !counts.attributes.isEmpty:
            throw RDBViolation(.keyAttribute, "opcode \(opcode) where a key must follow its expiry or usage")
        case .value, .remark, .other:
            break
        }
        record.begin(opcode, found)
        record.offset = offset
        if marks.isOn { marks.add(.opcode, opcode, offset, offset + 1) }
    }

    /// - Parameters: positions in the bytes at hand.
    private mutating func mark(_ field: RDBField, from start: Int, to end: Int) {
        marks.add(.field(field), record.opcode, offset + Int64(start), offset + Int64(end))
    }

    private mutating func endRecord(at end: Int64) throws(RDBViolation) {
        counts.records[Int(record.opcode)] += 1
        if record.role == .value {
            try endKey(at: end)
        } else if record.opcode == 245 {
            census?.add(libraryOf: excerpt.beginning(limit: RDBKey.nameBytesMax))
        }
        record.end()
    }

    private mutating func endKey(at end: Int64) throws(RDBViolation) {
        if level == .content {
            inspection.sink.content?.endKey()
            guard inspection.sink.content?.templates.areComplete != false else {
                throw RDBViolation(.tooMany, "the templates of hashes name more than a digest of the content can keep")
            }
        }
        if census != nil {
            let key = key(endingAt: end)
            census?.add(key)
        }
        counts.countKey()
    }

    /// The opcode of the end is read: makes the summary.
    private mutating func endRecords() {
        counts.records[Int(record.opcode)] += 1
        record.end()
        flushKeys()
        summary.expires = counts.expires
        summary.expired = counts.expired
        summary.past = counts.past
        for (opcode, count) in zip(UInt8.min...UInt8.max, counts.records) where count > 0 {
            summary.records[opcode] = count
            let record = grammar.records[Int(opcode)]
            if record.role == .value { summary.types[record.kind.name, default: 0] += count }
        }
        summary.modules = counts.modules.map { moduleName($0 << 10) }.sorted()
        if let content = inspection.sink.content {
            summary.content = ContentDigest(content.total)
            summary.contentTally = content.tally
        }
        phase = .recordsEnded
    }

    /// The keys of a database are read. A database may be selected several times (a save without fork does that).
    mutating func flushKeys() {
        if counts.keys > 0 { summary.keys[counts.database, default: 0] += counts.keys }
        counts.keys = 0
    }

    /// Such as `REDIS version 11`.
    var dialect: String { "\(summary.isValkey ? "VALKEY" : "REDIS") version \(summary.version)" }
}
