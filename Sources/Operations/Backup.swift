// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage
import Synchronization

/// Takes one backup set: a proven snapshot of each member that is asked for, then the manifest that makes the set
/// exist.
///
/// The promise: what this commits restores. A snapshot that is not proven is never committed, and when the run ends
/// in any other way than by its last line, the store shows nothing of it.
package struct Backup: Sendable {
    private let request: BackupRequest
    private let catalog: Catalog
    private let meter: ProgressMeter
    private let logger: Logger

    package init(_ request: BackupRequest, into catalog: Catalog, meter: ProgressMeter, logger: Logger) {
        self.request = request
        self.catalog = catalog
        self.meter = meter
        self.logger = logger
    }

    /// - Returns: what was committed; `manifest.isPartial` tells whether a member is missing from it.
    /// - Throws: `.locked`; when no member gave a proven snapshot, the failure that tells most about why.
    package func run() async throws -> BackupOutcome {
        // Ask every member who it is, and how it does.
        let survey = try await Survey.settled(of: request.members, logger: logger)

        // Decide whose snapshots are taken, in which order, and who stands in for whom.
        let plan = try BackupPlan(survey, for: request)
        for omission in plan.omissions { logger.notice("left out \(omission.member): \(omission.reason)") }

        // Nobody else works on this subject meanwhile.
        let lease = Lease(holder: request.runID, purpose: "backup", process: .current(), acquiredAt: .now())
        let seats: [any LeaseSeat] = try request.leaseSeats + [StoreLeaseSeat(name: request.name, in: catalog.store)]
        return try await Catalog.withLeases(at: seats, as: lease, logger: logger) { leases in
            // What dead runs left behind goes first; then this set gets an id that is newer than every other.
            let swept = try await catalog.removeLeftovers(of: request.name, logger: logger)
            let id = try await catalog.newID(for: request.name, logger: logger)
            let writer = SetWriter(name: request.name, id: id, store: catalog.store, logger: logger)
            logger.info("backup \(request.name)/\(id) to \(catalog.store.location)")

            // Take the snapshots: one fork at a time on each node and in each shard, and replicas before primaries.
            let startedAt = Timestamp.now()
            let staged = Mutex<[any StagedObject]>([])
            do {
                let round = SnapshotRound(request: request, writer: writer, meter: meter, logger: logger)
                let outcomes = try await round.run(plan.turns) { _, _, object in staged.withLock { $0.append(object) } }
                guard outcomes.contains(where: \.isKept) else {
                    throw Failure.mostTelling(of: outcomes.flatMap(\.failures))
                }

                // No slot of a cluster may have moved from one snapshot to another.
                let cluster = plan.cluster?.facts
                try await request.requireSameSlots(as: cluster, logger: logger)

                // Commit: the members become visible, the store says what it holds, and the manifest makes the set
                // exist.
                let members = outcomes.flatMap(\.members)
                let manifest = request.manifest(id, of: members, in: cluster, startedAt: startedAt)
                try await writer.commit(manifest, staged: staged.withLock(\.self), under: leases)
                await catalog.removeManifests(ofSwept: swept, name: request.name, logger: logger)
                return BackupOutcome(manifest: manifest, omissions: plan.omissions + outcomes.flatMap(\.standBys))
            } catch {
                await writer.takeBack(staged.withLock(\.self))
                throw error
            }
        }
    }
}
