// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import RDB
import RedisClient
import RedisProtocol

/// Restores one snapshot into running servers, one or a whole replicated set, and brings them together again.
///
/// All are given the same snapshot straight from the store, so that they share its history: replicas continue from
/// their new primary by partial synchronization, and the primary is no bottleneck. None follows anything until the
/// primary holds what the backup holds. A run that is broken off is run again, and goes on from what it finds.
package struct RestoreServers: Sendable {
    private let request: RestoreServersRequest
    private let catalog: Catalog
    private let meter: ProgressMeter
    private let logger: Logger
    /// Asks whoever may say no; throws when it is said.
    private let confirm: @Sendable (RestoreServersPlan) async throws -> Void

    package init(
        _ request: RestoreServersRequest,
        from catalog: Catalog,
        meter: ProgressMeter,
        logger: Logger,
        confirm: @escaping @Sendable (RestoreServersPlan) async throws -> Void
    ) {
        self.request = request
        self.catalog = catalog
        self.meter = meter
        self.logger = logger
        self.confirm = confirm
    }

    package func run() async throws -> RestoreServersOutcome {
        let clock = ContinuousClock()
        let begin = clock.now

        // Which set, and which of its members?
        let manifest = try await catalog.require(request.reference, name: request.name)
        let member = try MemberChoice(manifest).member(named: request.member)
        if manifest.isPartial { logger.warning("\(manifest.name)/\(manifest.id) is partial: some members failed") }

        // Who are the servers, what do they hold, and can they load it? A refusal comes before anything is touched.
        try await catalog.requireOpenable(member)
        let survey = try await TargetSurvey.take(of: request.servers)
        let rejoined = try await rejoinedPrimary()
        let plan = try RestoreServersPlan(manifest, member, survey, rejoined, for: request)
        for line in plan.lines { logger.info("\(line)") }
        if request.isDryRun { return RestoreServersOutcome(plan: plan) }
        try plan.requireGo()
        try await confirm(plan)

        return try await withClaims(on: request.servers) {
            // Could they come to us? Then nobody follows a server that holds nothing yet.
            let waiting = plan.targets.filter(\.needsSnapshot)
            for target in waiting { try await seeding.rehearse(target.look) }
            try await hold(plan)

            // Each server takes the snapshot from the store; where data is replaced, the primary does so first, and the
            // others keep theirs until it has.
            var outcome = RestoreServersOutcome(plan: plan)
            let isAtOnce = waiting.allSatisfy { $0.look.info.keyCount == 0 }
            let first = isAtOnce ? waiting : waiting.filter(\.isPrimary)
            try await seed(first, of: plan, into: &outcome)
            if !isAtOnce { try await seed(waiting.filter { !$0.isPrimary }, of: plan, into: &outcome) }

            // The primary first; then whoever follows it, one after the other, each by partial synchronization.
            let reunion = ReplicationReunion(plan: plan, settleSeconds: request.settleSeconds, logger: logger)
            try await reunion.promote()
            try await reunion.rejoin(into: &outcome)

            // Is it so? Everybody online and up to date, what they hold on their disks, and Sentinel of one mind.
            try await reunion.prove(into: &outcome)
            outcome.seconds = (clock.now - begin) / .seconds(1)
            return outcome
        }
    }

    /// The primary outside of the servers that they are to rejoin.
    private func rejoinedPrimary() async throws -> TargetSurvey.Look? {
        guard let primary = request.rejoins else { return nil }
        return try await TargetSurvey.take(of: [primary]).looks.first
    }

    /// Fresh servers are taken off whatever they follow, which may be as empty as they are.
    private func hold(_ plan: RestoreServersPlan) async throws {
        for target in plan.targets where target.state == .fresh && target.look.info.role == .replica {
            try await withRedisConnection(target.look.server.endpoint) { try await $0.replicateNobody() }
        }
    }

    private var seeding: ServerSeeding {
        ServerSeeding(
            route: request.route,
            catalog: catalog,
            proof: request.proof,
            meter: meter,
            logger: logger
        )
    }

    private func seed(
        _ waiting: [RestoreServersPlan.Target],
        of plan: RestoreServersPlan,
        into outcome: inout RestoreServersOutcome
    ) async throws {
        guard !waiting.isEmpty else { return }
        if waiting.contains(where: \.losesDataAtFirstByte) { try await proveBeforehand(plan.member, of: plan.manifest) }
        let seeding = seeding
        // Failures are collected: a server that is half-way is not broken off because another one failed.
        let results = try await withThrowingTaskGroup(of: Seeded.self) { group in
            var queue = waiting.makeIterator()
            var results: [Seeded] = []
            func next() {
                guard let target = queue.next() else { return }
                group.addTask { await seeded(target, by: seeding, plan) }
            }
            for _ in 0..<(request.route.hasFixedPort ? 1 : max(1, request.parallel)) { next() }
            while let result = try await group.next() {
                results.append(result)
                next()
            }
            return results
        }
        for result in results { outcome.note(result) }
        if Task.isCancelled { throw Self.interrupted(results) }
        if let failure = results.first(where: { $0.name == plan.primary?.look.server.name })?.failure
            ?? outcome.onlyFailure
        {
            throw failure
        }
    }

    /// What a run that is cancelled leaves, where that is more than nothing.
    private static func interrupted(_ results: [Seeded]) -> any Error {
        let holding = results.filter { $0.failure == nil }.map(\.name)
        guard !holding.isEmpty else { return CancellationError() }
        return Failure(
            .interrupted,
            "\(holding.joined(separator: ", ")) hold the snapshot already, and follow nobody",
            hint: "Restoring again goes on from there."
        )
    }

    private func seeded(_ target: RestoreServersPlan.Target, by seeding: ServerSeeding, _ plan: RestoreServersPlan)
        async
        -> Seeded
    {
        let name = target.look.server.name
        do {
            let times = try await seeding.seed(target.look, as: plan)
            logger.info("\(name) holds the snapshot, after \(ReadableAmount.seconds(times.stream + times.load))")
            return Seeded(name: name, times: times, failure: nil)
        } catch {
            let failure = Failure(wrapping: error, attempting: "restore \(name)")
            logger.error("\(failure)")
            return Seeded(name: name, times: nil, failure: failure)
        }
    }

    /// Reads the whole snapshot before a server drops its data for the first byte of it.
    private func proveBeforehand(_ member: Manifest.Member, of manifest: Manifest) async throws {
        let step = meter.begin("prove \(member.member)", expectedBytes: member.rdb?.bytes)
        defer { step.end() }
        try await DamagedSet.explaining(manifest, member, into: "servers that hold data", from: catalog) {
            let scanner = RDBScanner(level: request.proof ?? member.provenLevel)
            _ = try await catalog.proven(member, by: scanner, progress: step)
        }
    }

    /// Keeps two restores off one server: each takes a name there, and whoever came later gives up.
    private func withClaims<Result: Sendable>(
        on servers: [RestoreServer],
        _ body: () async throws -> Result
    ) async throws -> Result {
        guard let server = servers.first else { return try await body() }
        return try await withRedisConnection(server.endpoint) { connection in
            if let other = try await connection.claim(name: "redoubt-restore") {
                throw Failure(
                    .locked,
                    "restore into \(server.name): another restore, from \(other), is at work there",
                    hint: "Wait until it has ended. `CLIENT LIST` on the server shows it as redoubt-restore."
                )
            }
            return try await withClaims(on: Array(servers.dropFirst()), body)
        }
    }

    /// How one server took the snapshot.
    struct Seeded: Sendable {
        let name: String
        let times: ServerSeeding.Times?
        let failure: Failure?
    }
}
