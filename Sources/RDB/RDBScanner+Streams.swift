// SPDX-License-Identifier: Apache-2.0

/// What the fields of a stream tell later ones. Two ids are compared where a server keeps them in order; sets of ids
/// are compared by the sum of a hash of each, so that no id is kept.
struct RDBStreamWalk {
    /// The first id of the last node, and the last entry that is not deleted (level deep).
    var lastNode: RDBStreamID?
    private(set) var lastEntry: RDBStreamID?
    /// The milliseconds of the id whose sequence follows.
    private var milliseconds: UInt64?
    /// How many entries it says it has.
    var length: UInt64 = 0

    /// How many entries wait in the group, and how many of them for a consumer.
    private var pending: UInt64 = 0
    private var owned: UInt64 = 0
    /// The sum of the hashes of the ids that wait, less that of those that wait for a consumer.
    private var difference: UInt64 = 0
    private var lastPending: RDBStreamID?

    mutating func endNode(_ node: StreamNodeShape) {
        lastEntry = node.lastLive
    }

    /// Half of an id: milliseconds, then the sequence.
    ///
    /// - Returns: the id, once both are there.
    mutating func completed(_ number: UInt64) -> RDBStreamID? {
        guard let milliseconds else {
            milliseconds = number
            return nil
        }
        self.milliseconds = nil
        return RDBStreamID(milliseconds: milliseconds, sequence: number)
    }

    /// - Parameter id: of the last entry that there ever was.
    func checkLastID(_ id: RDBStreamID) throws(RDBViolation) {
        if let lastEntry, lastEntry > id {
            throw RDBViolation(.stream, "entry \(lastEntry) comes after the last id of its stream, \(id)")
        }
    }

    mutating func beginGroup(_ count: UInt64) {
        (pending, owned, difference, lastPending) = (count, 0, 0, nil)
    }

    mutating func beginConsumer(_ count: UInt64) throws(RDBViolation) {
        guard count <= pending else {
            throw RDBViolation(.stream, "\(count) entries wait for a consumer, but \(pending) in all of its group")
        }
        lastPending = nil
    }

    mutating func add(_ id: RDBStreamID, _ field: RDBField) throws(RDBViolation) {
        if field != .returnedEntryID {
            if let lastPending, lastPending >= id {
                throw RDBViolation(.stream, "entry \(id) waits after \(lastPending)")
            }
            lastPending = id
        }
        if field == .entryID {
            difference &+= id.hash
        } else {
            difference &-= id.hash
            owned += 1
        }
    }

    func endGroup() throws(RDBViolation) {
        guard owned == pending, difference == 0 else {
            throw RDBViolation(.stream, "\(pending) entries wait in a group, and \(owned) others for its consumers")
        }
    }
}

/// The id of an entry of a stream.
struct RDBStreamID: Comparable, CustomStringConvertible {
    var milliseconds: UInt64
    var sequence: UInt64

    static let zero = RDBStreamID(milliseconds: 0, sequence: 0)

    static func < (left: Self, right: Self) -> Bool {
        (left.milliseconds, left.sequence) < (right.milliseconds, right.sequence)
    }

    /// Spread over 64 bits, so that sums of different sets differ.
    var hash: UInt64 {
        func mix(_ value: UInt64) -> UInt64 {
            var mixed = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
        return mix(mix(milliseconds &+ 0x9e37_79b9_7f4a_7c15) &+ sequence)
    }

    var description: String { "\(milliseconds)-\(sequence)" }
}

extension RDBScanner {
    /// The first id of a node, as a string. Sixteen bytes are too short to be compressed, and too long for an integer.
    mutating func readNodeID(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let header = try cursor.stringHeader() else { return false }
        guard header.encoding == .plain, header.length == 16 else {
            throw RDBViolation(.stream, "\(header.length) bytes where the id of a node has 16")
        }
        guard let id = cursor.streamID(header.size) else { return false }
        if let last = record.stream.lastNode, last >= id, looksInside {
            throw RDBViolation(.stream, "node \(id) comes after \(last)")
        }
        record.stream.lastNode = id
        cursor.advance(header.size + 16)
        return true
    }

    mutating func readStreamLength(_ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let length = try cursor.number() else { return false }
        guard length.value == 0 || record.times > 0 else {
            throw RDBViolation(.stream, "a stream of \(length.value) entries has no nodes")
        }
        // It need not be what the nodes have: trimming by Redis 5.0 miscounted, and servers load such streams.
        record.stream.length = length.value
        cursor.advance(length.size)
        return true
    }

    /// Half of an id that stands as two numbers: the last one of the stream, or the last one that a group has read.
    mutating func readIDPart(_ field: RDBField, _ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let number = try cursor.number() else { return false }
        if let id = record.stream.completed(number.value) {
            if field == .lastIDPart {
                if looksInside { try record.stream.checkLastID(id) }
                inspection.sink.content?.lastID(id)
            } else {
                inspection.sink.content?.groupID(id)
            }
        }
        cursor.advance(number.size)
        return true
    }

    mutating func readDelivery(_ field: RDBField, _ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        if field == .deliveryTime {
            guard let time = cursor.littleEndian(as: UInt64.self) else { return false }
            inspection.sink.content?.deliveryTime(time)
            cursor.advance(8)
        } else {
            guard let count = try cursor.number() else { return false }
            inspection.sink.content?.deliveries(count.value)
            cursor.advance(count.size)
        }
        return true
    }

    mutating func readEntryID(_ field: RDBField, _ cursor: inout RDBCursor) throws(RDBViolation) -> Bool {
        guard let id = cursor.streamID() else { return false }
        if looksInside { try record.stream.add(id, field) }
        inspection.sink.content?.entryID(id, field)
        cursor.advance(16)
        return true
    }

    func endGroup() throws(RDBViolation) -> Bool {
        if looksInside { try record.stream.endGroup() }
        return true
    }
}

extension RDBCursor {
    /// The id that stands `index` bytes from here, highest byte first, unless it is cut off.
    func streamID(_ index: Int = 0) -> RDBStreamID? {
        guard let milliseconds = littleEndian(index, as: UInt64.self),
            let sequence = littleEndian(index + 8, as: UInt64.self)
        else { return nil }
        return RDBStreamID(milliseconds: milliseconds.byteSwapped, sequence: sequence.byteSwapped)
    }
}
