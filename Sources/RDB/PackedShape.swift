// SPDX-License-Identifier: Apache-2.0

/// An element of a listpack or a ziplist.
enum PackedElement {
    case integer(Int64)
    case text

    /// The integer, if it is one.
    var integer: Int64? {
        if case .integer(let value) = self { value } else { nil }
    }
}

/// What the elements of packed data must be, taken together.
struct PackedShape {
    enum Kind {
        /// Elements of a list or a set.
        case elements
        /// Fields and values of a hash, or members and scores of a sorted set.
        case pairs
        /// Fields, values and expiries of a hash.
        case expiringFields
        case streamNode
    }

    private let kind: Kind
    private(set) var count = 0
    private var node = StreamNodeShape()

    init(_ kind: Kind) { self.kind = kind }

    /// How many entries the node of a stream has, without the deleted ones.
    var streamEntries: UInt64 { node.live }

    mutating func accept(_ element: PackedElement) throws(RDBViolation) {
        count += 1
        switch kind {
        case .elements, .pairs: break
        case .expiringFields where count % 3 == 0:
            guard let expiry = element.integer, (0..<Int64(RDBLimits.fieldExpiryNone)).contains(expiry) else {
                throw RDBViolation(.fieldExpiry, "element \(count) of a hash should be the expiry of a field")
            }
        case .expiringFields: break
        case .streamNode: try node.accept(element, count)
        }
    }

    /// There are no more elements.
    func finish() throws(RDBViolation) {
        switch kind {
        case .elements: break
        case .pairs where count % 2 != 0:
            throw RDBViolation(.packedShape, "\(count) elements do not make pairs")
        case .expiringFields where count % 3 != 0:
            throw RDBViolation(.packedShape, "\(count) elements do not make fields, values and expiries")
        case .pairs, .expiringFields: break
        case .streamNode: try node.finish(count)
        }
    }
}

/// The elements of a node of a stream: how many entries there are and how many are deleted, the fields of the first one
/// and a zero; then each entry: its flags, its id as two differences, its fields if they are others, its values, and
/// how many elements it took (redis src/t_stream.c, `streamAppendItem`).
struct StreamNodeShape {
    private enum Next {
        case entries, deleted, masterFields, masterNames, zero, flags, milliseconds, sequence, fields, names, values
        case elements
    }

    /// The flag of an entry that has the fields of the first one.
    private static let sameFields: Int64 = 2

    private var next = Next.entries
    /// The entries that are not deleted.
    private(set) var live: UInt64 = 0
    /// The entries that are to come, the deleted ones included.
    private var entries: Int64 = 0
    private var masterFields: Int64 = 0
    /// The names or values that are to come.
    private var texts: Int64 = 0
    private var fields: Int64 = 0
    private var hasOwnFields = false

    mutating func accept(_ element: PackedElement, _ index: Int) throws(RDBViolation) {
        switch next {
        case .masterNames: named(then: .zero)
        case .names:
            named(then: .values)
            if next == .values { expectValues() }
        case .values: named(then: .elements)
        default:
            guard let value = element.integer else {
                throw RDBViolation(.streamNode, "element \(index) of a node should be an integer")
            }
            try accept(value, index)
        }
    }

    private mutating func accept(_ value: Int64, _ index: Int) throws(RDBViolation) {
        switch next {
        case .entries:
            entries = try counted(value, index, .deleted)
            live = UInt64(entries)
        case .deleted:
            let deleted = try counted(value, index, .masterFields)
            entries = try counted(entries.addingReportingOverflow(deleted).partialValue, index, .masterFields)
        case .masterFields:
            masterFields = try counted(value, index, value == 0 ? .zero : .masterNames)
            texts = masterFields
        case .zero where value == 0: next = .flags
        case .zero: throw RDBViolation(.streamNode, "element \(index) of a node should be zero")
        case .flags: try beginEntry(value, index)
        case .milliseconds: next = .sequence
        case .sequence:
            next = .fields
            if !hasOwnFields { expectValues() }
        case .fields:
            fields = try counted(value, index, .names)
            texts = fields
            if fields == 0 { expectValues() }
        case .elements: try endEntry(value, index)
        case .masterNames, .names, .values: break
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
        fields = masterFields
        next = .milliseconds
    }

    private mutating func endEntry(_ elements: Int64, _ index: Int) throws(RDBViolation) {
        guard elements == fields + 3 + (hasOwnFields ? fields + 1 : 0) else {
            throw RDBViolation(.streamNode, "element \(index) of a node miscounts the elements of its entry")
        }
        entries -= 1
        next = .flags
    }

    private mutating func expectValues() {
        texts = fields
        next = fields == 0 ? .elements : .values
    }

    private mutating func named(then following: Next) {
        texts -= 1
        if texts == 0 { next = following }
    }

    private mutating func counted(_ value: Int64, _ index: Int, _ following: Next) throws(RDBViolation) -> Int64 {
        guard (0...Int64(UInt32.max)).contains(value) else {
            throw RDBViolation(.streamNode, "element \(index) of a node is no count: \(value)")
        }
        next = following
        return value
    }
}
