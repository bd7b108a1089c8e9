// SPDX-License-Identifier: Apache-2.0

import Failures
import Kubernetes
import Logging

/// Stops a StatefulSet, and has its pods come back: the count is noted on it before, and the note removed after.
struct StatefulSetStop: Sendable {
    let plan: VolumeRestorePlan
    let client: KubernetesClient
    let waits: VolumeRestoreRequest.Waits
    let logger: Logger

    private var set: StatefulSet { plan.set }

    /// Notes how many pods there are, has there be none, and waits until they are gone.
    /// - Throws: `.timeout` when they do not go.
    func begin() async throws {
        let restore = ReplicaNote.Restore(
            requestID: plan.requestID,
            backup: plan.backup,
            member: plan.member.member,
            // Scaling to 0 makes the next one.
            generation: plan.blueprint.generation + (set.replicas == 0 ? 0 : 1)
        )
        let note = ReplicaNote(replicas: plan.replicasBefore, restore: restore)
        try await client.annotate(set, note.annotations)
        logger.notice("stopping the \(set.replicas) pods of \(plan.shown)")
        try await client.scale(set, to: 0, from: set.replicas)
        try await waitUntilGone()
    }

    private func waitUntilGone() async throws {
        let last = Latest<[Pod]>([])
        try await client.watchPods(of: set, timeoutSeconds: waits.stop) { pods in
            await last.set(pods)
            return pods.isEmpty
        }
        let left = await last.value
        guard left.isEmpty else {
            let names = left.map { pod in "\(pod.name) \(pod.trouble ?? "still runs")" }
            throw Failure(
                .timeout,
                "stop \(plan.shown): after \(waits.stop) s \(names.joined(separator: ", "))",
                hint:
                    "`kubectl describe pod -n \(set.namespace) \(left[0].name)` says more; --stop-timeout waits longer."
            )
        }
    }

    /// - Throws: `.alreadyExists` when somebody scaled the set up while it should be stopped.
    func requireStopped() async throws {
        let now = try await client.scale(of: set).replicas
        guard now == 0 else {
            throw Failure(
                .alreadyExists,
                "restore \(plan.shown): somebody scaled it to \(now) while its volumes are restored",
                hint: "Find out who scales it (an autoscaler, an operator, GitOps), and have it leave the set alone."
            )
        }
    }

    /// Has there be so many pods again, whatever it takes within the time, and removes the note.
    ///
    /// The note stays where the pods could not be brought back: then it is all that says how many there were.
    func end(replicas: Int, secondsMax: Double) async throws {
        logger.notice("\(plan.shown): \(replicas) pods are to run again")
        do {
            try await patiently(secondsMax: secondsMax, logger: logger) {
                try await client.scale(set, to: replicas, from: 0)
            }
        } catch let failure as Failure where failure.code != .alreadyExists {
            throw Failure(
                failure.code,
                "have the pods of \(plan.shown) run again",
                cause: failure,
                hint: "`kubectl scale statefulset -n \(set.namespace) \(set.name) --replicas=\(replicas)` does; the "
                    + "annotation \(ReplicaNote.replicasKey) keeps the number until then."
            )
        }
        do {
            try await patiently(secondsMax: min(secondsMax, 30), logger: logger) {
                try await client.annotate(set, ReplicaNote.none)
            }
        } catch {
            logger.warning("the annotation \(ReplicaNote.replicasKey) of \(plan.shown) could not be removed: \(error)")
        }
    }

    /// Waits until all pods are there and ready.
    /// - Throws: `.timeout`, with what is the matter with each that is not.
    func waitUntilReady() async throws {
        let names = Set(plan.volumes.map(\.pod))
        let last = Latest<[Pod]>([])
        try await client.watchPods(of: set, timeoutSeconds: waits.ready) { pods in
            await last.set(pods)
            return names.isSubset(of: pods.filter { $0.isReady && !$0.isTerminating }.map(\.name))
        }
        let known = Dictionary(await last.value.map { ($0.name, $0) }) { first, _ in first }
        let missing = plan.volumes.map(\.pod).compactMap { name -> String? in
            guard let pod = known[name] else { return "\(name) does not exist" }
            if pod.isReady, !pod.isTerminating { return nil }
            return "\(name) \(pod.trouble(ofContainer: plan.container) ?? "is not ready")"
        }
        guard missing.isEmpty else {
            throw Failure(
                .timeout,
                "wait for the pods of \(plan.shown): after \(waits.ready) s \(missing.joined(separator: ", "))",
                hint: "Their volumes are restored. `kubectl describe pods -n \(set.namespace)` says more; "
                    + "--ready-timeout waits longer."
            )
        }
    }
}

/// What was seen last.
actor Latest<Value: Sendable> {
    private(set) var value: Value

    init(_ value: Value) {
        self.value = value
    }

    func set(_ value: Value) {
        self.value = value
    }
}

/// Tries again what fails because the API server is away, for a while.
func patiently<Result: Sendable>(
    secondsMax: Double,
    logger: Logger,
    _ attempt: () async throws -> Result
) async throws -> Result {
    let deadline = ContinuousClock.now + .seconds(secondsMax)
    while true {
        do { return try await attempt() } catch let failure as Failure
            where failure.code.isTransient && ContinuousClock.now < deadline
        {
            logger.warning("trying again: \(failure)")
            try await Task.sleep(for: .seconds(2))
        }
    }
}
