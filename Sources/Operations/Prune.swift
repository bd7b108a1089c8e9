// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Logging
import ObjectStorage
import Synchronization

/// Removes the sets of a store that no rule keeps.
///
/// The promise: what a rule, a pin or a guard keeps is never touched, and a set that goes, goes as a whole, on record.
/// Each subject is pruned under its lease, by a second look at its history: only what both plans say goes.
package struct Prune: Sendable {
    private let request: PruneRequest
    private let catalog: Catalog
    private let timing: LeaseTiming
    private let logger: Logger

    package init(
        _ request: PruneRequest,
        in catalog: Catalog,
        timing: LeaseTiming = LeaseTiming(),
        logger: Logger
    ) {
        self.request = request
        self.catalog = catalog
        self.timing = timing
        self.logger = logger
    }

    /// What would become of every set, by subject. A listing that is not complete is an error, and no plan.
    /// - Throws: `.usage` when no rule keeps anything; `.noSuchStore`; what the store answers.
    package func plan(of name: String?) async throws -> [PrunePlan] {
        try await plan(of: name, now: .now())
    }

    private func plan(of name: String?, now: Timestamp) async throws -> [PrunePlan] {
        try request.requirePolicy()
        let histories = try await catalog.histories(of: name, now: now)
        let remnants = try await catalog.remnants(of: name, looksForUnfinished: false).found
        return histories.sorted { $0.key < $1.key }.map { name, history in
            PrunePlan(name, history, remnants.filter { $0.name == name }, for: request, now: now)
        }
    }

    /// Removes what the plans say, as far as a second look says so too.
    /// - Throws: only when the run is cancelled.
    package func run(_ plans: [PrunePlan]) async throws -> PruneOutcome {
        var outcome = PruneOutcome()
        for plan in plans where !plan.isIdle { outcome += try await prune(plan) }
        return outcome
    }

    private func prune(_ plan: PrunePlan) async throws -> PruneOutcome {
        let lease = Lease(holder: request.runID, purpose: Self.purpose, process: .current(), acquiredAt: .now())
        let outcome = Mutex(PruneOutcome())
        do {
            // Nobody else works on this subject meanwhile.
            try await catalog.withLease(on: plan.name, as: lease, timing: timing) { held in
                // Look again: what was added, pinned or found meanwhile changes what may go. A clock of this machine
                // that is ahead would make what was just written old: that of the store counts, too.
                let clock = await catalog.clock(atLeaseOf: plan.name)
                let now = try await self.plan(of: plan.name, now: clock).first { $0.name == plan.name }
                do {
                    try await remove(plan, secondLook: now, under: held, outcome)
                } catch {
                    await lookAfter(outcome.withLock(\.swept), of: plan.name)
                    throw error
                }
                await lookAfter(outcome.withLock(\.swept), of: plan.name)
                await forgetProofs(of: plan.name, outcome.withLock(\.findings))
            }
        } catch {
            let failure = Failure(wrapping: error, attempting: "prune \(plan.name)")
            if Task.isCancelled { throw failure }
            outcome.withLock { $0.end(plan, with: failure) }
        }
        return outcome.withLock(\.self)
    }

    private func remove(
        _ plan: PrunePlan,
        secondLook now: PrunePlan?,
        under held: HeldLease,
        _ outcome: borrowing Mutex<PruneOutcome>
    ) async throws {
        // What an earlier removal left of a set that has no manifest any more.
        for remnant in plan.halfRemoved where now?.halfRemoved.contains(remnant) == true {
            try await held.confirm()
            await sweep(remnant, outcome)
        }

        // The sets, oldest first. What the second look keeps is kept.
        for set in plan.due {
            guard let due = now?.due.first(where: { $0.set == set.set }) else {
                outcome.withLock { $0.add(PruneFinding(set, .changed)) }
                continue
            }
            try await held.confirm()
            let result = try await remove(due, under: held, outcome)
            outcome.withLock { $0.add(PruneFinding(set, result)) }
        }
    }

    /// The manifest of a run that was held up for long may have arrived meanwhile, or a copy brought a set back; also
    /// where this run lost its lease, and is being cancelled for it.
    private func lookAfter(_ swept: Sweep, of name: String) async {
        await withCancellationShield { [catalog, logger] in
            await catalog.removeManifests(ofSwept: swept, name: name, logger: logger)
        }
    }

    /// What the lease of a run that prunes says of it.
    static let purpose = "prune"

    /// Removes one set: its record first, then the manifest, which ends it, then the members that nobody needs now.
    /// - Throws: only when the run is cancelled.
    private func remove(
        _ due: RetentionPlan.Verdict,
        under held: HeldLease,
        _ outcome: borrowing Mutex<PruneOutcome>
    ) async throws -> PruneFinding.Outcome {
        let (name, id) = (due.set.name, due.set.id)
        do {
            // A pin may have come since the second look.
            if try await catalog.isPinned(name: name, id: id) { return .pinned }
            guard let manifest = try await catalog.manifestBytes(name: name, id: id) else { return .changed }

            if request.signingKey == nil, due.set.isSigned {
                logger.warning("\(name)/\(id) is signed, and the record of its removal will not be (--sign-key)")
            }

            // That it went by a rule is on record before it goes.
            let record = try await catalog.write(
                request.removal(of: due, manifest: manifest),
                signedWith: request.signingKey
            )
            outcome.withLock { $0.mayBeSwept(id) }
            do {
                try await catalog.removeManifest(name: name, id: id)
            } catch {
                await withCancellationShield { [catalog] in await catalog.takeBack(record, name: name, id: id) }
                throw error
            }
        } catch let failure as Failure where failure.code != .interrupted {
            logger.warning("could not remove \(name)/\(id): \(failure)")
            return failure.code == .retained ? .retained(failure) : .failed(failure)
        }
        do {
            // Whoever stood still for long may have lost the lease, and a copy may be bringing the set back.
            try await held.confirm()
            let bytes = try await catalog.removeMembers(name: name, id: id)
            logger.info("removed \(name)/\(id)", metadata: ["bytes": "\(bytes.all)", "hidden": "\(bytes.hidden)"])
            return .removed(bytes)
        } catch let failure as Failure where failure.code != .interrupted {
            logger.warning("removed \(name)/\(id), and not all of its members: \(failure)")
            return .halfRemoved(failure)
        }
    }

    /// Removes what verifications of the removed sets found; but not the newest proof of the subject, because it says
    /// when anything was proven last. Nothing depends on it.
    private func forgetProofs(of name: String, _ findings: [PruneFinding]) async {
        guard let ledger = try? await catalog.proofLedger(of: name) else { return }
        let newest = ledger.newestProof(of: name)?.backup
        for finding in findings where finding.isRemoved && finding.verdict.set.id != newest {
            await catalog.removeProofs(of: name, set: finding.verdict.set.id)
        }
    }

    /// What cannot be swept now is found again by the next run.
    private func sweep(_ remnant: Remnant, _ outcome: borrowing Mutex<PruneOutcome>) async {
        do {
            guard try await catalog.remove(remnant) else { return }
            logger.info("removed what was left: \(remnant.key)")
            outcome.withLock { $0.add(swept: remnant) }
        } catch {
            logger.warning("could not remove what was left, \(remnant.key): \(error)")
            let failure = Failure(wrapping: error, attempting: "remove what was left, \(remnant.key)")
            // Its answer may have been lost. A lock of the store is its owner's wish.
            outcome.withLock { $0.add(swept: remnant, failure: failure.code == .retained ? nil : failure) }
        }
    }
}
