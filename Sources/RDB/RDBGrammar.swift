// SPDX-License-Identifier: Apache-2.0

/// One field of a record, named by what stands in it. A scanner walks the fields of a record one after the other; this
/// is all it knows of the format of each value type.
enum RDBField: UInt8 {
    // Strings, each with its own length.

    /// The key that a value belongs to.
    case key
    /// Any string: an element, a name, a value.
    case text
    case auxName, auxValue
    /// Without bytes: the name, or the value, of an AUX field is complete.
    case auxNameEnd, auxValueEnd
    case functionLibrary
    /// Strings that are packed data of the kind.
    case ziplist, listpack, intset, zipmap
    /// The first id of a node of a stream: 16 bytes.
    case streamNodeID
    /// A node of a list, of the kind that the `nodeKind` before it says.
    case listNode

    // Lengths: integers in the variable form that lengths have.

    case number
    case database
    case nodeKind
    /// The expiry of a hash field: absolute, or from `minimumExpiry` on plus one; zero for none.
    case fieldExpiry
    /// How many entries a stream has, after its nodes.
    case streamLength
    /// The type id of a module, which is its name in 9 characters of 6 bits and a version.
    case moduleType
    /// When a module wrote its data: a number in the form of a module's.
    case moduleMoment

    // Fields of fixed size.

    /// The expiry of the key that follows, in seconds (4 bytes) or milliseconds (8 bytes) since 1970.
    case expirySeconds, expiryMilliseconds
    /// A time in milliseconds that is not checked: 8 bytes.
    case time
    /// A byte that is not checked.
    case byte
    /// The raw id of an entry of a stream: 16 bytes.
    case entryID
    /// An IEEE 754 binary64: 8 bytes.
    case score
    /// The earliest expiry of the fields of a hash, in milliseconds since 1970: 8 bytes.
    case minimumExpiry

    // Fields that say their size themselves.

    /// A number in decimal digits after one byte of length, or one byte for an infinity.
    case scoreText
    /// The data of a module: fields, each with its kind before it, until the mark of the end.
    case moduleData

    // Repetition.

    /// A length that says how often the fields up to the matching `again` are repeated.
    case times
    /// The same for the entries that wait in a group of a stream, and for those of one consumer.
    case timesPending, timesPendingOfConsumer
    case again

    // Ends.

    /// The record is complete.
    case end
    /// The record was the last one.
    case endOfRecords
}

/// What the keys of a type are counted as.
enum RDBValueKind: UInt8, CaseIterable {
    case string, list, set, zset, hash, stream, module

    var name: String { String(describing: self) }
}

/// What a record is to the records around it.
enum RDBRecordRole: UInt8 {
    /// No such record.
    case unknown
    /// No released server reads or writes it.
    case preRelease
    /// A key and its value.
    case value
    /// Something about the key that follows.
    case keyAttribute
    /// Free text, which may stand anywhere, even between an attribute and its key.
    case remark
    /// Anything else.
    case other
}

/// The records of one dialect, found by their opcode.
struct RDBGrammar: Sendable {
    struct Record: Sendable {
        var role = RDBRecordRole.unknown
        var kind = RDBValueKind.string
        /// The first RDB version whose servers may have written it.
        var since: UInt8 = 0
        /// Where its fields begin in `fields`.
        var start: UInt16 = 0
    }

    /// One for each opcode.
    private(set) var records = [Record](repeating: Record(), count: 256)
    /// The fields of all records.
    private(set) var fields: [RDBField] = []

    /// A value type: its key comes first.
    mutating func value(_ opcode: UInt8, _ kind: RDBValueKind, since: UInt8, _ fields: RDBField...) {
        add(opcode, Record(role: .value, kind: kind, since: since), [.key] + fields + [.end])
    }

    /// An opcode.
    mutating func opcode(_ opcode: UInt8, _ role: RDBRecordRole = .other, since: UInt8, _ fields: RDBField...) {
        add(opcode, Record(role: role, since: since), fields + [.end])
    }

    private mutating func add(_ opcode: UInt8, _ record: Record, _ fields: [RDBField]) {
        records[Int(opcode)] = record
        records[Int(opcode)].start = UInt16(self.fields.count)
        self.fields += fields
    }
}

extension RDBGrammar {
    /// Magic `REDIS` (redis src/rdb.h and src/rdb.c of 2.4 to 8.4).
    static let redis: RDBGrammar = {
        var grammar = RDBGrammar.common
        // Hash fields that expire: 22 and 23 stem from release candidates of 7.4, which servers since load.
        grammar.value(22, .hash, since: 12, .times, .fieldExpiry, .text, .text, .again)
        grammar.value(23, .hash, since: 12, .listpack)
        grammar.value(24, .hash, since: 12, .minimumExpiry, .times, .fieldExpiry, .text, .text, .again)
        grammar.value(25, .hash, since: 12, .minimumExpiry, .listpack)
        return grammar
    }()

    /// Magic `VALKEY` (valkey src/rdb.h of 9.0 and 9.1).
    static let valkey: RDBGrammar = {
        var grammar = RDBGrammar.common
        // Each field with its own expiry, -1 for none.
        grammar.value(22, .hash, since: 80, .times, .text, .text, .time, .again)
        // A migration of slots under way: its name, and the first and last slot of each range.
        grammar.opcode(243, since: 80, .text, .times, .number, .number, .again)
        return grammar
    }()

    /// What both dialects share. The versions are lenient where servers before a release may have been ahead of it.
    private static let common: RDBGrammar = {
        var grammar = RDBGrammar()
        grammar.value(0, .string, since: 1, .text)
        grammar.value(1, .list, since: 1, .times, .text, .again)
        grammar.value(2, .set, since: 1, .times, .text, .again)
        grammar.value(3, .zset, since: 1, .times, .text, .scoreText, .again)
        grammar.value(4, .hash, since: 1, .times, .text, .text, .again)
        grammar.value(5, .zset, since: 8, .times, .text, .score, .again)
        grammar.opcode(6, .preRelease, since: 1)
        grammar.value(7, .module, since: 8, .moduleType, .moduleData)
        grammar.value(9, .hash, since: 1, .zipmap)
        grammar.value(10, .list, since: 1, .ziplist)
        grammar.value(11, .set, since: 1, .intset)
        grammar.value(12, .zset, since: 1, .ziplist)
        grammar.value(13, .hash, since: 1, .ziplist)
        grammar.value(14, .list, since: 7, .times, .ziplist, .again)
        grammar.value(16, .hash, since: 10, .listpack)
        grammar.value(17, .zset, since: 10, .listpack)
        grammar.value(18, .list, since: 10, .times, .nodeKind, .listNode, .again)
        grammar.value(20, .set, since: 11, .listpack)
        grammar.addStreams()
        grammar.addOpcodes()
        return grammar
    }()

    /// A stream is its nodes, its length and ids, and its groups; each group has the entries that wait for an answer
    /// (id, time, deliveries) and its consumers, each with the ids that wait for it.
    private mutating func addStreams() {
        value(
            15,
            .stream,
            since: 9,
            .times,
            .streamNodeID,
            .listpack,
            .again,
            .streamLength,
            .number,
            .number,
            .times,
            .text,
            .number,
            .number,
            .timesPending,
            .entryID,
            .time,
            .number,
            .again,
            .times,
            .text,
            .time,
            .timesPendingOfConsumer,
            .entryID,
            .again,
            .again,
            .again
        )
        // Version 2 adds the first id, the greatest deleted id and the entries ever added; to a group, those it read.
        value(
            19,
            .stream,
            since: 10,
            .times,
            .streamNodeID,
            .listpack,
            .again,
            .streamLength,
            .number,
            .number,
            .number,
            .number,
            .number,
            .number,
            .number,
            .times,
            .text,
            .number,
            .number,
            .number,
            .timesPending,
            .entryID,
            .time,
            .number,
            .again,
            .times,
            .text,
            .time,
            .timesPendingOfConsumer,
            .entryID,
            .again,
            .again,
            .again
        )
        // Version 3 adds when a consumer was last active.
        value(
            21,
            .stream,
            since: 11,
            .times,
            .streamNodeID,
            .listpack,
            .again,
            .streamLength,
            .number,
            .number,
            .number,
            .number,
            .number,
            .number,
            .number,
            .times,
            .text,
            .number,
            .number,
            .number,
            .timesPending,
            .entryID,
            .time,
            .number,
            .again,
            .times,
            .text,
            .time,
            .time,
            .timesPendingOfConsumer,
            .entryID,
            .again,
            .again,
            .again
        )
    }

    private mutating func addOpcodes() {
        // The sizes of one slot: Redis 7.4; pre-releases of it and of Valkey 8 wrote version 11.
        opcode(244, since: 11, .number, .number, .number)
        opcode(245, since: 10, .functionLibrary)
        opcode(246, .preRelease, since: 1)
        opcode(247, since: 8, .moduleType, .moduleMoment, .moduleData)
        opcode(248, .keyAttribute, since: 8, .number)
        opcode(249, .keyAttribute, since: 8, .byte)
        opcode(250, .remark, since: 7, .auxName, .auxNameEnd, .auxValue, .auxValueEnd)
        opcode(251, since: 7, .number, .number)
        opcode(252, .keyAttribute, since: 3, .expiryMilliseconds)
        opcode(253, .keyAttribute, since: 1, .expirySeconds)
        opcode(254, since: 1, .database)
        opcode(255, since: 1, .endOfRecords)
    }
}
