// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import RDB
import RedisClient
import RedisProtocol
import TestParts
import Testing

/// What `SnapshotSource` promises, for both implementations and every server.
@Suite struct SourceConformanceTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let method: Method
        let flavour: RedisFlavour
        /// How a server sends what it saves to replicas.
        let isDiskless: Bool

        var testDescription: String { "\(method) \(flavour) \(isDiskless ? "diskless" : "disk")" }

        static let all = RedisFlavour.allCases.flatMap { flavour in
            [
                Case(method: .replication, flavour: flavour, isDiskless: false),
                Case(method: .replication, flavour: flavour, isDiskless: true),
                Case(method: .volume, flavour: flavour, isDiskless: false),
            ]
        }

        var options: RedisOptions {
            .with { $0.config = ["repl-diskless-sync \(isDiskless ? "yes" : "no")"] }
        }
    }

    @Test(arguments: Case.all)
    func theSnapshotIsTheDataset(_ given: Case) async throws {
        try await withReplicatedRedis(given.flavour, given.options) { primary, replicas in
            let replica = try #require(replicas.first)
            try await Dataset.with { $0.scale = 0.1 }.load(into: primary)
            try await primary.waitUntilSynchronized([replica])
            let expected = try await DatasetDigest(of: primary)
            #expect(!expected.keys.isEmpty)
            for server in [primary, replica] {
                let captured = try await given.method.source(of: server).capture()
                let loaded = try await contents(of: captured.bytes, loadedBy: given.flavour)
                #expect(loaded == expected)
                #expect(captured.summary.bytes == Int64(captured.bytes.count))
                #expect(captured.summary.isValkey == (given.flavour == .valkey91))
                #expect(captured.largestChunkBytes <= 8 * ByteStream.chunkSizeBytes)
                // With a file there is a length; from a child there is the memory in use.
                if !given.isDiskless { #expect(captured.announcedBytes == captured.summary.bytes) }
                if given.isDiskless { #expect(captured.announcedBytes == nil) }
                #expect(captured.estimatedBytes ?? 0 > 0)
                let point = try #require(captured.replication)
                let info = try await server.info("replication")
                #expect(point.id == info["master_replid"])
                #expect(point.offset <= Int64(info["master_repl_offset"] ?? "") ?? -1)
                #expect(point.id == captured.summary.replicationID)
                #expect(point.offset == captured.summary.replicationOffset)
                try await server.expectNothingOfOursIsLeft()
            }
        }
    }

    @Test(arguments: Case.all)
    func aLonePrimaryAndAnEmptyOneGiveTheirDataset(_ given: Case) async throws {
        try await withRedis(given.flavour, given.options) { server in
            let empty = try await given.method.source(of: server).capture()
            #expect(empty.summary.keyCount == 0)
            try await Dataset.small.load(into: server)
            let captured = try await given.method.source(of: server).capture()
            let loaded = try await contents(of: captured.bytes, loadedBy: given.flavour)
            let expected = try await DatasetDigest(of: server)
            #expect(loaded == expected)
            // A save into a file begins no history where there is none; a request like a replica's does.
            #expect((captured.replication == nil) == (given.method == .volume))
            try await server.expectNothingOfOursIsLeft()
        }
    }

    @Test(arguments: Method.allCases)
    func twoAtOnceGetOneEach(_ method: Method) async throws {
        try await withRedis { server in
            try await Dataset.small.load(into: server)
            let expected = try await DatasetDigest(of: server)
            let all = try await withThrowingTaskGroup(of: Captured.self) { group in
                for _ in 0..<3 { group.addTask { try await method.source(of: server).capture() } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(all.count == 3)
            for captured in all {
                let loaded = try await contents(of: captured.bytes, loadedBy: .redis70)
                #expect(loaded == expected)
            }
            try await server.expectNothingOfOursIsLeft()
        }
    }

    @Test(arguments: Case.all)
    func anErrorOfTheReaderLeavesNothingBehind(_ given: Case) async throws {
        struct Unhappy: Error {}
        try await withRedis(given.flavour, given.options) { server in
            try await server.loadBytes(3_000_000)
            await #expect(throws: Unhappy.self) {
                try await given.method.source(of: server).capture(midway: { throw Unhappy() })
            }
            await #expect(throws: Unhappy.self) {
                try await given.method.source(of: server).withSnapshot { _ in throw Unhappy() }
            }
            try await server.expectNothingOfOursIsLeft()
            // And the server is as good as before.
            try await server.command("SET", "after", "1")
            _ = try await given.method.source(of: server).capture()
        }
    }

    @Test(arguments: Case.all)
    func cancellingLeavesNothingBehind(_ given: Case) async throws {
        try await withRedis(given.flavour, given.options) { server in
            try await server.loadBytes(3_000_000)
            let started = Shared(false)
            let outcome = await withTaskGroup(of: (any Error)?.self) { group in
                group.addTask {
                    do {
                        _ = try await given.method.source(of: server).capture(midway: {
                            started.change { $0 = true }
                            try await Task.sleep(for: .seconds(600))
                        })
                        return nil
                    } catch {
                        return error
                    }
                }
                _ = try? await eventually("the first chunk") { started.value ? true : nil }
                group.cancelAll()
                return await group.next() ?? nil
            }
            #expect(outcome is CancellationError)
            try await server.expectNothingOfOursIsLeft()
        }
    }

    @Test(arguments: Method.allCases)
    func aRestartBetweenTheLastByteAndTheVerdictIsNoticed(_ method: Method) async throws {
        try await withRedis { server in
            try await Dataset.small.load(into: server)
            let failure = try await failure {
                try await method.source(of: server).capture(beforeAccepting: { try await server.restart(save: true) })
            }
            #expect(failure.code == .memberChanged)
            #expect(failure.message.contains("restarted"))
        }
    }

    @Test(arguments: Method.allCases)
    func aPromotionMeanwhileIsAWarningOrAFailure(_ method: Method) async throws {
        for isStrict in [false, true] {
            try await withReplicatedRedis { _, replicas in
                let replica = try #require(replicas.first)
                let log = LogRecord()
                let source = method.source(of: replica, fitness: MemberFitness(isTopologyStrict: isStrict), log: log)
                let promote: @Sendable () async throws -> Void = { try await replica.command("REPLICAOF", "NO", "ONE") }
                if isStrict {
                    let failure = try await failure { try await source.capture(beforeAccepting: promote) }
                    #expect(failure.code == .memberChanged)
                } else {
                    _ = try await source.capture(beforeAccepting: promote)
                    #expect(log.text.contains("was a replica and is a primary"))
                }
            }
        }
    }
}

/// Members that must be refused, whatever the method.
@Suite struct UnfitMemberTests {
    @Test(arguments: Method.allCases, RedisFlavour.allCases)
    func aReplicaThatNeverSynchronizedIsRefused(_ method: Method, _ flavour: RedisFlavour) async throws {
        try await withFreePort { port in
            try await withRedis(flavour, .with { $0.config = ["replicaof 127.0.0.1 \(port)"] }) { server in
                let failure = try await failure { try await method.source(of: server).capture() }
                #expect(failure.code == .replicaLinkDown)
                try await server.expectNothingOfOursIsLeft()
            }
        }
    }

    @Test(arguments: Method.allCases, RedisFlavour.allCases)
    func aReplicaWhosePrimaryIsGoneIsRefused(_ method: Method, _ flavour: RedisFlavour) async throws {
        try await withReplicatedRedis(flavour) { primary, replicas in
            let replica = try #require(replicas.first)
            try await primary.kill()
            try await eventually("the link to be down") {
                try await replica.info("replication")["master_link_status"] == "down" ? true : nil
            }
            let failure = try await failure { try await method.source(of: replica).capture() }
            #expect(failure.code == .replicaLinkDown)
        }
    }

    @Test(arguments: Method.allCases)
    func aLinkThatGoesDownMeanwhileIsNoticed(_ method: Method) async throws {
        try await withReplicatedRedis { primary, replicas in
            let replica = try #require(replicas.first)
            let failure = try await failure {
                try await method.source(of: replica).capture(beforeAccepting: {
                    try await primary.kill()
                    try await eventually("the link to be down") {
                        try await replica.info("replication")["master_link_status"] == "down" ? true : nil
                    }
                })
            }
            #expect(failure.code == .replicaLinkDown)
        }
    }

    @Test(arguments: Method.allCases)
    func aReplicaThatIsBehindOrHearsNothingIsRefused(_ method: Method) async throws {
        try await withReplicatedRedis { primary, replicas in
            let replica = try #require(replicas.first)
            try await withFaultProxy(to: primary.port) { proxy in
                try await replica.command("REPLICAOF", "127.0.0.1", proxy.port)
                try await primary.waitUntilSynchronized([replica])
                proxy.freeze()
                try await primary.command("SET", "new", [UInt8](repeating: 1, count: 10_000))
                let reached = try #require(Int64(try await primary.info("replication")["master_repl_offset"] ?? ""))
                let strict = MemberFitness(lagBytesMax: 5000, primaryOffset: reached)
                let behind = try await failure { try await method.source(of: replica, fitness: strict).capture() }
                #expect(behind.code == .replicaLagging)
                let lenient = MemberFitness(lagBytesMax: 50_000, primaryOffset: reached)
                _ = try await method.source(of: replica, fitness: lenient).capture()
                // A link can be up and dead.
                try await eventually("the link to be silent for two seconds") {
                    Int(try await replica.info("replication")["master_last_io_seconds_ago"] ?? "") ?? 0 >= 2
                        ? true : nil
                }
                let impatient = MemberFitness(linkIdleSecondsMax: 1)
                let silent = try await failure { try await method.source(of: replica, fitness: impatient).capture() }
                #expect(silent.code == .replicaLinkDown)
                proxy.clear()
            }
        }
    }

    @Test(arguments: Method.allCases)
    func aMemberThatLoadsIsWaitedForAndThenRefused(_ method: Method) async throws {
        let options = RedisOptions.with {
            // Events are served each KiB, and each key takes a millisecond.
            $0.config = ["loading-process-events-interval-bytes 1024"]
            $0.waitsForPong = true
        }
        try await withRedis(.redis70, options) { server in
            try await Dataset.with { $0.databases = [0] }.load(into: server)
            let expected = try await DatasetDigest(of: server)
            try await server.stop(save: true)
            let file = server.folder.appendingPathComponent("redis.conf")
            let text = try String(contentsOf: file, encoding: .utf8)
            try (text + "key-load-delay 1000\n").write(to: file, atomically: true, encoding: .utf8)
            async let restarted: Void = server.start()
            try await eventually("the server to load") {
                try await server.ask("PING").errorText?.hasPrefix("LOADING") == true ? true : nil
            }
            let failure = try await failure {
                try await method.source(of: server, loadingWaitSecondsMax: 0.1).capture()
            }
            #expect(failure.code == .memberLoading)
            let captured = try await method.source(of: server, loadingWaitSecondsMax: 60).capture()
            try await restarted
            let loaded = try await contents(of: captured.bytes, loadedBy: .redis70)
            #expect(loaded == expected)
        }
    }
}
