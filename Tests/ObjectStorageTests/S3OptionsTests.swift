// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import HTTPTransport
import ObjectStorage
import TestParts
import Testing

/// What the URL of a bucket says, in the requests that come of it, header by header.
@Suite struct S3OptionsTests {
    private static let key32 = Array("0123456789abcdef0123456789ABCDEF".utf8)
    private static let key32Text = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlBQkNERUY="

    @Test(arguments: [
        "provider=acme", "sse=DES", "sse-kms-key-id=k", "sse-bucket-key=true", "sse=AES256&sse-kms-key-id=k",
        "sse=aws:kms&sse-bucket-key=maybe", "sse=AES256&sse-c-key-file=/k", "storage-class=a%20b", "tags==v",
        "tags=a=1,a=2", "tags=a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,i=9,j=10,k=11", "lock-mode=GOVERNANCE",
        "lock-for=30d", "lock-mode=OPEN&lock-for=30d", "lock-mode=GOVERNANCE&lock-for=30",
        "lock-mode=GOVERNANCE&lock-for=0d", "lock-mode=GOVERNANCE&lock-for=101y",
        "lock-mode=GOVERNANCE&lock-for=99999999999999999999d", "legal-hold=yes", "requester-pays=1",
        "expected-owner=a/b", "acl=private%0d%0ax:y", "tags=a=%0ab", "checksum=md5", "checksum=CRC32C",
        "sse=aws:kms&sse-kms-context=a=%22", "sse-c-over-http=x",
    ])
    func optionThatMakesNoSenseIsAMistakeOfUsage(_ options: String) throws {
        let failure = try #require(throws: Failure.self) { try StoreLocation(parsing: "s3://bucket?\(options)") }
        #expect(failure.code == .usage)
        #expect(failure.message.contains("s3://bucket"), "\(failure.message)")
    }

    @Test func twoStoresOfOneCommandDiffer() throws {
        let first = try StoreLocation(parsing: "s3://bucket?tags=a=b")
        #expect(try StoreLocation(parsing: "s3://bucket?tags=a=c") != first)
        #expect("\(first)" == "s3://bucket")
    }

    /// Begins an upload, writes a member, a manifest and a lease, reads and removes; gives the requests.
    private func requests(_ options: String) async throws -> [SeenRequest] {
        let keys = try ["demo/1/a.rdb", "demo/1/manifest.json", ".locks/demo.json"].map {
            try #require(ObjectKey(parsing: $0))
        }
        return try await ScriptedStore.withStore { request, _ in
            let head = ["ETag: \"x\"", "Last-Modified: Mon, 23 Nov 2026 01:02:03 GMT"]
            switch request.method {
            case "POST" where request.target.hasSuffix("uploads="):
                return S3Text.ok(
                    "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
                )
            case "DELETE": return ScriptedHTTP.response("204 No Content", headers: ["Connection: close"])
            case "GET" where request.target.contains("list-type"):
                return S3Text.ok("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
            case "HEAD" where request.target != "/bucket":
                return "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"
            default: return S3Text.ok("", headers: head)
            }
        } options: {
            options
        } _: { store, server, _ async throws in
            let staged = try await store.stage(keys[0], estimatedBytes: nil, from: chunked([1]))
            // Nothing is there afterwards, so that these fail after what is looked at here.
            await #expect(throws: Failure.self) { try await staged.commit() }
            for key in keys.dropFirst() { await #expect(throws: Failure.self) { try await store.create(key, [1]) } }
            try await store.withObject(keys[0]) { _, _ in }
            _ = try await store.list(under: .root)
            try await store.remove(keys[0])
            return server.requests
        }
    }

    private func find(_ requests: [SeenRequest], _ method: String, _ part: String) throws -> SeenRequest {
        try #require(requests.first { $0.method == method && $0.target.contains(part) }, "no \(method) of \(part)")
    }

    @Test func newObjectsAreMarkedAndLeasesStayRemovable() async throws {
        let requests = try await requests(
            "sse=aws:kms&sse-kms-key-id=arn:aws:kms:eu-west-1:1:key/k&sse-bucket-key=true&sse-kms-context=app=redis"
                + "&storage-class=STANDARD_IA&tags=team=a%20b,kind=backup&lock-mode=GOVERNANCE&lock-for=30d"
                + "&legal-hold=true&acl=bucket-owner-full-control"
        )
        let encrypted = [
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-west-1:1:key/k",
            "x-amz-server-side-encryption-bucket-key-enabled": "true",
            // {"app":"redis"}
            "x-amz-server-side-encryption-context": "eyJhcHAiOiJyZWRpcyJ9", "x-amz-acl": "bucket-owner-full-control",
        ]
        let marked = [
            "x-amz-storage-class": "STANDARD_IA", "x-amz-tagging": "team=a%20b&kind=backup",
            "x-amz-object-lock-mode": "GOVERNANCE",
            // It is the 24th of May 2013.
            "x-amz-object-lock-retain-until-date": "2013-06-23T00:00:00Z", "x-amz-object-lock-legal-hold": "ON",
        ]
        let begin = try find(requests, "POST", "a.rdb?uploads=")
        let manifest = try find(requests, "PUT", "manifest.json")
        let lease = try find(requests, "PUT", ".locks/")
        for (name, value) in encrypted {
            for request in [begin, manifest, lease] { #expect(request.headers[name] == value, "\(name)") }
        }
        for (name, value) in marked {
            for request in [begin, manifest] { #expect(request.headers[name] == value, "\(name)") }
            #expect(lease.headers[name] == nil, "\(name)")
        }
        // What is sent is signed.
        let signed = begin.headers["authorization"] ?? ""
        for name in encrypted.keys.map(\.self) + marked.keys { #expect(signed.contains(";\(name)"), "\(name)") }
        for request in requests where request.method != "POST" && request.method != "PUT" {
            #expect(!request.headers.keys.contains { encrypted[$0] != nil || marked[$0] != nil })
        }
    }

    @Test func manifestDoesNotGoToAnArchive() async throws {
        let requests = try await requests("storage-class=DEEP_ARCHIVE")
        #expect(try find(requests, "POST", "a.rdb?uploads=").headers["x-amz-storage-class"] == "DEEP_ARCHIVE")
        #expect(try find(requests, "PUT", "manifest.json").headers["x-amz-storage-class"] == nil)
    }

    @Test func ownerAndPayerStandInEveryRequest() async throws {
        let requests = try await requests("requester-pays=true&expected-owner=123456789012")
        #expect(requests.count > 10)
        for request in requests {
            #expect(request.headers["x-amz-request-payer"] == "requester", "\(request.method) \(request.target)")
            #expect(request.headers["x-amz-expected-bucket-owner"] == "123456789012")
        }
    }

    @Test(arguments: [key32, Array((key32Text + "\n").utf8)])
    func keyOfTheCustomerStandsWhereBytesAreReadOrWritten(_ content: [UInt8]) async throws {
        try await withTemporaryFolder { folder async throws in
            let file = folder.appendingPathComponent("key")
            try Data(content).write(to: file)
            let requests = try await requests("sse-c-key-file=\(PercentEncoding.path(file.path))")
            for request in requests {
                let isAboutBytes =
                    ["PUT", "POST"].contains(request.method)
                    || (request.target != "/bucket" && ["GET", "HEAD"].contains(request.method)
                        && !request.target.contains("list-type"))
                let key = request.headers["x-amz-server-side-encryption-customer-key"]
                #expect(key == (isAboutBytes ? Self.key32Text : nil), "\(request.method) \(request.target)")
                #expect(request.headers["x-amz-server-side-encryption-customer-algorithm"] == key.map { _ in "AES256" })
                let digest = request.headers["x-amz-server-side-encryption-customer-key-md5"]
                #expect(digest == key.map { _ in "V5euSAsQOO0sIBHETfEa4w==" })
                #expect(!request.target.contains("key-file"))
            }
            for method in ["POST", "PUT", "GET", "HEAD"] {
                #expect(
                    requests.contains {
                        $0.method == method && $0.headers["x-amz-server-side-encryption-customer-key"] != nil
                    }
                )
            }
        }
    }

    struct KeyFile: Sendable {
        let content: String?
        var endpoint = "https://s3.example"
        let says: String
    }

    @Test(arguments: [
        KeyFile(content: nil, says: "no such file"), KeyFile(content: "", says: "32 bytes"),
        KeyFile(content: "hush-hush-hush", says: "32 bytes"), KeyFile(content: key32Text + "AAAA", says: "32 bytes"),
        KeyFile(content: String(repeating: "hush", count: 40), says: "larger than"),
        KeyFile(content: key32Text, endpoint: "http://s3.example", says: "in clear"),
        KeyFile(content: key32Text, endpoint: "http://10.0.0.1:9000", says: "in clear"),
    ])
    func keyThatIsNoneOrWouldBeSeenIsRefused(_ example: KeyFile) async throws {
        try await withTemporaryFolder { folder async throws in
            let file = folder.appendingPathComponent("key")
            try example.content?.write(to: file, atomically: false, encoding: .utf8)
            let failure = try #require(throws: Failure.self) {
                try Self.settings("sse-c-key-file=\(PercentEncoding.path(file.path))", endpoint: example.endpoint)
            }
            #expect(failure.code == .configuration)
            #expect(failure.message.contains(example.says), "\(failure.message)")
            #expect(!failure.message.contains("hush") && !failure.message.contains(Self.key32Text))
        }
    }

    @Test func keyMayBeSentInClearWhereSomebodySaysSo() async throws {
        try await withTemporaryFolder { folder async throws in
            let file = folder.appendingPathComponent("key")
            try Data(Self.key32).write(to: file)
            let options = "sse-c-key-file=\(PercentEncoding.path(file.path))"
            for (more, endpoint) in [
                ("&sse-c-over-http=true", "http://minio.storage.svc:9000"), ("", "http://localhost:9000"),
                ("", "http://[::1]:9000"), ("", "http://127.0.0.1"), ("", "https://s3.example"),
            ] {
                let settings = try Self.settings(options + more, endpoint: endpoint)
                var shown = ""
                dump(settings, to: &shown)
                for text in ["\(settings)", String(reflecting: settings), shown] {
                    #expect(!text.contains(Self.key32Text) && !text.contains("48, 49, 50, 51"))
                }
            }
        }
    }

    @Test(
        arguments: [
            ("", nil, nil), ("", "when_required", nil), ("", "WHEN_SUPPORTED", .crc64nvme),
            ("checksum=sha256", nil, .sha256),
            ("checksum=none", "when_supported", nil), ("checksum=crc32c", "when_required", .crc32c),
            ("provider=gcs", "when_supported", nil), ("provider=gcs&checksum=crc32c", nil, .crc32c),
        ] as [(String, String?, S3Checksum?)]
    )
    func checksumIsChosenByURLThenEnvironment(_ options: String, _ variable: String?, _ chosen: S3Checksum?) throws {
        let environment = variable.map { ["AWS_REQUEST_CHECKSUM_CALCULATION": $0] } ?? [:]
        #expect(try Self.settings(options, environment: environment).checksum == chosen)
    }

    @Test func oddCalculationIsRefused() {
        #expect(throws: Failure.self) {
            try Self.settings("", environment: ["AWS_REQUEST_CHECKSUM_CALCULATION": "always"])
        }
    }

    private static func settings(
        _ options: String,
        endpoint: String = "https://s3.example",
        environment: [String: String] = [:]
    ) throws -> S3Settings {
        let url = "s3://bucket" + (options.isEmpty ? "" : "?\(options)")
        guard case .bucket(let location) = try StoreLocation(parsing: url) else { throw Failure(.usage, "no bucket") }
        var configuration = StoreConfiguration(
            environment: ["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"].merging(environment) { $1 }
        )
        configuration.endpointURL = endpoint
        return try S3Settings(location, configuration)
    }
}
