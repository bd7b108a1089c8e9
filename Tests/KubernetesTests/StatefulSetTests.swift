// SPDX-License-Identifier: Apache-2.0

import Failures
import Kubernetes
import TestParts
import Testing

@Suite(.timeLimit(.minutes(2))) struct StatefulSetTests {
    @Test func aSelectorWithExpressionsIsWrittenAsAQuery() async throws {
        try await withRedisAPI(pods: 1) { api in
            let expressions: [TestJSON] = [
                .object(["key": "tier", "operator": "In", "values": .array(["cache", "store"])]),
                .object(["key": "stage", "operator": "NotIn", "values": .array(["test"])]),
                .object(["key": "app", "operator": "Exists"]),
                .object(["key": "legacy", "operator": "DoesNotExist"]),
            ]
            api.changeStatefulSet("redis") { $0.set(.array(expressions), at: "spec", "selector", "matchExpressions") }
            api.changePod("redis-0") { $0.set("cache", at: "metadata", "labels", "tier") }
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                #expect(set.selector == "app=redis,tier in (cache,store),stage notin (test),app,!legacy")
                #expect(try await client.pods(of: set).map(\.name) == ["redis-0"])
            }
            api.changePod("redis-0") { $0.set("yes", at: "metadata", "labels", "legacy") }
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                let pods = try await client.pods(of: set)
                #expect(pods.isEmpty)
            }
        }
    }

    @Test func anOperatorThatIsNotKnownIsRefused() async throws {
        try await withRedisAPI { api in
            let expression: TestJSON = .object(["key": "app", "operator": "Near"])
            api.changeStatefulSet("redis") { $0.set(.array([expression]), at: "spec", "selector", "matchExpressions") }
            try await withClient(of: api) { client in
                _ = await failure(.protocolViolation) { _ = try await client.statefulSet("redis") }
            }
        }
    }

    @Test func ordinalsMayBeginAnywhere() async throws {
        try await withKubernetesAPI { api in
            try api.addStatefulSet(
                "cache",
                namespace: "ns1",
                replicas: 2,
                firstOrdinal: 5,
                serviceName: "heads",
                port: 7000
            )
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("cache", namespace: "ns1")
                #expect(set.podNames == ["cache-5", "cache-6"])
                #expect(set.serviceName == "heads")
                #expect(set.containers == [ContainerSpec(name: "redis", ports: [7000])])
            }
        }
    }

    @Test func whatIsNotWrittenHasItsDefault() async throws {
        try await withRedisAPI { api in
            api.changeStatefulSet("redis") { set in
                set.set(nil, at: "spec", "replicas")
                set.set("", at: "spec", "serviceName")
            }
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                #expect(set.replicas == 1)
                #expect(set.serviceName == nil)
            }
        }
    }

    @Test(arguments: [-1, 10_001, 2_000_000_000])
    func aNumberOfReplicasThatNobodyHasIsRefused(_ replicas: Int) async throws {
        try await withKubernetesAPI { api in
            try api.addStatefulSet("redis", replicas: replicas)
            try await withClient(of: api) { client in
                _ = await failure(.protocolViolation) { _ = try await client.statefulSet("redis") }
            }
        }
    }

    @Test(arguments: [
        "", "Redis", "a/b", "a..b", "-a", "a-", "../secrets", "a b", "é", String(repeating: "a", count: 254),
    ])
    func aNameThatIsNoneIsNotSent(_ name: String) async throws {
        try await withKubernetesAPI { api in
            try await withClient(of: api) { client in
                _ = await failure(.configuration) { _ = try await client.statefulSet(name) }
                _ = await failure(.configuration) { _ = try await client.pod(name, namespace: "default") }
                _ = await failure(.configuration) { _ = try await client.lease(name, namespace: "default") }
                if !name.isEmpty {
                    _ = await failure(.configuration) { _ = try await client.lease("redis", namespace: name) }
                }
            }
            #expect(api.requests.isEmpty)
        }
    }
}
