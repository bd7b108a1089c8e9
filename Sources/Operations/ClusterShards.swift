// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RedisProtocol

/// The shards of the cluster that a set was taken of, as its manifest has them. Pure.
package struct ClusterShards: Sendable {
    /// One shard: the slots that one primary owns, and the members that were in it.
    package struct Shard: Sendable {
        package let slots: SlotRanges
        /// The version of its slots, when the set was taken.
        package let configEpoch: Int64
        /// Every member of the set that was in it, with a snapshot or without.
        package let members: [Manifest.Member]

        /// Those whose snapshot is in the set, the furthest in the history of the shard first.
        package var stored: [Manifest.Member] {
            members.filter { $0.stored != nil && $0.rdb != nil }
                .sorted { ($0.replication?.offset ?? -1, $1.member) > ($1.replication?.offset ?? -1, $0.member) }
        }

        /// How many replicas it had, as far as the set says.
        package var replicaCount: Int { members.count { $0.role == "replica" } }

        /// Whether each of its snapshots may have come back without a key.
        package var mayBeEmpty: Bool { stored.contains { $0.keyCounts?.lowerBound == 0 } }
    }

    /// In the order of their first slots.
    package let shards: [Shard]
    /// The largest epoch that is known of the cluster.
    package let currentEpoch: Int64
    private let set: String

    /// - Throws: `.guardRefused` when the set is not one of a cluster, or when two of its shards share a slot.
    package init(_ manifest: Manifest) throws {
        let set = "\(manifest.name)/\(manifest.id)"
        self.set = set
        let groups = Dictionary(grouping: manifest.members) { $0.shard?.slots ?? "" }
        shards = try groups.filter { !$0.key.isEmpty }.map { text, members in
            guard let slots = SlotRanges(text) else {
                throw Failure(.corruptManifest, "read the slots of \(set): \(String(reflecting: text)) are none")
            }
            let epoch = members.compactMap { $0.shard?.configEpoch }.max() ?? 0
            return Shard(slots: slots, configEpoch: epoch, members: members)
        }.sorted { Self.first($0) < Self.first($1) }
        currentEpoch = max(manifest.cluster?.currentEpoch ?? 0, shards.map(\.configEpoch).max() ?? 0)
        guard !shards.isEmpty else {
            throw Failure(
                .guardRefused,
                "find the shards of \(set): it is not a set of a cluster with slots",
                hint: "Restore it without --cluster or --shard."
            )
        }
        var seen = SlotRanges()
        for shard in shards {
            let shared = seen.intersection(shard.slots)
            guard shared.isEmpty else {
                throw Failure(
                    .guardRefused,
                    "find the shards of \(set): the slots \(shared) are in two of them",
                    hint: "Slots were moving when the set was taken. Choose another set."
                )
            }
            seen = seen.union(shard.slots)
        }
    }

    private static func first(_ shard: Shard) -> Int { shard.slots.ranges.first?.lowerBound ?? 0 }

    /// Every slot of every shard with a snapshot.
    package var storedSlots: SlotRanges {
        shards.filter { !$0.stored.isEmpty }.reduce(SlotRanges()) { $0.union($1.slots) }
    }

    /// - Throws: `.guardRefused` when the keys of some slots are not in the set.
    package func requireEverySlot(allowsMissing: Bool) throws {
        let missing = SlotRanges.all.subtracting(storedSlots)
        guard !missing.isEmpty, !allowsMissing else { return }
        throw Failure(
            .guardRefused,
            "form a cluster from \(set): it holds no snapshot of the shards of \(missing.count) slots (\(missing))",
            hint: "Choose a whole set (redoubt list). --allow-missing-slots forms the cluster without these slots: "
                + "they then have no owner, and their keys are lost."
        )
    }

    /// The shard that is meant.
    /// - Throws: `.usage` when there is none, or when the range is of two.
    package func shard(_ reference: ShardReference) throws -> Shard {
        let known = shards.enumerated().map { "\($0.offset) (\($0.element.slots))" }.joined(separator: ", ")
        func refusal(_ reason: String) -> Failure {
            Failure(.usage, "find the shard \(reference) of \(set): \(reason)", hint: "Its shards: \(known).")
        }
        switch reference {
        case .index(let index):
            guard shards.indices.contains(index) else { throw refusal("it has \(shards.count), counted from 0") }
            return shards[index]
        case .slots(let range):
            let slots = SlotRanges([range])
            let touched = shards.filter { !$0.slots.intersection(slots).isEmpty }
            guard let shard = touched.first, touched.count == 1, shard.slots.contains(slots) else {
                throw refusal("the slots \(slots) are not those of one shard")
            }
            return shard
        }
    }

    /// Of the shard that is meant, the member whose snapshot is furthest in its history.
    /// - Throws: `.noSuchBackup`, `.usage`.
    package func member(of reference: ShardReference) throws -> Manifest.Member {
        let shard = try shard(reference)
        if let best = shard.stored.first { return best }
        let reason = shard.members.lazy.compactMap(\.error).first?.message
        throw Failure(
            .noSuchBackup,
            "restore the shard \(reference) of \(set): the set holds no snapshot of it\(reason.map { ": \($0)" } ?? "")"
        )
    }
}

/// Which shard of a set is meant.
package enum ShardReference: Sendable, Hashable, CustomStringConvertible {
    /// By the order of their first slots, from 0.
    case index(Int)
    /// By slots that are all in it.
    case slots(ClosedRange<Int>)

    /// Reads `0` as an index, and `5461-10922` or `5461-5461` as slots.
    package init?(_ text: String) {
        if let index = Int(text), index >= 0 {
            self = .index(index)
        } else if text.contains("-"), let range = SlotRanges.range(text) {
            self = .slots(range)
        } else {
            return nil
        }
    }

    package var description: String {
        switch self {
        case .index(let index): "\(index)"
        case .slots(let range): "\(range.lowerBound)-\(range.upperBound)"
        }
    }
}

extension Manifest.Member {
    /// How many keys a server may hold that loaded its snapshot and that nobody wrote to: those with an expiry may be
    /// gone (F38).
    package var keyCounts: ClosedRange<Int64>? {
        guard let rdb else { return nil }
        let all = Int64(clamping: rdb.keyCount)
        return max(0, all - Int64(clamping: rdb.expires))...all
    }
}
