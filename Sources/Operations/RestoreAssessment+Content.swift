// SPDX-License-Identifier: Apache-2.0

import Catalog

/// What comes back and what does not: the set, the expiries, the users, the data that is there.
extension RestoreAssessment {
    var set: Row {
        let failed = manifest.members.filter { $0.error != nil }.map(\.member)
        let cell = "\(manifest.name)/\(manifest.id), \(member.member), \(ageText) old"
        guard !failed.isEmpty else { return row(.set, .go, cell, "-") }
        return row(.set, .warning, cell, "-", "the set is partial: \(failed.joined(separator: ", ")) failed")
    }

    /// How old the snapshot is, in seconds, by the clock of this machine; a clock that runs ahead of it counts as 0.
    private var ageSeconds: Int64 {
        let made = snapshot.createdAt ?? manifest.startedAt
        return max(0, now.secondsSince1970 - made.secondsSince1970)
    }

    private var ageText: String { ReadableAmount.seconds(Double(ageSeconds)) }

    /// The moments in a snapshot pass while it lies in its store. A primary that loads a dump drops what has passed; by
    /// way of an AOF or of replication it loads it, and drops it then (F38).
    var expiriesRow: Row {
        let keys = snapshot.keyCount
        let cell = "\(ReadableAmount.count(snapshot.expires)) of \(ReadableAmount.count(keys)) keys"
        guard snapshot.expires > 0 else { return row(.expiries, .go, cell, expiries.rawValue) }
        switch expiries {
        case .keep:
            let detail = "of the keys with an expiry, those that were due in the \(ageText) since are gone"
            return row(.expiries, .warning, cell, "keep", detail, override: "--ttl shift")
        case .shift:
            return row(.expiries, .go, cell, "shift", "each expiry moves by \(ageText)")
        case .persist:
            return row(.expiries, .warning, cell, "persist", "no key expires any more, until it is told to again")
        }
    }

    /// A snapshot holds no users (redis.io, "ACL"): they are configuration.
    var acl: Row {
        let place =
            switch target.hasACLFile {
            case nil: "aclfile or redis.conf"
            case true?: "aclfile"
            case false?: "redis.conf"
            }
        return row(.acl, .go, "no users", place, "users and passwords are not in a snapshot, and stay the server's own")
    }

    var dataHeld: Row? {
        if let files = target.filesHeld {
            let names = files.sorted { $0.key < $1.key }.map { "\($0.key) (\(ReadableAmount.bytes($0.value)))" }
            return held(names.joined(separator: ", "), isEmpty: files.isEmpty, moved: "moved to pre-restore-<id>/")
        }
        guard let keys = target.keysHeld else { return nil }
        return held("\(ReadableAmount.count(keys)) keys", isEmpty: keys == 0, moved: "replaced, all of it")
    }

    private func held(_ cell: String, isEmpty: Bool, moved: String) -> Row {
        if isEmpty { return row(.dataHeld, .go, "-", "none") }
        guard allowances.replacesData else {
            return row(.dataHeld, .noGo, "-", cell, "it holds data: \(cell)", override: "--replace")
        }
        return row(.dataHeld, .warning, "-", cell, "what is there is \(moved) (--replace)")
    }
}
