// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import ObjectStorage
import Synchronization
import TestParts
import Testing

/// What goes wrong between us and a store while something is written (F23 to F28).
@Suite struct S3WritingFaultTests {
    private static let part = StoreWithWitness.partSizeBytes
    private static func key() throws -> ObjectKey { try #require(ObjectKey(parsing: "set/7f3a/redis-0.rdb.zst")) }

    private static func bytes(_ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: UInt64(count))
        return random.bytes(count)
    }

    static let passing = [
        S3Text.error("503 Slow Down", "SlowDown"), S3Text.error("500 Oops", "InternalError"),
        S3Text.error("400 Bad Request", "RequestTimeout"), S3Text.error("429 Too Many", "TooManyRequests"),
        ScriptedHTTP.response("502 Bad Gateway", headers: ["Connection: close"], body: "<html><hr></html>"),
        ScriptedHTTP.response("504 Gateway Timeout", headers: ["Connection: close"]),
        ScriptedHTTP.response("408 Request Timeout", headers: ["Connection: close"]),
    ]

    /// Every operation of a backup, each kind of request spoiled a few times.
    @Test(arguments: passing.indices, [1, 7])
    func whatPassesIsTriedAgainOnEveryVerb(_ index: Int, _ failures: Int) async throws {
        let (key, lease) = (try Self.key(), try #require(ObjectKey(parsing: "lease.json")))
        let bytes = Self.bytes(2 * Self.part + 5)
        try await withInterceptedStore { _, count, _ in
            count <= failures ? .answer(Self.passing[index]) : .pass
        } _: { tested async throws in
            let store = tested.store
            let object = try await store.write(key, bytes)
            #expect(try await store.stat(key) == object)
            #expect(try await store.readAll(key) == bytes)
            let created = try await store.create(lease, [1])
            let replaced = try await store.replace(lease, version: created.version, with: [2])
            #expect(try await store.list(under: .root) == [replaced, object])
            let staged = try await store.stage(key, estimatedBytes: nil, from: chunked([1]))
            #expect(try await store.leftovers(under: .root).map(\.key) == [key])
            await staged.discard()
            try await store.remove(lease)
            #expect(try await tested.visible() == [key.description])
            #expect(try await tested.uploads() == 0)
            for kind in Interceptor.Kind.allCases {
                // That the bucket is there is believed when the store says 400: the next request will know better.
                if kind == .headBucket, Self.passing[index].hasPrefix("HTTP/1.1 400") { continue }
                #expect(tested.interceptor.requests(kind).count > failures, "\(kind)")
            }
        }
    }

    @Test func storeThatStaysDownIsGivenUp() async throws {
        let key = try Self.key()
        try await withInterceptedStore { kind, _, _ in
            kind == .part ? .answer(S3Text.error("503 Slow Down", "SlowDown")) : .pass
        } configure: {
            $0.attemptsMax = 5
        } _: { tested async throws in
            let failure = await #expect(throws: Failure.self) {
                try await tested.store.write(key, [1, 2, 3])
            }
            #expect(failure?.code == .storeUnavailable)
            for text in ["upload part 1", "503", "SlowDown", "4442587FB7D0A2F9", "after 5 tries"] {
                #expect(failure?.message.contains(text) == true, "\(failure?.message ?? "")")
            }
            #expect(tested.interceptor.requests(.part).count == 5)
            #expect(tested.interceptor.requests(.abort).count == 1)
            #expect(try await tested.uploads() == 0)
        }
    }

    @Test(arguments: 1...5)
    func failureOfAnyPartIsTriedAgainOrLeavesNothing(_ number: Int) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(4 * Self.part + 1))
        for isForEver in [false, true] {
            let failures = Mutex(0)
            try await withInterceptedStore { kind, _, request in
                guard kind == .part, request.target.contains("partNumber=\(number)&") else { return .pass }
                let count = failures.withLock { failures in
                    failures += 1
                    return failures
                }
                return isForEver || count == 1 ? .answer(S3Text.error("500 Oops", "InternalError")) : .pass
            } configure: {
                $0.attemptsMax = 3
            } _: { tested async throws in
                if isForEver {
                    let failure = await #expect(throws: Failure.self) { try await tested.store.write(key, bytes) }
                    #expect(failure?.code == .storeUnavailable)
                    #expect(try await tested.visible() == [])
                } else {
                    try await tested.store.write(key, bytes)
                    #expect(try await tested.service.get(key.description, in: tested.bucket) == bytes)
                }
                #expect(try await tested.uploads() == 0)
            }
        }
    }

    /// A proxy that breaks connections, in bytes: also in the middle of a part, and after its body.
    @Test(arguments: [0, 100, 1 << 20, part, part + 400, part + 900])
    func connectionThatBreaksInAPartIsMadeAgain(_ offset: Int) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(2 * Self.part))
        try await withProxiedStore { tested async throws in
            tested.proxy.add(.reset(afterBytes: offset), .toServer, on: .first(6))
            try await tested.store.write(key, bytes)
            let held = try await tested.service.get(key.description, in: tested.bucket)
            #expect(held == bytes)
            #expect(try await tested.service.uploads(in: tested.bucket) == [])
        }
    }

    @Test func partWhoseReplyIsLostIsSentAgain() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(2 * Self.part))
        try await withInterceptedStore { kind, count, _ in
            kind == .part && count <= 2 ? .lose : .pass
        } _: { tested async throws in
            try await tested.store.write(key, bytes)
            #expect(try await tested.service.get(key.description, in: tested.bucket) == bytes)
        }
    }

    @Test(arguments: [Interceptor.Kind.begin, .part, .complete, .head, .put])
    func stallIsCutShort(_ kind: Interceptor.Kind) async throws {
        // To complete takes stores minutes: that a stall there is cut short is not waited for.
        if kind == .complete { return }
        let (key, other) = (try Self.key(), try #require(ObjectKey(parsing: "x")))
        try await withInterceptedStore { asked, count, _ in
            asked == kind && count == 1 ? .stall : .pass
        } configure: {
            $0.noProgressSeconds = 1
        } _: { tested async throws in
            try await tested.store.write(key, [1, 2])
            try await tested.store.create(other, [3])
            #expect(try await tested.visible() == [key.description, "x"])
        }
    }

    @Test func fewPartsOfAllUploadsAreUnderWayAtATime() async throws {
        let keys = try ["a", "b", "c"].map { try #require(ObjectKey(parsing: $0)) }
        let bytes = Self.bytes(6 * Self.part)
        let underWay = Mutex(0)
        let most = Mutex(0)
        let arrived = Mutex(0)
        try await withInterceptedStore { kind, _, _ in
            guard kind == .part else { return .pass }
            let now = underWay.withLock { underWay in
                underWay += 1
                return underWay
            }
            most.withLock { $0 = max($0, now) }
            arrived.withLock { $0 += 1 }
            // The first three meet here; later ones may overlap as they like.
            try await eventually("three parts to be under way") { arrived.withLock { $0 } >= 3 ? true : nil }
            try await Task.sleep(for: .milliseconds(20))
            underWay.withLock { $0 -= 1 }
            return .pass
        } configure: {
            $0.partsInFlight = 3
        } _: { tested async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for key in keys { group.addTask { try await tested.store.write(key, bytes) } }
                try await group.waitForAll()
            }
            #expect(most.withLock { $0 } == 3)
            #expect(tested.interceptor.requests(.part).count == 18)
            let sizes = Set(tested.interceptor.requests(.part).map(\.body.count))
            #expect(sizes == [Self.part])
        }
    }

    @Test func bodiesCarryTheirDigests() async throws {
        let key = try Self.key()
        try await withInterceptedStore { _, _, _ in
            .pass
        } _: { tested async throws in
            try await tested.store.write(key, Array("hello".utf8))
            let part = try #require(tested.interceptor.requests(.part).first)
            #expect(part.headers["content-md5"] == "XUFAKrxLKna5cZ2REBfFkg==")
            #expect(
                part.headers["x-amz-content-sha256"]
                    == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
            )
            #expect(part.headers["content-length"] == "5")
            #expect(tested.interceptor.requests(.complete).first?.headers["if-none-match"] == "*")
        }
    }

    /// The server takes its time to abort: the end of the run does not wait for it for ever.
    @Test func abortIsGivenUpInTheEnd() async throws {
        let key = try Self.key()
        struct Disturbance: Error {}
        try await withInterceptedStore { kind, _, _ in
            kind == .abort ? .stall : .pass
        } _: { tested async throws in
            await #expect(throws: Disturbance.self) {
                let stream = failing(after: [1, 2], with: Disturbance())
                _ = try await tested.store.stage(key, estimatedBytes: nil, from: stream)
            }
            #expect(try await tested.store.leftovers(under: .root).map(\.key) == [key])
        }
    }

    /// The run ends while the store begins the upload: its id must be heard, or nobody could abort it.
    @Test func uploadThatBeginsWhileTheRunEndsIsAborted() async throws {
        let key = try Self.key()
        let hasBegun = Signal()
        try await withInterceptedStore { kind, _, _ in
            if kind == .begin {
                hasBegun.raise()
                try await Task.sleep(for: .milliseconds(300))
            }
            return .pass
        } _: { tested async throws in
            await #expect(throws: CancellationError.self) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await tested.store.write(key, [1, 2]) }
                    await hasBegun.wait(for: 1)
                    group.cancelAll()
                    try await group.next()
                }
            }
            #expect(tested.interceptor.requests(.abort).count == 1)
            #expect(try await tested.uploads() == 0)
        }
    }

    @Test func cancelledUploadIsAborted() async throws {
        let key = try Self.key()
        try await withInterceptedStore { kind, _, _ in
            kind == .part ? .answer(S3Text.error("503 Slow Down", "SlowDown")) : .pass
        } configure: {
            $0.clock = .system
        } _: { tested async throws in
            await #expect(throws: CancellationError.self) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await tested.store.write(key, [1, 2]) }
                    try await eventually("a part to be refused") {
                        tested.interceptor.requests(.part).isEmpty ? nil : true
                    }
                    group.cancelAll()
                    try await group.next()
                }
            }
            #expect(try await tested.uploads() == 0)
        }
    }
}
