// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// A whole cluster comes back: one node of each shard restored before it starts, then all of them made a cluster.
struct ClusterRestoreTests {
    /// Nodes that were restored, and empty ones; none has met another.
    private struct Rig: Sendable {
        let store: TestedStore
        let nodes: [RedisServer]
        /// `DEBUG DIGEST` of each shard when it was backed up, in the order of the slots.
        let digests: [String]
        var more: [String] = []
        var environment: [String: String] = [:]

        /// The restored ones last, in no order.
        var endpoints: [String] { nodes.reversed().flatMap { ["--endpoint", $0.url] } }

        func form(_ more: [String] = [], _ endpoints: [String]? = nil) async throws -> Redoubt.Outcome {
            try await Redoubt.run(arguments(more, endpoints), environment: environment)
        }

        func arguments(_ more: [String] = [], _ endpoints: [String]? = nil) -> [String] {
            ["restore", "--from", store.url, "--name", "cluster", "--cluster"] + self.more + more
                + (endpoints ?? self.endpoints)
        }

        /// How each node sees its cluster, without the times of pings.
        func views() async throws -> [String] {
            var views: [String] = []
            for node in nodes {
                let text = try await node.command("CLUSTER", "NODES").text ?? ""
                views.append(
                    text.split(separator: "\n").map { line in
                        let fields = line.split(separator: " ")
                        return (fields[..<4] + fields[6...]).joined(separator: " ")
                    }.sorted().joined(separator: "\n")
                )
            }
            return views
        }

        func keyCounts() async throws -> [Int] {
            var counts: [Int] = []
            for node in nodes { counts.append(try await node.command("DBSIZE").int ?? -1) }
            return counts
        }

        func expectUntouched(
            _ outcome: Redoubt.Outcome,
            code: Int32,
            says: String,
            _ before: [String],
            _ location: SourceLocation = #_sourceLocation
        ) async throws {
            #expect(outcome.code == code, "\(outcome.errors)", sourceLocation: location)
            #expect(outcome.errors.contains(says), "\(outcome.errors)", sourceLocation: location)
            let after = try await views()
            #expect(after == before, sourceLocation: location)
        }
    }

    private static let keyCount = 240

    /// Keys of several types in every shard, among them some that share a slot by their tag.
    private static func fill(_ node: RedisServer) async throws {
        var lines: [String] = []
        for number in 0..<keyCount {
            lines.append("SET key:\(number) value-\(number)")
            switch number % 6 {
            case 0: lines.append("HSET {tag\(number)}:hash a 1 b \(number)")
            case 1: lines.append("RPUSH {tag\(number)}:list a b \(number)")
            case 2: lines.append("SADD {tag\(number)}:set a b \(number)")
            case 3: lines.append("ZADD {tag\(number)}:zset 1 a \(number) b")
            case 4: lines.append("XADD {tag\(number)}:stream 1-\(number + 1) field \(number)")
            default: lines.append("SET {tag\(number)}:brief x PX 100000000")
            }
        }
        let replies = try await ask(node, lines)
        #expect(replies.count == lines.count && !replies.contains { $0.contains("ERR") || $0.contains("CLUSTERDOWN") })
    }

    /// Sends commands with redis-cli, which follows redirections.
    private static func ask(_ node: RedisServer, _ lines: [String]) async throws -> [String] {
        let input = ChildProcess.Input.bytes(Array((lines.joined(separator: "\n") + "\n").utf8))
        let cli = try Parts.redisCLI()
        let output = try await run(cli, ["-c", "-h", node.host, "-p", "\(node.port)"], input: input)
        return String(decoding: output, as: UTF8.self).split(separator: "\n").map(String.init).filter {
            !$0.hasPrefix("-> Redirected")
        }
    }

    private static func digests(_ primaries: [RedisServer]) async throws -> [String] {
        var digests: [String] = []
        for primary in primaries { digests.append(try await primary.command("DEBUG", "DIGEST").text ?? "") }
        return digests
    }

    /// Backs a cluster up, ends it, restores one node of each shard, and starts them with the empty ones.
    private func withRig(
        _ flavour: RedisFlavour,
        replicas: Int,
        options: @escaping @Sendable (Int) -> RedisOptions = { _ in .clusterNode },
        source: @escaping @Sendable (TestedStore, [RedisServer]) async throws -> Void = { _, _ in },
        _ body: @escaping @Sendable (Rig) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder.appendingPathComponent("store"))
            let digests = try await withRedisCluster(flavour, shards: 3, replicas: replicas) { primaries, followers in
                try await Self.fill(primaries[0])
                let nodes = primaries + followers.flatMap { $0 }
                for (primary, group) in zip(primaries, followers) { try await primary.waitUntilSynchronized(group) }
                let outcome = try await Redoubt.run(
                    ["backup", "--to", store.url, "--name", "cluster"] + nodes.flatMap { ["--endpoint", $0.url] }
                )
                try #require(outcome.code == 0, "\(outcome.errors)")
                try await source(store, primaries)
                return try await Self.digests(primaries)
            }
            var nodes: [RedisOptions] = []
            for index in 0..<(3 * (replicas + 1)) {
                var node = options(index)
                let data = folder.appendingPathComponent("node-\(index)")
                try FileManager.default.createDirectory(at: data, withIntermediateDirectories: false)
                node.folder = data
                nodes.append(node)
                guard index < 3 else { continue }
                let shard = index == 2 ? "16000-16383" : "\(index)"
                let restored = try await Redoubt.run([
                    "restore", "--from", store.url, "--name", "cluster", "--data-dir", data.path, "--shard", shard,
                    "--appendonly", node.appendOnly ? "yes" : "no",
                ])
                try #require(restored.code == 0, "\(restored.errors)")
            }
            try await withClusterNodes(flavour, nodes) { nodes in
                try await body(Rig(store: store, nodes: nodes, digests: digests))
            }
        }
    }

    /// Every node finds the cluster whole, every key is where its slot is, and replicas are where their primaries are.
    private func expectWhole(_ rig: Rig, replicas: Int) async throws {
        let primaries = Array(rig.nodes[..<3])
        for node in rig.nodes {
            let state = try await node.command("CLUSTER", "INFO").text ?? ""
            #expect(state.contains("cluster_state:ok") && state.contains("cluster_slots_assigned:16384"))
        }
        let lines = try await primaries[0].command("CLUSTER", "NODES").text ?? ""
        #expect(["0-5460", "5461-10921", "10922-16383"].allSatisfy { lines.contains("connected \($0)") }, "\(lines)")
        let digests = try await Self.digests(primaries)
        #expect(digests == rig.digests)
        let values = try await Self.ask(primaries[1], (0..<Self.keyCount).map { "GET key:\($0)" })
        let areAllThere = values == (0..<Self.keyCount).map { "value-\($0)" }
        #expect(areAllThere)
        for primary in primaries {
            let id = try await primary.command("CLUSTER", "MYID").text ?? ""
            var followers: [RedisServer] = []
            for node in rig.nodes[3...] {
                let own = try await node.command("CLUSTER", "NODES").text ?? ""
                if own.contains("myself,slave \(id)") { followers.append(node) }
            }
            #expect(followers.count == replicas)
            try await primary.waitUntilSynchronized(followers)
        }
    }

    /// Nodes whose configuration differs: a bus port of its own, and AOF in the place of a dump.
    private static func mixedOptions(_ index: Int, busPort: Int) -> RedisOptions {
        var options = RedisOptions.clusterNode
        let rights =
            "+info +cluster|nodes +cluster|info +cluster|countkeysinslot +cluster|set-config-epoch "
            + "+cluster|addslotsrange +cluster|meet +cluster|replicate"
        options.users = ["forming on >secret \(rights)"]
        options.appendOnly = index == 1
        if index == 4 { options.config.append("cluster-port \(busPort)") }
        return options
    }

    /// 53: whatever step it is interrupted at, it is run again and goes on. What does not fit is refused first.
    @Test func aClusterComesBackThroughEveryInterruption() async throws {
        try await withFreePort { busPort in
            try await withRig(
                .redis70,
                replicas: 1,
                options: { Self.mixedOptions($0, busPort: busPort) },
                source: Self.expectRefusalsBesideTheSource
            ) { bare in
                try await self.expectRefusals(bare)
                var rig = bare
                rig.more = ["--user", "forming"]
                rig.environment = ["REDISCLI_AUTH": "secret"]
                try await self.interruptEachStep(rig)
                let counts = try await rig.keyCounts()
                #expect(counts[..<3].reduce(0, +) == 2 * Self.keyCount)
                let formed = try await rig.form()
                try #require(formed.code == 0, "\(formed.errors)")
                #expect(!formed.errors.contains("secret") && !formed.output.contains("secret"))
                try await self.expectWhole(rig, replicas: 1)
                let again = try await rig.form(["--output", "json"])
                #expect(try TestJSON(parsing: again.output)["outcome"] == "already-formed", "\(again.errors)")
            }
        }
    }

    /// Nodes of a cluster that is alive are not made another one; and a set without some slots makes none.
    private static let expectRefusalsBesideTheSource: @Sendable (TestedStore, [RedisServer]) async throws -> Void = {
        store,
        primaries in
        let form = ["restore", "--from", store.url, "--name", "cluster", "--cluster"]
        let endpoints = primaries.flatMap { ["--endpoint", $0.url] }
        let alive = try await Redoubt.run(form + endpoints)
        #expect(alive.code == 8 && alive.errors.contains("knows a node that is not named here"), "\(alive.errors)")
        let partial = try await Redoubt.run(
            ["backup", "--to", store.url, "--name", "partial", "--allow-missing-slots"] + endpoints[..<4]
        )
        try #require(partial.code == 0, "\(partial.errors)")
        let refused = try await Redoubt.run(
            ["restore", "--from", store.url, "--name", "partial", "--cluster"] + endpoints
        )
        #expect(refused.code == 8 && refused.errors.contains("--allow-missing-slots"), "\(refused.errors)")
    }

    /// A `nodes.conf` stays as it is beside a snapshot of its shard; of another one, nothing is restored (F42).
    private func expectNodesFileIsMinded(_ store: TestedStore) async throws {
        try await withTemporaryFolder { data in
            let file = data.appendingPathComponent("nodes.conf")
            let lines = [
                "aaa 10.0.0.1:6379@16379 master - 0 0 2 connected 5461-10921",
                "bbb 10.0.0.2:6379@16379 myself,slave aaa 0 0 2 connected", "vars currentEpoch 6 lastVoteEpoch 0",
            ]
            try Data(lines.joined(separator: "\n").utf8).write(to: file)
            let restore = ["restore", "--from", store.url, "--name", "cluster", "--data-dir", data.path, "--shard"]
            let refused = try await Redoubt.run(restore + ["0"])
            #expect(refused.code == 8 && refused.errors.contains("is a replica in the shard"), "\(refused.errors)")
            let files = try FileManager.default.contentsOfDirectory(atPath: data.path)
            #expect(files == ["nodes.conf"])
            let restored = try await Redoubt.run(restore + ["1", "--appendonly", "no"])
            #expect(restored.code == 0, "\(restored.errors)")
            let kept = try String(contentsOf: file, encoding: .utf8)
            #expect(kept == lines.joined(separator: "\n"))
        }
    }

    private func expectRefusals(_ rig: Rig) async throws {
        try await expectNodesFileIsMinded(rig.store)
        let before = try await rig.views()
        let spare = rig.nodes[5]
        func endpoints(without index: Int) -> [String] {
            rig.nodes.indices.filter { $0 != index }.flatMap { ["--endpoint", rig.nodes[$0].url] }
        }
        let incomplete = try await rig.form([], endpoints(without: 1))
        try await rig.expectUntouched(incomplete, code: 8, says: "no node holds the keys of the slots", before)
        try await withFreePort { port in
            let absent = try await rig.form([], rig.endpoints + ["--endpoint", "redis://127.0.0.1:\(port)"])
            try await rig.expectUntouched(absent, code: 5, says: "connection refused", before)
        }
        try await withRedis(.redis70) { plain in
            let standalone = try await rig.form([], rig.endpoints + ["--endpoint", plain.url])
            try await rig.expectUntouched(standalone, code: 8, says: "cluster-enabled yes", before)
        }
        try await spare.command("CONFIG", "SET", "maxmemory", 1000)
        let small = try await rig.form()
        try await rig.expectUntouched(small, code: 8, says: "--ignore-memory-headroom", before)
        try await spare.command("CONFIG", "SET", "maxmemory", 0)
        try await spare.command("CLUSTER", "ADDSLOTS", 5)
        let doubled = try await rig.views()
        let twice = try await rig.form()
        try await rig.expectUntouched(twice, code: 8, says: "both own slots of the shard", doubled)
        try await spare.command("CLUSTER", "DELSLOTS", 5)
        let dry = try await rig.form(["--dry-run"])
        #expect(dry.output.contains("would form the cluster"), "\(dry.output)")
        try await rig.expectUntouched(dry, code: 0, says: "two nodes on one host", before)
    }

    /// Breaks the connections to the first primary, whom the others are introduced to, at each step that needs one.
    private func interruptEachStep(_ rig: Rig) async throws {
        // Connections to it: the first look; the epoch; the slots; a look; introductions; more looks.
        let steps: [(connection: Int, leaves: String, lacks: String)] = [
            // The epoch itself; then the slots; then all others but the first node have theirs.
            (2, " - 0 connected", "connected 0-5460"), (3, "myself,master", " - 0 connected"),
            (3, "connected 0-5460", " - 0 connected"),
            // The slots are there by now: the introduction is the third connection.
            (3, "connected 0-5460", "\n"), (4, "\n", " - 0 connected"),
        ]
        for step in steps {
            try await withFaultProxy(to: rig.nodes[0].port) { proxy in
                proxy.refuse(.from(step.connection))
                let first = "redis://127.0.0.1:\(proxy.port)"
                let others = rig.nodes[1...].flatMap { ["--endpoint", $0.url] }
                let outcome = try await rig.form(["--settle-timeout", "0.5"], ["--endpoint", first] + others)
                #expect(outcome.code == 5, "\(outcome.errors)")
                let view = try await rig.views()[0]
                #expect(view.contains(step.leaves) && !view.contains(step.lacks), "\(view)")
            }
        }
        // In the middle of the rest, wherever that is.
        try await Redoubt.withRunning(rig.arguments(), environment: rig.environment) { process in
            try await eventually("a node is told to follow", withinSeconds: 60) {
                process.errors.text.contains("follows") ? true : nil
            }
            process.kill(SIGKILL)
            try await process.waitUntilExit(withinSeconds: 30)
        }
    }

    @Test(arguments: [RedisFlavour.redis62, .valkey91])
    func aClusterOfOtherServersComesBack(flavour: RedisFlavour) async throws {
        let replicas = flavour == .valkey91 ? 1 : 0
        try await withRig(flavour, replicas: replicas) { rig in
            let formed = try await rig.form(["--output", "json"])
            try #require(formed.code == 0, "\(formed.errors)")
            let report = try TestJSON(parsing: formed.output)
            #expect(report["outcome"] == "formed")
            #expect(report["nodes"]?.array?.count == rig.nodes.count)
            try await self.expectWhole(rig, replicas: replicas)
        }
    }
}
