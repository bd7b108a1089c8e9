// SPDX-License-Identifier: Apache-2.0

import Failures
import Kubernetes
import TestParts
import Testing

private let podsPath = "GET /api/v1/namespaces/default/pods"
private let leasesPath = "/apis/coordination.k8s.io/v1/namespaces/default/leases"

@Suite(.timeLimit(.minutes(2))) struct RetryTests {
    private static let lease = LeaseObject(namespace: "default", name: "redoubt-redis", holderIdentity: "job-1")

    /// By a client of its own: on a connection that was kept, libcurl tries once more by itself.
    private static func set(_ api: KubernetesDouble) async throws -> StatefulSet {
        try await withClient(of: api) { try await $0.statefulSet("redis") }
    }

    @Test(arguments: [
        KubernetesDouble.Fault.status(500), .status(503), .status(429), .reset, .truncatedBody, .page(502, "<html>"),
    ])
    func whatPassesIsTriedAgain(_ fault: KubernetesDouble.Fault) async throws {
        try await withRedisAPI { api in
            api.inject(fault, on: podsPath, times: 4)
            let (clock, set) = (TurnedClock(), try await Self.set(api))
            try await withClient(of: api, clock: clock) { client in
                let pods = try await client.pods(of: set)
                #expect(pods.count == 3)
            }
            #expect(clock.waits.value == [0.25, 0.5, 1, 2])
        }
    }

    @Test(arguments: [KubernetesDouble.Fault.status(500), .status(429), .reset])
    func whatDoesNotPassIsGivenUp(_ fault: KubernetesDouble.Fault) async throws {
        try await withRedisAPI { api in
            api.inject(fault, on: podsPath, times: 100)
            let set = try await Self.set(api)
            try await withClient(of: api) { client in
                let failure = await failure(.unreachable) { _ = try await client.pods(of: set) }
                #expect(failure?.message.hasPrefix("list the pods of the StatefulSet default/redis at ") == true)
                #expect(failure?.message.hasSuffix(", after 5 tries") == true)
            }
            #expect(api.requests.count { $0.hasPrefix(podsPath) } == 5)
        }
    }

    @Test func theServerSaysHowLongToWaitWithinReason() async throws {
        try await withRedisAPI { api in
            api.inject(.status(429, retryAfter: 7), on: podsPath)
            api.inject(.status(503, retryAfter: 3600), on: podsPath)
            let clock = TurnedClock()
            try await withClient(of: api, clock: clock) { client in
                _ = try await client.pods(of: try await client.statefulSet("redis"))
            }
            #expect(clock.waits.value == [7, 30])
        }
    }

    @Test func allWaitsTogetherAreBounded() async throws {
        try await withRedisAPI { api in
            api.inject(.status(429, retryAfter: 25), on: podsPath, times: 100)
            let clock = TurnedClock()
            try await withClient(of: api, clock: clock) { client in
                let set = try await client.statefulSet("redis")
                _ = await failure(.unreachable) { _ = try await client.pods(of: set) }
            }
            #expect(clock.waits.value == [25, 25])
        }
    }

    @Test(arguments: [KubernetesDouble.Fault.status(500), .lostAnswer])
    func whatMayHaveBeenWrittenIsNotWrittenAgain(_ fault: KubernetesDouble.Fault) async throws {
        try await withKubernetesAPI { api in
            api.inject(fault, on: "POST \(leasesPath)")
            api.inject(fault, on: "PUT \(leasesPath)")
            try await withClient(of: api) { client in
                _ = await failure(.unreachable) { _ = try await client.createLease(Self.lease) }
                let lease = try await client.lease("redoubt-redis", namespace: "default")
                var known = lease ?? Self.lease
                known.resourceVersion = known.resourceVersion ?? "1"
                _ = await failure(.unreachable) { [known] in _ = try await client.replaceLease(known) }
            }
            #expect(api.requests.count { $0.hasPrefix("POST") } == 1)
            #expect(api.requests.count { $0.hasPrefix("PUT") } == 1)
        }
    }

    @Test func whatWasRefusedForTooManyRequestsIsWrittenAgain() async throws {
        try await withKubernetesAPI { api in
            api.inject(.status(429), on: "POST \(leasesPath)", times: 2)
            try await withClient(of: api) { client in
                let created = try await client.createLease(Self.lease)
                api.inject(.status(429), on: "PUT \(leasesPath)", times: 2)
                _ = try await client.replaceLease(created)
            }
            #expect(api.requests.count == 6)
        }
    }

    @Test func aQuestionAboutRightsIsAskedAgain() async throws {
        try await withKubernetesAPI { api in
            let path = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
            api.inject(.reset, on: path)
            api.inject(.status(500), on: path)
            api.forbid(verb: "list", resource: "pods")
            try await withClient(of: api) { client in
                let list = AccessQuestion(verb: "list", resource: "pods", namespace: "default")
                #expect(try await client.mayI(list).isAllowed == false)
                let get = try await client.mayI(AccessQuestion(verb: "get", resource: "pods", namespace: "default"))
                #expect(
                    get == AccessAnswer(isAllowed: true, reason: "RBAC: allowed by RoleBinding \"redoubt/default\"")
                )
            }
        }
    }

    @Test(arguments: [KubernetesDouble.Fault.truncatedJSON, .page(200, "<html>hello</html>"), .page(404, "not here")])
    func whatIsNoAnswerOfAnAPIServerIsNotTriedAgain(_ fault: KubernetesDouble.Fault) async throws {
        try await withRedisAPI { api in
            api.inject(fault, on: podsPath)
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                _ = await failure(.protocolViolation) { _ = try await client.pods(of: set) }
            }
        }
    }

    @Test func aRedirectionIsNotFollowed() async throws {
        try await withAnswer(307, "", headers: ["Location: http://127.0.0.1:1/"]) { client, server in
            let failure = await failure(.configuration) { _ = try await client.version() }
            #expect(failure?.message.contains("the server answered 307") == true)
            #expect(server.requests.count == 1)
        }
    }

    @Test func nobodyIsThere() async throws {
        try await withFreePort { port in
            try await withTemporaryFolder { folder in
                let path = try kubeconfig(in: folder, server: "http://127.0.0.1:\(port)/")
                try await withClient(KubernetesSettings(kubeconfig: path, environment: [:])) { client in
                    let failure = await failure(.unreachable) { _ = try await client.version() }
                    #expect(
                        failure?.message.hasPrefix("ask for the version of Kubernetes at http://127.0.0.1:") == true
                    )
                    #expect(failure?.hint?.contains("--replicas and --service") == true)
                }
            }
        }
    }

    @Test func aMissingRightIsNamed() async throws {
        try await withRedisAPI { api in
            api.forbid(verb: "update", resource: "leases")
            api.forbid(verb: "create", resource: "events")
            try await withClient(of: api) { client in
                let created = try await client.createLease(Self.lease)
                let lease = await failure(.permissionDenied) { _ = try await client.replaceLease(created) }
                // A Role may grant one name alone: the question has it.
                let question = "`kubectl auth can-i update leases.coordination.k8s.io/\(Self.lease.name) -n default "
                #expect(lease?.hint?.hasPrefix(question) == true)
                let set = try await client.statefulSet("redis")
                let note = EventNote(
                    involved: EventNote.Involved(set),
                    reason: "BackupCompleted",
                    message: "done",
                    timeSeconds: 0,
                    reportingInstance: "job-1"
                )
                let event = await failure(.permissionDenied) { try await client.createEvent(note) }
                #expect(event?.message.hasPrefix("create an event of the StatefulSet default/redis at ") == true)
            }
        }
    }
}
