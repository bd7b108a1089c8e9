// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RedisClient
import RedisProtocol

/// What is asked of the forming of a cluster.
package struct ClusterFormingRequest: Sendable {
    package var reference: BackupReference
    /// The subject; may be `nil` where the store holds only one.
    package var name: String?
    /// The servers that shall be its nodes: all of them, restored or empty.
    package var nodes: [ClusterFormingNode]
    /// How long nodes are waited for, each time: to know each other, to agree, to follow.
    package var settleSeconds: Double = 600
    /// The guards that are overridden.
    package var overrides = Overrides()
    package var isDryRun = false

    /// Guards that a person may override, each by its flag.
    package struct Overrides: Sendable {
        /// Form a cluster without the slots of which the set has no snapshot.
        package var allowsMissingSlots = false
        /// Take nodes that hold other keys, or another point of the history, than the snapshot.
        package var allowsOtherData = false
        /// Let a replica synchronize although there may be too little memory for it.
        package var ignoresMemoryHeadroom = false

        package init() {}
    }

    package init(reference: BackupReference, nodes: [ClusterFormingNode]) {
        self.reference = reference
        self.nodes = nodes
    }
}

/// A server that shall be a node of the cluster.
package struct ClusterFormingNode: Sendable {
    package let name: String
    package let endpoint: RedisEndpoint
    /// What Kubernetes says of its pod, where it was asked.
    package let pod: BackupMember.Pod?

    package init(name: String, endpoint: RedisEndpoint, pod: BackupMember.Pod? = nil) {
        self.name = name
        self.endpoint = endpoint
        self.pod = pod
    }
}

/// How the forming of a cluster ended.
package enum ClusterFormingOutcome: Sendable {
    /// The cluster serves; `changes` is what was done for it, nothing where it was formed already.
    case formed(Manifest, [ClusterNodeReport], changes: [ClusterPlan.Step])
    /// With `--dry-run`: what would be done.
    case wouldForm(Manifest, ClusterPlan)
}

/// What became of a node.
package struct ClusterNodeReport: Sendable, Hashable {
    package let name: String
    package let nodeID: String
    package let role: ServerInfo.Role
    /// Of its shard.
    package let slots: SlotRanges
    package let keys: Int64
    /// How many keys the snapshot of its shard had.
    package let snapshotKeys: ClosedRange<Int64>?
    /// How far in the history of its shard it is, in bytes.
    package let offset: Int64
    /// The name of the primary that it follows.
    package let primary: String?
}

/// One node, as it is now: everything that a plan is made of.
package struct ClusterNodeAnswer: Sendable {
    package let node: ClusterFormingNode
    package let info: ServerInfo
    package let topology: ClusterTopology
    /// The node's own line.
    package let own: ClusterTopology.Node
    package let state: ClusterState
    /// How many of its keys are in the slots that it owns; `nil` where that was not asked.
    package let keysInOwnSlots: Int64?
    /// Where the others reach it.
    package let address: ClusterNodeAddress
    /// Whether it takes part in a slot migration that its view does not show.
    package let isMigratingSlots: Bool

    package init(
        node: ClusterFormingNode,
        info: ServerInfo,
        topology: ClusterTopology,
        own: ClusterTopology.Node,
        state: ClusterState,
        keysInOwnSlots: Int64?,
        address: ClusterNodeAddress,
        isMigratingSlots: Bool = false
    ) {
        self.node = node
        self.info = info
        self.topology = topology
        self.own = own
        self.state = state
        self.keysInOwnSlots = keysInOwnSlots
        self.address = address
        self.isMigratingSlots = isMigratingSlots
    }

    package var name: String { node.name }
    /// Whether it knows no other node; one that it was told to meet counts as known.
    package var isAlone: Bool { topology.nodes.count == 1 }
    /// What a failure of it would take with it: the machine that it runs on, as far as that is known.
    package var host: String { node.pod?.node ?? address.ip }
}
