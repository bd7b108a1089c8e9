// SPDX-License-Identifier: Apache-2.0

import Catalog
import DataDirectory
import RedisProtocol

/// Whether the `nodes.conf` that a data directory holds goes with a snapshot. Pure.
///
/// It is the identity of the node, and stays where it is. A node that finds keys of slots that it does not own takes
/// them over where nobody owns them, and marks them as imported where another one does; and what a replica loads is
/// only the base of its synchronization with the primary that the file names (F42).
enum ClusterNodeFile {
    /// - Returns: why the two do not go together, in words that follow a colon; `nil` where they do.
    static func trouble(_ node: ClusterNode, with member: Manifest.Member) -> String? {
        let own = SlotRanges(node.shardSlots)
        let isAlone = node.knownNodes <= 1 && node.isPrimary
        if isAlone, own.isEmpty { return nil }
        guard let shard = member.shard, let slots = SlotRanges(shard.slots) else {
            return "the snapshot is of no cluster, and the node is in one with the slots \(named(own))"
        }
        // What a node that has met nobody owns, its keys once gave it; and these will give it the others.
        guard own != slots, !(isAlone && slots.contains(own)) else { return nil }
        let what = node.isPrimary ? "owns the slots" : "is a replica in the shard of the slots"
        return "the node \(what) \(named(own)), and the snapshot is of \(named(slots))"
    }

    /// What may be done about it: lower case, no final period.
    static let remedy =
        "choose the shard that the node is in (--shard, --member), or move its file out of the folder: it then starts "
        + "as a new node, for `redoubt restore --cluster` to bring into the cluster"

    static func named(_ slots: SlotRanges) -> String { slots.isEmpty ? "none" : slots.description }
}
