// SPDX-License-Identifier: Apache-2.0

import RedisClient
import RedisProtocol

/// How a server stands towards the snapshot that is restored, by its own word. Pure.
///
/// A run that died leaves servers in any of these; the next run goes on from there.
package enum TargetState: Sendable, Hashable {
    /// It holds nothing.
    case fresh
    /// It holds the snapshot as it is, and follows nobody that answers.
    case seeded
    /// It is a primary whose last history ended with the snapshot: what was there goes on there.
    /// - Parameter ahead: how far it went on, in bytes of the stream. 0 is the snapshot itself: right after its
    ///   promotion, or after a restart that loaded it.
    case promoted(ahead: Int64)
    /// It follows such a primary, or waits for it.
    case rejoined
    /// It holds something else.
    case holdsData(keys: Int64)

    /// - Parameters:
    ///   - snapshot: the point in history at which the snapshot stands.
    ///   - continued: the histories that go on from it, on the primaries that were promoted.
    ///   - followsPromoted: whether it follows the address of one of those.
    package init(
        _ info: ServerInfo,
        snapshot: SeedHeader,
        keys: UInt64,
        continued: Set<String>,
        followsPromoted: Bool = false
    ) {
        let isFresh = info.keyCount == 0 && (info.integer("number_of_functions") ?? 0) == 0
        // A snapshot without keys leaves a server that looks fresh, and nothing is lost by restoring it once more.
        if isFresh {
            self = .fresh
        } else if Self.continues(snapshot, info) {
            self = .promoted(ahead: max(0, (info.replicationOffset ?? 0) - snapshot.offset))
        } else if info.role == .replica, info.primaryLinkIsUp == false,
            info.replicationID == snapshot.replicationID, info.replicationOffset == snapshot.offset,
            info.keyCount == Int64(clamping: keys)
        {
            self = .seeded
        } else if info.role == .replica, followsPromoted || continued.contains(info.replicationID ?? "") {
            self = .rejoined
        } else {
            self = .holdsData(keys: info.keyCount)
        }
    }

    /// Whether the server is a primary that was promoted right at the snapshot (redis src/replication.c,
    /// `shiftReplicationId`: the second offset is the first byte that is not shared).
    package static func continues(_ snapshot: SeedHeader, _ info: ServerInfo) -> Bool {
        info.role == .primary && info.secondReplicationID == snapshot.replicationID
            && info.secondReplicationOffset == snapshot.offset + 1
    }

    /// Whether the snapshot still has to be sent.
    /// - Parameters:
    ///   - isPrimary: whether it is the one that becomes the primary. Another one that was promoted, and holds the
    ///     snapshot and nothing more, takes it anew: it would be sent everything by its primary (redis
    ///     src/replication.c, `replicationCacheMasterUsingMyself` asks with its own history).
    ///   - replaces: data may go; then what a run of today promoted cannot be told from what was promoted long ago, and
    ///     is restored again.
    package func needsSnapshot(isPrimary: Bool, replaces: Bool) -> Bool {
        switch self {
        case .fresh: true
        case .seeded: false
        case .promoted: replaces || !isPrimary
        case .rejoined: replaces
        case .holdsData: true
        }
    }
}
