// SPDX-License-Identifier: Apache-2.0

import Kubernetes
import TestParts
import Testing

@Suite(.timeLimit(.minutes(2))) struct PodTests {
    /// The trouble of `redis-0` after a change.
    private static func trouble(_ change: @Sendable (inout TestJSON) -> Void) async throws -> String? {
        try await withRedisAPI(pods: 1) { api in
            api.changePod("redis-0", change)
            return try await withClient(of: api) { client in
                try #require(try await client.pod("redis-0", namespace: "default")).trouble
            }
        }
    }

    private static func container(_ state: TestJSON, last: TestJSON = .object([:])) -> TestJSON {
        .array([
            .object(["name": "redis", "restartCount": 7, "ready": false, "state": state, "lastState": last])
        ])
    }

    @Test func aRunningPodWithAnAddressIsInNoTrouble() async throws {
        #expect(try await Self.trouble { _ in } == nil)
        // It is spoken to while it loads its data.
        let unready: TestJSON = .array([.object(["type": "Ready", "status": "False"])])
        #expect(try await Self.trouble { $0.set(unready, at: "status", "conditions") } == nil)
    }

    @Test func aPodThatIsNotScheduledTellsWhy() async throws {
        let trouble = try await Self.trouble { pod in
            let condition: TestJSON = .object([
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/1 nodes are available: 1 Insufficient memory.",
            ])
            pod.set("Pending", at: "status", "phase")
            pod.set(.array([condition]), at: "status", "conditions")
            pod.set(nil, at: "status", "containerStatuses")
            pod.set(nil, at: "status", "podIP")
        }
        #expect(trouble == "is pending: 0/1 nodes are available: 1 Insufficient memory")
    }

    @Test func aPodThatIsBeingDeletedSaysSo() async throws {
        let trouble = try await Self.trouble { $0.set("2026-11-22T15:41:55Z", at: "metadata", "deletionTimestamp") }
        #expect(trouble == "is being deleted")
    }

    @Test func aContainerThatCrashesTellsHowItEnded() async throws {
        let last: TestJSON = .object(["terminated": .object(["exitCode": 137, "reason": "OOMKilled"])])
        let waiting: TestJSON = .object(["waiting": .object(["reason": "CrashLoopBackOff"])])
        let trouble = try await Self.trouble {
            $0.set(Self.container(waiting, last: last), at: "status", "containerStatuses")
        }
        #expect(trouble == "its container redis waits: CrashLoopBackOff (last exit 137, OOMKilled)")
        let ended = try await Self.trouble { $0.set(Self.container(last), at: "status", "containerStatuses") }
        #expect(ended == "its container redis has ended (exit 137, OOMKilled)")
    }

    @Test func anImageThatCannotBePulledIsNamed() async throws {
        let waiting: TestJSON = .object(["waiting": .object(["reason": "ImagePullBackOff"])])
        let trouble = try await Self.trouble { pod in
            pod.set("Pending", at: "status", "phase")
            pod.set(Self.container(waiting), at: "status", "containerStatuses")
        }
        #expect(trouble == "its container redis waits: ImagePullBackOff")
    }

    @Test func anInitContainerThatFailsIsNamed() async throws {
        let state: TestJSON = .object(["waiting": .object(["reason": "CrashLoopBackOff"])])
        let trouble = try await Self.trouble { pod in
            pod.set("Pending", at: "status", "phase")
            pod.set(.array([.object(["name": "sysctl", "state": state])]), at: "status", "initContainerStatuses")
        }
        #expect(trouble == "is pending: its init container sysctl waits: CrashLoopBackOff")
    }

    @Test func anEvictedPodTellsWhy() async throws {
        let trouble = try await Self.trouble { pod in
            pod.set("Failed", at: "status", "phase")
            pod.set("Evicted", at: "status", "reason")
            pod.set("The node was low on resource: memory.", at: "status", "message")
        }
        #expect(trouble == "has failed: Evicted: The node was low on resource: memory")
    }

    @Test func aPodWithoutAnAddressSaysSo() async throws {
        #expect(try await Self.trouble { $0.set(nil, at: "status", "podIP") } == "has no address yet")
        #expect(try await Self.trouble { $0.set("", at: "status", "podIP") } == "has no address yet")
        #expect(try await Self.trouble { $0.set(nil, at: "status") } == "is pending")
    }

    @Test func aSidecarThatCrashesIsNoTrouble() {
        let redis = Container(spec: ContainerSpec(name: "redis"))
        let exporter = Container(
            spec: ContainerSpec(name: "exporter"),
            isRunning: false,
            waitingReason: "CrashLoopBackOff"
        )
        let pod = Pod(namespace: "a", name: "b-0", uid: "1", ip: "10.0.0.1", containers: [redis, exporter])
        #expect(pod.trouble == nil)
        #expect(pod.trouble(ofContainer: "exporter") == "its container exporter waits: CrashLoopBackOff")
    }

    @Test func aLimitOfMemoryIsRead() async throws {
        try await withKubernetesAPI { api in
            try api.addPod("redis-10", memoryLimit: "1.5Gi")
            try await withClient(of: api) { client in
                let pod = try #require(try await client.pod("redis-10", namespace: "default"))
                #expect(pod.containers.map(\.spec.memoryLimitBytes) == [1_610_612_736])
                #expect(pod.ordinal == 10)
            }
            api.changePod("redis-10") { pod in
                pod.set(nil, at: "metadata", "labels", "apps.kubernetes.io/pod-index")
            }
            try await withClient(of: api) { client in
                let pod = try await client.pod("redis-10", namespace: "default")
                #expect(pod?.ordinal == 10)
            }
            // The pod of a Deployment may end in digits too.
            api.changePod("redis-10") { $0.set(nil, at: "metadata", "ownerReferences") }
            try await withClient(of: api) { client in
                let pod = try await client.pod("redis-10", namespace: "default")
                #expect(pod != nil && pod?.ordinal == nil)
            }
        }
    }
}
