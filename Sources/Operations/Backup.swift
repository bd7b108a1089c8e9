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
/// in any other way than by its last line, no store shows anything of it.
package struct Backup: Sendable {
    private let request: BackupRequest
    private let destinations: Destinations
    private let meter: ProgressMeter
    private let logger: Logger

    package init(_ request: BackupRequest, into destinations: Destinations, meter: ProgressMeter, logger: Logger) {
        self.request = request
        self.destinations = destinations
        self.meter = meter
        self.logger = logger
    }

    /// - Returns: what was committed; `isPartial` tells whether a member is missing from it, or a store has it not.
    /// - Throws: `.locked`; when no member gave a proven snapshot, or no store has the set, the failure that tells
    ///   most about why.
    package func run() async throws -> BackupOutcome {
        // Ask every member who it is, and how it does.
        let survey = try await Survey.settled(of: request.members, logger: logger)

        // Decide whose snapshots are taken, in which order, and who stands in for whom.
        let plan = try BackupPlan(survey, for: request)
        for omission in plan.omissions { logger.notice("left out \(omission.member): \(omission.reason)") }

        // Nobody else works on this subject meanwhile, in any of the stores.
        let lease = Lease(holder: request.runID, purpose: "backup", process: .current(), acquiredAt: .now())
        return try await destinations.withLeases(on: request.name, beside: request.leaseSeats, as: lease) { leases in
            // What dead runs left behind goes first; then this set gets an id that is newer than every other.
            let swept = try await destinations.removeLeftovers(of: request.name)
            let listings = try await destinations.listings(of: request.name)
            let id = destinations.newID(after: listings)
            let previous = try await destinations.newestLink(in: listings, isRequired: request.signingKey != nil)
            let writers = SetWriters(
                name: request.name,
                id: id,
                destinations: destinations,
                signingKey: request.signingKey
            )
            logger.info("backup \(request.name)/\(id) to \(destinations)")

            // Take the snapshots: one fork at a time on each node and in each shard, and replicas before primaries.
            let startedAt = Timestamp.now()
            // Each goes to every store at the same time; a store that fails drops out.
            let staged = Mutex<[StagedCopies]>([])
            do {
                let round = SnapshotRound(request: request, writers: writers, meter: meter, logger: logger)
                let outcomes = try await round.run(plan.turns) { _, _, copies in staged.withLock { $0.append(copies) } }
                guard outcomes.contains(where: \.isKept) else {
                    throw Failure.mostTelling(of: outcomes.flatMap(\.failures))
                }

                // No slot of a cluster may have moved from one snapshot to another.
                let cluster = plan.cluster?.facts
                try await request.requireSameSlots(as: cluster, logger: logger)

                // Commit, each store for itself: the members become visible, the store says what it holds, and the
                // manifest makes the set exist.
                let members = outcomes.flatMap(\.members)
                let manifest = request.manifest(id, after: previous, of: members, in: cluster, startedAt: startedAt)
                try await writers.commit(manifest, staged: staged.withLock(\.self), under: leases)
                await destinations.removeManifests(ofSwept: swept, name: request.name)
                return BackupOutcome(
                    manifest: manifest,
                    omissions: plan.omissions + outcomes.flatMap(\.standBys),
                    stores: destinations.all
                )
            } catch {
                await writers.takeBack(staged.withLock(\.self))
                throw error
            }
        }
    }
}
