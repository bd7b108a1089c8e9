// SPDX-License-Identifier: Apache-2.0

import Failures
import Kubernetes
import TestParts
import Testing

private let podsPath = "GET /api/v1/namespaces/default/pods"

@Suite(.timeLimit(.minutes(2))) struct ListTests {
    @Test(arguments: [1, 2, 3, 12, 13])
    func pagesOfAnySizeGiveTheSameList(_ size: Int) async throws {
        try await withRedisAPI(pods: 12) { api in
            api.limitPages(to: size)
            try await withClient(of: api) { client in
                let pods = try await client.pods(of: try await client.statefulSet("redis"))
                // By ordinal, not by name: redis-10 comes last but one.
                #expect(pods.map(\.ordinal) == Array(0..<12))
            }
            #expect(api.requests.count { $0.hasPrefix(podsPath) } == (12 + size - 1) / size)
        }
    }

    @Test func aContinuationThatExpiredBeginsTheListAnew() async throws {
        try await withRedisAPI(pods: 3) { api in
            api.limitPages(to: 1)
            api.inject(.status(410), on: podsPath, containing: "continue=", times: 2)
            try await withClient(of: api) { client in
                let pods = try await client.pods(of: try await client.statefulSet("redis"))
                #expect(pods.map(\.name) == ["redis-0", "redis-1", "redis-2"])
            }
        }
    }

    @Test func aListThatAlwaysExpiresIsGivenUp() async throws {
        try await withRedisAPI(pods: 3) { api in
            api.limitPages(to: 1)
            api.inject(.status(410), on: podsPath, containing: "continue=", times: 100)
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                let failure = await failure(.unreachable) { _ = try await client.pods(of: set) }
                #expect(failure?.message.hasSuffix("it expired 4 times while it was read") == true)
            }
        }
    }

    @Test func aListWithoutEndIsGivenUp() async throws {
        let page = #"{"kind":"PodList","metadata":{"resourceVersion":"1","continue":"more"},"items":[]}"#
        try await withAnswer(200, page) { client, server in
            let set = StatefulSet(namespace: "default", name: "redis", uid: "1", replicas: 1)
            _ = await failure(.protocolViolation) { _ = try await client.pods(of: set) }
            #expect(server.requests.count == 200)
        }
    }

    @Test func onlyWhatTheSetOwnsIsListed() async throws {
        try await withRedisAPI(pods: 2) { api in
            try api.addStatefulSet("other", labels: ["app": "redis"])
            try api.addPod("other-0")
            try api.addPod("redis-0", namespace: "elsewhere")
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                #expect(try await client.pods(of: set).map(\.name) == ["redis-0", "redis-1"])
                let other = try await client.statefulSet("other")
                #expect(try await client.pods(of: other).map(\.name) == ["other-0"])
            }
        }
    }
}
