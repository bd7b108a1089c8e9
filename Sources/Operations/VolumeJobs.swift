// SPDX-License-Identifier: Apache-2.0

import Failures
import Kubernetes
import Logging

/// The Jobs that restore the volumes, one each.
struct VolumeJobs: Sendable {
    let plan: VolumeRestorePlan
    let program: VolumeJob.Program
    let client: KubernetesClient
    let waits: VolumeRestoreRequest.Waits
    let stop: StatefulSetStop
    let logger: Logger

    /// How long one look at the pods lasts, in seconds.
    private static let lookSeconds = 10
    /// The same where a pod has ended and its Job does not say so yet.
    private static let shortLookSeconds = 1
    /// How long the API server may be away while the Jobs work, in seconds.
    private static let awaySecondsMax = 120.0
    private static let ownerLabel = "redoubt.dev/restores"
    private static let nameBytesMax = 63

    private var namespace: String { plan.set.namespace }

    /// The same in each run, so that no two Jobs work on one volume.
    static func jobName(_ volume: VolumeRestorePlan.Volume, of set: StatefulSet) -> String {
        let name = "redoubt-restore-\(volume.pod)"
        // The name becomes a label of the pods.
        return name.utf8.count <= nameBytesMax ? name : "redoubt-restore-\(set.uid.prefix(18))-\(volume.ordinal)"
    }

    /// All pods of such Jobs of this set, of this run or another.
    private var pods: PodGroup {
        PodGroup(
            namespace: namespace,
            selector: "\(Self.ownerLabel)=\(plan.set.uid)",
            shown: "the Jobs that restore \(plan.shown)"
        )
    }

    // MARK: To their end

    /// Makes the Jobs, waits for all of them, and writes down what became of each volume.
    /// - Throws: when one of them failed, what it said.
    func run(_ ledger: VolumeLedger) async throws {
        var open: [String: VolumeRestorePlan.Volume] = [:]
        var code: Failure.Code?
        for volume in plan.volumes {
            ledger.set(volume, .working)
            open[try await create(volume, ledger).uid] = volume
        }
        logger.notice("restoring \(plan.volumes.count) volumes of \(plan.shown) from \(plan.backup)")
        let deadlines = Deadlines(waits)
        var pods: [Pod] = []
        while !open.isEmpty {
            pods = try await patiently(secondsMax: Self.awaySecondsMax, logger: logger) { [open, pods] in
                try await look(until: pods, open)
            }
            try await patiently(secondsMax: Self.awaySecondsMax, logger: logger) { try await stop.requireStopped() }
            for (uid, volume) in open {
                let own = pods.filter { $0.controllerUID == uid }.sorted { ($0.createdAt ?? "") < ($1.createdAt ?? "") }
                guard let end = try await end(of: volume, own, deadlines) else { continue }
                logger.notice("\(volume.claim): \(end.state.text)")
                ledger.set(volume, end.state)
                open[uid] = nil
                code = code ?? end.code
            }
        }
        guard ledger.areAllRestored else { throw failure(code ?? .unclassified, ledger) }
    }

    private struct Deadlines {
        let start: ContinuousClock.Instant
        let end: ContinuousClock.Instant

        init(_ waits: VolumeRestoreRequest.Waits) {
            start = .now + .seconds(waits.jobStart)
            // The Job has a deadline of its own; this is for one that is not kept to.
            end = .now + .seconds(waits.job + 60)
        }
    }

    private func create(_ volume: VolumeRestorePlan.Volume, _ ledger: VolumeLedger) async throws -> JobObject {
        var program = program
        program.arguments = plan.arguments
        let job = VolumeJob(
            name: Self.jobName(volume, of: plan.set),
            of: plan.blueprint,
            container: plan.container,
            labels: [
                "app.kubernetes.io/name": "redoubt", "app.kubernetes.io/component": "restore",
                "app.kubernetes.io/managed-by": "redoubt", Self.ownerLabel: plan.set.uid,
            ],
            volume: VolumeJob.Volume(claim: volume.claim, mount: plan.mount),
            program: program,
            secondsMax: waits.job
        )
        do { return try await client.createJob(job) } catch let failure as Failure where failure.code.isTransient {
            // Nobody knows whether it was made. There was none of that name before.
            let made = try await patiently(secondsMax: Self.awaySecondsMax, logger: logger) {
                try await client.job(job.name, namespace: namespace)
            }
            if let made { return made }
            ledger.set(volume, .asBefore("no Job was made"))
            throw failure
        } catch let failure as Failure {
            ledger.set(volume, .asBefore("no Job was made"))
            throw failure.during("restore \(volume.claim)")
        }
    }

    /// Waits a while for another state of the pods.
    private func look(
        until before: [Pod],
        _ open: [String: VolumeRestorePlan.Volume]
    ) async throws -> [Pod] {
        let isEnding = before.contains { pod in
            ["Succeeded", "Failed"].contains(pod.phase) && pod.controllerUID.map { open[$0] != nil } ?? false
        }
        let latest = Latest(before)
        let seconds = isEnding ? Self.shortLookSeconds : min(Self.lookSeconds, max(1, waits.jobStart))
        try await client.watchPods(of: pods, timeoutSeconds: seconds) { pods in
            await latest.set(pods)
            return pods != before
        }
        return await latest.value
    }

    /// What a Job came to.
    private struct JobEnd {
        let state: VolumeState
        var code: Failure.Code?
    }

    /// - Parameter pods: of this volume's Job, the latest last.
    /// - Returns: `nil` while it goes on.
    private func end(
        of volume: VolumeRestorePlan.Volume,
        _ pods: [Pod],
        _ deadlines: Deadlines
    ) async throws -> JobEnd? {
        let hasRun = pods.contains { $0.phase != "Pending" }
        if !hasRun, ContinuousClock.now >= deadlines.start {
            let trouble = pods.last.map { "its pod \($0.name) \($0.trouble ?? "does not start")" }
            let reason = "after \(waits.jobStart) s \(trouble ?? "no pod was made for its Job")"
            return JobEnd(state: .asBefore(reason), code: .timeout)
        }
        // Only what may have come to an end is asked for its end.
        let mayHaveEnded = pods.allSatisfy { ["Succeeded", "Failed"].contains($0.phase) || $0.isTerminating }
        guard mayHaveEnded || ContinuousClock.now >= deadlines.end else { return nil }
        let name = Self.jobName(volume, of: plan.set)
        let job = try await patiently(secondsMax: Self.awaySecondsMax, logger: logger) {
            try await client.job(name, namespace: namespace)
        }
        guard let job else { return JobEnd(state: .unknown("somebody removed its Job")) }
        // Its pods may have come to their ends after they were looked at.
        let last = job.ending == nil ? nil : try await verdict(on: job)
        switch job.ending {
        case .complete?: return JobEnd(state: .restored(last?.result ?? "restored: its Job is complete"))
        case .failed(let words)?:
            return JobEnd(state: last?.stateOfFailure(words) ?? .unknown("its Job failed (\(words))"), code: last?.code)
        case nil where ContinuousClock.now >= deadlines.end: return JobEnd(state: .unknown("its Job does not end"))
        case nil: return nil
        }
    }

    /// What the last pod of a Job that has ended says.
    private func verdict(on job: JobObject) async throws -> JobVerdict? {
        let now = try await patiently(secondsMax: Self.awaySecondsMax, logger: logger) {
            try await client.pods(of: pods)
        }
        let ended = now.filter { $0.controllerUID == job.uid && ["Succeeded", "Failed"].contains($0.phase) }
        return JobVerdict(ended.max { ($0.createdAt ?? "") < ($1.createdAt ?? "") })
    }

    private func failure(_ code: Failure.Code, _ ledger: VolumeLedger) -> Failure {
        let failed = ledger.all.filter { !$0.state.isRestored }
        return Failure(
            code,
            "restore the volumes of \(plan.shown): \(failed.count) of \(plan.volumes.count) Jobs failed",
            hint: "Each Job said what it minds. When that is mended, run the command again."
        )
    }

    // MARK: Away with them

    /// Deletes the Jobs, and waits until none of their pods can write any more.
    /// - Throws: `.timeout` when one still may.
    func remove(secondsMax: Double) async throws {
        for volume in plan.volumes {
            try await patiently(secondsMax: secondsMax, logger: logger) {
                try await client.deleteJob(Self.jobName(volume, of: plan.set), namespace: namespace)
            }
        }
        let latest = Latest<[Pod]>([])
        try await patiently(secondsMax: secondsMax, logger: logger) {
            try await client.watchPods(of: pods, timeoutSeconds: max(1, Int(secondsMax))) { pods in
                let working = pods.filter { !["Succeeded", "Failed"].contains($0.phase) }
                await latest.set(working)
                return working.isEmpty
            }
        }
        let working = await latest.value
        guard working.isEmpty else {
            let names = working.map { "\($0.name) \($0.trouble ?? "still runs")" }.joined(separator: ", ")
            throw Failure(.timeout, "end the Jobs that restore \(plan.shown): \(names)")
        }
    }
}
