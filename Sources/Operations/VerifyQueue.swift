// SPDX-License-Identifier: Apache-2.0

import Catalog

/// The sets of a store in the order in which they have their turn.
package struct VerifyQueue: Sendable {
    package struct Turn: Sendable {
        package let set: ListedSet
        /// When it was looked at for the last time: by a verify, or when it was made.
        package let lookedAt: Timestamp
        /// Whether it was ever read again since.
        package let wasVerified: Bool
    }

    package let turns: [Turn]

    /// - Parameter isStoredOnly: whether a look at the stored bytes counts as one; a run that looks further goes by those
    ///   that did.
    package init(_ sets: [ListedSet], _ ledger: ProofLedger, isStoredOnly: Bool = false, now: Timestamp) {
        turns = sets.map { Self.turn(of: $0, ledger, isStoredOnly, now) }.sorted(by: Self.comesFirst)
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

    /// Of two of the same second, the one that was never read again.
    private static func comesFirst(_ left: Turn, _ right: Turn) -> Bool {
        if left.lookedAt != right.lookedAt { return left.lookedAt < right.lookedAt }
        if left.wasVerified != right.wasVerified { return !left.wasVerified }
        return (left.set.id, left.set.name) < (right.set.id, right.set.name)
    }
}
