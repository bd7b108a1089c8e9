// SPDX-License-Identifier: Apache-2.0

import Catalog
import DataDirectory
import RDB

/// What becomes of expiries when a snapshot is restored.
package enum ExpiryChoice: String, Sendable, Hashable, CaseIterable {
    /// Keys expire when they would have expired.
    case keep
    /// Keys live as long from now on as they would have lived from the time of the snapshot on.
    case shift
    /// Keys do not expire.
    case persist

    /// What is to be changed in a snapshot.
    ///
    /// Another content is another history (F41): a server that kept the identity of the old one would be taken for one
    /// that stands in it, and replicas would go on from there with other data.
    /// - Parameters:
    ///   - member: its snapshot says when it was taken; before RDB version 7 the begin of the run tells it.
    ///   - now: by the clock that expiries will be held against.
    package func rewriting(of member: Manifest.Member, in manifest: Manifest, at now: Timestamp) -> RDBRewriting {
        switch self {
        case .keep: return RDBRewriting()
        case .persist: return RDBRewriting(expiries: .persist, identity: .drop)
        case .shift:
            let taken = member.rdb?.createdAt ?? manifest.startedAt
            let milliseconds = (now.secondsSince1970 - taken.secondsSince1970) * 1000
            return RDBRewriting(expiries: .shift(milliseconds: milliseconds), identity: .drop)
        }
    }
}

/// What was found about expiries in the bytes that a server will load (F38).
package struct RestoredExpiries: Sendable, Hashable {
    package let choice: ExpiryChoice
    /// By how much each was moved, in milliseconds.
    package let shiftMilliseconds: Int64?
    /// How many keys have an expiry.
    package let keys: UInt64
    /// How many of them expire before the restore began. A primary drops those when it loads an RDB.
    package let past: UInt64
    /// What was changed: expiries of keys, and of fields of hashes.
    package let changes: RDBChanges

    /// - Parameters:
    ///   - rewritten: what was written, where that is not the snapshot.
    ///   - proof: of the snapshot.
    init(
        _ choice: ExpiryChoice,
        _ rewriting: RDBRewriting,
        _ rewritten: RewrittenSnapshot?,
        _ proof: SnapshotProof?
    ) {
        self.choice = choice
        if case .shift(let milliseconds) = rewriting.expiries {
            shiftMilliseconds = milliseconds
        } else {
            shiftMilliseconds = nil
        }
        let summary = rewritten?.proof.summary ?? proof?.summary
        keys = summary?.expires ?? 0
        past = summary?.past ?? 0
        changes = rewritten?.changes ?? RDBChanges()
    }
}

extension RewrittenSnapshot {
    /// What a marker says of it.
    func content(_ choice: ExpiryChoice) -> RewrittenContent {
        RewrittenContent(bytes: proof.summary.bytes, sha256: proof.sha256, rewriting: "ttl \(choice.rawValue)")
    }
}
