// SPDX-License-Identifier: Apache-2.0

/// Where something stands in an RDB, as a scanner walks over it: for whoever does something with the bytes themselves,
/// and need not parse them a second time. What a field says is read from the bytes that it names.
struct RDBMark {
    enum What {
        /// The opcode of a record: one byte.
        case opcode
        /// A field that was asked for. Of a string, as far as it is at hand.
        case field(RDBField)
        /// Without bytes: the record is complete.
        case recordEnd
    }

    let what: What
    /// The record that it is in.
    let opcode: UInt8
    /// In bytes from the start of the RDB.
    let start: Int64
    let end: Int64
}

/// The marks that a scanner made since they were taken last.
struct RDBMarks {
    /// The fields that are marked, one bit each; without any, nothing is.
    private let wanted: UInt64
    private(set) var list: [RDBMark] = []

    init(of fields: Set<RDBField> = []) {
        wanted = fields.reduce(0) { $0 | 1 << UInt64($1.rawValue) }
    }

    var isOn: Bool { wanted != 0 }

    mutating func add(_ what: RDBMark.What, _ opcode: UInt8, _ start: Int64, _ end: Int64) {
        if case .field(let field) = what, wanted & 1 << UInt64(field.rawValue) == 0 { return }
        list.append(RDBMark(what: what, opcode: opcode, start: start, end: end))
    }

    /// Gives what there is, and keeps none of it.
    mutating func take() -> [RDBMark] {
        var taken: [RDBMark] = []
        swap(&taken, &list)
        return taken
    }
}
