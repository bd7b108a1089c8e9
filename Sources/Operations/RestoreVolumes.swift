// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Kubernetes
import Logging

/// Restores a whole StatefulSet through its volumes: stops its pods, has a Job put the snapshot onto each volume, and
/// has the pods run again.
///
/// All volumes get the same snapshot before the first pod starts. So the order in which the pods start does not matter
/// (OrderedReady or Parallel): none can follow a primary that is empty (F36), and all share one history, which lets the
/// replicas go on from it.
///
/// The number of pods comes back on every path, with one exception: where it is not known that a volume is whole, or a
/// Job may still write to it, a server that starts there could start empty, and its replicas throw away what they
/// have. Then the pods stay away, the note on the StatefulSet keeps their number, and the failure says what to type.
package struct RestoreVolumes: Sendable {
    private let request: VolumeRestoreRequest
    private let client: KubernetesClient
    private let catalog: Catalog
    private let logger: Logger

    /// How long a run that is ended by a signal has to bring the pods back, in seconds: less than it has in all.
    private static let hurriedSeconds = 7.0

    package init(_ request: VolumeRestoreRequest, by client: KubernetesClient, from catalog: Catalog, logger: Logger) {
        self.request = request
        self.client = client
        self.catalog = catalog
        self.logger = logger
    }

    /// Looks at everything, refuses what cannot be done, and touches nothing.
    package func plan() async throws -> VolumeRestorePlan {
        try await VolumeRestorePlanner(request: request, client: client, catalog: catalog, logger: logger).plan()
    }

    /// Does what the plan says.
    package func run(_ plan: VolumeRestorePlan) async throws -> VolumeRestoreOutcome {
        let ledger = VolumeLedger(plan.volumes)
        return try await holdingLease(plan) {
            // The plan was made before the lease was taken: it must still be the set that was looked at.
            try await requireUnchanged(plan)

            let began = ContinuousClock.now
            let stop = StatefulSetStop(plan: plan, client: client, waits: request.waits, logger: logger)
            let jobs = jobs(plan, stop)
            do {
                // Note how many pods there are where a later run finds it, and end them all.
                try await stop.begin()

                // What a run left that was killed ends first: two must not write to one volume.
                try await jobs.remove(secondsMax: Double(request.waits.stop))

                // Every volume gets the same snapshot.
                try await jobs.run(ledger)
                try await jobs.remove(secondsMax: Double(request.waits.stop))
            } catch {
                throw await comeBack(from: error, plan, stop, jobs, ledger)
            }

            // The pods run again: this is done even if a signal ends the run now.
            try await startAgain(plan, stop)

            // They are ready, and they have what they should.
            try await stop.waitUntilReady()
            let readySeconds = (ContinuousClock.now - began) / .seconds(1)
            let proof = try await prove(plan)
            return VolumeRestoreOutcome(plan: plan, volumes: ledger.all, proof: proof, stoppedSeconds: readySeconds)
        }
    }

    private func holdingLease<Result: Sendable>(
        _ plan: VolumeRestorePlan,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        guard request.takesLease else { return try await body() }
        let lease = Lease(holder: request.runID, purpose: "restore", process: .current(), acquiredAt: .now())
        let seat = KubernetesLeaseSeat(name: request.leaseName, namespace: plan.set.namespace, client: client)
        return try await Catalog.withLease(at: seat, as: lease) { _ in try await body() }
    }

    private func jobs(_ plan: VolumeRestorePlan, _ stop: StatefulSetStop) -> VolumeJobs {
        VolumeJobs(
            plan: plan,
            program: request.program,
            client: client,
            waits: request.waits,
            stop: stop,
            logger: logger
        )
    }

    private func requireUnchanged(_ plan: VolumeRestorePlan) async throws {
        let now = try await client.blueprint(plan.set.name, namespace: plan.set.namespace)
        guard now.set.uid == plan.set.uid, now.generation == plan.blueprint.generation else {
            throw Failure(
                .alreadyExists,
                "restore \(plan.shown): somebody changed it since it was looked at",
                hint: "Run the command again."
            )
        }
    }

    private func startAgain(_ plan: VolumeRestorePlan, _ stop: StatefulSetStop) async throws {
        let seconds = Double(request.waits.stop)
        let ending = await withCancellationShield { () -> Failure? in
            do { try await stop.end(replicas: plan.replicasAfter, secondsMax: seconds) } catch {
                return Failure(wrapping: error, attempting: "start \(plan.shown) again")
            }
            return nil
        }
        if let ending {
            throw Failure(
                ending.code,
                "every volume of \(plan.shown) is restored, but its pods do not run",
                cause: ending,
                hint: ending.hint
            )
        }
        try Task.checkCancellation()
    }

    private func prove(_ plan: VolumeRestorePlan) async throws -> RestoredSetProof.Report? {
        guard let endpoints = request.endpoints, let snapshot = plan.member.rdb else { return nil }
        let found = try await StatefulSetMembers.find(
            plan.set.name,
            in: plan.set.namespace,
            by: client,
            container: request.container,
            port: request.port,
            clusterDomain: nil,
            waitSeconds: 0,
            logger: logger
        )
        let proof = RestoredSetProof(
            names: found.members.map(\.name),
            endpoints: try endpoints(found.members),
            snapshot: snapshot,
            logger: logger
        )
        return try await proof.prove(secondsMax: Double(request.waits.ready))
    }
}

extension RestoreVolumes {
    /// After a failure: ends the Jobs, and has the pods run again where that is safe.
    /// - Returns: the failure, with what each volume holds, and what became of the pods.
    private func comeBack(
        from error: any Error,
        _ plan: VolumeRestorePlan,
        _ stop: StatefulSetStop,
        _ jobs: VolumeJobs,
        _ ledger: VolumeLedger
    ) async -> Failure {
        let failure = Failure(wrapping: error, attempting: "restore \(plan.shown)")
        let deadline =
            ContinuousClock.now + .seconds(Task.isCancelled ? Self.hurriedSeconds : Double(request.waits.stop))
        let ending = await withCancellationShield { () -> Ending in
            await endJobs(jobs, ledger, until: deadline)
            guard ledger.areAllWhole else { return stayAway(plan) }
            do {
                try await within(deadline) { seconds in
                    try await stop.end(replicas: plan.replicasBefore, secondsMax: seconds)
                }
                return Ending(note: "it has \(plan.replicasBefore) pods again", hint: failure.hint)
            } catch {
                let trouble = Failure(wrapping: error, attempting: "have its pods run again")
                return Ending(note: "its pods could not be brought back: \(trouble)", hint: trouble.hint)
            }
        }
        logger.error("\(plan.shown): \(ending.note). Volumes: \(ledger.text)")
        return Failure(failure.code, "\(failure); volumes: \(ledger.text); \(ending.note)", hint: ending.hint)
    }

    /// How a run that failed left the set.
    private struct Ending: Sendable {
        let note: String
        let hint: String?
    }

    private func endJobs(_ jobs: VolumeJobs, _ ledger: VolumeLedger, until deadline: ContinuousClock.Instant) async {
        do {
            try await within(deadline) { try await jobs.remove(secondsMax: $0) }
            // The program ends in order when it is told to.
            for outcome in ledger.all where outcome.state == .working {
                ledger.set(outcome.volume, .eitherWhole("its Job was ended"))
            }
        } catch {
            // One of ours, or of a run that was killed.
            for outcome in ledger.all where !outcome.state.isRestored {
                ledger.set(outcome.volume, .unknown("a Job may still be at work on it: \(error)"))
            }
        }
    }

    private func stayAway(_ plan: VolumeRestorePlan) -> Ending {
        let set = plan.set
        return Ending(
            note: "its pods stay away, for one that starts on a volume that is not whole may start empty and have its "
                + "replicas throw away their data",
            hint: "Run the same command again: it brings every volume to an end, and the pods back "
                + "(\(plan.replicasBefore), as the annotation \(ReplicaNote.replicasKey) says). If you know better: "
                + "`kubectl scale statefulset -n \(set.namespace) \(set.name) --replicas=\(plan.replicasBefore)`."
        )
    }

    /// - Throws: `.timeout` when it takes longer; a second is always given.
    private func within(
        _ deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (_ seconds: Double) async throws -> Void
    ) async throws {
        let seconds = max(1, (deadline - .now) / .seconds(1))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await body(seconds) }
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                throw Failure(.timeout, "no end within \(Int(seconds)) s")
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }
}

/// What a restore through the volumes did.
package struct VolumeRestoreOutcome: Sendable {
    package let plan: VolumeRestorePlan
    package let volumes: [VolumeOutcome]
    /// `nil` where the servers were not asked.
    package let proof: RestoredSetProof.Report?
    /// From the first pod that was told to end until all were ready again.
    package let stoppedSeconds: Double
}
