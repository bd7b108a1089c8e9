// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage

/// Takes one backup set: a proven snapshot of each member that is asked for, then the manifest that makes the set
/// exist.
///
/// The promise: what this commits restores. A snapshot that is not proven is never committed, and when the run ends in
/// any other way than by its last line, the store shows nothing of it.
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
        let survey = await Survey.take(of: request.members, logger: logger)

        // Decide whose snapshots are taken, in which order, and who stands in for whom.
        let plan = try BackupPlan(survey, choice: request.choice, allowsWatchedPrimary: request.allowsWatchedPrimary)
        for omission in plan.omissions { logger.notice("left out \(omission.member): \(omission.reason)") }

        // Nobody else works on this subject meanwhile.
        let lease = Lease(holder: request.runID, purpose: "backup", process: .current(), acquiredAt: .now())
        return try await catalog.withLease(on: request.name, as: lease) { lease in
            // What dead runs left behind goes first; then this set gets an id that is newer than every other.
            let swept = try await catalog.removeLeftovers(of: request.name, logger: logger)
            let id = try await newID()
            let writer = SetWriter(name: request.name, id: id, store: catalog.store, logger: logger)
            logger.info("backup \(request.name)/\(id) to \(catalog.store.location)")

            // Take the snapshots one at a time: one fork at a time, and replicas before primaries.
            let startedAt = Timestamp.now()
            var taken = Taken()
            do {
                for turn in plan.turns { try await take(turn, into: &taken, writer) }
                try taken.requireOne()
            } catch {
                await writer.takeBack(taken.staged)
                throw error
            }

            // Commit: the members become visible, the store says what it holds, and the manifest makes the set exist.
            let manifest = Manifest(
                id: id,
                name: request.name,
                startedAt: startedAt,
                finishedAt: .now(),
                tool: request.tool,
                source: request.source,
                members: taken.members.sorted { $0.member < $1.member }
            )
            try await writer.commit(manifest, staged: taken.staged, under: lease)
            try await catalog.removeManifests(ofSwept: swept, name: request.name, logger: logger)
            return BackupOutcome(manifest: manifest, omissions: plan.omissions + taken.standBys)
        }
    }

    /// What the turns gave so far.
    private struct Taken {
        var members: [Manifest.Member] = []
        var staged: [any StagedObject] = []
        var failures: [Failure] = []
        /// Members whose shard another one covers.
        var standBys: [BackupPlan.Omission] = []

        /// - Throws: when there is nothing to commit, the failure that tells most.
        func requireOne() throws {
            guard staged.isEmpty else { return }
            throw Failure.mostTelling(of: failures)
        }
    }

    /// Takes a snapshot of the first candidate that gives a proven one; whom it stands in for is said in its warnings.
    private func take(_ turn: BackupPlan.Turn, into taken: inout Taken, _ writer: SetWriter) async throws {
        var failed: [(candidate: BackupPlan.Candidate, failure: Failure)] = []
        for candidate in turn.candidates {
            do {
                var (member, staged) = try await takeSnapshot(of: candidate, writer)
                if !failed.isEmpty {
                    member.warnings = failed.map { "stands in for \($0.candidate.member.name): \($0.failure)" }
                }
                taken.members.append(member)
                taken.staged.append(staged)
                taken.standBys += turn.candidates.dropFirst(failed.count + 1).map {
                    .init(member: $0.member.name, reason: "its shard is covered by \(candidate.member.name)")
                }
                return
            } catch {
                let failure = Failure(wrapping: error, attempting: "back up \(candidate.member.name)")
                try Task.checkCancellation()
                if failure.code.stopsTheRun { throw failure }
                logger.error("\(candidate.member.name) gave no proven snapshot: \(failure)")
                failed.append((candidate, failure))
            }
        }
        taken.failures += failed.map(\.failure)
        taken.members += failed.map { $0.candidate.described(error: $0.failure) }
    }

    private func takeSnapshot(
        of candidate: BackupPlan.Candidate,
        _ writer: SetWriter
    ) async throws -> (Manifest.Member, any StagedObject) {
        if let failure = candidate.failure { throw failure }
        let name = candidate.member.name
        return try await candidate.member.source.withSnapshot { snapshot in
            let begun = ContinuousClock.now
            let expected = snapshot.announcedBytes ?? snapshot.estimatedBytes
            meter.begin("backup \(name)", expectedBytes: expected)
            defer { meter.end() }
            let recorded = try await SnapshotPipeline.record(
                snapshot,
                of: "the snapshot of \(name)",
                at: request.proof,
                with: request.compression,
                meter: meter
            ) { chunks in
                try await writer.stage(
                    member: name,
                    suffix: ".rdb" + request.compression.fileSuffix,
                    estimatedBytes: expected,
                    from: chunks
                )
            }
            var member = candidate.described(error: nil)
            member.method = candidate.member.source.method
            member.replication = snapshot.replication.map { .init(id: $0.id, offset: $0.offset) }
            member.rdb = Manifest.Snapshot(recorded.proof)
            member.stored = Manifest.Stored(
                key: recorded.staged.key.description,
                bytes: recorded.staged.bytes,
                sha256: recorded.storedSHA256,
                compression: request.compression.name
            )
            let seconds = (ContinuousClock.now - begun) / .seconds(1)
            member.seconds = .init(save: snapshot.saveSeconds.inMilliseconds, stream: seconds.inMilliseconds)
            logger.info("\(name): \(recorded.proof.summary.keyCount) keys, proven")
            return (member, recorded.staged)
        }
    }

    private func newID() async throws -> BackupID {
        let existing: [BackupID]
        do {
            existing = try await catalog.ids(of: request.name)
        } catch let failure as Failure where failure.code == .noSuchStore {
            existing = []
        }
        let now = Timestamp.now()
        let id = BackupID.next(after: existing, now: now, suffix: .random(in: .min ... .max))
        if id.time > now {
            logger.warning("the newest backup is from \(id.time), which this clock (\(now)) has not reached yet")
        }
        return id
    }
}

extension Failure.Code {
    /// Whether a failure at one member would meet every other member too: the store is at fault, not the server.
    fileprivate var stopsTheRun: Bool {
        switch self {
        case .storeUnavailable, .noSuchStore, .noSpace, .locked, .interrupted: true
        default: false
        }
    }
}

extension Double {
    /// Rounded to three digits after the point: what a manifest says of a duration.
    fileprivate var inMilliseconds: Double { (self * 1000).rounded() / 1000 }
}
