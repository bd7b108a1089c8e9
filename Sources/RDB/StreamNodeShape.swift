// SPDX-License-Identifier: Apache-2.0

/// The elements of a node of a stream: how many entries there are and how many are deleted, the fields of the first one
/// and a zero; then each entry: its flags, its id as two differences, its fields if they are others (name and value in
/// turn), else its values, and how many elements it took (redis src/t_stream.c, `streamAppendItem`).
struct StreamNodeShape {
    /// What the last element completed.
    enum Event {
        case nothing
        /// The names that most entries share.
        case sharedNames
        /// The head of an entry: its id is known.
        case entryHead
        case entry
    }

    private enum Next {
        case entries, deleted, sharedFields, sharedNames, zero, flags, milliseconds, sequence, fields, texts, elements
    }

    /// The flag of an entry that is deleted, and of one that has the fields of the first one.
    private static let deleted: Int64 = 1
    private static let sameFields: Int64 = 2

    private let first: RDBStreamID
    private var next = Next.entries
    private(set) var event = Event.nothing
    /// The entries that are not deleted.
    private(set) var live: UInt64 = 0
    /// The id of the entry that is being read, or was read last.
    private(set) var id = RDBStreamID.zero
    /// The id of the last entry that is not deleted, here or before the node.
    private(set) var lastLive: RDBStreamID?
    private(set) var isDeleted = false
    private(set) var hasOwnFields = false
    /// The fields of the entry that is being read.
    private(set) var fields: Int64 = 0
    /// The entries that are to come, the deleted ones included.
    private var entries: Int64 = 0
    private var sharedFields: Int64 = 0
    /// The names and values that are to come.
    private var texts: Int64 = 0

    /// - Parameters:
    ///   - first: the id of the node, to which the entries give their differences.
    ///   - last: the entry before the node, if there is one.
    init(_ first: RDBStreamID, after last: RDBStreamID?) {
        self.first = first
        lastLive = last
    }

    mutating func accept(_ element: PackedElement, _ index: Int) throws(RDBViolation) -> PackedRole {
        event = .nothing
        switch next {
        case .sharedNames:
            texts -= 1
            if texts == 0 { next = .zero }
            return .sharedName
        case .texts:
            texts -= 1
            if texts == 0 { next = .elements }
            return hasOwnFields && texts % 2 == 1 ? .entryName : .entryValue
        default:
            guard let value = element.integer else {
                throw RDBViolation(.streamNode, "element \(index) of a node should be an integer")
            }
            try accept(value, index)
            return .control
        }
    }

    private mutating func accept(_ value: Int64, _ index: Int) throws(RDBViolation) {
        switch next {
        case .entries:
            entries = try counted(value, index, .deleted)
            live = UInt64(entries)
        case .deleted:
            entries += try counted(value, index, .sharedFields)
        case .sharedFields:
            sharedFields = try counted(value, index, value == 0 ? .zero : .sharedNames)
            texts = sharedFields
        case .zero where value == 0:
            next = .flags
            event = .sharedNames
        case .zero: throw RDBViolation(.streamNode, "element \(index) of a node should be zero")
        case .flags: try beginEntry(value, index)
        case .milliseconds:
            id.milliseconds = first.milliseconds &+ UInt64(bitPattern: value)
            next = .sequence
        case .sequence:
            id.sequence = first.sequence &+ UInt64(bitPattern: value)
            try order(index)
            if hasOwnFields { next = .fields } else { expectTexts(sharedFields) }
            event = .entryHead
        case .fields:
            fields = try counted(value, index, .texts)
            expectTexts(2 * fields)
        case .elements: try endEntry(value, index)
        case .sharedNames, .texts: break
        }
    }

    func finish(_ count: Int) throws(RDBViolation) {
        guard next == .flags, entries == 0 else {
            throw RDBViolation(.streamNode, "a node ends after \(count) elements, \(entries) entries short")
        }
    }

    private mutating func beginEntry(_ flags: Int64, _ index: Int) throws(RDBViolation) {
        guard entries > 0 else {
            throw RDBViolation(.streamNode, "element \(index) of a node comes after its last entry")
        }
        hasOwnFields = flags & Self.sameFields == 0
        isDeleted = flags & Self.deleted != 0
        fields = sharedFields
        next = .milliseconds
    }

    /// Entries that are not deleted are in order. Deleted ones need not be: `XSETID` of Redis before 7.0 may go back
    /// behind them.
    private mutating func order(_ index: Int) throws(RDBViolation) {
        guard !isDeleted else { return }
        if let lastLive, lastLive >= id {
            throw RDBViolation(.streamNode, "element \(index) of a node makes entry \(id) follow \(lastLive)")
        }
        lastLive = id
    }

    private mutating func endEntry(_ elements: Int64, _ index: Int) throws(RDBViolation) {
        guard elements == fields + 3 + (hasOwnFields ? fields + 1 : 0) else {
            throw RDBViolation(.streamNode, "element \(index) of a node miscounts the elements of its entry")
        }
        entries -= 1
        next = .flags
        event = .entry
    }

    private mutating func expectTexts(_ count: Int64) {
        texts = count
        next = count == 0 ? .elements : .texts
    }

    private mutating func counted(_ value: Int64, _ index: Int, _ following: Next) throws(RDBViolation) -> Int64 {
        guard (0...Int64(UInt32.max)).contains(value) else {
            throw RDBViolation(.streamNode, "element \(index) of a node is no count: \(value)")
        }
        next = following
        return value
    }
}
