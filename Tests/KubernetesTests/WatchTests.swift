// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import Kubernetes
import TestParts
import Testing

private let watchPath = "GET /api/v1/namespaces/default/pods"

@Suite(.timeLimit(.minutes(2))) struct WatchTests {
    /// Watches `redis` of the double until there was as many changes as `steps`, makes each step after the list
    /// before it was told, and gives the names that were told each time.
    private static func told(
        _ api: KubernetesDouble,
        steps: [@Sendable (KubernetesDouble) throws -> Void]
    ) async throws -> [[String]] {
        let told = Shared<[[String]]>([])
        try await withClient(of: api) { client in
            let set = try await client.statefulSet("redis")
            try await client.watchPods(of: set, timeoutSeconds: 60) { pods in
                let count = told.change { told in
                    told.append(pods.map { $0.name + ($0.trouble == nil ? "" : "!") })
                    return told.count
                }
                if count > steps.count { return true }
                try steps[count - 1](api)
                return false
            }
        }
        return told.value
    }

    private static let pending: @Sendable (KubernetesDouble) -> Void = { api in
        api.changePod("redis-0") { $0.set("Pending", at: "status", "phase") }
    }
    private static let running: @Sendable (KubernetesDouble) -> Void = { api in
        api.changePod("redis-0") { $0.set("Running", at: "status", "phase") }
    }
    private static let changes: [@Sendable (KubernetesDouble) throws -> Void] = [
        pending, running, { $0.deletePod("redis-1") }, { try $0.addPod("redis-1") }, pending,
    ]
    private static let expected = [
        ["redis-0", "redis-1"], ["redis-0!", "redis-1"], ["redis-0", "redis-1"], ["redis-0"], ["redis-0", "redis-1"],
        ["redis-0!", "redis-1"],
    ]

    @Test func eachChangeIsTold() async throws {
        try await withRedisAPI(pods: 2) { api in
            let told = try await Self.told(api, steps: Self.changes)
            #expect(told == Self.expected)
            #expect(api.requests.count { $0.contains("limit=") } == 1)
            #expect(api.requests.count { $0.contains("watch=1") } == 1)
        }
    }

    @Test(arguments: [
        KubernetesDouble.Fault.dropWatch(afterEvents: 1), .endWatch(afterEvents: 1), .endWatch(afterEvents: 0),
        .dropWatch(afterEvents: 2), .reset, .status(503), .status(429),
    ])
    func aWatchThatBreaksLosesAndDoublesNothing(_ fault: KubernetesDouble.Fault) async throws {
        try await withRedisAPI(pods: 2) { api in
            api.inject(fault, on: watchPath, containing: "watch=1", times: 3)
            let told = try await Self.told(api, steps: Self.changes)
            #expect(told == Self.expected)
            // It went on from where it was: no list was made anew.
            #expect(api.requests.count { $0.contains("limit=") } == 1)
        }
    }

    @Test(arguments: [
        KubernetesDouble.Fault.failWatch(code: 410, afterEvents: 1), .failWatch(code: 410, afterEvents: 0),
        .status(410),
        .failWatch(code: 500, afterEvents: 1),
    ])
    func aWatchThatExpiredListsAnew(_ fault: KubernetesDouble.Fault) async throws {
        try await withRedisAPI(pods: 2) { api in
            api.inject(fault, on: watchPath, containing: "watch=1")
            let told = try await Self.told(api, steps: Self.changes)
            #expect(told == Self.expected)
            #expect(api.requests.count { $0.contains("limit=") } == 2)
        }
    }

    @Test func whatHappenedWhileNobodyListenedIsToldOnce() async throws {
        try await withRedisAPI(pods: 2) { api in
            let steps: [@Sendable (KubernetesDouble) throws -> Void] = [
                { api in
                    // The server forgets everything, and tells nobody.
                    api.endWatches()
                    api.deletePod("redis-0")
                    api.deletePod("redis-1")
                    try api.addPod("redis-1")
                    api.forgetHistory()
                }
            ]
            let told = try await Self.told(api, steps: steps)
            #expect(told.first == ["redis-0", "redis-1"])
            #expect(told.last?.contains("redis-0") == false)
        }
    }

    @Test func aBookmarkMovesTheWatchOnAndIsNotTold() async throws {
        try await withRedisAPI(pods: 1) { api in
            api.inject(.endWatch(afterEvents: 1), on: watchPath, containing: "watch=1")
            let told = Shared(0)
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                try await client.watchPods(of: set, timeoutSeconds: 60) { pods in
                    guard
                        told.change({ count in
                            count += 1; return count
                        }) == 1
                    else { return true }
                    api.sendBookmark()
                    return false
                } whileRunning: {
                    try await eventually("the second watch") {
                        api.requests.count { $0.contains("watch=1") } == 2 && api.watchCount == 1 ? () : nil
                    }
                    #expect(told.value == 1)
                    Self.pending(api)
                }
            }
            let versions = api.requests.compactMap { request in
                request.components(separatedBy: "resourceVersion=").dropFirst().first?.prefix { $0.isNumber }
            }
            #expect(versions.count == 2 && Set(versions).count == 2)
        }
    }

    @Test func aChangeThatNobodyCanSeeIsNotTold() async throws {
        try await withRedisAPI(pods: 1) { api in
            let steps: [@Sendable (KubernetesDouble) throws -> Void] = [
                { api in
                    api.changePod("redis-0") { $0.set("x", at: "metadata", "annotations", "note") }
                    Self.pending(api)
                }
            ]
            let told = try await Self.told(api, steps: steps)
            #expect(told == [["redis-0"], ["redis-0!"]])
        }
    }

    @Test func theTimeEndsIt() async throws {
        try await withRedisAPI(pods: 1) { api in
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                let told = Shared(0)
                try await client.watchPods(of: set, timeoutSeconds: 3) { _ in
                    told.change { $0 += 1 }
                    return false
                }
                #expect(told.value == 1)
            }
        }
    }

    @Test func aServerThatIsGoneWhenTheTimeIsOverIsAFailure() async throws {
        try await withRedisAPI(pods: 1) { api in
            api.inject(.dropWatch(afterEvents: 0), on: watchPath, containing: "watch=1")
            api.inject(.status(503), on: watchPath, containing: "watch=1", times: 1_000_000)
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                let failure = await failure(.unreachable) {
                    try await client.watchPods(of: set, timeoutSeconds: 1) { _ in
                        try await eventually("the tries to watch") {
                            api.requests.count { $0.contains("watch=1") } > 12 ? () : nil
                        }
                        return false
                    }
                }
                #expect(failure?.message.hasPrefix("watch the pods of the StatefulSet default/redis at ") == true)
            }
        }
    }

    @Test func aListThatNeverComesIsATimeout() async throws {
        try await withScriptedServer { connection, _ in
            _ = try await connection.readToEnd()
        } body: { port in
            try await withTemporaryFolder { folder in
                let path = try kubeconfig(in: folder, server: "http://127.0.0.1:\(port)")
                try await withClient(KubernetesSettings(kubeconfig: path, environment: [:])) { client in
                    let set = StatefulSet(namespace: "default", name: "redis", uid: "1", replicas: 1)
                    _ = await failure(.timeout) {
                        try await client.watchPods(of: set, timeoutSeconds: 1) { _ in false }
                    }
                }
            }
        }
    }

    @Test func aMissingRightEndsItAtOnce() async throws {
        try await withRedisAPI(pods: 1) { api in
            api.forbid(verb: "watch", resource: "pods")
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                let failure = await failure(.permissionDenied) {
                    try await client.watchPods(of: set, timeoutSeconds: 60) { _ in false }
                }
                #expect(failure?.hint?.hasPrefix("`kubectl auth can-i watch pods -n default ") == true)
            }
        }
    }

    @Test func anEventThatIsNoneEndsIt() async throws {
        try await withScriptedHTTP { request, _ in
            let list = #"{"kind":"PodList","metadata":{"resourceVersion":"1"},"items":[]}"#
            return ScriptedHTTP.response("200 OK", body: request.target.contains("watch=1") ? "{\"type\":\n" : list)
        } body: { server in
            try await withTemporaryFolder { folder in
                let path = try kubeconfig(in: folder, server: server.url)
                try await withClient(KubernetesSettings(kubeconfig: path, environment: [:])) { client in
                    let set = StatefulSet(namespace: "default", name: "redis", uid: "1", replicas: 1)
                    _ = await failure(.protocolViolation) {
                        try await client.watchPods(of: set, timeoutSeconds: 60) { _ in false }
                    }
                }
            }
        }
    }

    @Test func whatTheFollowerThrowsIsThrown() async throws {
        struct Enough: Error {}
        try await withRedisAPI(pods: 1) { api in
            try await withClient(of: api) { client in
                let set = try await client.statefulSet("redis")
                await #expect(throws: Enough.self) {
                    try await client.watchPods(of: set, timeoutSeconds: 60) { _ in throw Enough() }
                }
            }
        }
    }
}

extension KubernetesClient {
    /// Watches, while `other` runs beside it.
    fileprivate func watchPods(
        of set: StatefulSet,
        timeoutSeconds: Int,
        _ onChange: @escaping @Sendable ([Pod]) async throws -> Bool,
        whileRunning other: @escaping @Sendable () async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await other() }
            group.addTask { try await watchPods(of: set, timeoutSeconds: timeoutSeconds, onChange) }
            try await group.waitForAll()
        }
    }
}

@Suite struct WatchLinesTests {
    private static let text = Array("{\"a\":1}\n\n{\"b\":\"é\"}\r\n{\"c\":3}\n{\"half".utf8)
    private static let lines = ["{\"a\":1}", "{\"b\":\"é\"}\r", "{\"c\":3}"].map { Array($0.utf8) }

    @Test func everySplitGivesTheSameLines() throws {
        for first in 0...Self.text.count {
            for second in first...Self.text.count {
                var lines = WatchLines()
                var found = try lines.feed(Array(Self.text[..<first]))
                found += try lines.feed(Array(Self.text[first..<second]))
                found += try lines.feed(Array(Self.text[second...]))
                #expect(found == Self.lines)
            }
        }
    }

    @Test func everySizeOfChunksGivesTheSameLines() throws {
        for size in 1...Self.text.count {
            var lines = WatchLines()
            var found: [[UInt8]] = []
            for start in stride(from: 0, to: Self.text.count, by: size) {
                found += try lines.feed(Array(Self.text[start..<min(start + size, Self.text.count)]))
            }
            #expect(found == Self.lines)
        }
    }

    @Test func aLineWithoutEndIsRefused() throws {
        var lines = WatchLines()
        let chunk = [UInt8](repeating: 0x20, count: WatchLines.lineBytesMax / 2)
        _ = try lines.feed(chunk)
        _ = try lines.feed(chunk)
        #expect(throws: Malformed.self) { _ = try lines.feed([0x20]) }
    }
}
