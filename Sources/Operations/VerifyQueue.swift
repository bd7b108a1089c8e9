// SPDX-License-Identifier: Apache-2.0

import Catalog

/// The sets of a store in the order in which they have their turn: the one that has waited longest comes first, and
/// what was never read again since it was made waits `firstLookWeight` times as fast.
///
/// So whatever comes and goes, none is passed over for ever, where a night has room for one and no more than one a
/// night is new. Of `n` sets:
/// - One that was never read waits `n` nights at the most: each of the others is read before it once at the most,
///   because after that it has waited less.
/// - One that was read waits `firstLookWeight * n` nights at the most: a set that is made when it has waited `a` nights
///   overtakes it only until `a * firstLookWeight / (firstLookWeight - 1)`, so of `a` nights `a / firstLookWeight` go
///   to those that were there before.
/// - Where there is room for the new ones, and a round of the others takes no more than `firstLookWeight` nights, a new
///   one is read in its first night.
/// With "never read comes first" alone, one new set a night would keep the old ones from ever being read again; by age
/// alone, a new set would wait behind all of them, and might be gone before it was read once.
package struct VerifyQueue: Sendable {
    package struct Turn: Sendable, Hashable {
        package let set: ListedSet
        /// When it was looked at for the last time: by a verify, or when it was made.
        package let lookedAt: Timestamp
        /// Whether it was ever read again since.
        package let wasVerified: Bool
    }

    /// How many times as fast what was never read again waits.
    package static let firstLookWeight: Int64 = 8

    package let turns: [Turn]

    /// - Parameter isStoredOnly: whether a look at the stored bytes counts as one; a run that looks further goes by
    ///   those that did.
    package init(_ sets: [ListedSet], _ ledger: ProofLedger, isStoredOnly: Bool = false, now: Timestamp) {
        turns = sets.map { set in
            let turn = Self.turn(of: set, ledger, isStoredOnly, now)
            return (turn: turn, urgency: turn.urgency(at: now))
        }
        .sorted { ($0.urgency, $1.turn) > ($1.urgency, $0.turn) }
        .map(\.turn)
    }

    private static func turn(
        of set: ListedSet,
        _ ledger: ProofLedger,
        _ isStoredOnly: Bool,
        _ now: Timestamp
    ) -> Turn {
        let history = ledger[set.name, set.id]
        let tried = isStoredOnly ? history?.tried : history?.triedDeeply
        // What is dated later than now was dated by a clock that was wrong: it must not wait for that day.
        let made = set.id.time <= now ? set.id.time : Timestamp(secondsSince1970: 0)
        return Turn(set: set, lookedAt: tried?.time ?? made, wasVerified: tried != nil)
    }
}

extension VerifyQueue.Turn: Comparable {
    /// How long it has waited, in seconds; longer than that where it was never read.
    fileprivate func urgency(at now: Timestamp) -> Int64 {
        let seconds = max(0, now.secondsSince1970 - lookedAt.secondsSince1970)
        return wasVerified ? seconds : seconds * VerifyQueue.firstLookWeight
    }

    /// Of two that have waited as long, the one that was never read again; then the older one.
    package static func < (left: VerifyQueue.Turn, right: VerifyQueue.Turn) -> Bool {
        if left.wasVerified != right.wasVerified { return !left.wasVerified }
        return (left.set.id, left.set.name) < (right.set.id, right.set.name)
    }
}
