// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RedisProtocol

/// Whether nodes may be made a cluster: what they say is held against each other and against the set. Pure; it stands
/// before everything that changes a node.
///
/// A node that meets a cluster in which another one owns its slots with a larger epoch deletes its keys of them, and
/// follows that node when it has none left (redis/src/cluster_legacy.c, `clusterUpdateSlotsConfigWith`). So no two
/// nodes that have not met may claim one slot, and no node may know a stranger.
struct ClusterJudgement {
    let answers: [ClusterNodeAnswer]

    private func refusal(_ message: String, _ hint: String) -> Failure {
        Failure(.guardRefused, "form the cluster: \(message); nothing was touched", hint: hint)
    }

    /// - Throws: `.guardRefused` where a node is named twice, knows one that is not named, or moves slots.
    func requireOneCluster() throws {
        let byID = Dictionary(grouping: answers, by: \.own.id)
        if let twice = byID.values.first(where: { $0.count > 1 }) {
            throw refusal(
                "\(twice[0].name) and \(twice[1].name) are one node (\(twice[0].own.id))",
                "Name each node once; a nodes.conf must not be copied from one to another."
            )
        }
        for answer in answers {
            if let stranger = answer.topology.nodes.first(where: { byID[$0.id] == nil && !isAwaited($0) }) {
                throw refusal(
                    "\(answer.name) knows a node that is not named here: \(stranger.id) at \(stranger.address)",
                    "It is part of a cluster already. Name all of its nodes, or start it without its nodes.conf."
                )
            }
            guard answer.own.migrations.isEmpty, !answer.isMigratingSlots else {
                throw refusal(
                    "\(answer.name) has slots on their way (\(answer.own.migrations.first ?? "an atomic migration"))",
                    "It holds keys of slots that another node owns. Start it without its nodes.conf, or end the "
                        + "migration (CLUSTER SETSLOT … STABLE)."
                )
            }
        }
    }

    /// Whether it is one of ours that an earlier run, or this one, told another to meet.
    private func isAwaited(_ node: ClusterTopology.Node) -> Bool {
        guard node.isInHandshake, let location = node.location else { return false }
        return answers.contains { $0.address == location }
    }

    /// The node that owns slots of each shard; `nil` for a shard that has none.
    /// - Throws: `.guardRefused` where a node has slots of two shards, or slots or keys of none, or where two nodes
    ///   have those of one.
    func owners(of shards: [ClusterShards.Shard]) throws -> [ClusterNodeAnswer?] {
        var owners = [ClusterNodeAnswer?](repeating: nil, count: shards.count)
        for answer in answers where answer.own.isPrimary {
            guard !answer.own.slots.isEmpty else {
                guard answer.info.keyCount == 0 else {
                    throw refusal(
                        "\(answer.name) holds \(answer.info.keyCount) keys, and owns no slot",
                        "Empty it, or restore it from this set before it starts."
                    )
                }
                continue
            }
            let touched = shards.indices.filter { !shards[$0].slots.intersection(answer.own.slots).isEmpty }
            guard let index = touched.first, touched.count == 1, shards[index].slots.contains(answer.own.slots) else {
                let found = touched.map { shards[$0].slots.description }.joined(separator: " and ")
                throw refusal(
                    "\(answer.name) owns the slots \(short(answer.own.slots)), which are not those of one shard of the "
                        + "set (\(found.isEmpty ? "none" : found))",
                    "It was not restored from this set, or holds foreign keys. Restore it again into an empty folder "
                        + "with `redoubt restore --data-dir DIR --shard N`."
                )
            }
            if let other = owners[index] {
                throw refusal(
                    "\(other.name) and \(answer.name) both own slots of the shard \(shards[index].slots)",
                    "One of them would lose its keys. Restore one node of each shard; start the others empty, and they "
                        + "become its replicas."
                )
            }
            owners[index] = answer
        }
        return owners
    }

    private func short(_ slots: SlotRanges) -> String {
        let text = slots.ranges.prefix(5).map { SlotRanges([$0]).description }.joined(separator: ",")
        return slots.ranges.count > 5 ? "\(text),… (\(slots.count))" : text
    }

    /// Holds what a node that has met nobody holds against the snapshots of its shard: exactly, where it tells from
    /// which point of which history it came, and by its number of keys.
    func requireData(of shard: ClusterShards.Shard, in node: ClusterNodeAnswer) throws {
        let hint =
            "Restore it again from this set, or go on with what it holds with --allow-other-data."
        let keys = node.info.keyCount
        if let counted = node.keysInOwnSlots, counted != keys {
            throw refusal("\(node.name) holds \(keys - counted) keys of slots that it does not own", hint)
        }
        let proofs = shard.stored.map { (member: $0, holds: node.holds($0)) }
        let known = proofs.filter { $0.holds == true }
        guard !known.isEmpty || proofs.contains(where: { $0.holds == nil }) else {
            throw refusal(
                "\(node.name) was restored from another point in the history of the shard \(shard.slots) than this set",
                hint
            )
        }
        let candidates = (known.isEmpty ? proofs.filter { $0.holds == nil } : known).map(\.member)
        guard candidates.contains(where: { $0.keyCounts?.contains(keys) == true }) else {
            let counts = candidates.compactMap(\.keyCounts).map { "\($0.lowerBound) to \($0.upperBound)" }
            throw refusal(
                "\(node.name) holds \(keys) keys, and the snapshot of the shard \(shard.slots) leaves "
                    + counts.joined(separator: ", or "),
                hint
            )
        }
    }

    /// - Throws: `.guardRefused` for a replica of somebody who is not the primary of a shard.
    func requireEveryoneHasAPlace(
        _ placements: [ClusterPlan.Placement],
        spares: [ClusterNodeAnswer]
    ) throws {
        let placed = Set((placements.flatMap { [$0.primary] + $0.replicas } + spares).map(\.own.id))
        guard let stray = answers.first(where: { !placed.contains($0.own.id) }) else { return }
        throw refusal(
            "\(stray.name) is a replica of \(stray.own.primaryID ?? "nobody"), which owns no slots of the set",
            "Start it without its nodes.conf and empty: it then gets a place."
        )
    }

    /// - Throws: `.guardRefused` where a replica could not hold its shard, or its primary could not fork for it.
    func requireMemory(_ placements: [ClusterPlan.Placement]) throws {
        for placement in placements where !placement.newReplicas.isEmpty {
            let primary = placement.primary
            let room = MemoryHeadRoom(primary.info, containerLimitBytes: primary.node.pod?.memoryLimitBytes)
            try room?.require(for: primary.name)
            let needed = primary.info.usedMemoryBytes ?? 0
            for replica in placement.newReplicas {
                let limits = [replica.info.maxMemoryBytes, replica.node.pod?.memoryLimitBytes].compactMap(\.self)
                guard let limit = limits.filter({ $0 > 0 }).min(), limit < needed else { continue }
                throw refusal(
                    "\(replica.name) may use \(limit) bytes of memory, and \(primary.name), which it shall follow, "
                        + "uses \(needed)",
                    "Raise its maxmemory or its limit, or take the risk with --ignore-memory-headroom."
                )
            }
        }
    }
}

extension ClusterNodeAnswer {
    /// Whether it loaded the snapshot of this member: a primary that loads an RDB takes the history and the offset in
    /// it for its second ones (since 7.0).
    ///
    /// - Returns: `nil` where it tells of no history, or of one that the set does not know: it loaded an AOF, or was
    ///   started more than once since.
    func holds(_ member: Manifest.Member) -> Bool? {
        guard let replication = member.replication, info.secondReplicationID == replication.id else { return nil }
        // The first byte that is not of the old history any more.
        return info.secondReplicationOffset == replication.offset + 1
    }
}
