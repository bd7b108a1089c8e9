// SPDX-License-Identifier: Apache-2.0

/// Why a scanner refuses an RDB: which rule of the format is broken, and where.
package struct RDBError: Error, Sendable, Hashable {
    /// The rule that is broken.
    package let rule: RDBRule
    /// Where the broken field begins, in bytes from the start of the RDB; at the end of the input for a truncation.
    package let offset: Int64
    /// The opcode or value type of the record that is broken, if one was begun.
    package let opcode: UInt8?
    /// The key whose value is broken, if inside a value: escaped and cut at `keyLengthMax` characters.
    package let key: String?
    /// What was found, with numbers: lower case, no final period.
    package let detail: String

    /// The longest key that an error shows, in characters.
    package static let keyLengthMax = 128
}

extension RDBError: CustomStringConvertible {
    /// One line, such as `truncated at byte 17 (opcode 4, key "users:1"): the input ends inside a string`.
    package var description: String {
        var place: [String] = []
        if let opcode { place.append("opcode \(opcode)") }
        if let key { place.append("key \"\(key)\"") }
        let record = place.isEmpty ? "" : " (\(place.joined(separator: ", ")))"
        return "\(rule.rawValue) at byte \(offset)\(record): \(detail)"
    }
}

/// The checks of a scanner, one name each. The raw value is stable: reports and tests carry it.
package enum RDBRule: String, Sendable, Hashable, CaseIterable {
    // The file as a whole.

    /// The first bytes are neither `REDIS` nor `VALKEY`.
    case magic = "magic"
    /// The version is not written in digits, or is not one whose format is known here.
    case version = "version"
    /// The input ends before the RDB does.
    case truncated = "truncated"
    /// The checksum is not the CRC-64 of what precedes it.
    case checksum = "checksum"
    /// Bytes follow the end of the RDB.
    case trailingBytes = "trailing-bytes"

    // Records.

    /// An opcode or value type that no known server writes.
    case unknownOpcode = "unknown-opcode"
    /// An opcode or value type that servers of this RDB version cannot have written.
    case opcodeOfLaterVersion = "opcode-of-later-version"
    /// An opcode or value type of a pre-release server, which servers of today refuse.
    case preReleaseOpcode = "pre-release-opcode"
    /// A database number that no server can have.
    case databaseNumber = "database-number"
    /// An expiry, an idle time or a frequency that no key follows, or that stands twice before one key.
    case keyAttribute = "key-attribute"
    /// More databases, or more modules, than the limits of the scanner allow.
    case tooMany = "too-many"

    // Fields.

    /// A length that begins with a byte no length begins with, or an encoding mark where a plain length must stand.
    case lengthEncoding = "length-encoding"
    /// A length or a count beyond what any server can hold.
    case lengthRange = "length-range"
    /// A string of an encoding that does not exist, or that cannot stand here.
    case stringEncoding = "string-encoding"
    /// A compressed string whose lengths contradict each other, or which does not decompress.
    case compressedString = "compressed-string"
    /// A string that is packed data (a listpack, an intset …) and shorter than the header of that.
    case packedLength = "packed-length"
    /// A listpack that is not whole or contradicts itself (level deep; so are the next six).
    case listpack = "listpack"
    /// A ziplist that is not whole or contradicts itself.
    case ziplist = "ziplist"
    /// An intset that is empty, not in order, or contradicts itself.
    case intset = "intset"
    /// A zipmap that is not whole or contradicts itself.
    case zipmap = "zipmap"
    /// A packed hash that has a field twice, or a packed set or sorted set that has a member twice.
    case duplicateElement = "duplicate-element"
    /// Packed data whose elements do not make what the type needs, such as pairs.
    case packedShape = "packed-shape"
    /// A node of a stream whose elements are not entries.
    case streamNode = "stream-node"
    /// A score that is not a number.
    case score = "score"
    /// A node of a list that is of no known kind.
    case listNode = "list-node"
    /// A stream that contradicts itself.
    case stream = "stream"
    /// An expiry of a hash field beyond what a server can hold.
    case fieldExpiry = "field-expiry"
    /// An element of an array that is of no known kind.
    case arrayElement = "array-element"
    /// A template of hashes that is not known, is described twice, or names no fields.
    case template = "template"
    /// Data of a module that is not framed as such data must be.
    case moduleData = "module-data"

    // Not a fault of the RDB.

    /// What shall be written in place of something cannot stand there (`RDBRewriter`).
    case rewriting = "rewriting"
}

/// A broken rule before it is known where it stands; the scanner adds that.
struct RDBViolation: Error {
    let rule: RDBRule
    let detail: String
    /// Where it stands, if that is before the field which is being read.
    var offset: Int64?

    init(_ rule: RDBRule, _ detail: String) {
        self.rule = rule
        self.detail = detail
    }
}
