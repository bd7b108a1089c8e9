// SPDX-License-Identifier: Apache-2.0

/// An intset: the size of its integers and their number, then the integers in ascending order, lowest byte first
/// (redis src/intset.c, `intsetValidateIntegrity`).
struct IntsetWalk {
    /// How many bytes the intset has.
    private let bytes: Int
    /// The size of its integers; zero before the header.
    private var size = 0
    private(set) var members: UInt32 = 0
    private var previous: Int64?

    init(bytes: Int) { self.bytes = bytes }

    mutating func walk(_ cursor: inout RDBCursor, _ sink: inout ElementSink) throws(RDBViolation) {
        if size == 0, try !readHeader(&cursor) { return }
        while cursor.remaining >= size {
            let member =
                switch size {
                case 2: cursor.littleEndian(as: Int16.self).map(Int64.init)
                case 4: cursor.littleEndian(as: Int32.self).map(Int64.init)
                default: cursor.littleEndian(as: Int64.self)
                }
            guard let member else { return }
            if let previous, previous >= member { throw violation("has \(member) after \(previous)") }
            previous = member
            // They ascend, so none occurs twice.
            sink.content?.integer(member, .member)
            cursor.advance(size)
        }
    }

    func finish() throws(RDBViolation) {
        guard size > 0, members > 0 else { throw violation("has no members") }
    }

    private mutating func readHeader(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let size = cursor.littleEndian(as: UInt32.self), let count = cursor.littleEndian(4, as: UInt32.self)
        else { return false }
        guard [2, 4, 8].contains(size) else { throw violation("has integers of \(size) bytes") }
        guard 8 + Int(count) * Int(size) == bytes else {
            throw violation("says it has \(count) integers of \(size) bytes")
        }
        self.size = Int(size)
        members = count
        cursor.advance(8)
        return true
    }

    private func violation(_ what: String) -> RDBViolation {
        RDBViolation(.intset, "an intset of \(bytes) bytes \(what)")
    }
}
