// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import ObjectStorage
import Synchronization
import TestParts
import Testing

/// What goes wrong while something is read.
@Suite struct S3ReadingFaultTests {
    private static func key() throws -> ObjectKey { try #require(ObjectKey(parsing: "set/7f3a/redis-0.rdb.zst")) }

    private static func bytes(_ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: UInt64(count))
        return random.bytes(count)
    }

    @Test func downloadThatBreaksEvery64KiBArrivesWhole() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(1_000_003))
        try await withInterceptedStore { kind, _, _ in
            kind == .get ? .cut(bodyBytes: 65536) : .pass
        } configure: {
            $0.attemptsMax = 2
        } _: { tested async throws in
            let object = try await tested.store.write(key, bytes)
            #expect(try await tested.store.readAll(key) == bytes)
            let requests = tested.interceptor.requests(.get)
            #expect(requests.count == 16)
            #expect(requests.first?.headers["range"] == nil)
            for (number, request) in requests.enumerated().dropFirst() {
                #expect(request.headers["range"] == "bytes=\(number * 65536)-")
                #expect(request.headers["if-match"] == object.version.tag)
            }
        }
    }

    /// In bytes, wherever they fall: in the head of the answer, in its body, at its end.
    @Test(arguments: [0, 1, 100, 500, 700, 66_000])
    func connectionThatBreaksInADownloadIsMadeAgain(_ offset: Int) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(300_000))
        try await withProxiedStore { tested async throws in
            try await tested.service.put(key.description, in: tested.bucket, bytes)
            tested.proxy.add(.reset(afterBytes: offset), .toClient, on: .first(3))
            tested.proxy.add(.close(afterBytes: offset), .toClient, on: .only(4))
            #expect(try await tested.store.readAll(key) == bytes)
            #expect(tested.proxy.connections.count >= 5)
        }
    }

    @Test func stallIsCutShort() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(300_000))
        try await withProxiedStore(noProgressSeconds: 1) { tested async throws in
            try await tested.service.put(key.description, in: tested.bucket, bytes)
            tested.proxy.add(.stall(afterBytes: 100_000), .toClient, on: .only(1))
            #expect(try await tested.store.readAll(key) == bytes)
            #expect(tested.proxy.connections.count == 2)
        }
    }

    @Test func downloadWithoutProgressIsGivenUp() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(300_000))
        try await withInterceptedStore { kind, count, _ in
            kind != .get ? .pass : count == 1 ? .cut(bodyBytes: 1000) : .drop
        } configure: {
            $0.attemptsMax = 4
        } _: { tested async throws in
            try await tested.store.write(key, bytes)
            let read = Mutex(0)
            let failure = await #expect(throws: Failure.self) {
                try await tested.store.withObject(key) { _, chunks in
                    for try await chunk in chunks { read.withLock { $0 += chunk.count } }
                }
            }
            #expect(failure?.code == .unreachable && failure?.message.contains("after 4 tries") == true)
            #expect(read.withLock { $0 } == 1000)
            #expect(tested.interceptor.requests(.get).count == 4)
        }
    }

    /// Its length and what it sends agree with each other, and not with the object.
    @Test func objectThatStaysShortIsTruncated() async throws {
        let key = try Self.key()
        let head = ["ETag: \"x\"", "Last-Modified: Mon, 23 Nov 2026 01:02:03 GMT", "Connection: close"]
        let first = ScriptedHTTP.response("200 OK", headers: head + ["Content-Length: 10"], body: "12345")
        let rest = ScriptedHTTP.response(
            "206 Partial Content",
            headers: head + ["Content-Length: 0", "Content-Range: bytes 5-9/10"]
        )
        try await withInterceptedStore { kind, count, _ in
            kind == .get ? .answer(count == 1 ? first : rest) : .pass
        } configure: {
            $0.attemptsMax = 3
        } _: { tested async throws in
            let failure = await #expect(throws: Failure.self) { try await tested.store.readAll(key) }
            #expect(failure?.code == .truncated)
            #expect(failure?.message.contains("5 of 10 bytes") == true)
        }
    }

    @Test func objectReplacedWhileItIsReadIsNeverMixed() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(300_000))
        try await withSeaweedFS { service in
            try await withInterceptedStore { kind, count, request in
                guard kind == .get else { return .pass }
                if count == 1 { return .cut(bodyBytes: 70_000) }
                let bucket = String(request.target.dropFirst().prefix { $0 != "/" })
                try await service.put(key.description, in: bucket, [UInt8](repeating: 0, count: 300_000))
                return .pass
            } _: { tested async throws in
                try await tested.store.write(key, bytes)
                let read = Mutex<[UInt8]>([])
                let failure = await #expect(throws: Failure.self) {
                    try await tested.store.withObject(key) { _, chunks in
                        for try await chunk in chunks { read.withLock { $0 += chunk } }
                    }
                }
                #expect(failure?.code == .alreadyExists && failure?.description.contains("replaced while") == true)
                #expect(read.withLock { $0 } == Array(bytes.prefix(70_000)))
            }
        }
    }

    @Test func objectRemovedWhileItIsReadIsGone() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(300_000))
        try await withSeaweedFS { service in
            try await withInterceptedStore { kind, count, request in
                guard kind == .get else { return .pass }
                if count == 1 { return .cut(bodyBytes: 70_000) }
                try await service.delete(key.description, in: String(request.target.dropFirst().prefix { $0 != "/" }))
                return .pass
            } _: { tested async throws in
                try await tested.store.write(key, bytes)
                let failure = await #expect(throws: Failure.self) { try await tested.store.readAll(key) }
                #expect(failure?.code == .noSuchObject)
            }
        }
    }

    /// A provider that does not know ranges sends all again; one that mixes ranges up is not believed.
    @Test func rangesAreCheckedOrDoneWithout() async throws {
        let key = try Self.key()
        let head = ["ETag: \"x\"", "Last-Modified: Mon, 23 Nov 2026 01:02:03 GMT", "Connection: close"]
        let part = ScriptedHTTP.response("200 OK", headers: head + ["Content-Length: 10"], body: "01234")
        let wrong = ScriptedHTTP.response(
            "206 Partial Content",
            headers: head + ["Content-Length: 5", "Content-Range: bytes 4-8/10"],
            body: "45678"
        )
        let other = ScriptedHTTP.response("200 OK", headers: head + ["Content-Length: 11"], body: "0123456789X")
        let all = ScriptedHTTP.response("200 OK", headers: head + ["Content-Length: 10"], body: "0123456789")
        try await withInterceptedStore { kind, count, _ in
            kind == .get ? .answer(count == 1 ? part : count == 2 ? wrong : all) : .pass
        } _: { tested async throws in
            #expect(try await tested.store.readAll(key) == Array("0123456789".utf8))
            #expect(tested.interceptor.requests(.get).count == 3)
        }
        try await withInterceptedStore { kind, count, _ in
            kind == .get ? .answer(count == 1 ? part : other) : .pass
        } _: { tested async throws in
            let failure = await #expect(throws: Failure.self) { try await tested.store.readAll(key) }
            #expect(failure?.code == .alreadyExists)
        }
    }

    @Test func slowReaderLosesNothingWhenTheServerHangsUp() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(6_000_000))
        try await withProxiedStore(noProgressSeconds: 1) { tested async throws in
            try await tested.service.put(key.description, in: tested.bucket, bytes)
            let read = try await tested.store.withObject(key) { _, chunks in
                var read: [UInt8] = []
                for try await chunk in chunks {
                    // Longer than the deadline: it is not for the reader to hurry.
                    if read.isEmpty { try await Task.sleep(for: .milliseconds(2500)) }
                    if read.count < 3_000_000, read.count + chunk.count >= 3_000_000 { await tested.proxy.resetAll() }
                    read += chunk
                }
                return read
            }
            #expect(read == bytes)
        }
    }
}
