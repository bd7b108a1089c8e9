// SPDX-License-Identifier: Apache-2.0

/// What a `nodes.conf` says about the node that it belongs to.
///
/// It is the identity of a node, not data: a restore leaves it where it is. Keys of slots that the node does not own
/// are trouble (F42), so the caller compares the slots with those of the backup.
package struct ClusterNode: Sendable, Hashable {
    /// 40 hexadecimal digits.
    package var nodeID: String
    package var isPrimary: Bool
    /// The slots it owns, as in the file.
    package var slots: [ClosedRange<Int>]
    /// How many nodes it knows, itself among them.
    package var knownNodes: Int

    package init(nodeID: String, isPrimary: Bool, slots: [ClosedRange<Int>], knownNodes: Int) {
        self.nodeID = nodeID
        self.isPrimary = isPrimary
        self.slots = slots
        self.knownNodes = knownNodes
    }

    /// Reads a `nodes.conf`: a line a node, `<id> <address> <flags> <primary> <ping> <pong> <epoch> <link> <slot>…`,
    /// and one that begins with `vars` (`clusterLoadConfig` in redis/src/cluster_legacy.c).
    ///
    /// - Returns: `nil` where no line is the node's own.
    package init?(parsing text: String) {
        var own: ClusterNode?
        var count = 0
        for line in text.lines {
            let fields = line.split(separator: " ")
            guard fields.count >= 8, fields[0] != "vars" else { continue }
            count += 1
            let flags = fields[2].split(separator: ",")
            guard flags.contains("myself") else { continue }
            own = ClusterNode(
                nodeID: String(fields[0]),
                isPrimary: flags.contains("master"),
                // A slot that is on its way in or out stands in brackets and is not counted twice.
                slots: fields[8...].compactMap(Self.slots),
                knownNodes: 0
            )
        }
        guard var own else { return nil }
        own.knownNodes = count
        self = own
    }

    /// How many slots a cluster has.
    private static let slotCount = 16384

    private static func slots(_ field: Substring) -> ClosedRange<Int>? {
        let ends = field.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...2).contains(ends.count), let first = ends.first ?? nil, let last = ends.last ?? nil,
            first >= 0, first <= last, last < slotCount
        else { return nil }
        return first...last
    }
}
