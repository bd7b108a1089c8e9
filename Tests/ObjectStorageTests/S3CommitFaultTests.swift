// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import ObjectStorage
import TestParts
import Testing

/// What goes wrong at the moment in which an object becomes visible (F24, F25, F28).
@Suite struct S3CommitFaultTests {
    private static func key() throws -> ObjectKey { try #require(ObjectKey(parsing: "set/7f3a/redis-0.rdb.zst")) }
    private static let bytes: [UInt8] = Array("the bytes of a snapshot".utf8)

    /// Answers that say 200 and are no success.
    static let falseSuccesses = [
        S3Text.ok("<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>We</Message></Error>"),
        S3Text.ok("<Error><Code>SlowDown</Code></Error>"), S3Text.ok(""), S3Text.ok("   \n  "),
        S3Text.ok("<CompleteMultipartUploadResult><ETag>\"x\"</ETag>"),
        S3Text.ok("<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"),
        S3Text.ok("<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>"),
        S3Text.ok("<html>all is well</html>"), S3Text.ok("", headers: ["Content-Length: 300"]),
        S3Text.error("409 Conflict", "ConditionalRequestConflict"), S3Text.error("503 Slow Down", "SlowDown"),
    ]

    @Test(arguments: falseSuccesses.indices)
    func falseSuccessIsTriedAgain(_ index: Int) async throws {
        let key = try Self.key()
        try await withInterceptedStore { kind, count, _ in
            kind == .complete && count <= 2 ? .answer(Self.falseSuccesses[index]) : .pass
        } _: { tested async throws in
            #expect(try await tested.store.write(key, Self.bytes).bytes == Int64(Self.bytes.count))
            #expect(tested.interceptor.requests(.complete).count == 3)
            #expect(try await tested.service.get(key.description, in: tested.bucket) == Self.bytes)
            #expect(try await tested.uploads() == 0)
        }
    }

    /// The object is there, and we do not hear of it.
    @Test(arguments: falseSuccesses.indices)
    func falseSuccessOfACompletedUploadIsFoundOut(_ index: Int) async throws {
        let key = try Self.key()
        try await withInterceptedStore { kind, count, _ in
            kind == .complete && count == 1 ? .answerAfterwards(Self.falseSuccesses[index]) : .pass
        } _: { tested async throws in
            let object = try await tested.store.write(key, Self.bytes)
            #expect(try await tested.store.stat(key) == object)
            #expect(tested.interceptor.requests(.complete).count == 2)
            #expect(try await tested.service.get(key.description, in: tested.bucket) == Self.bytes)
        }
    }

    @Test(arguments: falseSuccesses.indices)
    func falseSuccessForEverIsAFailureThatLeavesNothing(_ index: Int) async throws {
        let key = try Self.key()
        try await withInterceptedStore { kind, _, _ in
            kind == .complete ? .answer(Self.falseSuccesses[index]) : .pass
        } configure: {
            $0.attemptsMax = 3
        } _: { tested async throws in
            let staged = try await tested.store.stage(key, estimatedBytes: nil, from: chunked(Self.bytes))
            let failure = await #expect(throws: Failure.self) { try await staged.commit() }
            #expect(failure?.code.isTransient == true, "\(failure?.description ?? "")")
            #expect(tested.interceptor.requests(.complete).count == 3)
            await staged.discard()
            #expect(try await tested.visible() == [])
            #expect(try await tested.uploads() == 0)
        }
    }

    @Test func lostReplyIsFoundOutByAsking() async throws {
        let key = try Self.key()
        try await withInterceptedStore { kind, count, _ in
            kind == .complete && count == 1 ? .lose : .pass
        } _: { tested async throws in
            let object = try await tested.store.write(key, Self.bytes)
            #expect(try await tested.store.list(under: .root) == [object])
        }
    }

    /// MinIO forgets an upload when it is complete; AWS remembers it.
    @Test(arguments: [
        S3Text.error("404 Not Found", "NoSuchUpload"), S3Text.ok("<Error><Code>NoSuchUpload</Code></Error>"),
    ])
    func uploadThatIsForgottenAfterALostReplyIsOurs(_ forgotten: String) async throws {
        let key = try Self.key()
        try await withInterceptedStore { kind, count, _ in
            kind != .complete ? .pass : count == 1 ? .lose : .answer(forgotten)
        } _: { tested async throws in
            try await tested.store.write(key, Self.bytes)
            #expect(try await tested.visible() == [key.description])
        }
    }

    @Test func commitThatFailedMayBeRepeated() async throws {
        let key = try Self.key()
        try await withInterceptedStore { kind, count, _ in
            kind == .complete && count <= 2 ? .lose : .pass
        } configure: {
            $0.attemptsMax = 1
        } _: { tested async throws in
            let staged = try await tested.store.stage(key, estimatedBytes: nil, from: chunked(Self.bytes))
            let failure = await #expect(throws: Failure.self) { try await staged.commit() }
            #expect(failure?.code == .unreachable)
            let object = try await staged.commit()
            #expect(try await tested.store.stat(key) == object)
            #expect(tested.interceptor.requests(.complete).count == 1)
        }
    }

    /// The run ends here: what it completed without hearing of it is taken back.
    @Test func discardAfterALostReplyTakesTheObjectBack() async throws {
        let key = try Self.key()
        try await withInterceptedStore { kind, _, _ in
            kind == .complete ? .lose : .pass
        } configure: {
            $0.attemptsMax = 1
        } _: { tested async throws in
            let staged = try await tested.store.stage(key, estimatedBytes: nil, from: chunked(Self.bytes))
            await #expect(throws: Failure.self) { try await staged.commit() }
            #expect(try await tested.visible() == [key.description])
            await staged.discard()
            #expect(try await tested.visible() == [])
        }
    }

    @Test func uploadThatSomebodyAbortedIsAFailure() async throws {
        let key = try Self.key()
        try await withInterceptedStore { _, _, _ in
            .pass
        } configure: {
            $0.attemptsMax = 2
        } _: { tested async throws in
            let staged = try await tested.store.stage(key, estimatedBytes: nil, from: chunked(Self.bytes))
            for leftover in try await tested.store.leftovers(under: .root) { try await tested.store.remove(leftover) }
            let failure = await #expect(throws: Failure.self) { try await staged.commit() }
            #expect(failure?.code == .storeUnavailable)
            #expect(try await tested.visible() == [])
        }
    }

    /// Another run writes the same key between our look and our request.
    @Test func anotherRunThatIsFasterWins() async throws {
        let key = try Self.key()
        try await withSeaweedFS { service in
            try await withInterceptedStore { kind, count, request in
                if kind == .complete || kind == .put, count == 1 {
                    let bucket = String(request.target.dropFirst().prefix { $0 != "/" })
                    let path = request.target.split(separator: "?")[0].dropFirst(bucket.count + 2)
                    try await service.put(String(path), in: bucket, [9])
                }
                return .pass
            } _: { tested async throws in
                let staged = try await tested.store.stage(key, estimatedBytes: nil, from: chunked(Self.bytes))
                let late = await #expect(throws: Failure.self) { try await staged.commit() }
                #expect(late?.code == .alreadyExists)
                await staged.discard()
                let second = await #expect(throws: Failure.self) {
                    try await tested.store.create(try #require(ObjectKey(parsing: "x")), [1])
                }
                #expect(second?.code == .alreadyExists)
                #expect(try await service.get(key.description, in: tested.bucket) == [9])
                #expect(try await service.get("x", in: tested.bucket) == [9])
                #expect(try await tested.uploads() == 0)
            }
        }
    }

    @Test func objectOfAnotherSizeIsRefusedAndRemoved() async throws {
        let key = try Self.key()
        let head =
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 7\r\nETag: \"x\"\r\n"
            + "Last-Modified: Mon, 23 Nov 2026 01:02:03 GMT\r\n"
        try await withSeaweedFS { service in
            try await withInterceptedStore { kind, count, request in
                guard kind == .head, count == 2 else { return .pass }
                // The identity is ours, the size is not.
                let bucket = String(request.target.dropFirst().prefix { $0 != "/" })
                let path = String(request.target.dropFirst(bucket.count + 2))
                let answer = try await service.call("head_object", ["Bucket": .text(bucket), "Key": .text(path)])
                let identity = answer["Metadata"]?["redoubt-upload"]?.text ?? ""
                return .answer(head + "x-amz-meta-redoubt-upload: \(identity)\r\n\r\n")
            } _: { tested async throws in
                let failure = await #expect(throws: Failure.self) { try await tested.store.write(key, Self.bytes) }
                #expect(failure?.code == .digestMismatch)
                #expect(failure?.message.contains("7 bytes of the \(Self.bytes.count)") == true)
                #expect(try await tested.visible() == [])
            }
        }
    }

    @Test(
        arguments: [
            Interceptor.Action.lose, .drop, .answer(S3Text.error("409 Conflict", "ConditionalRequestConflict")),
        ].indices
    )
    func smallObjectIsWrittenOnceWhateverHappensToTheReply(_ index: Int) async throws {
        let actions = [
            Interceptor.Action.lose, .drop, .answer(S3Text.error("409 Conflict", "ConditionalRequestConflict")),
        ]
        let key = try Self.key()
        try await withInterceptedStore { kind, count, _ in
            kind == .put && (count == 1 || count == 3) ? actions[index] : .pass
        } _: { tested async throws in
            let created = try await tested.store.create(key, [1])
            #expect(tested.interceptor.requests(.put).count == 2)
            let replaced = try await tested.store.replace(key, version: created.version, with: [2, 2])
            #expect(tested.interceptor.requests(.put).count == 4)
            #expect(try await tested.store.stat(key) == replaced)
            #expect(try await tested.store.readAll(key) == [2, 2])
            for (number, request) in tested.interceptor.requests(.put).enumerated() {
                #expect(request.headers["if-none-match"] == (number < 2 ? "*" : nil))
                #expect(request.headers["if-match"] == (number < 2 ? nil : created.version.tag))
            }
        }
    }

    /// A provider without conditional writes.
    @Test(arguments: [
        S3Text.error("501 Not Implemented", "NotImplemented"), S3Text.error("400 Bad Request", "InvalidArgument"),
        ScriptedHTTP.response("501 Not Implemented", headers: ["Connection: close"]),
    ])
    func conditionThatIsNotKnownIsLeftOutFromThenOn(_ refusal: String) async throws {
        try await withInterceptedStore { _, _, request in
            request.headers["if-none-match"] != nil || request.headers["if-match"] != nil && request.method == "PUT"
                ? .answer(refusal) : .pass
        } _: { tested async throws in
            for number in 1...2 {
                let lease = try #require(ObjectKey(parsing: "lease-\(number)"))
                let created = try await tested.store.create(lease, [1])
                let failure = await #expect(throws: Failure.self) { try await tested.store.create(lease, [2]) }
                #expect(failure?.code == .alreadyExists)
                _ = try await tested.store.replace(lease, version: created.version, with: [3])
                let member = try #require(ObjectKey(parsing: "member-\(number)"))
                let staged = try await tested.store.stage(member, estimatedBytes: nil, from: chunked(Self.bytes))
                _ = try await staged.commit()
                #expect(tested.interceptor.requests(.complete).count == number + 1)
                #expect(tested.interceptor.requests(.put).count == 2 * number + 2)
            }
            #expect(try await tested.visible() == ["lease-1", "lease-2", "member-1", "member-2"])
        }
    }
}
