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

/// What an element of packed data is to the value that it belongs to.
enum PackedRole {
    /// One of a list, or of the values of a hash whose fields a template names.
    case element
    /// A member of a set or of a sorted set.
    case member
    case field
    /// The value of the field before it.
    case value
    /// The score of the member before it.
    case score
    /// When the field before it expires.
    case expiry
    /// A name of the fields that most entries of a node of a stream have.
    case sharedName
    /// A name, and a value, of one entry of a stream.
    case entryName, entryValue
    /// What tells of other elements.
    case control
}

/// What the elements of packed data must be, taken together.
struct PackedShape {
    enum Kind {
        case list, set
        /// Fields and values of a hash.
        case fields
        /// Fields, values and expiries of a hash.
        case expiringFields
        /// Members and scores of a sorted set.
        case scores
        /// The number of a template, and the values of a hash whose fields it names.
        case templateValues
        /// A node of a stream, with its id, and the last entry before it.
        case streamNode(RDBStreamID, after: RDBStreamID?)
    }

    let kind: Kind
    private(set) var count = 0
    /// The entries, if this is the node of a stream.
    private(set) var node: StreamNodeShape

    init(_ kind: Kind) {
        self.kind = kind
        node =
            if case .streamNode(let id, let last) = kind {
                StreamNodeShape(id, after: last)
            } else {
                StreamNodeShape(.zero, after: nil)
            }
    }

    /// How many elements of the value these are: pairs count once.
    var values: Int {
        switch kind {
        case .list, .set: count
        case .fields, .scores: count / 2
        case .expiringFields: count / 3
        case .templateValues: max(count - 1, 0)
        case .streamNode: Int(node.live)
        }
    }

    mutating func accept(_ element: PackedElement) throws(RDBViolation) -> PackedRole {
        count += 1
        switch kind {
        case .list: return .element
        case .set: return .member
        case .fields: return count % 2 == 1 ? .field : .value
        case .scores: return count % 2 == 1 ? .member : .score
        case .templateValues: return count == 1 ? .control : .element
        case .expiringFields where count % 3 == 0:
            guard let expiry = element.integer, (0..<Int64(RDBLimits.fieldExpiryNone)).contains(expiry) else {
                throw RDBViolation(.fieldExpiry, "element \(count) of a hash should be the expiry of a field")
            }
            return .expiry
        case .expiringFields: return count % 3 == 1 ? .field : .value
        case .streamNode: return try node.accept(element, count)
        }
    }

    /// There are no more elements.
    func finish() throws(RDBViolation) {
        switch kind {
        case .fields where count % 2 != 0, .scores where count % 2 != 0:
            throw RDBViolation(.packedShape, "\(count) elements do not make pairs")
        case .expiringFields where count % 3 != 0:
            throw RDBViolation(.packedShape, "\(count) elements do not make fields, values and expiries")
        case .streamNode: try node.finish(count)
        default: break
        }
    }
}
