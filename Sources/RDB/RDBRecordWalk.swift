// SPDX-License-Identifier: Apache-2.0

/// Where a scanner stands inside a record.
struct RDBRecordWalk {
    /// The index of no field: the next byte is the opcode of a record.
    static let between = -1

    var opcode: UInt8 = 0
    var role = RDBRecordRole.unknown
    var kind = RDBValueKind.string
    /// The field that comes next, in the fields of the grammar.
    var field = RDBRecordWalk.between
    /// How many bytes of the last string are still to be skipped.
    var body = 0
    /// The first field of the record, which is the key if it is a value.
    private var start = RDBRecordWalk.between

    /// The header of the key, and where its bytes begin among those at hand; zero if the excerpt has it.
    var key = RDBStringHeader(size: 0, stored: 0, length: 0)
    var keyPosition = 0

    // What fields tell later fields of the same record.

    var stream = RDBStreamWalk()
    /// Where the opcode stands, in bytes from the start of the RDB.
    var offset: Int64 = 0
    /// How often the outermost fields are repeated: elements, pairs, or nodes of packed elements.
    var times: UInt64 = 0
    /// How many elements of the value were in packed data (levels deep and content).
    var packed: UInt64 = 0
    /// How many bytes its strings have, decompressed.
    var payload: Int64 = 0
    /// How many elements the array has, or how many fields the template names.
    var elements: UInt64 = 0
    /// The number of the template.
    var template: UInt64 = 0
    /// Whether the next node of the list is one plain element.
    var nodeIsPlain = false
    /// The earliest expiry of the fields of the hash, in milliseconds; they are stored as distances from it.
    var minimumExpiry: UInt64 = 0

    private var loop = Loop()
    private var outerLoops: [Loop] = []

    private struct Loop {
        /// The first field that is repeated.
        var start = 0
        /// How often its fields are still to be read, this time included.
        var remaining: UInt64 = 0
    }

    /// Whether a record is begun.
    var isOpen: Bool { field != Self.between }
    /// Whether the key of the record is read, so that the excerpt is that of it.
    var hasKey: Bool { role == .value && (field > start + 1 || (field == start + 1 && body == 0)) }
    /// Whether no fields are being repeated.
    var isOutermost: Bool { loop.remaining == 0 }

    mutating func begin(_ opcode: UInt8, _ record: RDBGrammar.Record) {
        self.opcode = opcode
        role = record.role
        kind = record.kind
        field = Int(record.start)
        start = field
        keyPosition = 0
        minimumExpiry = 0
        (times, packed, payload) = (0, 0, 0)
        if kind == .stream { stream = RDBStreamWalk() }
    }

    mutating func end() { field = Self.between }

    /// Repeats the fields after this one, up to their `again`; without a repetition, skips them.
    mutating func repeatFields(_ times: UInt64, _ fields: UnsafePointer<RDBField>) {
        field += 1
        guard times == 0 else {
            if loop.remaining > 0 { outerLoops.append(loop) }
            loop = Loop(start: field, remaining: times)
            return
        }
        var depth = 1
        while depth > 0 {
            switch fields[field] {
            case .times, .timesPending, .timesPendingOfConsumer, .timesOfArray, .timesOfTemplate: depth += 1
            case .again: depth -= 1
            default: break
            }
            field += 1
        }
    }

    /// One repetition is read: goes back for the next one, or on after the last.
    @inline(__always)
    mutating func again() {
        loop.remaining -= 1
        if loop.remaining > 0 {
            field = loop.start
        } else {
            field += 1
            if let outer = outerLoops.popLast() { loop = outer }
        }
    }
}
