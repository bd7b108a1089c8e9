// SPDX-License-Identifier: Apache-2.0

import RedisProtocol

/// What a `nodes.conf` says about the node that it belongs to.
///
/// It is the identity of a node, not data: a restore leaves it where it is. Keys of slots that the node does not own
/// are trouble (F42), so the caller compares the slots with those of the backup.
package struct ClusterNode: Sendable, Hashable {
    /// 40 hexadecimal digits.
    package var nodeID: String
    package var isPrimary: Bool
    /// The slots it owns, in order.
    package var slots: [ClosedRange<Int>]
    /// The slots of its shard, in order: its own, or those of the primary that it follows.
    package var shardSlots: [ClosedRange<Int>]
    /// How many nodes it knows, itself among them.
    package var knownNodes: Int

    /// - Parameter shardSlots: its own when `nil`.
    package init(
        nodeID: String,
        isPrimary: Bool,
        slots: [ClosedRange<Int>],
        shardSlots: [ClosedRange<Int>]? = nil,
        knownNodes: Int
    ) {
        self.nodeID = nodeID
        self.isPrimary = isPrimary
        self.slots = slots
        self.shardSlots = shardSlots ?? slots
        self.knownNodes = knownNodes
    }

    /// Reads a `nodes.conf`.
    /// - Returns: `nil` where no line is the node's own.
    package init?(parsing text: String) {
        guard let topology = ClusterTopology(parsing: text), let own = topology.myself else { return nil }
        self.init(
            nodeID: own.id,
            isPrimary: own.isPrimary,
            slots: own.slots.ranges,
            shardSlots: topology.primary(of: own)?.slots.ranges,
            knownNodes: topology.nodes.count
        )
    }
}
