// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage
import Synchronization

/// Removes what runs that did not come to their end left in a store.
///
/// The promise: nothing that a backup needs, and nothing of a run that is under way. Each subject is cleaned under its
/// lease, by a second look at what is there; the manifest of a set is asked for once more before a member of it goes.
package struct PruneIncomplete: Sendable {
    private let catalog: Catalog
    /// How long a remnant is left alone, in seconds.
    private let graceSeconds: Int64
    /// How long the file in which a lease is written is left alone at least: who asks for a lease holds none yet, so
    /// that ours keeps nobody from writing one.
    private static let leaseGraceSeconds: Int64 = 60
    private let runID: String
    private let timing: LeaseTiming
    private let logger: Logger

    /// - Parameter runID: random, new for each run.
    package init(
        _ catalog: Catalog,
        graceSeconds: Int64,
        runID: String,
        timing: LeaseTiming = LeaseTiming(),
        logger: Logger
    ) {
        self.catalog = catalog
        self.graceSeconds = graceSeconds
        self.runID = runID
        self.timing = timing
        self.logger = logger
    }

    /// What is removed, and what is too young for it.
    package struct Plan: Sendable {
        package let due: [Remnant]
        package let young: [Remnant]
        /// Why unfinished uploads could not be looked for.
        package let unlistable: Failure?
    }

    /// What became of one remnant.
    package struct Finding: Sendable {
        package enum Outcome: Sendable {
            case removed
            /// Another run works on its subject.
            case locked(Failure)
            /// It was removed or written to meanwhile, or became part of a backup.
            case changed
            case failed(Failure)
        }

        package let remnant: Remnant
        package let outcome: Outcome
    }

    /// - Parameter looksForUnfinished: whether uploads and temporary files are looked for.
    /// - Throws: `.noSuchStore`.
    package func plan(of name: String?, looksForUnfinished: Bool = true) async throws -> Plan {
        let remnants = try await catalog.remnants(of: name, looksForUnfinished: looksForUnfinished)
        let now = Timestamp.now()
        return Plan(
            due: remnants.found.filter { isDue($0, at: now) },
            young: remnants.found.filter { !isDue($0, at: now) },
            unlistable: remnants.unlistable
        )
    }

    private func isDue(_ remnant: Remnant, at now: Timestamp) -> Bool {
        let grace = remnant.kind == .unfinishedLease ? max(graceSeconds, Self.leaseGraceSeconds) : graceSeconds
        return remnant.writtenAtSeconds <= now.secondsSince1970 - grace
    }

    /// Removes what the plan says, as far as it is still as it was then, and not young by the clock of the store.
    /// - Throws: only when the run is cancelled.
    package func run(_ plan: Plan) async throws -> [Finding] {
        var findings: [Finding] = []
        for (name, due) in Dictionary(grouping: plan.due, by: \.name).sorted(by: { $0.key < $1.key }) {
            findings += try await remove(due, of: name)
        }
        return findings
    }

    private func remove(_ due: [Remnant], of name: String) async throws -> [Finding] {
        let lease = Lease(holder: runID, purpose: "prune", process: .current(), acquiredAt: .now())
        let done = Mutex<[Finding]>([])
        do {
            // With the lease in hand, whoever wrote these is not at work any more.
            try await catalog.withLease(on: name, as: lease, timing: timing) { held in
                let looksForUnfinished = due.contains { [.unfinished, .unfinishedLease].contains($0.kind) }
                let clock = await catalog.clock(atLeaseOf: name)
                let now = try await catalog.remnants(of: name, looksForUnfinished: looksForUnfinished).found
                    .filter { isDue($0, at: clock) }
                for remnant in due {
                    let outcome = try await remove(remnant, ifAmong: now, under: held)
                    done.withLock { $0.append(Finding(remnant: remnant, outcome: outcome)) }
                }
                // The manifest of a run that was held up for long may have arrived meanwhile.
                let members = done.withLock(\.self).filter(\.isRemovedMember).map(\.remnant.key)
                let sweep = Sweep(ids: Set(members.compactMap { BackupID($0.components[1]) }))
                await catalog.removeManifests(ofSwept: sweep, name: name, logger: logger)
            }
        } catch {
            let failure = Failure(wrapping: error, attempting: "remove what is incomplete of \(name)")
            if Task.isCancelled { throw failure }
            let outcome = failure.code == .locked ? Finding.Outcome.locked(failure) : .failed(failure)
            done.withLock { done in
                done += due.dropFirst(done.count).map { Finding(remnant: $0, outcome: outcome) }
            }
        }
        return done.withLock(\.self)
    }

    private func remove(
        _ remnant: Remnant,
        ifAmong now: [Remnant],
        under lease: HeldLease
    ) async throws -> Finding.Outcome {
        guard now.contains(remnant) else { return .changed }
        try await lease.confirm()
        do {
            guard try await catalog.remove(remnant) else { return .changed }
            logger.info("removed \(remnant.kind.rawValue) \(remnant.key)")
            return .removed
        } catch let failure as Failure where failure.code != .interrupted {
            logger.warning("could not remove \(remnant.key): \(failure)")
            return .failed(failure)
        }
    }
}

extension PruneIncomplete.Finding {
    fileprivate var isRemovedMember: Bool {
        guard case .removed = outcome else { return false }
        return remnant.kind == .memberWithoutManifest
    }
}
