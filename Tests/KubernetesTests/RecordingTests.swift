// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import Kubernetes
import TestParts
import Testing

/// What a real API server of Kubernetes 1.33 answered is understood.
@Suite(.timeLimit(.minutes(2))) struct RecordingTests {
    private static let set = StatefulSet(
        namespace: "default",
        name: "redis",
        uid: "f41bb626-851a-4254-949b-4f17a177e1e5",
        replicas: 3,
        serviceName: "redis",
        selector: "app=redis",
        containers: [ContainerSpec(name: "redis", ports: [6379])]
    )

    @Test func aStatefulSet() async throws {
        let recording = try recording("get-statefulset.http")
        try await withAnswer(recording.status, recording.body) { client, server in
            let set = try await client.statefulSet("redis")
            #expect(set == Self.set)
            #expect(Self.set.podNames == ["redis-0", "redis-1", "redis-2"])
            #expect(server.requests.map(\.target) == ["/apis/apps/v1/namespaces/default/statefulsets/redis"])
            #expect(server.requests.first?.headers["accept"] == "application/json")
            #expect(server.requests.first?.headers["authorization"] == nil)
        }
    }

    @Test func pods() async throws {
        let recording = try recording("list-pods.http")
        try await withAnswer(recording.status, recording.body) { client, server in
            let pods = try await client.pods(of: Self.set)
            #expect(pods.map(\.name) == ["redis-0", "redis-1", "redis-2"])
            #expect(pods.map(\.ordinal) == [0, 1, 2])
            #expect(pods.allSatisfy { $0.trouble == nil && $0.isReady && $0.node == "node0" })
            let running = Container(spec: ContainerSpec(name: "redis", ports: [6379]))
            #expect(pods.first?.containers == [running])
            #expect(pods.first?.ip == "10.88.0.6")
            #expect(pods.first?.uid == "193f86d7-92cb-4cea-a643-aff0457ff063")
            #expect(
                server.requests.map(\.target) == [
                    "/api/v1/namespaces/default/pods?labelSelector=app%3Dredis&limit=500"
                ]
            )
        }
    }

    @Test func podsOfAnotherOwnerAreNotOurs() async throws {
        let recording = try recording("list-pods.http")
        let other = StatefulSet(namespace: "default", name: "redis", uid: "another", replicas: 3)
        try await withAnswer(recording.status, recording.body) { client, _ in
            let pods = try await client.pods(of: other)
            #expect(pods.isEmpty)
        }
    }

    @Test func theVersion() async throws {
        let recording = try recording("version.http")
        let date = "Date: Sun, 22 Nov 2026 16:25:44 GMT"
        try await withAnswer(recording.status, recording.body, headers: [date]) { client, _ in
            let version = try await client.version()
            #expect(version == ServerVersionAnswer(gitVersion: "v1.33.13", serverTimeSeconds: 1_795_364_744))
        }
        try await withAnswer(recording.status, recording.body, headers: ["Date: today"]) { client, _ in
            let version = try await client.version()
            #expect(version.serverTimeSeconds == nil)
        }
    }

    @Test func aLease() async throws {
        let recording = try recording("post-lease.http")
        try await withAnswer(recording.status, recording.body) { client, server in
            let lease = LeaseObject(
                namespace: "default",
                name: "redoubt-redis",
                resourceVersion: "1168",
                holderIdentity: "job-1",
                leaseDurationSeconds: 30,
                acquireTime: "2026-11-22T16:00:00.000000Z",
                renewTime: "2026-11-22T16:00:00.000000Z"
            )
            #expect(try await client.createLease(lease) == lease)
            let seen = try #require(server.requests.first)
            #expect(seen.method == "POST")
            #expect(seen.headers["content-type"] == "application/json")
            let sent = try TestJSON(parsing: String(decoding: seen.body, as: UTF8.self))
            // The server refuses an object that is new and has a version.
            #expect(sent["metadata"] == .object(["name": "redoubt-redis", "namespace": "default"]))
            #expect(sent["spec"]?["holderIdentity"] == "job-1")
        }
    }

    @Test(arguments: ["post-lease-exists-409.http", "put-lease-stale-409.http"])
    func aConflict(_ name: String) async throws {
        let recording = try recording(name)
        try await withAnswer(recording.status, recording.body) { client, server in
            var lease = LeaseObject(namespace: "default", name: "redoubt-redis")
            let created = await failure(.alreadyExists) { _ = try await client.createLease(lease) }
            #expect(created?.message.contains("leases.coordination.k8s.io \"redoubt-redis\"") == true)
            lease.resourceVersion = "1"
            let replaced = await failure(.alreadyExists) { _ = try await client.replaceLease(lease) }
            #expect(replaced?.message.hasPrefix("replace the Lease default/redoubt-redis at http://127.0.0.1:") == true)
            #expect(server.requests.map(\.method) == ["POST", "PUT"])
        }
    }

    @Test func aMissingStatefulSet() async throws {
        let recording = try recording("get-statefulset-missing.http")
        try await withAnswer(recording.status, recording.body) { client, _ in
            let failure = await failure(.configuration) { _ = try await client.statefulSet("nope", namespace: "cache") }
            #expect(failure?.hint?.contains("`kubectl get statefulsets -n cache`") == true)
            #expect(failure?.message.contains("get the StatefulSet cache/nope at ") == true)
        }
    }

    @Test func aMissingPodAndAMissingLease() async throws {
        let recording = try recording("get-statefulset-missing.http")
        try await withAnswer(recording.status, recording.body) { client, _ in
            let pod = try await client.pod("redis-0", namespace: "default")
            let lease = try await client.lease("redoubt-redis", namespace: "default")
            #expect(pod == nil && lease == nil)
        }
    }

    @Test func aForbiddenList() async throws {
        let recording = try recording("list-pods-forbidden-403.http")
        try await withAnswer(recording.status, recording.body) { client, server in
            let failure = await failure(.permissionDenied) { _ = try await client.pods(of: Self.set) }
            #expect(
                failure?.message == "list the pods of the StatefulSet default/redis at \(server.url): the server "
                    + "answered 403: pods is forbidden: User \"system:serviceaccount:default:nobody\" cannot list "
                    + "resource \"pods\" in API group \"\" in the namespace \"default\""
            )
            #expect(
                failure?.hint
                    == "`kubectl auth can-i list pods -n default --as=ACCOUNT` asks, for the account named above; "
                    + "the Roles in jobs/ grant it."
            )
            #expect(server.requests.count == 1)
        }
    }

    @Test func refusedCredentials() async throws {
        let recording = try recording("list-pods-unauthorized-401.http")
        try await withAnswer(recording.status, recording.body) { client, server in
            _ = await failure(.authenticationFailed) { _ = try await client.pods(of: Self.set) }
            // There are no others to try.
            #expect(server.requests.count == 1)
        }
    }

    @Test func aWatch() async throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("Fixtures/watch-pods.ndjson")
        let events = try String(contentsOf: file, encoding: .utf8)
        try await withScriptedHTTP { request, _ in
            if request.target.contains("watch=1") { return ScriptedHTTP.response("200 OK", body: events) }
            return ScriptedHTTP.response(
                "200 OK",
                body: #"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"350"},"items":[]}"#
            )
        } body: { server in
            try await withTemporaryFolder { folder in
                let path = try kubeconfig(in: folder, server: server.url)
                try await withClient(KubernetesSettings(kubeconfig: path, environment: [:])) { client in
                    let seen = Shared<[[String]]>([])
                    try await client.watchPods(of: Self.set, timeoutSeconds: 30) { pods in
                        seen.change { $0.append(pods.map(\.name)) }
                        return pods.count == 3
                    }
                    #expect(seen.value.first == [])
                    #expect(seen.value.last == ["redis-0", "redis-1", "redis-2"])
                }
            }
        }
    }

    @Test func everyTruncationOfAnObjectIsAViolationOfTheProtocol() async throws {
        let recording = try recording("get-statefulset.http")
        let bytes = Array(recording.body.utf8)
        let cut = Shared(0)
        try await withScriptedHTTP { _, _ in
            ScriptedHTTP.response("200 OK", body: String(decoding: bytes.prefix(cut.value), as: UTF8.self))
        } body: { server in
            try await withTemporaryFolder { folder in
                let path = try kubeconfig(in: folder, server: server.url)
                try await withClient(KubernetesSettings(kubeconfig: path, environment: [:])) { client in
                    for count in stride(from: 0, to: bytes.count, by: 13) {
                        cut.change { $0 = count }
                        _ = await failure(.protocolViolation) { _ = try await client.statefulSet("redis") }
                    }
                }
            }
        }
    }
}
