// SPDX-License-Identifier: Apache-2.0

import Catalog

/// Which snapshot may be begun now: one fork at a time on each node and in each shard, and so many at all. Pure.
///
/// Every snapshot is a fork of a server. Two on one node may need twice the memory at the same time, and two in one
/// shard leave it without a member that is not busy (F13, F15). Where the node of a member is not known it cannot be
/// respected; then `parallel` is the only limit.
package struct ForkSchedule: Sendable {
    /// One attempt: a candidate of a turn.
    package struct Attempt: Sendable, Hashable {
        package let turn: Int
        package let candidate: Int
    }

    private let turns: [BackupPlan.Turn]
    private let parallel: Int
    /// Attempts that have not begun, in the order of their turns.
    private var waiting: [Attempt]
    private var running: Set<Attempt> = []

    package init(_ turns: [BackupPlan.Turn], parallel: Int) {
        self.turns = turns
        self.parallel = parallel
        waiting = turns.indices.filter { !turns[$0].candidates.isEmpty }.map { Attempt(turn: $0, candidate: 0) }
    }

    /// The first attempt that may begin; `nil` when none may, before another one ends.
    package mutating func next() -> Attempt? {
        guard running.count < parallel else { return nil }
        let shards = Set(running.map { turns[$0.turn].shard })
        let nodes = Set(running.compactMap { node(of: $0) })
        let index = waiting.firstIndex { attempt in
            let isNodeFree = node(of: attempt).map { !nodes.contains($0) } ?? true
            return isNodeFree && !shards.contains(turns[attempt.turn].shard)
        }
        guard let index else { return nil }
        let attempt = waiting.remove(at: index)
        running.insert(attempt)
        return attempt
    }

    /// The attempt has ended. When it failed, the next candidate of its turn stands in.
    package mutating func ended(_ attempt: Attempt, succeeded: Bool) {
        running.remove(attempt)
        guard !succeeded, attempt.candidate + 1 < turns[attempt.turn].candidates.count else { return }
        waiting.insert(Attempt(turn: attempt.turn, candidate: attempt.candidate + 1), at: 0)
    }

    private func node(of attempt: Attempt) -> String? {
        turns[attempt.turn].candidates[attempt.candidate].member.pod?.node
    }
}

extension ForkSchedule {
    /// Gives each turn to one of `count` pods, so that no node of Kubernetes has turns of two pods: then two forks on
    /// one node cannot meet, though the pods do not know of each other.
    ///
    /// Where the node of a turn is not known, it stays with its shard. Where it is, the members of one shard may be
    /// of different pods: keeping them together as well would tie all nodes to each other.
    package static func shares(of turns: [BackupPlan.Turn], among count: Int) -> [IndexedRun.Turn] {
        let bundles = Dictionary(grouping: turns.indices) { number in
            let node = turns[number].candidates.first?.member.pod?.node
            return node.map { "node \($0)" } ?? "shard \(turns[number].shard)"
        }
        var load = Array(repeating: 0, count: count)
        var index = Array(repeating: 0, count: turns.count)
        for bundle in bundles.values.sorted(by: { ($1.count, $0[0]) < ($0.count, $1[0]) }) {
            let lightest = load.indices.min { (load[$0], $0) < (load[$1], $1) } ?? 0
            load[lightest] += bundle.count
            for number in bundle { index[number] = lightest }
        }
        return turns.enumerated().map { number, turn in
            IndexedRun.Turn(
                number: number,
                index: index[number],
                shard: turn.shard,
                members: turn.candidates.map(\.member.name)
            )
        }
    }
}
