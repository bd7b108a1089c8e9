// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage
import RDB

/// Verifies the sets of a store in turn, in the order of `VerifyQueue`, for as many bytes or as much time as a run may
/// take. The next run goes on where this one ended: the store has on record what was looked at when.
///
/// A set counts as looked at when it was made, and then whenever it was verified, whatever came of it: so every set has
/// its turn, and those that nobody can read keep none of the others from theirs.
package struct VerifyRound: Sendable {
    let request: VerifyRoundRequest
    private let catalog: Catalog
    private let verify: Verify
    private let logger: Logger
    private let now: @Sendable () -> Timestamp

    /// - Parameter now: the clock that turns go by.
    package init(
        _ request: VerifyRoundRequest,
        from catalog: Catalog,
        meter: ProgressMeter,
        logger: Logger,
        now: @escaping @Sendable () -> Timestamp = Timestamp.now
    ) {
        self.now = now
        self.request = request
        self.catalog = catalog
        verify = Verify(
            catalog,
            at: request.level,
            isStoredOnly: request.isStoredOnly,
            meter: meter,
            logger: logger
        )
        self.logger = logger
    }

    /// When so many sets in a row cannot be read, the store is away: the others keep their turn.
    private static let unreadableInRowMax = 3
    /// Of how many sets that are gone the records are removed in one run.
    private static let goneMax = 100

    /// - Throws: `.noSuchBackup` when there is no set at all; `.interrupted`, with a hint at what was done; what the
    ///   store answers to the listings. That a set is corrupt is an outcome.
    package func run() async throws -> VerifyRoundOutcome {
        // Which sets are there, and when was each of them looked at?
        let ledger = ProofLedger(try await catalog.proofNotes(of: request.name), now: now())
        let sets = try await catalog.listedSets(of: request.name)
        guard !sets.isEmpty else { throw noSets() }
        for note in ledger.fromTheFuture {
            logger.warning("the record of a proof of \(note.name)/\(note.backup) is dated \(note.time): not believed")
        }
        let queue = VerifyQueue(sets, ledger, isStoredOnly: request.isStoredOnly, now: now())

        // One after the other, until the next one does not fit.
        var outcome = VerifyRoundOutcome(queue)
        let begun = ContinuousClock.now
        var unreadableInRow = 0
        for turn in queue.turns {
            let seconds = (ContinuousClock.now - begun) / .seconds(1)
            outcome.stop = request.stop(before: turn.set, after: outcome, seconds: seconds)
            if outcome.stop == nil, unreadableInRow >= Self.unreadableInRowMax { outcome.stop = .store }
            if outcome.stop != nil { break }
            guard let examined = try await examine(turn.set, after: outcome) else { continue }
            outcome.examined.append(examined)
            outcome.seconds = (ContinuousClock.now - begun) / .seconds(1)
            unreadableInRow = examined.failure?.code.isTransient == true ? unreadableInRow + 1 : 0
        }
        outcome.seconds = (ContinuousClock.now - begun) / .seconds(1)
        outcome.differentBefore = outcome.known(differentIn: ledger, among: sets)
        await forget(sets, ledger)
        return outcome
    }

    /// - Returns: `nil` when the set was removed meanwhile.
    /// - Throws: `.interrupted`.
    private func examine(
        _ set: ListedSet,
        after outcome: VerifyRoundOutcome
    ) async throws -> VerifyRoundOutcome.Examined? {
        let begun = now()
        do {
            logger.info("verify \(set.title), \(ReadableAmount.bytes(set.storedBytes))")
            let manifest = try await catalog.manifest(name: set.name, id: set.id)
            let findings = try await verify.run(manifest)
            var examined = VerifyRoundOutcome.Examined(set: set, findings: findings)
            let kept = await verify.keep(
                findings,
                of: manifest,
                begunAt: begun,
                by: request.tool,
                writes: request.keepsRecord
            )
            if let refutation = kept.refutation { examined.refute(refutation) }
            return examined
        } catch let failure as Failure where failure.code == .noSuchBackup {
            logger.info("\(set.title) was removed meanwhile")
            return nil
        } catch {
            if Task.isCancelled { throw outcome.interrupted(in: set) }
            let failure = Failure(wrapping: error, attempting: "read the manifest of \(set.title)")
            logger.error("\(set.title): \(failure)")
            if request.keepsRecord { await verify.keep(failure, of: set, begunAt: begun, by: request.tool) }
            return .init(set: set, unreadable: failure)
        }
    }

    /// Removes the records of sets that are gone, as far as the right to is there.
    private func forget(_ sets: [ListedSet], _ ledger: ProofLedger) async {
        guard request.keepsRecord else { return }
        let titles = Set(sets.map(\.title))
        let gone = ledger.sets.filter { !titles.contains("\($0.name)/\($0.id)") }
        for set in gone.prefix(Self.goneMax) {
            guard await catalog.removeProofs(of: set.name, set: set.id) > 0 else { return }
        }
    }

    private func noSets() -> Failure {
        Failure(
            .noSuchBackup,
            "find backups\(request.name.map { " of \($0)" } ?? "") in \(catalog.store.location): there is none",
            hint: "`redoubt list --from \(catalog.store.location)` shows every backup of the store."
        )
    }
}

/// What a run over all sets may take.
package struct VerifyRoundRequest: Sendable {
    /// The subject; `nil` for all.
    package var name: String?
    package var level: RDBLevel
    /// Whether only the stored bytes are proven, by their SHA-256.
    package var isStoredOnly = false
    /// Bytes read from the store.
    package var bytesMax: Int64?
    package var secondsMax: Double?
    package var keepsRecord: Bool
    package var tool: Manifest.Tool

    package init(
        name: String?,
        level: RDBLevel,
        bytesMax: Int64? = nil,
        secondsMax: Double? = nil,
        keepsRecord: Bool = true,
        tool: Manifest.Tool
    ) {
        self.name = name
        self.level = level
        self.bytesMax = bytesMax
        self.secondsMax = secondsMax
        self.keepsRecord = keepsRecord
        self.tool = tool
    }

    /// Why the next set is left to the next run. The first one is always read, or a set that is larger than the bounds
    /// would never be; and none is passed over for a smaller one behind it, or large ones would never have their turn.
    func stop(
        before set: ListedSet,
        after outcome: VerifyRoundOutcome,
        seconds: Double
    ) -> VerifyRoundOutcome.Stop? {
        let read = outcome.bytes
        guard read > 0 else { return nil }
        if let bytesMax, read + set.storedBytes > bytesMax { return .bytes }
        guard let secondsMax else { return nil }
        let expected = outcome.seconds * Double(set.storedBytes) / Double(read)
        return seconds + expected > secondsMax ? .time : nil
    }
}
