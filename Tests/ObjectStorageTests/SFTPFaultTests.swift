// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import ObjectStorage
import TestParts
import Testing

/// What goes wrong between us and an SFTP server.
@Suite struct SFTPFaultTests {
    private static func key(_ text: String = "set/7f3a/redis-0.rdb.zst") throws -> ObjectKey {
        try #require(ObjectKey(parsing: text))
    }

    private static func bytes(_ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: UInt64(count))
        return random.bytes(count)
    }

    private func withProxied(
        _ configure: (inout StoreConfiguration) -> Void = { _ in },
        _ body: (StoreWithWitness, FaultProxy) async throws -> Void
    ) async throws {
        try await withOpenSSH { server async throws in
            try await withFaultProxy(to: server.port) { proxy async throws in
                try await body(try StoreWithWitness(server, .openSSH, port: proxy.port, configure: configure), proxy)
            }
        }
    }

    /// The first connections break, each so many bytes after it was made: in the handshake, in the login, in a request,
    /// in the bytes of the file.
    static let offsets = [0, 30, 1200, 1900, 2400, 3000, 3300, 3700, 4400, 40_000, 700_000, 2_000_000, 3_500_000]

    @Test(arguments: offsets)
    func connectionThatBreaksWhileItIsWrittenLosesNothing(_ offset: Int) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(5_000_000))
        for fault in [FaultProxy.Fault.reset(afterBytes: offset), .close(afterBytes: offset)] {
            try await withProxied { tested, proxy async throws in
                proxy.add(fault, .toServer, on: .first(2))
                let object = try await tested.withStore { try await $0.write(key, bytes) }
                #expect(object.bytes == bytes.count)
                #expect(try await tested.read(key) == bytes)
                try await tested.expectNothingUnfinished()
                #expect(proxy.connections.count > 1)
            }
        }
    }

    @Test(arguments: offsets)
    func connectionThatBreaksWhileItIsReadIsResumed(_ offset: Int) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(5_000_000))
        for fault in [FaultProxy.Fault.reset(afterBytes: offset), .close(afterBytes: offset)] {
            try await withProxied { tested, proxy async throws in
                try await tested.place(key.description, bytes)
                proxy.add(fault, .toClient, on: .first(2))
                let read = try await tested.withStore { try await $0.readAll(key) }
                #expect(read == bytes)
                #expect(proxy.connections.count > 1)
            }
        }
    }

    /// Every byte is covered by a MAC: a connection whose bytes were changed ends.
    @Test(arguments: [200, 1500, 2600, 3500, 500_000], [FaultProxy.Direction.toServer, .toClient])
    func changedByteIsFoundOut(_ offset: Int, _ direction: FaultProxy.Direction) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(1_500_000))
        try await withProxied({ $0.noProgressSeconds = 2 }) { tested, proxy async throws in
            proxy.add(.flip(atByte: offset, mask: 4), direction, on: .only(1))
            let read = try await tested.withStore { store async throws in
                try await store.write(key, bytes)
                return try await store.readAll(key)
            }
            #expect(read == bytes)
            #expect(try await tested.read(key) == bytes)
            try await tested.expectNothingUnfinished()
        }
    }

    @Test(arguments: [0, 2000, 3500, 600_000], [FaultProxy.Direction.toServer, .toClient])
    func connectionThatStandsStillIsGivenUp(_ offset: Int, _ direction: FaultProxy.Direction) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(1_500_000))
        try await withProxied({ $0.noProgressSeconds = 1 }) { tested, proxy async throws in
            proxy.add(.stall(afterBytes: offset), direction, on: .only(1))
            let read = try await tested.withStore { store async throws in
                try await store.write(key, bytes)
                return try await store.readAll(key)
            }
            #expect(read == bytes)
            try await tested.expectNothingUnfinished()
        }
    }

    /// What the server said before its connection broke must not be taken for an answer to what was asked after it.
    @Test func brokenConnectionIsNoAbsentObject() async throws {
        let (key, other) = (try Self.key(), try Self.key("set/none"))
        try await withProxied { tested, proxy async throws in
            try await tested.place(key.description, [1, 2, 3])
            try await tested.withStore { store async throws in
                for _ in 0..<5 {
                    #expect(try await store.stat(other) == nil)
                    await proxy.resetAll()
                    #expect(try await store.stat(key)?.bytes == 3)
                    #expect(try await store.stat(other) == nil)
                    await proxy.resetAll()
                    #expect(try await store.list(under: .root).map(\.key) == [key])
                }
            }
        }
    }

    @Test func listingThatBreaksOffIsNeverAShorterOne() async throws {
        try await withProxied { tested, proxy async throws in
            let names = (0..<300).map { "set/a-name-that-is-somewhat-longer-\($0)" }
            for name in names { try await tested.place(name, [1]) }
            for offset in stride(from: 4000, through: 40_000, by: 4000) {
                proxy.clear()
                proxy.add(.reset(afterBytes: offset), .toClient, on: .only(proxy.connections.count + 1))
                let found = try await tested.withStore { try await $0.list(under: .root) }
                #expect(found.count == names.count)
            }
        }
    }

    @Test func serverThatStaysAwayIsGivenUp() async throws {
        let key = try Self.key()
        try await withProxied({ $0.attemptsMax = 3 }) { tested, proxy async throws in
            proxy.refuse(.all)
            let failure = await #expect(throws: Failure.self) {
                try await tested.withStore { try await $0.write(key, [1]) }
            }
            #expect(failure?.code == .unreachable)
            #expect(failure?.message.contains("after 3 tries") == true, "\(failure?.message ?? "")")
        }
    }

    /// A run that is killed leaves a temporary file, and nothing else.
    @Test func whatAKilledRunLeavesIsFound() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(3_000_000))
        try await withProxied({ $0.attemptsMax = 1 }) { tested, proxy async throws in
            proxy.add(.close(afterBytes: 1_000_000), .toServer, on: .only(1))
            proxy.refuse(.from(2))
            await #expect(throws: Failure.self) { try await tested.withStore { try await $0.write(key, bytes) } }
            proxy.clear()
            try await tested.expect(visible: [:])
            try await tested.withStore { store async throws in
                let found = try await store.leftovers(under: .root)
                #expect(found.map(\.key) == [key])
                #expect(try await store.list(under: .root) == [])
                for leftover in found { try await store.remove(leftover) }
                #expect(try await store.leftovers(under: .root) == [])
            }
            try await tested.expectNothingUnfinished()
        }
    }

    /// A replacement whose replies get lost is the old or the new version, and nobody else's.
    @Test(arguments: Array(stride(from: 3200, through: 8200, by: 500)))
    func replacementThatIsBrokenOffIsTheOldOrTheNewVersion(_ offset: Int) async throws {
        let key = try Self.key(".locks/a.json")
        try await withProxied { tested, proxy async throws in
            let created = try await tested.withStore { try await $0.create(key, [1]) }
            proxy.add(.reset(afterBytes: offset), .toClient, on: .only(proxy.connections.count + 1))
            try await tested.withStore { store async throws in
                do {
                    let replaced = try await store.replace(key, version: created.version, with: [2])
                    #expect(try await store.stat(key) == replaced)
                } catch {
                    #expect(try await store.stat(key) == created)
                }
            }
            try await tested.expectNothingUnfinished()
        }
    }

    /// Only root may mount; without that the test fails.
    @Test func fullDiskIsSaidToBeFull() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(4_000_000))
        try await withOpenSSH { server async throws in
            let mount = server.folder.path
            try await run("/bin/mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", mount])
            do {
                let tested = try StoreWithWitness(server, .openSSH)
                let failure = await #expect(throws: Failure.self) {
                    try await tested.withStore { try await $0.write(key, bytes) }
                }
                #expect(failure?.code == .noSpace, "\(String(describing: failure))")
                try await tested.expect(visible: [:])
                try await tested.expectNothingUnfinished()
                try await run("/bin/umount", [mount])
            } catch {
                try await run("/bin/umount", [mount])
                throw error
            }
        }
    }

    /// A stream of more than any buffer, with the least memory: what was sent is forgotten.
    @Test func slowStreamIsWrittenAsItComes() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(200_000))
        try await withProxied { tested, _ async throws in
            let parts = Shared(0)
            let stream = ByteStream {
                let number = parts.change { parts in
                    parts += 1
                    return parts
                }
                if number > 40 { return nil }
                try await Task.sleep(for: .milliseconds(3))
                return bytes
            }
            let object = try await tested.withStore { store async throws in
                try await store.stage(key, estimatedBytes: nil, from: stream).commit()
            }
            #expect(object.bytes == 40 * bytes.count)
            #expect(try await tested.read(key) == Array(repeatElement(bytes, count: 40).joined()))
        }
    }
}
