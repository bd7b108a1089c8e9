// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RedisProtocol

/// What the members say about their cluster, before and after the snapshots. Pure.
///
/// A key that moves from one shard to another between their snapshots is in both of them, or in none: a set is only
/// taken while no slot moves, and only committed when none has moved (F42).
package struct ClusterSurvey: Sendable {
    /// The views of the members, by name.
    private let views: [(member: String, topology: ClusterTopology)]
    /// Members that move slots in a way that their view does not show.
    private let movers: [String]

    /// - Returns: `nil` when no member that answered is a node of a cluster.
    package init?(_ survey: Survey) {
        let all = survey.answers.compactMap { answer in answer.cluster.map { (answer.member.name, $0) } }
        // A new node that has not met the others yet knows itself alone, and owns nothing.
        let met = all.filter { $0.1.nodes.count > 1 }
        views = met.isEmpty ? all : met
        movers = survey.answers.filter(\.isMigratingSlots).map(\.member.name)
        if views.isEmpty { return nil }
    }

    /// - Throws: `.guardRefused` when slots are on their way, or when the members disagree about who owns which.
    package func requireRest(allowsSlotMigration: Bool) throws {
        guard !allowsSlotMigration, let trouble else { return }
        throw Failure(
            .guardRefused,
            "back up a cluster: \(trouble)",
            hint: "A key that moves between two snapshots would be in both or in none. Run again when "
                + "`redis-cli --cluster check` is content, or take the risk with --allow-slot-migration."
        )
    }

    /// Whether members disagree about who owns what: after a failover they do, for as long as the gossip takes.
    var disagrees: Bool { dissenter != nil }

    /// The first member that sees other owners than the first one does.
    private var dissenter: String? {
        views.first { $0.topology.ownership != views[0].topology.ownership }?.member
    }

    /// What keeps a set of the cluster from being taken, as it stands now.
    var trouble: String? {
        for (member, topology) in views {
            if let own = topology.myself, !own.migrations.isEmpty {
                return "\(member) has \(own.migrations.count) slots on their way (\(own.migrations[0]))"
            }
        }
        if let mover = movers.first { return "\(mover) takes part in a slot migration" }
        return dissenter.map { "\(views[0].member) and \($0) do not agree on who owns which slots" }
    }

    /// What is to be the same before a set is committed.
    package var facts: Manifest.ClusterFacts {
        let owned = views.first?.topology.ownership.values.map(\.description) ?? []
        return Manifest.ClusterFacts(
            currentEpoch: views.map(\.topology.currentEpoch).max() ?? 0,
            slotsOfShards: owned.sorted(),
            trouble: trouble
        )
    }

    /// Whose slot it is does not matter, as long as it is with the same others: a failover within a shard moves no
    /// key.
    /// - Throws: `.memberChanged` when a slot is in another shard than before.
    package func requireSameSlots(as before: Manifest.ClusterFacts) throws {
        guard facts.slotsOfShards != before.slotsOfShards else { return }
        throw Failure(
            .memberChanged,
            "back up a cluster: slots moved between its shards while the snapshots were taken",
            hint: "Run again; or take the set all the same with --allow-slot-migration."
        )
    }

    /// Slots that have an owner, and no member among those given is in its shard.
    package func slotsMissing(from members: Set<String>) -> SlotRanges {
        assignedSlots.subtracting(slots(of: members))
    }

    var assignedSlots: SlotRanges { views.reduce(SlotRanges()) { $0.union($1.topology.assignedSlots) } }

    /// The slots of the shards that these members are in.
    func slots(of members: Set<String>) -> SlotRanges {
        views.filter { members.contains($0.member) }.reduce(SlotRanges()) { union, view in
            let primary = view.topology.myself.flatMap(view.topology.primary(of:))
            return union.union(primary?.slots ?? SlotRanges())
        }
    }
}

extension Manifest.Cluster {
    /// - Parameter members: those of the set; those with a snapshot say which slots are stored.
    init(_ facts: Manifest.ClusterFacts, storing members: [Manifest.Member]) {
        func union(_ texts: [String]) -> String {
            texts.compactMap { SlotRanges($0) }.reduce(SlotRanges()) { $0.union($1) }.description
        }
        self.init(
            currentEpoch: facts.currentEpoch,
            assignedSlots: union(facts.slotsOfShards),
            storedSlots: union(members.filter { $0.stored != nil }.compactMap(\.shard?.slots))
        )
    }
}

extension Manifest.Shard {
    /// The shard of the node that was asked.
    init?(_ topology: ClusterTopology) {
        guard let own = topology.myself else { return nil }
        let primary = topology.primary(of: own)
        self.init(
            slots: (primary ?? own).slots.description,
            nodeId: own.id,
            primaryId: primary?.id,
            configEpoch: (primary ?? own).configEpoch
        )
    }
}
