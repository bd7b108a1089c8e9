// SPDX-License-Identifier: Apache-2.0

/// The nodes of a cluster as one of them sees it: the reply to `CLUSTER NODES`, which is also what a `nodes.conf`
/// holds.
///
/// A line a node, `<id> <address> <flags> <primary> <ping> <pong> <epoch> <link> <slot>…`; a `nodes.conf` has one
/// more that begins with `vars` (redis/src/cluster_legacy.c, `clusterGenNodeDescription`, `clusterLoadConfig`).
package struct ClusterTopology: Sendable, Hashable {
    /// One node of the cluster.
    package struct Node: Sendable, Hashable {
        /// 40 hexadecimal digits.
        package var id: String
        /// `ip:port@bus-port[,hostname]`, as written.
        package var address: String
        package var flags: Set<String>
        /// The id of its primary; `nil` where the node is one.
        package var primaryID: String?
        /// The version of its slots: of two nodes that claim one, the larger epoch has it.
        package var configEpoch: Int64
        package var isLinkUp: Bool
        /// The slots it owns; only primaries own any.
        package var slots: SlotRanges
        /// Slots on their way in or out, in their brackets: `93->-<id>` out, `93-<-<id>` in. Only a node's own line
        /// has them.
        package var migrations: [String]

        package var isMyself: Bool { flags.contains("myself") }
        package var isPrimary: Bool { flags.contains("master") }
        /// Whether most primaries say that it is gone.
        package var hasFailed: Bool { flags.contains("fail") }
        /// Whether the one that was asked reaches it. `connected` stands there from the moment on at which it begins to
        /// connect: where nobody refuses, as at the address of a pod that is gone, all that tells is `fail?`
        /// (redis/src/cluster_legacy.c, `clusterGenNodeDescription`, `clusterLinkConnectHandler`).
        package var isReached: Bool { isLinkUp && !hasFailed && !flags.contains("fail?") }
    }

    package let nodes: [Node]

    /// - Returns: `nil` where no line is the node's own.
    package init?(parsing text: String) {
        nodes = text.split(whereSeparator: \.isNewline).compactMap { Self.node(String($0)) }
        guard nodes.contains(where: \.isMyself) else { return nil }
    }

    private static func node(_ line: String) -> Node? {
        let fields = line.split(separator: " ").map(String.init)
        guard fields.count >= 8, fields[0] != "vars" else { return nil }
        let flags = Set(fields[2].split(separator: ",").map(String.init))
        return Node(
            id: fields[0],
            address: fields[1],
            flags: flags,
            primaryID: flags.contains("master") || fields[3] == "-" ? nil : fields[3],
            configEpoch: Int64(fields[6]) ?? 0,
            isLinkUp: fields[7] == "connected",
            slots: SlotRanges(fields[8...].compactMap { SlotRanges.range($0) }),
            // A slot that is on its way in or out stands in brackets, and is not counted twice.
            migrations: fields[8...].filter { $0.hasPrefix("[") }.map { String($0.dropFirst().prefix { $0 != "]" }) }
        )
    }

    /// The node that was asked.
    package var myself: Node? { nodes.first(where: \.isMyself) }

    /// The primary of the shard that the node is in: the node itself, or whom it follows.
    package func primary(of node: Node) -> Node? {
        guard let id = node.primaryID else { return node.isPrimary ? node : nil }
        return nodes.first { $0.id == id }
    }

    /// Every slot that has an owner.
    package var assignedSlots: SlotRanges {
        nodes.reduce(SlotRanges()) { $0.union($1.slots) }
    }

    /// The largest epoch of any node.
    package var currentEpoch: Int64 { nodes.map(\.configEpoch).max() ?? 0 }

    /// Who owns what, apart from who asks: equal as long as no slot has moved and no owner has changed.
    package var ownership: [String: SlotRanges] {
        Dictionary(
            nodes.filter { !$0.slots.isEmpty }.map { ($0.id, $0.slots) },
            uniquingKeysWith: { $0.union($1) }
        )
    }
}
