// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// A StatefulSet whose pods are real servers, whose volumes are their folders, and whose Jobs really run the program on
/// them; the API server is the double, and its controllers are played here.
struct VolumeRestoreRig: Sendable {
    /// What becomes of the Job of a volume.
    enum JobBehaviour: Sendable {
        /// The program runs with the Job's arguments on the volume.
        case runs
        /// Its pod waits for this reason.
        case waits(String)
        /// Its pods are killed, as often as they are made.
        case isKilled
        /// Its pod starts, and works until it is told to end.
        case hangs
    }

    let api: KubernetesDouble
    let kubeconfig: String
    let store: TestedStore
    let pods: [RedisServer]
    let port: Int
    /// By ordinal; the others run.
    let behaviours = Shared<[Int: JobBehaviour]>([:])
    /// Pods that do not go when they are told to.
    let stubborn = Shared<Set<Int>>([])
    /// The arguments of each Job that ran.
    let jobArguments = Shared<[[String]]>([])
    /// Every Job that was made.
    let jobsMade = Shared<[TestJSON]>([])
    /// Arguments of a Job that name what is mounted into its pod, and what they are here.
    let mounted = Shared<[String: String]>([:])
    /// What went wrong in the controllers.
    let folder: URL

    static let image = "registry.example/redoubt:9"

    /// - Parameter count: how many pods; the first is the primary of the others.
    static func with(pods count: Int, _ body: @escaping @Sendable (VolumeRestoreRig) async throws -> Void) async throws
    {
        try await withTemporaryFolder { folder in
            try await withKubernetesAPI { api in
                try await withFreePort { port in
                    try await withPods(count, port: port, []) { pods in
                        let rig = VolumeRestoreRig(
                            api: api,
                            kubeconfig: try api.kubeconfig(in: folder, namespace: "prod"),
                            store: .folder(folder.appendingPathComponent("store")),
                            pods: pods,
                            port: port,
                            folder: folder
                        )
                        try rig.describe()
                        try await api.withControllers({ try await rig.act(on: $0) }, { try await body(rig) })
                    }
                }
            }
        }
    }

    private static func withPods(
        _ count: Int,
        port: Int,
        _ pods: [RedisServer],
        _ body: ([RedisServer]) async throws -> Void
    ) async throws {
        guard pods.count < count else { return try await body(pods) }
        let options = RedisOptions.with {
            $0.host = "127.0.0.\(pods.count + 2)"
            $0.port = port
            $0.replicaOf = pods.first
            $0.config = ["enable-protected-configs yes"]
        }
        try await withRedis(.redis70, options) { try await withPods(count, port: port, pods + [$0], body) }
    }

    /// What the API server knows of the set.
    private func describe() throws {
        try api.addStatefulSet("redis", namespace: "prod", replicas: pods.count, port: port)
        api.changeStatefulSet("redis", namespace: "prod") { set in
            let mount: TestJSON = .object(["name": "data", "mountPath": "/data"])
            let config: TestJSON = .object(["name": "config", "mountPath": "/etc/redis", "readOnly": true])
            var container = set["spec"]?["template"]?["spec"]?["containers"]?[0] ?? .object([:])
            container.set(.array([mount, config]), at: "volumeMounts")
            set.set(.array([container]), at: "spec", "template", "spec", "containers")
            let source: TestJSON = .object(["name": "redis-config"])
            let volume: TestJSON = .object(["name": "config", "configMap": source])
            set.set(.array([volume]), at: "spec", "template", "spec", "volumes")
            let security: TestJSON = .object(["runAsNonRoot": true, "runAsUser": 999, "fsGroup": 999])
            set.set(security, at: "spec", "template", "spec", "securityContext")
            let template: TestJSON = .object(["metadata": .object(["name": "data"])])
            set.set(.array([template]), at: "spec", "volumeClaimTemplates")
        }
        for ordinal in pods.indices {
            api.addClaim("data-redis-\(ordinal)", namespace: "prod")
            try addPod(ordinal)
        }
    }

    private func addPod(_ ordinal: Int) throws {
        try api.addPod("redis-\(ordinal)", namespace: "prod", ip: pods[ordinal].host, port: port)
    }

    /// The pod that the program itself runs in, with what it needs for the store, and more.
    func addOwnPod() throws {
        try api.addPod("redoubt-x1", namespace: "prod", set: "redoubt")
        api.changePod("redoubt-x1", namespace: "prod") { pod in
            func variable(_ name: String) -> TestJSON { .object(["name": .text(name), "value": "x"]) }
            func mount(_ name: String, _ path: String) -> TestJSON {
                .object(["name": .text(name), "mountPath": .text(path)])
            }
            let token: TestJSON = .object([
                "sources": .array([.object(["serviceAccountToken": .object(["path": "token"])])])
            ])
            let claim: TestJSON = .object(["claimName": "redis-backups"])
            let volumes: [TestJSON] = [
                .object(["name": "api", "projected": token]),
                .object(["name": "backups", "persistentVolumeClaim": claim]),
            ]
            let container: TestJSON = .object([
                "name": "redoubt", "image": "registry.example/redoubt:1",
                "env": .array(["AWS_REGION", "REDISCLI_AUTH", "REDOUBT_YES"].map(variable)),
                "volumeMounts": .array([mount("api", "/var/run/secrets"), mount("backups", "/backups")]),
            ])
            pod.set(.array([container]), at: "spec", "containers")
            pod.set(.array(volumes), at: "spec", "volumes")
        }
    }

    // MARK: The program

    func arguments(_ more: [String]) -> [String] {
        [
            "restore", "--statefulset", "redis", "--via", "volumes", "--kubeconfig", kubeconfig, "--from", store.url,
            "--port", "\(port)", "--data-dir", "/data", "--restore-image", Self.image, "--output", "json",
        ] + more
    }

    func restore(_ more: String..., withinSeconds seconds: Double = 120) async throws -> Redoubt.Outcome {
        try await Redoubt.run(arguments(more), withinSeconds: seconds)
    }

    /// Writes data, and takes a backup of it; gives the digest of the data.
    func backUp(_ more: String...) async throws -> DatasetDigest {
        try await Dataset.small.load(into: pods[0])
        try await pods[0].waitUntilSynchronized(Array(pods.dropFirst()))
        let outcome = try await Redoubt.run(
            [
                "backup", "--statefulset", "redis", "--kubeconfig", kubeconfig, "--to", store.url, "--port", "\(port)",
                "--no-events",
            ] + more
        )
        try #require(outcome.code == 0, "\(outcome.errors)")
        return try await DatasetDigest(of: pods[0])
    }

    /// Ends the servers, and removes what is on their volumes; the pods are gone, or start empty again.
    func wipe(startAgain: Bool) async throws {
        for pod in pods {
            try await pod.stop()
            for name in ["dump.rdb", ".redoubt-restore.json"] {
                try? FileManager.default.removeItem(at: pod.folder.appendingPathComponent(name))
            }
        }
        for pod in startAgain ? pods : [] { try await pod.start() }
    }

    // MARK: What is there

    var replicas: Int? { api.statefulSet("redis", namespace: "prod")?["spec"]?["replicas"]?.int }

    var note: String? {
        api.statefulSet("redis", namespace: "prod")?["metadata"]?["annotations"]?[
            "redoubt.dev/replicas-before-restore"
        ]?.text
    }

    /// The four questions, and: the pods are back, their number is noted nowhere, and no Job is left.
    func expectSound(after outcome: Redoubt.Outcome, code: Int32, _ location: SourceLocation = #_sourceLocation)
        async throws
    {
        let good = try await store.listedIDs()
        #expect(good.count == 1, sourceLocation: location)
        try await store.expectSound(after: outcome, code: code, good: good, secrets: [api.token], location)
        #expect(replicas == pods.count && note == nil, "\(outcome.errors)", sourceLocation: location)
        #expect(api.jobs.isEmpty, sourceLocation: location)
    }

    /// Waits until the pods that should be there run.
    func waitUntilPodsRun() async throws {
        for pod in pods {
            try await eventually("\(pod.host) to run", withinSeconds: 30) {
                pod.child.isRunning ? try? await pod.waitForPong() : nil
            }
        }
    }

    /// What a server wrote that was asked for its digest, without asking a replica for what it must not be asked.
    func expectEverywhere(_ digest: DatasetDigest, _ location: SourceLocation = #_sourceLocation) async throws {
        for pod in pods {
            let found = try await DatasetDigest(of: pod)
            #expect(found == digest, "\(pod.host)", sourceLocation: location)
        }
    }

    // MARK: Controllers

    private func act(on news: ControllerNews) async throws {
        switch news {
        case .scaled(_, _, _, let count) where count == 0: try await stopPods()
        case .scaled(_, _, _, let count): try await startPods(count)
        case .jobCreated(let job):
            jobsMade.change { $0.append(job) }
            try await work(on: job)
        case .jobDeleted(let job):
            for pod in podNames(of: job) { api.deletePod(pod, namespace: "prod") }
        }
    }

    private func stopPods() async throws {
        for ordinal in pods.indices.reversed() where !stubborn.value.contains(ordinal) {
            if pods[ordinal].child.isRunning { try await pods[ordinal].stop(save: try await isWorthSaving(ordinal)) }
            api.deletePod("redis-\(ordinal)", namespace: "prod")
        }
    }

    /// As a server with save points that saw no write does: it saves nothing.
    private func isWorthSaving(_ ordinal: Int) async throws -> Bool {
        try await pods[ordinal].info("keyspace").isEmpty == false
    }

    private func startPods(_ count: Int) async throws {
        for ordinal in 0..<count {
            if !pods[ordinal].child.isRunning { try await pods[ordinal].start() }
            try addPod(ordinal)
        }
    }

    private func podNames(of job: TestJSON) -> [String] { api.podNames(ofOwner: job["metadata"]?["uid"]?.text ?? "") }

    private func work(on job: TestJSON) async throws {
        let claim = job["spec"]?["template"]?["spec"]?["volumes"]?[0]?["persistentVolumeClaim"]?["claimName"]?.text
        let ordinal = try #require(claim?.split(separator: "-").last.flatMap { Int($0) })
        switch behaviours.value[ordinal] ?? .runs {
        case .waits(let reason):
            let pod = api.addPod(ofJob: job)
            api.changePod(pod, namespace: "prod") { pod in
                let waiting: TestJSON = .object(["waiting": .object(["reason": .text(reason)])])
                pod.set(.array([.object(["name": "redoubt", "state": waiting])]), at: "status", "containerStatuses")
            }
        case .hangs: api.startPod(ofJob: api.addPod(ofJob: job), namespace: "prod")
        case .isKilled:
            for attempt in 0..<3 {
                let pod = api.addPod(ofJob: job, attempt: attempt)
                api.startPod(ofJob: pod, namespace: "prod")
                api.endPod(ofJob: pod, namespace: "prod", code: 137, reason: "OOMKilled")
            }
            api.endJob(job, failure: ("BackoffLimitExceeded", "Job has reached the specified backoff limit"))
        case .runs: try await run(job, ordinal)
        }
    }

    /// Runs the program as the pod of the Job would.
    private func run(_ job: TestJSON, _ ordinal: Int) async throws {
        let pod = api.addPod(ofJob: job)
        api.startPod(ofJob: pod, namespace: "prod")
        let container = job["spec"]?["template"]?["spec"]?["containers"]?[0]
        let said = (container?["args"]?.array ?? []).compactMap(\.text)
        jobArguments.change { $0.append(said) }
        let words = folder.appendingPathComponent("words-\(pod)")
        try Data().write(to: words)
        let arguments = said.map { mounted.value[$0] ?? $0 }.map { word in
            (word == "--data-dir=/data" ? "--data-dir=\(pods[ordinal].folder.path)" : word).replacing("$$(", with: "$(")
        }
        let outcome = try await Redoubt.run(arguments + ["--termination-log", words.path])
        let code = Int(outcome.code ?? 128 + (outcome.signal ?? 0))
        let message = try String(contentsOf: words, encoding: .utf8)
        api.endPod(ofJob: pod, namespace: "prod", code: code, message: message)
        let failure = (reason: "PodFailurePolicy", message: "Container redoubt for pod prod/\(pod) failed")
        api.endJob(job, failure: code == 0 ? nil : failure)
    }
}
