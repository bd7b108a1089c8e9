// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage
import RedisProtocol

/// One pod's part of a backup set that all pods of an Indexed Job make together.
///
/// The first pod makes the plan and writes it into the store; every pod takes the snapshots that the plan gives it,
/// and leaves a record of each; the pod that finds all records writes the manifest, which can only be done once. A
/// pod that is started again goes on where it was.
package struct IndexedBackup: Sendable {
    /// Which pod this is.
    package struct Part: Sendable, Hashable {
        package let index: Int
        package let count: Int
        /// The same for all pods of the Job, and for no other Job: its UID.
        package let job: String

        package init(index: Int, count: Int, job: String) {
            self.index = index
            self.count = count
            self.job = job
        }
    }

    /// What a pod did.
    package struct Outcome: Sendable {
        package let id: BackupID
        /// The set, where it is committed: by this pod, or by another one.
        package let committed: BackupOutcome?
        /// Whether it was this pod that committed it.
        package let isCommitter: Bool
        /// The members of this pod's turns.
        package let members: [Manifest.Member]
        /// Turns of all pods, and how many of them are over.
        package let turnCount: Int
        package let recordCount: Int

        /// Whether a member of this pod's turns, or of a set that is committed, has no snapshot.
        package var isPartial: Bool {
            members.contains { $0.error != nil } || committed?.manifest.isPartial == true
        }
    }

    private let request: BackupRequest
    private let part: Part
    private let catalog: Catalog
    private let spool: Spool?
    private let meter: ProgressMeter
    private let logger: Logger

    package init(
        _ request: BackupRequest,
        part: Part,
        into catalog: Catalog,
        spool: Spool? = nil,
        meter: ProgressMeter,
        logger: Logger
    ) {
        self.request = request
        self.part = part
        self.catalog = catalog
        self.spool = spool
        self.meter = meter
        self.logger = logger
    }

    /// - Throws: `.locked`; `.configuration` when the pods were not given the same; when no member of any pod gave a
    ///   proven snapshot, the failure that tells most about why.
    package func run() async throws -> Outcome {
        // The pods of one Job hold the lease of the subject together.
        let lease = Lease.shared(byJob: part.job, purpose: "backup")
        let seats: [any LeaseSeat] = try request.leaseSeats + [StoreLeaseSeat(name: request.name, in: catalog.store)]
        return try await Catalog.withLeases(at: seats, as: lease, logger: logger) { leases in
            // One plan for all of them.
            let runs = try IndexedRunStore(name: request.name, job: part.job, in: catalog.store)
            let run: IndexedRun
            do {
                run = try await plan(in: runs)
                try requireSameCount(run)
            } catch {
                // Others of the Job may be at work under this lease, unless their set is committed.
                if let found = try? await runs.plan(), (try? await committed(found)) != nil {
                    for lease in leases { lease.end() }
                }
                throw error
            }

            // Take the snapshots of this pod's turns that are not taken yet.
            try await takeTurns(of: run, in: runs)

            // Whoever finds that all is done writes the manifest.
            let records = try await runs.records(of: run)
            let committed = try await concludeIfComplete(run, records, under: leases)
            if committed != nil { for lease in leases { lease.end() } }
            return Outcome(
                id: run.id,
                committed: committed?.outcome,
                isCommitter: committed?.isOurs ?? false,
                members: run.turns(of: part.index).flatMap { records[$0.number]?.members ?? [] },
                turnCount: run.turns.count,
                recordCount: records.count
            )
        }
    }
}

// MARK: - The plan

extension IndexedBackup {
    private func requireSameCount(_ run: IndexedRun) throws {
        guard run.count != part.count else { return }
        throw Failure(
            .configuration,
            "take part \(part.index) of \(part.count): the plan of this Job is for \(run.count) pods",
            hint: "Give every pod of the Job the same --shard-count."
        )
    }

    private func plan(in runs: IndexedRunStore) async throws -> IndexedRun {
        if let run = try await runs.plan() { return run }
        let survey = try await Survey.settled(of: request.members, logger: logger)
        let plan = try BackupPlan(survey, for: request)
        for omission in plan.omissions { logger.notice("left out \(omission.member): \(omission.reason)") }
        let run = IndexedRun(
            name: request.name,
            job: part.job,
            count: part.count,
            id: try await catalog.newID(for: request.name, logger: logger),
            turns: ForkSchedule.shares(of: plan.turns, among: part.count),
            omissions: plan.omissions.map { .init(member: $0.member, reason: $0.reason) },
            cluster: plan.cluster?.facts
        )
        let settled = try await runs.settle(run)
        // The one whose plan counts cleans up; the others may be making its set already.
        guard settled == run else { return settled }
        let swept = try await catalog.removeLeftovers(of: request.name, sparing: run.id, logger: logger)
        await catalog.removeManifests(ofSwept: swept, name: request.name, logger: logger)
        return run
    }
}

// MARK: - The turns

extension IndexedBackup {
    private func takeTurns(of run: IndexedRun, in runs: IndexedRunStore) async throws {
        let done = try await runs.records(of: run, turns: run.turns(of: part.index))
        let mine = run.turns(of: part.index).filter { done[$0.number] == nil }
        guard !mine.isEmpty else { return }
        logger.info(
            "backup \(request.name)/\(run.id), part \(part.index) of \(part.count): \(mine.count) of \(run.turns.count)"
        )
        let turns = try await turns(mine)
        // A turn is known by its first candidate: no member is in two.
        let numbers = Dictionary(uniqueKeysWithValues: mine.map { ($0.members.first ?? "", $0.number) })
        let writer = writer(of: run)
        let writers = SetWriters(
            name: run.name,
            id: run.id,
            destinations: Destinations([catalog.store], spool: spool, logger: logger),
            signingKey: request.signingKey,
            isShared: true
        )
        let round = SnapshotRound(request: request, writers: writers, meter: meter, logger: logger)
        @Sendable func record(_ turn: BackupPlan.Turn, _ members: [Manifest.Member]) -> IndexedRun.Record {
            guard let name = turn.candidates.first?.member.name, let number = numbers[name] else {
                preconditionFailure("only turns of this pod are taken")
            }
            let standBys = members.count == 1 ? turn.standBys(of: members[0]) : []
            return IndexedRun.Record(
                number: number,
                members: members,
                standBys: standBys.map { .init(member: $0.member, reason: $0.reason) }
            )
        }
        let outcomes = try await round.run(turns) { turn, member, staged in
            try await keep(staged.copies[0].object, record(turn, [member]), writer) {
                try await runs.settle($0, of: run)
            }
        }
        for outcome in outcomes where !outcome.isKept {
            _ = try await runs.settle(record(outcome.turn, outcome.members), of: run)
        }
    }

    /// Makes a snapshot visible, and records it; the manifest does not name it yet.
    private func keep(
        _ object: any StagedObject,
        _ record: IndexedRun.Record,
        _ writer: SetWriter,
        settle: (IndexedRun.Record) async throws -> IndexedRun.Record
    ) async throws {
        do {
            _ = try await object.commit()
        } catch {
            await object.discard()
            throw error
        }
        if try await settle(record) != record { await writer.takeBack(object) }
    }

    /// The turns of the plan with what their members say now: the members of this pod alone are asked.
    private func turns(_ planned: [IndexedRun.Turn]) async throws -> [BackupPlan.Turn] {
        let wanted = Set(planned.flatMap(\.members))
        let members = request.members.filter { wanted.contains($0.name) }
        let survey = await Survey.take(of: members, logger: logger)
        let answers = Dictionary(survey.answers.map { ($0.member.name, $0) }, uniquingKeysWith: { first, _ in first })
        return try planned.map { turn in
            let candidates = try turn.members.map { name in
                guard let answer = answers[name] else {
                    throw Failure(
                        .configuration,
                        "back up \(name), as the plan of this Job says: it is no member here",
                        hint: "Give every pod of the Job the same members."
                    )
                }
                return BackupPlan.Candidate(answer)
            }
            return BackupPlan.Turn(candidates: candidates, shard: turn.shard)
        }
    }
}

// MARK: - The end

extension IndexedBackup {
    /// - Returns: the set, if every turn is over: whoever wrote its manifest.
    private func concludeIfComplete(
        _ run: IndexedRun,
        _ records: [Int: IndexedRun.Record],
        under leases: [HeldLease]
    ) async throws -> (outcome: BackupOutcome, isOurs: Bool)? {
        guard records.count == run.turns.count else { return nil }
        let all = records.sorted { $0.key < $1.key }.map(\.value)
        let omissions = (run.omissions + all.flatMap(\.standBys)).map {
            BackupPlan.Omission(member: $0.member, reason: $0.reason)
        }
        if let manifest = try await committed(run) {
            return (BackupOutcome(manifest: manifest, omissions: omissions), false)
        }
        let members = all.flatMap(\.members)
        guard all.contains(where: \.isKept) else {
            throw Failure.mostTelling(of: members.compactMap(\.failure))
        }
        try await request.requireSameSlots(as: run.cluster, logger: logger)
        let previous = try await catalog.newestLink(
            of: run.name,
            before: run.id,
            isRequired: request.signingKey != nil,
            logger: logger
        )
        let manifest = request.manifest(
            run.id,
            after: previous,
            of: members,
            in: run.cluster,
            startedAt: run.startedAt
        )
        let writer = writer(of: run)
        guard try await writer.conclude(manifest, under: leases) else {
            guard let manifest = try await committed(run) else {
                throw Failure(.unreachable, "read the set \(run.name)/\(run.id), which another pod committed")
            }
            return (BackupOutcome(manifest: manifest, omissions: omissions), false)
        }
        await catalog.removeUnnamed(by: manifest, logger: logger)
        return (BackupOutcome(manifest: manifest, omissions: omissions), true)
    }

    private func writer(of run: IndexedRun) -> SetWriter {
        SetWriter(
            name: run.name,
            id: run.id,
            store: catalog.store,
            isShared: true,
            signingKey: request.signingKey,
            logger: logger
        )
    }

    private func committed(_ run: IndexedRun) async throws -> Manifest? {
        do {
            return try await catalog.manifest(name: run.name, id: run.id)
        } catch let failure as Failure where failure.code == .noSuchBackup {
            return nil
        }
    }
}

extension IndexedRun {
    func turns(of index: Int) -> [Turn] { turns.filter { $0.index == index } }
}

extension Manifest.Member {
    /// Why it has no snapshot.
    fileprivate var failure: Failure? {
        error.map { Failure(Failure.Code(rawValue: $0.code) ?? .unclassified, $0.message) }
    }
}
