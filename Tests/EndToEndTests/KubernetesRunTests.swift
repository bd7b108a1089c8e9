// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// Runs whose members are found through an API server: real servers, and a double that plays the API server.
struct KubernetesRunTests {
    /// What a run needs: the double, its kubeconfig, a store, and pods that are real servers at addresses of their own.
    struct Rig {
        let api: KubernetesDouble
        let kubeconfig: String
        let store: TestedStore
        let pods: [RedisServer]

        func arguments(_ more: [String] = []) -> [String] {
            [
                "backup", "--statefulset", "redis", "--kubeconfig", kubeconfig, "--to", store.url, "--port",
                "\(pods[0].port)", "--output", "json", "--wait-ready", "0",
            ] + more
        }

        func backup(_ more: String..., withinSeconds seconds: Double = 120) async throws -> Redoubt.Outcome {
            try await Redoubt.run(arguments(more), withinSeconds: seconds)
        }
    }

    /// - Parameter primary: whose replicas the others are; `nil` for servers of their own.
    static func withRig(
        pods count: Int,
        replicate: Bool = true,
        config: [String] = [],
        nodes: [String] = [],
        memoryLimit: String? = nil,
        _ body: (Rig) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            try await withKubernetesAPI { api in
                try await withFreePort { port in
                    func more(_ pods: [RedisServer]) async throws {
                        guard pods.count == count else {
                            let options = RedisOptions.with {
                                $0.host = "127.0.0.\(pods.count + 2)"
                                $0.port = port
                                $0.config = config
                                $0.replicaOf = replicate ? pods.first : nil
                            }
                            return try await withRedis(.redis70, options) { try await more(pods + [$0]) }
                        }
                        if replicate { try await pods[0].waitUntilSynchronized(Array(pods.dropFirst())) }
                        try api.addStatefulSet("redis", namespace: "prod", replicas: count, port: port)
                        for (number, pod) in pods.enumerated() {
                            try api.addPod(
                                "redis-\(number)",
                                namespace: "prod",
                                ip: pod.host,
                                port: port,
                                node: nodes.isEmpty ? "node-\(number)" : nodes[number],
                                memoryLimit: memoryLimit
                            )
                        }
                        let store = folder.appendingPathComponent("store")
                        try await body(
                            Rig(
                                api: api,
                                kubeconfig: try api.kubeconfig(in: folder, namespace: "prod"),
                                store: .folder(store),
                                pods: pods
                            )
                        )
                    }
                    try await more([])
                }
            }
        }
    }

    /// What `jobs/backup` grants.
    static let granted: Set<String> = [
        "get statefulsets", "get pods", "list pods", "watch pods", "get leases", "create leases", "update leases",
        "create events",
    ]

    @Test func theReplicasAreFoundAndTheClusterIsTold() async throws {
        try await Self.withRig(pods: 3) { rig in
            try await Dataset.small.load(into: rig.pods[0])
            try await rig.pods[0].waitUntilSynchronized(Array(rig.pods.dropFirst()))
            let outcome = try await rig.backup()
            let good = try await rig.store.listedIDs()
            #expect(good.count == 1)
            try await rig.store.expectSound(after: outcome, code: 0, good: good, secrets: [rig.api.token])
            let manifest = try TestJSON(parsing: outcome.output)
            #expect(manifest["name"] == "prod.redis" && manifest["source"]?["namespace"] == "prod")
            let members = try #require(manifest["members"]?.array)
            #expect(members.map { $0["member"]?.text } == ["redis-0", "redis-1", "redis-2"])
            #expect(members.map { $0["role"]?.text } == ["primary", "replica", "replica"])

            let event = try #require(rig.api.events.first)
            #expect(rig.api.events.count == 1 && event["reason"] == "BackupCompleted" && event["type"] == "Normal")
            #expect(event["involvedObject"]?["name"] == "redis" && event["involvedObject"]?["kind"] == "StatefulSet")
            #expect(event["message"]?.text?.contains(good[0]) == true)
            let lease = try #require(rig.api.lease("redoubt-redis", namespace: "prod"))
            #expect(lease["spec"]?["holderIdentity"] == "", "it was given up")

            let used = Set(rig.api.verbsUsed.map { "\($0.verb) \($0.resource)" })
            #expect(used.subtracting(Self.granted) == ["create selfsubjectaccessreviews"])
        }
    }

    /// A pod that is missing, pending, crash-looping or on its way out is that member's failure; the rest is committed.
    @Test func whatIsTheMatterWithAPodIsSaid() async throws {
        try await Self.withRig(pods: 1) { rig in
            rig.api.changeStatefulSet("redis", namespace: "prod") { $0.set(4, at: "spec", "replicas") }
            try rig.api.addPod("redis-2", namespace: "prod", ip: "127.0.0.9")
            rig.api.changePod("redis-2", namespace: "prod") {
                $0.set("Pending", at: "status", "phase")
                $0.set(nil, at: "status", "podIP")
            }
            try rig.api.addPod("redis-3", namespace: "prod", ip: "127.0.0.9")
            rig.api.changePod("redis-3", namespace: "prod") {
                $0.set("2026-11-22T15:00:00Z", at: "metadata", "deletionTimestamp")
            }
            let outcome = try await rig.backup()
            try await rig.store.expectSound(after: outcome, code: 3, good: try await rig.store.listedIDs())
            let members = try #require(try TestJSON(parsing: outcome.output)["members"]?.array)
            let messages = members.compactMap { $0["error"]?["message"]?.text }
            #expect(messages.count == 3 && members.allSatisfy { $0["member"] == "redis-0" || $0["error"] != nil })
            #expect(messages[0].contains("does not exist") && messages[1].contains("is pending"))
            #expect(messages[2].contains("is being deleted"))
            #expect(rig.api.events.first?["reason"] == "BackupPartial")
        }
    }

    @Test func aPodThatComesInTimeIsWaitedFor() async throws {
        try await Self.withRig(pods: 2) { rig in
            rig.api.changePod("redis-1", namespace: "prod") { $0.set("Pending", at: "status", "phase") }
            try await Redoubt.withRunning(rig.arguments(["--wait-ready=60"])) { process in
                try await eventually("the pods are watched", withinSeconds: 30) { rig.api.watchCount > 0 ? true : nil }
                rig.api.changePod("redis-1", namespace: "prod") { $0.set("Running", at: "status", "phase") }
                let outcome = try await Redoubt.outcome(of: process)
                try await rig.store.expectSound(after: outcome, code: 0, good: try await rig.store.listedIDs())
                #expect(try TestJSON(parsing: outcome.output)["members"]?.array?.count == 2)
            }
        }
    }

    /// A pod that is killed while its snapshot comes: the failure says why, and the other member is committed.
    @Test func aPodThatRestartsMeanwhileIsOneMembersFailure() async throws {
        try await Self.withRig(pods: 2, config: ["rdb-key-save-delay 100000"]) { rig in
            for number in 0..<20 { try await rig.pods[0].command("SET", "key:\(number)", number) }
            try await rig.pods[0].waitUntilSynchronized([rig.pods[1]])
            try await Redoubt.withRunning(rig.arguments()) { process in
                try await eventually("the replica saves", withinSeconds: 30) {
                    try await rig.pods[1].info("persistence")["rdb_bgsave_in_progress"] == "1" ? true : nil
                }
                rig.api.changePod("redis-1", namespace: "prod") { pod in
                    let ended: TestJSON = .object(["exitCode": 137, "reason": "OOMKilled"])
                    var status = pod["status"]?["containerStatuses"]?[0] ?? .object([:])
                    status.set(1, at: "restartCount")
                    status.set(ended, at: "lastState", "terminated")
                    pod.set(.array([status]), at: "status", "containerStatuses")
                }
                try await rig.pods[1].kill()
                let outcome = try await Redoubt.outcome(of: process)
                try await rig.store.expectSound(after: outcome, code: 3, good: try await rig.store.listedIDs())
                let failed = try TestJSON(parsing: outcome.output)["members"]?.array?.first { $0["error"] != nil }
                #expect(failed?["member"] == "redis-1")
                #expect(failed?["error"]?["message"]?.text?.contains("OOMKilled") == true, "\(outcome.errors)")
            }
        }
    }

    @Test func aRightThatIsMissingIsNamed() async throws {
        try await Self.withRig(pods: 1) { rig in
            rig.api.forbid(verb: "list", resource: "pods")
            let refused = try await rig.backup()
            #expect(refused.errors.contains("list") && refused.errors.contains("pods"))
            try await rig.store.expectSound(after: refused, code: 7, good: [], secrets: [rig.api.token])
            // check asks for all of them, although the first one that is missing ends its search.
            rig.api.forbid(verb: "create", resource: "events")
            let blind = try await Redoubt.run(
                ["check", "--statefulset", "redis", "--kubeconfig", rig.kubeconfig, "--port", "\(rig.pods[0].port)"]
            )
            #expect(blind.code == 7 && blind.output.contains("FAILS  right to list pods"), "\(blind.output)")
            #expect(blind.output.contains("note   right to create events"), "\(blind.output)")
            rig.api.allow(verb: "list", resource: "pods")

            // Neither the Lease nor the Event is worth a backup.
            rig.api.forbid(verb: "create", resource: "leases")
            rig.api.forbid(verb: "create", resource: "events")
            let outcome = try await rig.backup()
            #expect(outcome.errors.contains("create leases") && outcome.errors.contains("Event"))
            try await rig.store.expectSound(after: outcome, code: 0, good: try await rig.store.listedIDs())

            let check = try await Redoubt.run(
                [
                    "check", "--statefulset", "redis", "--kubeconfig", rig.kubeconfig, "--port", "\(rig.pods[0].port)",
                    "--output", "json",
                ]
            )
            #expect(check.code == 0, "\(check.errors)")
            let findings = try #require(try TestJSON(parsing: check.output)["findings"]?.array)
            let notes = findings.filter { $0["verdict"] == "warning" }.compactMap { $0["item"]?.text }
            #expect(notes.contains("right to create leases") && notes.contains("right to create events"))
        }
    }

    /// What an API server does on a bad day, while a run goes on.
    @Test func theAPIServerMayHaveABadDay() async throws {
        try await Self.withRig(pods: 2) { rig in
            let pods = "GET /api/v1/namespaces/prod/pods"
            rig.api.limitPages(to: 1)
            rig.api.inject(.status(429, retryAfter: 1), on: pods)
            rig.api.inject(.status(500), on: pods)
            rig.api.inject(.status(410), on: pods, containing: "continue=")
            rig.api.inject(.reset, on: "GET /apis/apps/v1")
            rig.api.inject(.status(503), on: "POST /api/v1/namespaces/prod/events")
            let outcome = try await rig.backup()
            try await rig.store.expectSound(after: outcome, code: 0, good: try await rig.store.listedIDs())
            #expect(try TestJSON(parsing: outcome.output)["members"]?.array?.count == 2)
            #expect(rig.api.events.count <= 1)
        }
    }

    @Test func aServerThatStaysAwayIsTransientAndATokenThatIsOldIsNot() async throws {
        try await Self.withRig(pods: 1) { rig in
            try rig.api.rotateToken(rewritingFiles: false)
            let stale = try await rig.backup()
            #expect(stale.errors.contains("authentication-failed"))
            try await rig.store.expectSound(after: stale, code: 7, good: [], secrets: [rig.api.token])
            let away = try await withFreePort { port in
                let text = try String(contentsOfFile: rig.kubeconfig, encoding: .utf8)
                let other = text.replacing(rig.api.url, with: "http://127.0.0.1:\(port)")
                try Data(other.utf8).write(to: URL(fileURLWithPath: rig.kubeconfig))
                return try await rig.backup()
            }
            try await rig.store.expectSound(after: away, code: 5, good: [])
        }
    }

    /// A holder is seen to live by its renewals, each ten seconds: the save takes longer than that.
    @Test func ofTwoRunsOneIsLockedOutByTheLease() async throws {
        try await Self.withRig(pods: 1, config: ["rdb-key-save-delay 16000000"]) { rig in
            try await rig.pods[0].command("SET", "a", "b")
            try await Redoubt.withRunning(rig.arguments()) { process in
                try await eventually("the Lease is held", withinSeconds: 30) {
                    let holder = rig.api.lease("redoubt-redis", namespace: "prod")?["spec"]?["holderIdentity"]?.text
                    return holder.map { !$0.isEmpty } == true ? true : nil
                }
                // To another store: there the Lease alone is in the way.
                try await withTemporaryFolder { folder in
                    func elsewhere(_ arguments: [String]) -> [String] {
                        arguments.map { $0 == rig.store.url ? "file://\(folder.path)" : $0 }
                    }
                    let other = try await Redoubt.run(elsewhere(rig.arguments()))
                    #expect(other.code == 11 && other.errors.contains("Lease prod/redoubt-redis"), "\(other.errors)")
                    try await rig.pods[0].command("CONFIG", "SET", "rdb-key-save-delay", 0)
                    let free = try await Redoubt.run(elsewhere(rig.arguments(["--no-kubernetes-lease"])))
                    #expect(free.code == 0, "\(free.errors)")
                }
                let outcome = try await Redoubt.outcome(of: process)
                try await rig.store.expectSound(after: outcome, code: 0, good: try await rig.store.listedIDs())
            }
        }
    }

    /// The lease in the store is the guard: no control plane that goes away, and no Lease that somebody removed, costs
    /// the backup.
    @Test(arguments: [true, false])
    func aControlPlaneThatGoesAwayCostsNoBackup(isRemoved: Bool) async throws {
        try await Self.withRig(pods: 1, config: ["rdb-key-save-delay 12000000"]) { rig in
            try await rig.pods[0].command("SET", "a", "b")
            try await Redoubt.withRunning(rig.arguments()) { process in
                try await eventually("it saves", withinSeconds: 30) {
                    try await rig.pods[0].info("persistence")["rdb_bgsave_in_progress"] == "1" ? true : nil
                }
                if isRemoved {
                    rig.api.deleteLease("redoubt-redis", namespace: "prod")
                } else {
                    for method in ["GET", "PUT"] {
                        rig.api.inject(.reset, on: "\(method) /apis/coordination.k8s.io/v1", times: 10_000)
                    }
                }
                let outcome = try await Redoubt.outcome(of: process)
                try await rig.store.expectSound(after: outcome, code: 0, good: try await rig.store.listedIDs())
                #expect(try await rig.store.listedIDs().count == 1)
            }
        }
    }

    /// One pod that is not ready, and no right to watch for it: the others are backed up all the same.
    @Test func withoutTheRightToWatchNobodyIsWaitedFor() async throws {
        try await Self.withRig(pods: 2) { rig in
            rig.api.forbid(verb: "watch", resource: "pods")
            rig.api.changePod("redis-1", namespace: "prod") { $0.set("Pending", at: "status", "phase") }
            let outcome = try await rig.backup("--wait-ready=20")
            #expect(outcome.errors.contains("cannot wait for pods"))
            try await rig.store.expectSound(after: outcome, code: 3, good: try await rig.store.listedIDs())
        }
    }

    @Test func aTerminatedRunGivesTheLeaseUpAndSaysSo() async throws {
        try await Self.withRig(pods: 1, config: ["rdb-key-save-delay 30000000"]) { rig in
            try await rig.pods[0].command("SET", "a", "b")
            try await Redoubt.withRunning(rig.arguments()) { process in
                try await eventually("it saves", withinSeconds: 30) {
                    try await rig.pods[0].info("persistence")["rdb_bgsave_in_progress"] == "1" ? true : nil
                }
                process.kill(SIGTERM)
                let outcome = try await Redoubt.outcome(of: process, withinSeconds: 15)
                try await rig.store.expectSound(after: outcome, code: 143, good: [])
                try await rig.store.expectNothingHalfMade(good: [])
                let lease = rig.api.lease("redoubt-redis", namespace: "prod")
                #expect(lease?["spec"]?["holderIdentity"]?.text == "")
                #expect(rig.api.events.first?["reason"] == "BackupFailed")
            }
        }
    }
}
