// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import HTTPTransport
import ObjectStorage
import Synchronization
import TestParts
import Testing

/// What goes wrong on the way to real servers, byte by byte: each run is counted, and so is each byte that is lost.
@Suite struct StoreWayFaultTests {
    private static let servers = [TestedStore.seaweed, .rclone]
    private static let part = StoreWithWitness.partSizeBytes
    private static let step = 64 << 10

    private static func key() throws -> ObjectKey { try #require(ObjectKey(parsing: "set/7f3a/redis-0.rdb.zst")) }

    private static func bytes(_ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: UInt64(count))
        return random.bytes(count)
    }

    /// How many bytes are not what they should be.
    private static func lost(_ found: [UInt8], of bytes: [UInt8]) -> Int {
        abs(found.count - bytes.count) + zip(found, bytes).count { $0 != $1 }
    }

    /// Fault 36, both ways: once at each multiple of 64 KiB, and at each of them in one download.
    @Test(arguments: servers, ["reset", "close"])
    func downloadDroppedAtEvery64KiBLosesNoByte(on server: TestedStore, by kind: String) async throws {
        func fault(_ offset: Int) -> FaultProxy.Fault {
            kind == "reset" ? .reset(afterBytes: offset) : .close(afterBytes: offset)
        }
        let (key, bytes) = (try Self.key(), Self.bytes(16 * Self.step + 3))
        try await withProxiedStore(on: server) { tested async throws in
            try await tested.service.put(key.description, in: tested.bucket, bytes)
            var (runs, lost, drops) = (0, 0, 0)
            for offset in stride(from: Self.step, through: bytes.count, by: Self.step) {
                // The connection that is kept from the run before would not count from 0.
                await tested.proxy.resetAll()
                let before = tested.proxy.connections.count
                tested.proxy.clear()
                tested.proxy.add(fault(offset), .toClient, on: .only(before + 1))
                lost += Self.lost(try await tested.store.readAll(key), of: bytes)
                runs += 1
                drops += tested.proxy.connections.count - before - 1
            }
            #expect((runs, lost, drops) == (16, 0, 16))
            await tested.proxy.resetAll()
            let before = tested.proxy.connections.count
            tested.proxy.clear()
            tested.proxy.add(fault(Self.step), .toClient)
            lost += Self.lost(try await tested.store.readAll(key), of: bytes)
            let connections = tested.proxy.connections.count - before
            #expect(lost == 0 && connections >= 17)
            print("fault 36, \(server), \(kind): \(runs + 1) downloads, \(drops + connections - 1) drops, \(lost) lost")
        }
    }

    /// Fault 33: the store has the part, and nobody hears of it.
    @Test(arguments: servers)
    func partWhoseReplyIsLostIsSentAgainFromItsBuffer(on server: TestedStore) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(3 * Self.part + 17))
        try await withProxiedStore(on: server) { tested async throws in
            var (runs, lost, resent) = (0, 0, 0)
            for count in [1, 2, 5] {
                await tested.proxy.resetAll()
                let before = tested.proxy.connections.count
                let sentBefore = tested.proxy.bytesToServer
                tested.proxy.clear()
                // The body has gone but for its last bytes: nobody replies before they have come.
                let fault = FaultProxy.Fault.loseReply(afterBytesToServer: Self.part - 2 * Self.step)
                tested.proxy.add(fault, .toClient, on: .first(before + count))
                try await tested.store.write(key, bytes)
                lost += Self.lost(try await tested.service.get(key.description, in: tested.bucket), of: bytes)
                runs += 1
                resent += (tested.proxy.bytesToServer - sentBefore - bytes.count) / (Self.part - 2 * Self.step)
                try await tested.service.delete(key.description, in: tested.bucket)
            }
            #expect(lost == 0 && resent >= 3)
            print("fault 33, \(server): \(runs) uploads, \(resent) parts sent again, \(lost) bytes lost")
        }
    }

    /// Faults 34 and 35. rclone takes no part while another one is on its way, and the proxy never ends the one that
    /// stalls.
    @Test(arguments: [
        (TestedStore.seaweed, FaultProxy.Direction.toServer), (.seaweed, .toClient), (.rclone, .toClient),
    ])
    func aTransferThatStallsIsBegunAgainInTime(on server: TestedStore, _ direction: FaultProxy.Direction) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(2 * Self.part))
        try await withProxiedStore(on: server, noProgressSeconds: 1) { tested async throws in
            if direction == .toServer {
                tested.proxy.add(.stall(afterBytes: Self.part / 2), .toServer, on: .first(2))
                try await tested.store.write(key, bytes)
            } else {
                try await tested.service.put(key.description, in: tested.bucket, bytes)
                tested.proxy.add(.stall(afterBytes: Self.part / 2), .toClient, on: .first(2))
            }
            let found = try await tested.store.readAll(key)
            #expect(Self.lost(found, of: bytes) == 0)
            #expect(tested.proxy.connections.count >= 3)
        }
    }

    /// It takes the connection and the request, and then there is silence: each verb ends, after its tries.
    @Test(arguments: ["list", "stat", "read", "create", "stage", "remove"])
    func aServerThatNeverAnswersEndsEveryVerbInTime(verb: String) async throws {
        let key = try Self.key()
        let tries = Mutex(0)
        try await withScriptedServer { connection, _ in
            while try await connection.readRequest() != nil { tries.withLock { $0 += 1 } }
        } body: { port in
            var configuration = StoreConfiguration(
                environment: ["AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "yyyyyyyy"]
            )
            configuration.endpointURL = "http://127.0.0.1:\(port)"
            configuration.noProgressSeconds = 1
            configuration.attemptsMax = 2
            configuration.clock = .hasty
            configuration.logger.logLevel = .error
            let failure = await #expect(throws: Failure.self) {
                try await withObjectStore(StoreLocation(parsing: "s3://bucket"), configuration: configuration) {
                    switch verb {
                    case "list": _ = try await $0.list(under: .root)
                    case "stat": _ = try await $0.stat(key)
                    case "read": _ = try await $0.readAll(key)
                    case "create": _ = try await $0.create(key, [1])
                    case "stage": _ = try await $0.stage(key, estimatedBytes: nil, from: chunked([1]))
                    default: try await $0.remove(key)
                    }
                }
            }
            #expect(failure?.code == .timeout, "\(failure?.description ?? "")")
            #expect(failure?.message.hasSuffix("after 2 tries") == true, "\(failure?.description ?? "")")
            #expect(tries.withLock { $0 } == 2)
        }
    }

    /// Two stores of one run, up and down, with the same rate over all of it.
    @Test func allStoresOfARunShareOneRate() async throws {
        let (key, bytes, rate) = (try Self.key(), Self.bytes(3 << 20), 4 << 20)
        try await withTestedStore(.seaweed) { tested async throws in
            let configuration = tested.configuration
            configuration.traffic.limit(up: rate, down: nil)
            let took = try await ContinuousClock().measure {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for name in ["a", "b"] {
                        let location = try StoreLocation(parsing: "\(tested.location)/\(name)")
                        group.addTask { [configuration] in
                            try await withObjectStore(location, configuration: configuration) { store in
                                _ = try await store.write(key, bytes)
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            // 6 MiB at 4 MiB/s, but for the burst and the pieces that came last.
            #expect(took >= .milliseconds(1500 - 100 - 2 * 50), "\(took)")
            configuration.traffic.limit(up: nil, down: rate)
            let location = try StoreLocation(parsing: "\(tested.location)/a")
            let read = try await ContinuousClock().measure {
                try await withObjectStore(location, configuration: configuration) { store in
                    let found = try await store.readAll(key)
                    #expect(Self.lost(found, of: bytes) == 0)
                }
            }
            #expect(read >= .milliseconds(750 - 100 - 50), "\(read)")
        }
    }

    /// The address of the endpoint is one of IPv6, with brackets, also where it is signed.
    @Test(arguments: [false, true])
    func anEndpointMayBeAnIPv6Address(isSecure: Bool) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(2 * Self.part))
        let material = try await TLSMaterial.shared()
        try await withTemporaryFolder { folder async throws in
            try await withRcloneS3(folder: folder, tls: isSecure ? material : nil, host: "::1") {
                service async throws in
                try FileManager.default.createDirectory(
                    at: folder.appendingPathComponent("bucket"),
                    withIntermediateDirectories: false
                )
                var configuration = StoreConfiguration(environment: service.environment)
                configuration.caBundle = isSecure ? material.authority : nil
                configuration.pinnedKey = isSecure ? try await material.serverKeyPin() : nil
                configuration.partSizeBytes = Self.part
                #expect(service.endpoint.hasPrefix(isSecure ? "https://[::1]:" : "http://[::1]:"))
                try await withObjectStore(StoreLocation(parsing: "s3://bucket/p"), configuration: configuration) {
                    store in
                    let object = try await store.write(key, bytes)
                    let found = try await store.readAll(key)
                    #expect(Self.lost(found, of: bytes) == 0)
                    #expect(try await store.list(under: .root) == [object])
                }
            }
        }
    }
}
