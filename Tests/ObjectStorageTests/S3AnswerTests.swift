// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport
import ObjectStorage
import Synchronization
import TestParts
import Testing

/// Answers byte by byte: what a store may say, and what we make of it.
@Suite struct S3AnswerTests {
    private static let secret = ScriptedStore.secret
    private static let object = S3Text.ok(
        "12345",
        headers: ["ETag: \"x\"", "Last-Modified: Mon, 23 Nov 2026 01:02:03 GMT"]
    )

    // MARK: Refusals

    struct Refusal: Sendable {
        let status: String
        var code: String?
        var headers: [String] = []
        let failure: Failure.Code
        /// What the message or the hint says.
        let says: [String]
    }

    @Test(arguments: [
        Refusal(
            status: "403 Forbidden",
            code: "InvalidAccessKeyId",
            failure: .authenticationFailed,
            says: ["AWS_ACCESS_KEY_ID", "InvalidAccessKeyId"]
        ),
        Refusal(
            status: "403 Forbidden",
            code: "SignatureDoesNotMatch",
            failure: .authenticationFailed,
            says: ["AWS_SECRET_ACCESS_KEY"]
        ),
        Refusal(status: "400 Bad Request", code: "ExpiredToken", failure: .authenticationFailed, says: ["expired"]),
        Refusal(
            status: "400 Bad Request",
            code: "InvalidToken",
            failure: .authenticationFailed,
            says: ["AWS_SESSION_TOKEN"]
        ),
        Refusal(status: "403 Forbidden", code: "AccessDenied", failure: .permissionDenied, says: ["s3:GetObject"]),
        Refusal(status: "403 Forbidden", failure: .permissionDenied, says: ["s3:GetObject", "403"]),
        Refusal(status: "404 Not Found", code: "NoSuchBucket", failure: .noSuchStore, says: ["bucket"]),
        Refusal(status: "404 Not Found", code: "NoSuchKey", failure: .noSuchObject, says: ["NoSuchKey"]),
        Refusal(
            status: "301 Moved",
            code: "PermanentRedirect",
            headers: ["x-amz-bucket-region: eu-west-3"],
            failure: .configuration,
            says: ["AWS_REGION=eu-west-3"]
        ),
        Refusal(
            status: "307 Temporary Redirect",
            headers: ["Location: http://127.0.0.1:1/"],
            failure: .configuration,
            says: ["AWS_REGION"]
        ),
        Refusal(
            status: "400 Bad Request",
            code: "AuthorizationHeaderMalformed",
            failure: .configuration,
            says: ["AWS_REGION"]
        ),
        Refusal(
            status: "400 Bad Request",
            code: "InvalidBucketName",
            failure: .configuration,
            says: ["name of the bucket"]
        ),
        Refusal(status: "403 Forbidden", code: "QuotaExceeded", failure: .noSpace, says: ["quota"]),
        Refusal(status: "507 Insufficient Storage", failure: .noSpace, says: ["507"]),
        Refusal(status: "501 Not Implemented", code: "NotImplemented", failure: .unsupported, says: ["501"]),
        Refusal(status: "400 Bad Request", code: "InvalidRequest", failure: .unsupported, says: ["InvalidRequest"]),
        Refusal(status: "418 Teapot", failure: .unsupported, says: ["418"]),
        Refusal(status: "505 Version", failure: .storeUnavailable, says: ["505"]),
    ])
    func refusalIsNamedAndNotRepeated(_ refusal: Refusal) async throws {
        let key = try #require(ObjectKey(parsing: "a/b"))
        let answer =
            refusal.code.map {
                S3Text.error(
                    refusal.status,
                    $0,
                    headers: refusal.headers,
                    message: "key AKIDEXAMPLE \(Self.secret) tokentoken\n\u{1B}[31m"
                )
            } ?? ScriptedHTTP.response(refusal.status, headers: ["Connection: close"] + refusal.headers)
        try await ScriptedStore.withStore { _, _ in
            answer
        } _: { store, server, _ async throws in
            let failure = await #expect(throws: Failure.self) { try await store.withObject(key) { _, _ in } }
            #expect(failure?.code == refusal.failure)
            let text = "\(failure?.description ?? "") \(failure?.hint ?? "")"
            for says in refusal.says { #expect(text.contains(says), "\(text)") }
            for secret in ["AKIDEXAMPLE", Self.secret, "tokentoken", "\u{1B}", "\n"] {
                #expect(!text.contains(secret), "\(text)")
            }
            #expect(text.contains("s3://bucket/pre/a/b"))
            #expect(server.requests.count == 1)
        }
    }

    /// An answer to HEAD has no body; a second request asks why.
    @Test func refusalOfALookIsExplained() async throws {
        let key = try #require(ObjectKey(parsing: "a/b"))
        for (code, expected) in [
            ("ExpiredToken", Failure.Code.authenticationFailed), ("AccessDenied", .permissionDenied),
        ] {
            try await ScriptedStore.withStore { request, _ in
                request.method == "HEAD"
                    ? "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                    : S3Text.error("403 Forbidden", code)
            } _: { store, server, _ async throws in
                let failure = await #expect(throws: Failure.self) { try await store.stat(key) }
                #expect(failure?.code == expected)
                #expect(server.requests.map(\.method) == ["HEAD", "GET"])
                #expect(server.requests.last?.headers["range"] == "bytes=0-0")
            }
        }
    }

    @Test func everyOperationNamesTheRightThatItLacks() async throws {
        let key = try #require(ObjectKey(parsing: "a/b"))
        let denied = S3Text.error("403 Forbidden", "AccessDenied")
        let operations: [(right: String, call: @Sendable (any ObjectStore) async throws -> Void)] = [
            ("s3:PutObject", { _ = try await $0.stage(key, estimatedBytes: nil, from: chunked([1])) }),
            ("s3:GetObject", { _ = try await $0.stat(key) }),
            ("s3:GetObject", { try await $0.withObject(key) { _, _ in } }),
            ("s3:ListBucket ", { _ = try await $0.list(under: .root) }),
            ("s3:ListBucketMultipartUploads", { _ = try await $0.leftovers(under: .root) }),
            ("s3:DeleteObject", { try await $0.remove(key) }),
            ("s3:AbortMultipartUpload", { try await $0.remove(Leftover(key: key, handle: "x", startedAtSeconds: 0)) }),
        ]
        for (right, call) in operations {
            try await ScriptedStore.withStore { request, _ in
                request.method == "HEAD" ? "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n" : denied
            } _: { store, _, _ async throws in
                let failure = await #expect(throws: Failure.self) { try await call(store) }
                #expect(failure?.code == .permissionDenied)
                #expect(failure?.hint?.contains(right) == true, "\(failure?.hint ?? "")")
            }
        }
    }

    // MARK: Trying again

    @Test func waitsGrowAndEnd() async throws {
        try await ScriptedStore.withStore { _, _ in
            S3Text.error("503 Slow Down", "SlowDown")
        } _: { store, server, waits async throws in
            let failure = await #expect(throws: Failure.self) { try await store.list(under: .root) }
            #expect(failure?.code == .storeUnavailable)
            #expect(waits.all == [0.5, 1, 2, 4, 8, 10, 10].map { .seconds($0) })
            #expect(server.requests.count == 8)
        }
    }

    @Test func whatTheStoreAsksForIsWaited() async throws {
        try await ScriptedStore.withStore { _, number in
            number == 1
                ? S3Text.error("503 Slow Down", "SlowDown", headers: ["Retry-After: 7"])
                : number == 2
                    ? S3Text.error("503 Slow Down", "SlowDown", headers: ["Retry-After: 86400"])
                    : S3Text.ok("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        } _: { store, _, waits async throws in
            #expect(try await store.list(under: .root) == [])
            #expect(waits.all == [.seconds(7), .seconds(60)])
        }
    }

    @Test func retriesOfAStoreThatIsDownAreLimitedOverAllRequests() async throws {
        try await ScriptedStore.withStore { _, _ in
            ""
        } configure: {
            $0.attemptsMax = 20
        } _: { store, server, _ async throws in
            var codes: Set<Failure.Code> = []
            for _ in 0..<10 {
                let failure = await #expect(throws: Failure.self) { try await store.list(under: .root) }
                if let failure { codes.insert(failure.code) }
            }
            #expect(codes == [.unreachable])
            // Ten first tries and the budget; libcurl may open a second connection for one that was closed on it.
            #expect(server.requests.count >= 10 + RetryBudget.retriesUsual)
            #expect(server.requests.count <= 2 * (10 + RetryBudget.retriesUsual))
        }
    }

    @Test func aDateThatTheStoreAsksToWaitForIsWaitedFor() async throws {
        let date = "Date: Fri, 24 May 2013 10:00:00 GMT"
        try await ScriptedStore.withStore { _, number in
            let until = ["Retry-After: Fri, 24 May 2013 10:00:09 GMT", "Retry-After: Fri, 24 May 2013 00:00:12 GMT"]
            return number == 1
                ? S3Text.error("503 Slow Down", "SlowDown", headers: [date, until[0]])
                : number == 2
                    // Without a date of its own it is ours that counts: midnight.
                    ? S3Text.error("503 Slow Down", "SlowDown", headers: [until[1]])
                    : S3Text.ok("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        } _: { store, _, waits async throws in
            #expect(try await store.list(under: .root) == [])
            #expect(waits.all == [.seconds(9), .seconds(12)])
        }
    }

    @Test func allStoresOfARunShareTheirRetries() async throws {
        let traffic = StoreTraffic()
        traffic.retries.limit(to: 5)
        for (number, endings) in [(1, "after 4 tries"), (2, "after 3 tries, and the retries of this run are used up")] {
            try await ScriptedStore.withStore { _, _ in
                S3Text.error("503 Slow Down", "SlowDown")
            } configure: {
                $0.attemptsMax = 4
                $0.traffic = traffic
            } _: { store, server, _ async throws in
                let failure = await #expect(throws: Failure.self) { try await store.list(under: .root) }
                #expect(failure?.message.hasSuffix(endings) == true, "\(failure?.message ?? "")")
                #expect(server.requests.count == (number == 1 ? 4 : 3))
            }
        }
        #expect(traffic.retries.taken == 5)
        #expect([traffic.retries.takenSinceTold(), traffic.retries.takenSinceTold()] == [5, 0])
    }

    /// Whatever status it has and whatever is asked for: nobody goes there, least of all with a signature.
    @Test(arguments: ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Redirect"])
    func aRedirectIsNotFollowedAndIsNamed(status: String) async throws {
        try await withScriptedHTTP { _, _ in
            S3Text.ok("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        } body: { other in
            let place = "http://user:word@127.0.0.1:\(other.port)/bucket?token=abc"
            try await ScriptedStore.withStore { _, _ in
                ScriptedHTTP.response(status, headers: ["Location: \(place)"])
            } _: { store, server, waits async throws in
                let key = try #require(ObjectKey(parsing: "a/b"))
                for attempt in ["list", "read", "write", "remove"] {
                    let failure = await #expect(throws: Failure.self) {
                        switch attempt {
                        case "list": _ = try await store.list(under: .root)
                        case "read": _ = try await store.readAll(key)
                        case "write": _ = try await store.create(key, [1])
                        default: try await store.remove(key)
                        }
                    }
                    #expect(failure?.code == .configuration)
                    let text = failure?.description ?? ""
                    #expect(text.contains("points to http://127.0.0.1:\(other.port),"), "\(text)")
                    #expect(!text.contains("word") && !text.contains("token"), "\(text)")
                }
                #expect(server.requests.count == 4)
                #expect(waits.all.isEmpty)
                #expect(other.requests.isEmpty)
            }
        }
    }

    @Test func clockOfTheStoreIsTakenOverOnce() async throws {
        let skewed = S3Text.error(
            "403 Forbidden",
            "RequestTimeTooSkewed",
            headers: ["Date: Fri, 24 May 2013 00:20:00 GMT"]
        )
        let empty = S3Text.ok("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        try await ScriptedStore.withStore { request, _ in
            request.headers["x-amz-date"] == "20130524T002000Z" ? empty : skewed
        } _: { store, server, waits async throws in
            _ = try await store.list(under: .root)
            _ = try await store.list(under: .root)
            #expect(
                server.requests.map { $0.headers["x-amz-date"] } == [
                    "20130524T000000Z", "20130524T002000Z", "20130524T002000Z",
                ]
            )
            #expect(waits.all == [])
        }
        try await ScriptedStore.withStore { _, _ in
            skewed
        } _: { store, server, _ async throws in
            let failure = await #expect(throws: Failure.self) { try await store.list(under: .root) }
            #expect(failure?.code == .configuration && failure?.hint?.contains("clock") == true)
            #expect(server.requests.count == 2)
        }
    }

    @Test func cancelledTaskDoesNotWait() async throws {
        try await ScriptedStore.withStore { _, _ in
            S3Text.error("503 Slow Down", "SlowDown")
        } configure: {
            $0.clock = RequestClock(
                secondsSince1970: { 0 },
                sleep: { _ in try await Task.sleep(for: .seconds(3600)) },
                chance: { 0.5 }
            )
        } _: { store, server, _ async throws in
            await #expect(throws: CancellationError.self) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { _ = try await store.list(under: .root) }
                    try await eventually("the first answer") { server.requests.isEmpty ? nil : true }
                    group.cancelAll()
                    try await group.next()
                }
            }
        }
    }

    // MARK: Objects

    @Test(arguments: ["ETag: \"x\"", "Last-Modified: Mon, 23 Nov 2026 01:02:03 GMT"])
    func objectWithoutAVersionOrATimeIsNotBelieved(_ header: String) async throws {
        let key = try #require(ObjectKey(parsing: "a"))
        try await ScriptedStore.withStore { _, _ in
            S3Text.ok("", headers: [header])
        } configure: {
            $0.attemptsMax = 2
        } _: { store, _, _ async throws in
            let failure = await #expect(throws: Failure.self) { try await store.stat(key) }
            #expect(failure?.code == .storeUnavailable)
        }
    }

    @Test func readOfASmallObjectIsBounded() async throws {
        let key = try #require(ObjectKey(parsing: "a"))
        try await ScriptedStore.withStore { _, _ in
            Self.object
        } _: { store, _, _ async throws in
            #expect(try await store.read(key, bytesMax: 5).bytes == Array("12345".utf8))
            let failure = await #expect(throws: Failure.self) { try await store.read(key, bytesMax: 4) }
            #expect(failure?.code == .unsupported)
        }
    }
}
