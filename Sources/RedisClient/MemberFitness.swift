// SPDX-License-Identifier: Apache-2.0

import Failures
import RedisProtocol

/// Whether a member is fit to be backed up: pure judgement of what it says of itself.
///
/// A replica without a link saves as happily as any other, but what it saves is old, or empty; a member that loads, or
/// that synchronizes, holds half a dataset.
package struct MemberFitness: Sendable, Hashable {
    /// How many bytes of the stream of its primary a replica may not have processed yet; any number when `nil`.
    package var lagBytesMax: Int64?
    /// How long ago the primary may have sent anything, in seconds. A primary sends a ping each 10 seconds.
    package var linkIdleSecondsMax: Int64
    /// How far the primary is in its history, as seen shortly before; what a replica knows itself counts when `nil`.
    package var primaryOffset: Int64?
    /// Whether a change of role or history while the snapshot is taken is a failure, instead of a warning.
    package var isTopologyStrict: Bool

    package init(
        lagBytesMax: Int64? = nil,
        linkIdleSecondsMax: Int64 = 30,
        primaryOffset: Int64? = nil,
        isTopologyStrict: Bool = false
    ) {
        self.lagBytesMax = lagBytesMax
        self.linkIdleSecondsMax = linkIdleSecondsMax
        self.primaryOffset = primaryOffset
        self.isTopologyStrict = isTopologyStrict
    }
}

extension MemberFitness {
    /// Why this member cannot be backed up now; `nil` if it can.
    /// - Parameter member: its name, for the message.
    /// - Returns: `.memberLoading`, `.replicaLinkDown`, `.replicaLagging`, `.memberChanged`, `.unsupported`.
    package func unfitness(of info: ServerInfo, member: String) -> Failure? {
        if info.mode == .sentinel {
            return Failure(.unsupported, "\(member) is a Sentinel, which holds no dataset")
        }
        if info.isLoading || info.isLoadingAsynchronously {
            return Failure(
                .memberLoading,
                "\(member) is loading its dataset",
                hint: "Try again when `INFO persistence` there says loading:0 and async_loading:0."
            )
        }
        if info.failoverState == "failover-in-progress" {
            return Failure(.memberChanged, "\(member) is handing its role over in a failover")
        }
        switch info.role {
        case .primary: return nil
        case .replica: return replicaUnfitness(of: info, member: member)
        case nil: return Failure(.unsupported, "\(member) does not say whether it is a primary or a replica")
        }
    }

    private func replicaUnfitness(of info: ServerInfo, member: String) -> Failure? {
        let primary = "\(info.primaryHost ?? "?"):\(info.primaryPort ?? 0)"
        if info.primarySyncInProgress ?? false {
            return Failure(.memberLoading, "\(member) is in the middle of a full synchronization with \(primary)")
        }
        guard info.primaryLinkIsUp ?? false else {
            let since = info.primaryLinkDownSeconds.map { " for \($0) s" } ?? ""
            return Failure(
                .replicaLinkDown,
                "the link of \(member) to its primary \(primary) is down\(since)",
                hint: "Look at the log of the replica; until its link is up, what it holds is old, or nothing."
            )
        }
        if let idle = info.primaryLastIOSecondsAgo, idle > linkIdleSecondsMax {
            return Failure(
                .replicaLinkDown,
                "the primary \(primary) of \(member) sent nothing for \(idle) s; the most is \(linkIdleSecondsMax) s"
            )
        }
        guard let lagBytesMax, let lag = lagBytes(of: info), lag > lagBytesMax else { return nil }
        return Failure(
            .replicaLagging,
            "\(member) is \(lag) bytes behind its primary; the most is \(lagBytesMax)",
            hint: "Wait until it has caught up, or allow more with --max-lag-bytes."
        )
    }

    /// How many bytes of its primary's stream a replica has not processed; `nil` where that cannot be told.
    package func lagBytes(of info: ServerInfo) -> Int64? {
        guard info.role == .replica, let processed = info.processedReplicationOffset else { return nil }
        let known = [primaryOffset, info.readReplicationOffset].compactMap { $0 }
        return known.max().map { max(0, $0 - processed) }
    }
}

extension MemberFitness {
    /// What a second look found.
    package enum Change: Sendable {
        /// The same process, in the same role and history.
        case none
        /// The snapshot is good, but the member is not what it was: worth a line in the log.
        case warning(String)
        /// The snapshot is not to be trusted.
        case failure(Failure)
    }

    /// Compares a member before and after its snapshot was taken.
    package func change(from before: ServerInfo, to after: ServerInfo, member: String) -> Change {
        guard before.runID == after.runID else {
            return .failure(Failure(.memberChanged, "\(member) restarted while its snapshot was taken"))
        }
        if let unfitness = unfitnessAfterwards(of: after, member: member) { return .failure(unfitness) }
        guard let difference = Self.difference(from: before, to: after, member: member) else { return .none }
        return isTopologyStrict ? .failure(Failure(.memberChanged, difference)) : .warning(difference)
    }

    /// The lag is left out: the offset of the primary was looked at long ago.
    private func unfitnessAfterwards(of info: ServerInfo, member: String) -> Failure? {
        var fitness = self
        fitness.lagBytesMax = nil
        return fitness.unfitness(of: info, member: member)
    }

    private static func difference(from before: ServerInfo, to after: ServerInfo, member: String) -> String? {
        if before.role != after.role, let old = before.role, let new = after.role {
            return "\(member) was a \(old.rawValue) and is a \(new.rawValue) since its snapshot was taken"
        }
        // The first replica of a primary that had none starts a new history there, and so does a request for a
        // snapshot.
        let hadHistory = before.role == .replica || before.hasReplicationBacklog ?? false
        if hadHistory, before.replicationID != after.replicationID {
            return "the replication history of \(member) changed while its snapshot was taken"
        }
        return nil
    }
}
