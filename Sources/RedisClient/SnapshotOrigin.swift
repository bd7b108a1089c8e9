// SPDX-License-Identifier: Apache-2.0

import Failures
import RDB
import RedisProtocol

/// Whether an RDB is the one that was asked for: judged by what stands in it, because the server's own account of a
/// save is silent when the save was killed, or when a synchronization replaced its file.
struct SnapshotOrigin: Sendable {
    let member: String
    let sample: MemberSample

    /// - Throws: `.snapshotNotFresh` when the RDB was made before the request.
    func requireFresh(_ summary: RDBSummary) throws {
        guard let createdAt = summary.createdAtSeconds else {
            throw Failure(.snapshotNotFresh, "the RDB of \(member) does not say when it was made")
        }
        // The clock of the server may be set back by a second meanwhile.
        guard createdAt >= sample.requestedAtSeconds - 1 else {
            let age = sample.requestedAtSeconds - createdAt
            throw Failure(.snapshotNotFresh, "the RDB of \(member) was made \(age) s before it was asked for")
        }
    }

    /// Requires exactly the point that the server announced.
    /// - Throws: `.snapshotNotFresh`, `.memberChanged`.
    func require(_ summary: RDBSummary, standsAt point: ReplicationPoint) throws {
        try requireHistory(summary, identity: point.id)
        guard summary.replicationID != nil, summary.replicationOffset != point.offset else { return }
        throw Failure(
            .snapshotNotFresh,
            "the RDB of \(member) stands at offset \(summary.replicationOffset ?? -1) instead of \(point.offset)"
        )
    }

    /// Requires the history the member was in, at or after the point it had reached.
    /// - Throws: `.snapshotNotFresh`, `.memberChanged`.
    func requireAtLeastSampled(_ summary: RDBSummary) throws {
        let hasHistory = sample.info.role == .replica || sample.info.hasReplicationBacklog ?? false
        guard hasHistory, let identity = sample.info.replicationID else { return }
        try requireHistory(summary, identity: identity)
        guard summary.replicationID != nil, let reached = sample.info.replicationOffset,
            (summary.replicationOffset ?? -1) < reached
        else { return }
        throw Failure(
            .snapshotNotFresh,
            "the RDB of \(member) stands at offset \(summary.replicationOffset ?? -1), "
                + "before the \(reached) of the request"
        )
    }

    private func requireHistory(_ summary: RDBSummary, identity: String) throws {
        guard let found = summary.replicationID else {
            // A replica without a history never synchronized: what it saves is old, or empty. A primary without
            // replicas may have none.
            guard sample.info.role == .primary else {
                throw Failure(.snapshotNotFresh, "the RDB of the replica \(member) belongs to no replication history")
            }
            return
        }
        guard found == identity else {
            throw Failure(
                .memberChanged,
                "the RDB of \(member) belongs to the replication history \(found.prefix(8))… "
                    + "instead of \(identity.prefix(8))…"
            )
        }
    }
}
