// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RedisProtocol

/// What is to be done with each node so that the cluster of a set is there again. Pure, and the same at each look at
/// the same nodes: a run that was interrupted goes on with what is left of it.
package struct ClusterPlan: Sendable {
    /// One shard, with the nodes that serve it.
    package struct Placement: Sendable {
        package let shard: ClusterShards.Shard
        /// The node that owns its slots, or will.
        package let primary: ClusterNodeAnswer
        /// Slots that the node does not own yet.
        package let missingSlots: SlotRanges
        /// Nodes that follow it already.
        package var replicas: [ClusterNodeAnswer]
        /// Nodes that shall follow it.
        package var newReplicas: [ClusterNodeAnswer] = []
    }

    /// One thing that is done with one node.
    package enum Step: Sendable, Hashable, CustomStringConvertible {
        case setEpoch(node: String, epoch: Int64)
        case addSlots(node: String, slots: SlotRanges, missing: Int)
        case meet(node: String, address: ClusterNodeAddress)
        case replicate(node: String, primary: String)

        package var description: String {
            switch self {
            case .setEpoch(let node, let epoch): "\(node): config epoch \(epoch)"
            case .addSlots(let node, let slots, let missing): "\(node): owns \(slots), \(missing) of them new to it"
            case .meet(let node, let address): "\(node): meets the others, at \(address)"
            case .replicate(let node, let primary): "\(node): follows \(primary)"
            }
        }
    }

    /// In the order of their slots.
    package private(set) var placements: [Placement]
    /// Every node, as it was looked at.
    package let answers: [ClusterNodeAnswer]
    /// What a person should know, and what keeps nothing from being done.
    package private(set) var remarks: [String] = []
    private let currentEpoch: Int64

    /// - Throws: `.guardRefused` where the nodes are not those of this set, or not to be touched.
    package init(
        _ shards: ClusterShards,
        _ answers: [ClusterNodeAnswer],
        allowing overrides: ClusterFormingRequest.Overrides = .init()
    ) throws {
        let judgement = ClusterJudgement(answers: answers)
        try judgement.requireOneCluster()
        self.answers = answers
        currentEpoch = shards.currentEpoch
        let stored = shards.shards.filter { !$0.stored.isEmpty }
        let owners = try judgement.owners(of: stored)
        var spares = answers.filter { $0.own.isPrimary && $0.own.slots.isEmpty && $0.info.keyCount == 0 }
        placements = []
        for (index, shard) in stored.enumerated() {
            let primary = try owners[index] ?? Self.emptyPrimary(of: shard, among: &spares)
            if primary.isAlone, !overrides.allowsOtherData { try judgement.requireData(of: shard, in: primary) }
            placements.append(
                Placement(
                    shard: shard,
                    primary: primary,
                    missingSlots: shard.slots.subtracting(primary.own.slots),
                    replicas: answers.filter { $0.own.primaryID == primary.own.id }
                )
            )
        }
        try judgement.requireEveryoneHasAPlace(placements, spares: spares)
        place(spares)
        if !overrides.ignoresMemoryHeadroom { try judgement.requireMemory(placements) }
    }

    /// A shard whose snapshot holds no keys, or only such as have expired, left nothing to know its node by.
    private static func emptyPrimary(
        of shard: ClusterShards.Shard,
        among spares: inout [ClusterNodeAnswer]
    ) throws -> ClusterNodeAnswer {
        let names = shard.members.map(\.member).joined(separator: ", ")
        guard shard.mayBeEmpty, !spares.isEmpty else {
            throw Failure(
                .guardRefused,
                "form the cluster: no node holds the keys of the slots \(shard.slots), the shard of \(names)",
                hint: "Restore one before it starts: `redoubt restore --data-dir DIR --shard "
                    + "\(shard.slots.ranges.first?.lowerBound ?? 0)-\(shard.slots.ranges.first?.upperBound ?? 0)`."
            )
        }
        // The one that was restored from it, if it tells.
        let known = spares.firstIndex { spare in shard.stored.contains { spare.holds($0) == true } }
        return spares.remove(at: known ?? 0)
    }
}

// MARK: Replicas

extension ClusterPlan {
    /// Gives each node that is left to a shard: to the one that lacks most of the replicas that it had, then to the
    /// one with the fewest; where there is a choice, not onto a host that the shard is on already.
    private mutating func place(_ spares: [ClusterNodeAnswer]) {
        var left = spares
        while !left.isEmpty {
            guard let index = placements.indices.min(by: { rank(placements[$0]) < rank(placements[$1]) }) else {
                return
            }
            let hosts = placements[index].hosts
            let choice = left.firstIndex { !hosts.contains($0.host) } ?? 0
            placements[index].newReplicas.append(left.remove(at: choice))
        }
        separateHosts()
        for placement in placements {
            let has = placement.replicas.count + placement.newReplicas.count
            if has != placement.shard.replicaCount {
                remarks.append(
                    "the shard of \(placement.shard.slots) gets \(has) replicas; the set knows of "
                        + "\(placement.shard.replicaCount)"
                )
            }
        }
        let crowded = placements.indices.filter { crowdedCount($0) > 0 }.map { placements[$0].shard.slots.description }
        if !crowded.isEmpty {
            remarks.append("a shard has two nodes on one host: \(crowded.joined(separator: "; "))")
        }
    }

    private func rank(_ placement: Placement) -> (Int, Int, Int) {
        let has = placement.replicas.count + placement.newReplicas.count
        let first = placement.shard.slots.ranges.first?.lowerBound ?? 0
        return (-max(0, placement.shard.replicaCount - has), has, first)
    }

    /// Lets two new replicas change places where that takes one off a host that its shard is on already.
    private mutating func separateHosts() {
        for first in placements.indices {
            for a in placements[first].newReplicas.indices where placements[first].isCrowded(a) {
                for second in placements.indices where second != first {
                    guard placements[first].isCrowded(a) else { break }
                    trySwap(first, a, second)
                }
            }
        }
    }

    private mutating func trySwap(_ first: Int, _ a: Int, _ second: Int) {
        for b in placements[second].newReplicas.indices {
            let crowded = crowdedCount(first) + crowdedCount(second)
            swapReplicas(first, a, second, b)
            if crowdedCount(first) + crowdedCount(second) < crowded { return }
            swapReplicas(first, a, second, b)
        }
    }

    private mutating func swapReplicas(_ first: Int, _ a: Int, _ second: Int, _ b: Int) {
        let node = placements[first].newReplicas[a]
        placements[first].newReplicas[a] = placements[second].newReplicas[b]
        placements[second].newReplicas[b] = node
    }

    private func crowdedCount(_ index: Int) -> Int {
        placements[index].hosts.count - Set(placements[index].hosts).count
    }
}

extension ClusterPlan.Placement {
    /// The host of each node, the primary's first.
    fileprivate var hosts: [String] { [primary.host] + (replicas + newReplicas).map(\.host) }

    fileprivate func isCrowded(_ index: Int) -> Bool {
        hosts.count { $0 == newReplicas[index].host } > 1
    }
}

// MARK: Steps

extension ClusterPlan {
    /// Who owns what, once it is done: as every node shall see it.
    package var ownership: [String: SlotRanges] {
        Dictionary(placements.map { ($0.primary.own.id, $0.shard.slots) }, uniquingKeysWith: { $0.union($1) })
    }

    /// The node that the others are told to by.
    package var seed: ClusterNodeAnswer { placements[0].primary }

    /// Epochs for nodes that have none and have met nobody: above all that the old cluster knew, so that no late node
    /// of it wins a slot; in the order of the epochs that the shards had; all different.
    package var epochSteps: [(node: ClusterNodeAnswer, epoch: Int64)] {
        let primaries = placements.sorted {
            ($0.shard.configEpoch, $0.shard.slots.ranges.first?.lowerBound ?? 0)
                < ($1.shard.configEpoch, $1.shard.slots.ranges.first?.lowerBound ?? 0)
        }.map(\.primary)
        let others = placements.flatMap(\.newReplicas)
        let taken = Set(answers.map(\.state.ownEpoch))
        var epoch = currentEpoch
        return (primaries + others).compactMap { node in
            epoch += 1
            while taken.contains(epoch), node.state.ownEpoch != epoch { epoch += 1 }
            return node.isAlone && node.state.ownEpoch == 0 ? (node, epoch) : nil
        }
    }

    package var slotSteps: [Placement] { placements.filter { !$0.missingSlots.isEmpty } }

    /// Nodes that the seed does not know yet, or does not reach where it last saw them.
    package var meetSteps: [ClusterNodeAnswer] { answers.filter { !$0.isConnected(with: seed) } }

    /// Everything that would be done, in order.
    package var steps: [Step] {
        epochSteps.map { Step.setEpoch(node: $0.node.name, epoch: $0.epoch) }
            + slotSteps.map {
                Step.addSlots(node: $0.primary.name, slots: $0.shard.slots, missing: $0.missingSlots.count)
            }
            + meetSteps.map { Step.meet(node: $0.name, address: $0.address) }
            + placements.flatMap { placement in
                placement.newReplicas.map { Step.replicate(node: $0.name, primary: placement.primary.name) }
            }
    }
}

extension ClusterNodeAnswer {
    /// Whether the two have met, and the other one reaches it.
    func isConnected(with other: ClusterNodeAnswer) -> Bool {
        if own.id == other.own.id { return true }
        return topology.nodes.contains { $0.id == other.own.id && !$0.isInHandshake }
            && other.topology.nodes.contains { $0.id == own.id && !$0.isInHandshake && $0.isReached }
    }
}
