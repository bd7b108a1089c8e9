// SPDX-License-Identifier: Apache-2.0

/// Where the other nodes of a cluster reach a node.
package struct ClusterNodeAddress: Sendable, Hashable, CustomStringConvertible {
    /// Empty as long as the node does not know its own: until another one has met it.
    package var ip: String
    /// For clients; with TLS between the nodes, the port for TLS.
    package var port: Int
    /// For the other nodes: 10000 more than `port`, unless the node was told otherwise.
    package var busPort: Int

    package init(ip: String, port: Int, busPort: Int) {
        self.ip = ip
        self.port = port
        self.busPort = busPort
    }

    /// Reads `ip:port@bus-port`, and what may follow after a comma, as `CLUSTER NODES` writes it. An address of IPv6
    /// stands there without brackets (redis/src/cluster_legacy.c, `clusterGenNodeDescription`).
    package init?(parsing text: String) {
        let halves = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard halves.count == 2, let colon = halves[0].lastIndex(of: ":"),
            let port = Int(halves[0][halves[0].index(after: colon)...]),
            let busPort = Int(halves[1].prefix { $0 != "," }),
            (0...65535).contains(port), (0...65535).contains(busPort)
        else { return nil }
        self.init(ip: String(halves[0][..<colon]), port: port, busPort: busPort)
    }

    package var description: String { "\(ip):\(port)@\(busPort)" }
}

extension ClusterTopology.Node {
    /// Where the others reach it; `nil` where the text is none, or names no port.
    package var location: ClusterNodeAddress? { ClusterNodeAddress(parsing: address) }

    /// Whether it is not one of the cluster yet: it was told to, or was met, and has not answered. Its id is a random
    /// one until then.
    package var isInHandshake: Bool { flags.contains("handshake") }
}

/// How a node finds its cluster: the reply to `CLUSTER INFO`.
package struct ClusterState: Sendable, Hashable {
    /// Whether it serves: every slot has an owner that is there, as far as it is asked for.
    package var isOK: Bool
    package var slotsAssigned: Int64
    /// The largest epoch that it has heard of.
    package var currentEpoch: Int64
    /// The version of its own slots.
    package var ownEpoch: Int64

    /// - Returns: `nil` where the text does not say how the cluster is.
    package init?(parsing text: String) {
        let fields = ServerInfo(text)
        guard let state = fields["cluster_state"] else { return nil }
        isOK = state == "ok"
        slotsAssigned = fields.integer("cluster_slots_assigned") ?? 0
        currentEpoch = fields.integer("cluster_current_epoch") ?? 0
        ownEpoch = fields.integer("cluster_my_epoch") ?? 0
    }
}

extension SlotRanges {
    /// Whether each slot of the other one is in this one.
    package func contains(_ other: SlotRanges) -> Bool { other.subtracting(self).isEmpty }

    /// The slots that are in both.
    package func intersection(_ other: SlotRanges) -> SlotRanges { subtracting(subtracting(other)) }

    /// Every slot that there is.
    package static let all = SlotRanges([0...(slotCount - 1)])

    /// Each slot, in order.
    package var slots: [Int] { ranges.flatMap(Array.init) }
}
