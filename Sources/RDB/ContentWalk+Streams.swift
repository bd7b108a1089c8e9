// SPDX-License-Identifier: Apache-2.0

import Crypto

/// What of a stream is remembered until it is complete.
struct StreamContent {
    /// The names of the fields that are being read, and their values.
    var names = ItemHash()
    var values = ItemHash()
    /// The hash of the names that most entries of the node have.
    fileprivate var shared: SHA256.Digest?
    fileprivate var group: SHA256.Digest?
    fileprivate var consumer: SHA256.Digest?
    /// The entry that waits, and since when.
    fileprivate var pending = RDBStreamID.zero
    fileprivate var deliveredAt: UInt64 = 0

    mutating func begin() {
        names.begin()
        (shared, group, consumer) = (nil, nil, nil)
    }
}

/// Streams. What is added to the sum of one begins with a byte that says what it is. What a server guesses where an
/// older one told it nothing does not count: how many entries there ever were and how many a group has read, the
/// greatest deleted id, and when consumers were seen.
extension ContentWalk {
    private enum Part: UInt8 {
        case entry = 1
        case lastID, group, pending, consumer, owned, returned
    }

    private mutating func begin(_ part: Part) {
        item.begin()
        item.add(part.rawValue)
    }

    // MARK: Entries

    mutating func beginEntryText(_ role: PackedRole, _ length: Int) {
        begin(role == .entryValue ? .values : .names, length)
    }

    /// An element of a node was read, which may complete something.
    mutating func accept(_ node: StreamNodeShape) {
        switch node.event {
        case .nothing: break
        case .sharedNames:
            stream.shared = stream.names.finished()
        case .entryHead:
            begin(.entry)
            item.add(node.id)
            stream.names.begin()
            stream.values.begin()
        case .entry where node.isDeleted: break
        case .entry:
            let names = node.hasOwnFields ? stream.names.finished() : stream.shared
            if let names { item.add(names) }
            item.add(stream.values.finished())
            sum.add(item.finished())
        }
    }

    /// A node begins.
    mutating func beginNode() { stream.names.begin() }

    // MARK: Ids

    /// The id of the last entry that there ever was.
    mutating func lastID(_ id: RDBStreamID) {
        begin(.lastID)
        item.add(id)
        sum.add(item.finished())
    }

    /// The id up to which a group has read.
    mutating func groupID(_ id: RDBStreamID) {
        item.add(id)
        let group = item.finished()
        sum.add(group)
        stream.group = group
    }

    // MARK: Groups

    mutating func beginName(_ field: RDBField, _ length: Int) {
        begin(field == .groupName ? .group : .consumer)
        if field == .consumerName, let group = stream.group { item.add(group) }
        begin(.item, length)
    }

    mutating func endConsumerName() {
        let consumer = item.finished()
        sum.add(consumer)
        stream.consumer = consumer
    }

    mutating func entryID(_ id: RDBStreamID, _ field: RDBField) {
        guard field != .entryID else {
            stream.pending = id
            return
        }
        let isOwned = field == .ownedEntryID
        begin(isOwned ? .owned : .returned)
        if let owner = isOwned ? stream.consumer : stream.group { item.add(owner) }
        item.add(id)
        sum.add(item.finished())
    }

    mutating func deliveryTime(_ milliseconds: UInt64) { stream.deliveredAt = milliseconds }

    mutating func deliveries(_ count: UInt64) {
        begin(.pending)
        if let group = stream.group { item.add(group) }
        item.add(stream.pending)
        item.add(stream.deliveredAt)
        item.add(count)
        sum.add(item.finished())
    }
}
