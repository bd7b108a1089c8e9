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
    /// The name of a group of a stream, and of a consumer of it.
    case groupName, consumerName
    /// The name of a field of hashes of a template.
    case templateName
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
    /// Half of an id, milliseconds before sequence: of the last entry of a stream, and of the last one a group read.
    case lastIDPart, groupIDPart
    /// How often an entry that waits was delivered.
    case deliveries
    /// How many elements an array has.
    case arrayLength
    /// The number of a template, and how many fields it names.
    case templateID, templateLength
    /// The template of a hash.
    case template
    /// The type id of a module, which is its name in 9 characters of 6 bits and a version.
    case moduleType
    /// When a module wrote its data: a number in the form of a module's.
    case moduleMoment

    // Fields of fixed size.

    /// The expiry of the key that follows, in seconds (4 bytes) or milliseconds (8 bytes) since 1970.
    case expirySeconds, expiryMilliseconds
    /// A time in milliseconds that is not checked: 8 bytes.
    case time
    /// The same: when an entry that waits was last delivered.
    case deliveryTime
    /// A byte that is not checked.
    case byte
    /// The name, version and flags of a class of key metadata: 4 bytes.
    case metadataClass
    /// The raw id of an entry of a stream that waits in a group, or for a consumer of it: 16 bytes.
    case entryID, ownedEntryID
    /// The id of one that a consumer gave back.
    case returnedEntryID
    /// An IEEE 754 binary64: 8 bytes.
    case score
    /// When the field of a hash expires, in milliseconds since 1970: 8 bytes, -1 for never.
    case fieldTime
    /// The earliest expiry of the fields of a hash, in milliseconds since 1970: 8 bytes.
    case minimumExpiry

    // Fields that say their size themselves.

    /// A number in decimal digits after one byte of length, or one byte for an infinity.
    case scoreText
    /// The data of a module: fields, each with its kind before it, until the mark of the end.
    case moduleData
    /// Where the next element of an array is to be inserted: whether it is known, and then the index.
    case arrayCursor
    /// An element of an array: its index, its kind, and an integer or a double of 8 bytes or a string.
    case arrayElement

    // Repetition.

    /// A length that says how often the fields up to the matching `again` are repeated.
    case times
    /// The same for the entries that wait in a group of a stream, and for those of one consumer.
    case timesPending, timesPendingOfConsumer
    /// Without bytes: all that waits in a group of a stream is read.
    case pendingEnd
    /// The same for the elements of an array, and for the values of a hash whose fields a template names: how often is
    /// known from an earlier field.
    case timesOfArray, timesOfTemplate
    case again

    // Ends.

    /// The record is complete.
    case end
    /// The record was the last one.
    case endOfRecords
}

/// What the keys of a type are counted as.
enum RDBValueKind: String, CaseIterable {
    case string, list, set, zset, hash, stream, module, array

    var name: String { rawValue }
}

/// What a record is to the records around it.
enum RDBRecordRole: UInt8 {
    /// No such record.
    case unknown
    /// Only pre-release servers wrote it, and servers of today refuse it.
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
    mutating func value(_ opcode: UInt8, _ kind: RDBValueKind, since: UInt8, _ fields: [RDBField]) {
        add(opcode, Record(role: .value, kind: kind, since: since), [.key] + fields + [.end])
    }

    /// An opcode.
    mutating func opcode(_ opcode: UInt8, _ role: RDBRecordRole = .other, since: UInt8, _ fields: [RDBField] = []) {
        add(opcode, Record(role: role, since: since), fields + [.end])
    }

    private mutating func add(_ opcode: UInt8, _ record: Record, _ fields: [RDBField]) {
        records[Int(opcode)] = record
        records[Int(opcode)].start = UInt16(self.fields.count)
        self.fields += fields
    }
}
