// SPDX-License-Identifier: Apache-2.0

import Failures
import Kubernetes
import TestParts
import Testing

@Suite(.timeLimit(.minutes(2))) struct WritingTests {
    @Test func aLeaseIsMadeReadReplacedAndGuarded() async throws {
        try await withKubernetesAPI { api in
            try await withClient(of: api) { client in
                var lease = LeaseObject(namespace: "default", name: "redoubt-redis", holderIdentity: "a")
                lease.annotations = ["redoubt.dev/version": "1"]
                #expect(try await client.lease("redoubt-redis", namespace: "default") == nil)
                let first = try await client.createLease(lease)
                #expect(first.resourceVersion != nil)
                #expect(try await client.lease("redoubt-redis", namespace: "default") == first)
                _ = await failure(.alreadyExists) { [lease] in _ = try await client.createLease(lease) }
                var second = first
                second.holderIdentity = "b"
                second.leaseTransitions = 1
                let replaced = try await client.replaceLease(second)
                #expect(replaced.holderIdentity == "b" && replaced.resourceVersion != first.resourceVersion)
                // The first holder has lost it.
                _ = await failure(.alreadyExists) { _ = try await client.replaceLease(first) }
                #expect(api.lease("redoubt-redis")?["spec"]?["holderIdentity"] == "b")
                api.deleteLease("redoubt-redis")
                _ = await failure(.noSuchObject) { _ = try await client.replaceLease(replaced) }
                _ = await failure(.configuration) { [lease] in _ = try await client.replaceLease(lease) }
            }
        }
    }

    @Test func whatOthersWroteIntoALeaseStays() async throws {
        try await withKubernetesAPI { api in
            api.changeLease("redoubt-redis") { lease in
                lease.set("cache", at: "metadata", "labels", "team")
                lease.set("OldestEmulationVersion", at: "spec", "strategy")
                lease.set("someone", at: "spec", "holderIdentity")
            }
            try await withClient(of: api) { client in
                var lease = try #require(try await client.lease("redoubt-redis", namespace: "default"))
                lease.holderIdentity = nil
                _ = try await client.replaceLease(lease)
            }
            let after = try #require(api.lease("redoubt-redis"))
            #expect(after["metadata"]?["labels"]?["team"] == "cache")
            #expect(after["spec"] == .object(["strategy": "OldestEmulationVersion"]))
        }
    }

    @Test func anEventIsLeftAtTheObjectItIsAbout() async throws {
        try await withRedisAPI { api in
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                try await client.createEvent(
                    EventNote(
                        involved: EventNote.Involved(set),
                        type: "Warning",
                        reason: "BackupFailed",
                        message: "no member is fit",
                        timeSeconds: 1_795_364_744,
                        reportingInstance: "redoubt-1"
                    )
                )
                let event = try #require(api.events.first)
                #expect(event["involvedObject"]?["uid"]?.text == set.uid)
                #expect(event["involvedObject"]?["apiVersion"] == "apps/v1")
                #expect(event["type"] == "Warning" && event["reason"] == "BackupFailed")
                #expect(event["firstTimestamp"] == "2026-11-22T16:25:44Z")
                #expect(event["metadata"]?["namespace"] == "default")
            }
        }
    }

    @Test func aMessageIsCutBetweenCharacters() {
        func cut(_ message: String) -> String {
            EventNote(
                involved: EventNote.Involved(apiVersion: "v1", kind: "Pod", namespace: "a", name: "b"),
                reason: "r",
                message: message,
                timeSeconds: 0,
                reportingInstance: "i"
            ).message
        }
        let exact = String(repeating: "a", count: 1024)
        #expect(cut(exact) == exact)
        #expect(cut(exact + "b") == exact)
        #expect(cut(String(repeating: "é", count: 600)) == String(repeating: "é", count: 512))
        #expect(cut("a" + String(repeating: "é", count: 600)) == "a" + String(repeating: "é", count: 511))
        #expect(cut(String(repeating: "👩‍👩‍👧", count: 100)).utf8.count <= 1024)
    }

    @Test func onlyTheseRightsAreNeeded() async throws {
        try await withRedisAPI { api in
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                _ = try await client.pods(of: set)
                _ = try await client.pod("redis-0", namespace: "default")
                try await client.watchPods(of: set, timeoutSeconds: 30) { _ in true }
                let lease = try await client.createLease(LeaseObject(namespace: "default", name: "a"))
                _ = try await client.replaceLease(lease)
                _ = try await client.version()
            }
            let verbs = Set(api.verbsUsed.map(\.description))
            // Whether the watch was begun before the first list was enough is a matter of time.
            #expect(
                verbs.subtracting(["watch pods"]) == [
                    "get statefulsets.apps redis", "list pods", "get pods redis-0",
                    "create leases.coordination.k8s.io", "update leases.coordination.k8s.io a",
                ]
            )
        }
    }
}
