// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage
import TestParts
import Testing

/// Lists byte by byte: one that is not whole must never look like a shorter one.
@Suite struct S3ListTests {
    private static func page(_ keys: [String], next: String? = nil, encoding: String = "") -> String {
        let entries = keys.map {
            "<Contents><Key>\($0)</Key><Size>3</Size><ETag>&quot;e&quot;</ETag>"
                + "<LastModified>2026-11-23T01:02:03.456Z</LastModified></Contents>"
        }
        let token = next.map { "<NextContinuationToken>\($0)</NextContinuationToken>" } ?? ""
        return
            "<ListBucketResult>\(encoding)<IsTruncated>\(next != nil)</IsTruncated>\(token)\(entries.joined())"
            + "</ListBucketResult>"
    }

    @Test func pagesAreFollowedToTheLast() async throws {
        let encoding = "<EncodingType>url</EncodingType>"
        try await ScriptedStore.withStore { request, _ in
            if request.target.contains("continuation-token=a%2Fb%2B%3D") {
                return S3Text.ok(
                    Self.page(["pre%2Fz", "pre/a%2Eb", "pre%2Fa+b", "pre/", "pre/a/"], encoding: encoding)
                )
            }
            return S3Text.ok(Self.page(["pre/y", "prefix/no", "other"], next: "a/b+=", encoding: encoding))
        } _: { store, server, _ async throws in
            let objects = try await store.list(under: .root)
            #expect(objects.map(\.key.description) == ["a.b", "y", "z"])
            #expect(
                objects.allSatisfy {
                    $0.bytes == 3 && $0.version.tag == "\"e\"" && $0.modifiedAtSeconds == 1_795_395_723
                }
            )
            #expect(
                server.requests.map(\.target) == [
                    "/bucket?encoding-type=url&list-type=2&prefix=pre%2F",
                    "/bucket?continuation-token=a%2Fb%2B%3D&encoding-type=url&list-type=2&prefix=pre%2F",
                ]
            )
        }
    }

    /// A list that is not whole must never look like a shorter one.
    @Test(arguments: [
        "", " ", String(page(["pre/a"]).dropLast(5)), "<ListBucketResult></ListBucketResult>",
        "<ListBucketResult><IsTruncated>maybe</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>pre/a</Key></Contents></ListBucketResult>",
        page(["pre/%zz"], encoding: "<EncodingType>url</EncodingType>"), "<html>hello</html>",
        "<Error><Code>InternalError</Code></Error>",
    ])
    func pageThatIsNotWholeIsAnError(_ second: String) async throws {
        try await ScriptedStore.withStore { request, _ in
            S3Text.ok(request.target.contains("continuation-token") ? second : Self.page(["pre/a"], next: "t"))
        } configure: {
            $0.attemptsMax = 3
        } _: { store, server, _ async throws in
            let failure = await #expect(throws: Failure.self) { try await store.list(under: .root) }
            #expect(failure?.code == .storeUnavailable)
            #expect(server.requests.count == 4)
        }
    }

    @Test(arguments: [0, 500, 404, 403])
    func pageThatFailsIsAnError(_ status: Int) async throws {
        try await ScriptedStore.withStore { request, _ in
            if !request.target.contains("continuation-token") { return S3Text.ok(Self.page(["pre/a"], next: "t")) }
            return status == 0 ? "" : S3Text.error("\(status) No", "Whatever")
        } configure: {
            $0.attemptsMax = 2
        } _: { store, _, _ async throws in
            await #expect(throws: Failure.self) { try await store.list(under: .root) }
        }
    }

    @Test func listThatNeverEndsIsAnError() async throws {
        try await ScriptedStore.withStore { _, _ in
            S3Text.ok(Self.page(["pre/a"], next: "same"))
        } _: { store, server, _ async throws in
            let failure = await #expect(throws: Failure.self) { try await store.list(under: .root) }
            #expect(failure?.code == .protocolViolation)
            #expect(server.requests.count == 2)
        }
    }

    @Test func pagesOfUploadsAreFollowedToTheLast() async throws {
        @Sendable func page(_ key: String, _ id: String, next: String) -> String {
            S3Text.ok(
                "<ListMultipartUploadsResult><EncodingType>url</EncodingType>\(next)<Upload><Key>\(key)</Key>"
                    + "<UploadId>\(id)</UploadId><Initiated>2026-11-23T01:02:03.000Z</Initiated></Upload>"
                    + "</ListMultipartUploadsResult>"
            )
        }
        try await ScriptedStore.withStore { request, _ in
            request.target.contains("upload-id-marker=1%2B")
                ? page("pre%2Fb%2Fc", "2", next: "<IsTruncated>false</IsTruncated>")
                : page(
                    "pre/a",
                    "1+",
                    next: "<IsTruncated>true</IsTruncated><NextKeyMarker>pre%2Fa</NextKeyMarker>"
                        + "<NextUploadIdMarker>1+</NextUploadIdMarker>"
                )
        } _: { store, server, _ async throws in
            let found = try await store.leftovers(under: .root)
            #expect(found.map(\.handle) == ["1+", "2"] && found.map(\.key.description) == ["a", "b/c"])
            #expect(found.allSatisfy { $0.startedAtSeconds == 1_795_395_723 })
            #expect(server.requests.last?.target.contains("key-marker=pre%2Fa&") == true)
        }
    }

    @Test(arguments: ["501 Not Implemented", "405 Method Not Allowed", "400 Bad Request"])
    func providerThatCannotListUploadsSaysSo(_ status: String) async throws {
        try await ScriptedStore.withStore { _, _ in
            ScriptedHTTP.response(status, headers: ["Connection: close"])
        } _: { store, _, _ async throws in
            let failure = await #expect(throws: Failure.self) { try await store.leftovers(under: .root) }
            #expect(failure?.code == .unsupported)
        }
        try await ScriptedStore.withStore { _, _ in
            S3Text.error("400 Bad Request", "ExpiredToken")
        } _: { store, _, _ async throws in
            let failure = await #expect(throws: Failure.self) { try await store.leftovers(under: .root) }
            #expect(failure?.code == .authenticationFailed)
        }
    }
}
