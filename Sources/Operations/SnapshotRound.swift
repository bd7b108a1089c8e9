// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage

/// Takes the snapshots of the turns of a plan: as many at a time as the schedule allows, each of the first candidate
/// that gives a proven one.
struct SnapshotRound: Sendable {
    let request: BackupRequest
    let writers: SetWriters
    let meter: ProgressMeter
    let logger: Logger

    /// What a turn gave.
    struct Outcome: Sendable {
        let turn: BackupPlan.Turn
        /// The member with its proven snapshot, or every candidate with its error.
        var members: [Manifest.Member] = []
        /// Whether the snapshot is kept.
        var isKept = false
        var failures: [Failure] = []
        /// Members whose shard another one covers.
        var standBys: [BackupPlan.Omission] = []
    }

    /// One attempt, as it ended.
    private struct Ended: Sendable {
        let attempt: ForkSchedule.Attempt
        let member: Manifest.Member?
        let failure: Failure?
    }

    /// - Parameter keep: called with each proven snapshot; what it throws is a failure of the attempt.
    /// - Returns: an outcome for each turn, in their order.
    /// - Throws: a failure that would meet every member; what `keep` was given by then stays with its owner.
    func run(
        _ turns: [BackupPlan.Turn],
        keep: @escaping @Sendable (BackupPlan.Turn, Manifest.Member, StagedCopies) async throws -> Void
    ) async throws -> [Outcome] {
        try await withThrowingTaskGroup(of: Ended.self) { group in
            var schedule = ForkSchedule(turns, parallel: request.parallel)
            var outcomes = turns.map { Outcome(turn: $0) }
            var fatal: Failure?
            func beginWhatMay() {
                while fatal == nil, let attempt = schedule.next() {
                    let failures = outcomes[attempt.turn].failures
                    group.addTask {
                        let isOneOfMany = turns.count > 1
                        return await take(
                            attempt,
                            of: turns[attempt.turn],
                            after: failures,
                            isOneOfMany: isOneOfMany,
                            keep
                        )
                    }
                }
            }
            beginWhatMay()
            // Also after a fatal failure every attempt is heard to its end: nothing is kept that nobody knows of.
            while let ended = try await group.next() {
                schedule.ended(ended.attempt, succeeded: ended.member != nil)
                record(ended, in: &outcomes)
                if fatal == nil, let failure = ended.failure,
                    Task.isCancelled || failure.code.stopsTheRun || writers.destinations.remaining.isEmpty
                {
                    fatal = failure
                    group.cancelAll()
                }
                beginWhatMay()
            }
            if let fatal { throw fatal }
            return outcomes
        }
    }

    private func record(_ ended: Ended, in outcomes: inout [Outcome]) {
        let turn = outcomes[ended.attempt.turn].turn
        let candidate = turn.candidates[ended.attempt.candidate]
        if let member = ended.member {
            outcomes[ended.attempt.turn].members = [member]
            outcomes[ended.attempt.turn].isKept = true
            outcomes[ended.attempt.turn].standBys = turn.standBys(of: member)
        } else if let failure = ended.failure {
            outcomes[ended.attempt.turn].members.append(candidate.described(error: failure))
            outcomes[ended.attempt.turn].failures.append(failure)
        }
    }

    private func take(
        _ attempt: ForkSchedule.Attempt,
        of turn: BackupPlan.Turn,
        after failures: [Failure],
        isOneOfMany: Bool,
        _ keep: @Sendable (BackupPlan.Turn, Manifest.Member, StagedCopies) async throws -> Void
    ) async -> Ended {
        let candidate = turn.candidates[attempt.candidate]
        let name = candidate.member.name
        do {
            if let failure = candidate.failure { throw failure }
            try writers.destinations.requireOne()
            let watch = watchOver(candidate)
            let taken = try await watch.watching { try await snapshot(of: candidate) }
            var member = taken.member
            if !failures.isEmpty {
                member.warnings = zip(turn.candidates, failures).map { "stands in for \($0.member.name): \($1)" }
            }
            try await keep(turn, member, taken.staged)
            logger.info("\(name): \(member.rdb?.keyCount ?? 0) keys, proven")
            if isOneOfMany { await watch.waitUntilForkIsGone() }
            return Ended(attempt: attempt, member: member, failure: nil)
        } catch {
            var failure = Failure(wrapping: error, attempting: "back up \(name)")
            if !Task.isCancelled {
                if isOneOfMany, candidate.failure == nil { await watchOver(candidate).waitUntilForkIsGone() }
                if candidate.failure == nil { failure = await failure.explained(by: candidate.member.pod) }
                logger.error("\(name) gave no proven snapshot: \(failure)")
            }
            return Ended(attempt: attempt, member: nil, failure: failure)
        }
    }

    private func watchOver(_ candidate: BackupPlan.Candidate) -> MemoryWatch {
        MemoryWatch(
            member: candidate.member,
            isOverridden: request.overrides.ignoresMemoryHeadroom,
            logger: logger
        )
    }

    private func snapshot(of candidate: BackupPlan.Candidate) async throws -> Staged {
        let name = candidate.member.name
        return try await candidate.member.source.withSnapshot { snapshot in
            let begun = ContinuousClock.now
            let expected = snapshot.announcedBytes ?? snapshot.estimatedBytes
            let step = meter.begin("backup \(name)", expectedBytes: expected)
            defer { step.end() }
            let recorded = try await SnapshotPipeline.record(
                snapshot,
                of: "the snapshot of \(name)",
                at: request.proof,
                with: request.compression,
                request.encryption,
                progress: step
            ) { chunks in
                try await writers.stage(
                    .init(member: name, suffix: request.fileSuffix, estimatedBytes: expected),
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
                compression: request.compression.name,
                encryption: request.encryption.name,
                recipients: request.encryption.recipients
            )
            let seconds = (ContinuousClock.now - begun) / .seconds(1)
            member.seconds = .init(save: snapshot.saveSeconds.inMilliseconds, stream: seconds.inMilliseconds)
            return Staged(member: member, staged: recorded.staged)
        }
    }

    private struct Staged: Sendable {
        let member: Manifest.Member
        let staged: StagedCopies
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
