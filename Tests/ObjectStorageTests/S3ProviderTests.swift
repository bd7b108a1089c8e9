// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import ObjectStorage
import Synchronization
import TestParts
import Testing

/// Providers that are not AWS: what they refuse is not sent, or done without (fault 64).
@Suite struct S3ProviderTests {
    private static let part = StoreWithWitness.partSizeBytes

    @Test(arguments: [
        ("https://s3.eu-west-1.amazonaws.com", S3Provider.aws), ("https://x.r2.cloudflarestorage.com", .r2),
        ("https://s3.eu-central-003.backblazeb2.com", .b2), ("https://storage.googleapis.com", .gcs),
        ("https://s3.eu-central-1.wasabisys.com:443", .wasabi), ("https://fra1.digitaloceanspaces.com", .digitalocean),
        ("https://s3.fr-par.scw.cloud", .scaleway), ("https://fsn1.your-objectstorage.com", .hetzner),
        ("http://127.0.0.1:9000", .other), ("https://minio.example:9000", .other),
    ])
    func providerIsKnownByItsHost(_ endpoint: String, _ provider: S3Provider) throws {
        let found = try Self.settings("endpoint-url=\(endpoint)")
        #expect(found.provider == provider)
        // Nobody said a region: R2 and Google Cloud Storage have one that is called auto.
        #expect(found.region == ([.r2, .gcs].contains(provider) ? "auto" : "us-east-1"))
        #expect(try Self.settings("endpoint-url=\(endpoint)&provider=minio").provider == .minio)
    }

    @Test func bucketStandsWhereTheProviderWantsIt() throws {
        func url(_ options: String) throws -> String {
            try Self.settings(options).endpoint.url(key: "k", query: [])
        }
        #expect(
            try url("endpoint-url=https://fra1.digitaloceanspaces.com")
                == "https://bucket.fra1.digitaloceanspaces.com/k"
        )
        #expect(
            try url("endpoint-url=https://fra1.digitaloceanspaces.com&path-style=true")
                == "https://fra1.digitaloceanspaces.com/bucket/k"
        )
        #expect(try url("endpoint-url=https://s3.example&provider=digitalocean") == "https://bucket.s3.example/k")
        #expect(try url("endpoint-url=http://127.0.0.1:1&provider=digitalocean") == "http://127.0.0.1:1/bucket/k")
        #expect(
            try url("endpoint-url=https://s3.eu-central-003.backblazeb2.com")
                == "https://s3.eu-central-003.backblazeb2.com/bucket/k"
        )
    }

    /// Every operation of a backup.
    private func exercise(_ tested: InterceptedStore, parts: Int) async throws {
        let (key, lease) = try (
            #require(ObjectKey(parsing: "set/1/a.rdb")), #require(ObjectKey(parsing: ".locks/b.json"))
        )
        var random = SeededRandom(seed: 5)
        let bytes = random.bytes(parts * Self.part + 11)
        let store = tested.store
        let object = try await store.write(key, bytes)
        #expect(try await store.stat(key) == object)
        #expect(try await store.readAll(key) == bytes)
        let created = try await store.create(lease, [1])
        let again = await #expect(throws: Failure.self) { try await store.create(lease, [2]) }
        #expect(again?.code == .alreadyExists)
        let replaced = try await store.replace(lease, version: created.version, with: [2])
        #expect(try await store.list(under: .root) == [replaced, object])
        let staged = try await store.stage(key, estimatedBytes: nil, from: chunked([1]))
        #expect(try await store.leftovers(under: .root).map(\.key) == [key])
        await staged.discard()
        try await store.remove(lease)
        #expect(try await tested.service.get(key.description, in: tested.bucket) == bytes)
        #expect(try await tested.visible() == [key.description])
        #expect(try await tested.uploads() == 0)
    }

    @Test(arguments: S3Provider.allCases)
    func everyProviderTakesABackup(_ provider: S3Provider) async throws {
        try await withInterceptedStore({ _, _, _ in .pass }, options: "provider=\(provider.rawValue)") {
            tested async throws in
            try await exercise(tested, parts: 0)
            let conditions = Interceptor.Kind.allCases.flatMap { tested.interceptor.requests($0) }
                .filter { $0.method != "GET" && $0.headers.keys.contains { $0.hasPrefix("if-") } }
            #expect(conditions.isEmpty == (provider == .gcs))
        }
    }

    /// The strictest of them all: the bucket in the path, no conditions, no checksums, no trailers, parts of one size,
    /// and few at a time.
    @Test(arguments: [S3Provider.other, .r2, .gcs])
    func strictProviderTakesABackup(_ provider: S3Provider) async throws {
        let underWay = Mutex(0)
        let refused = Mutex<[String]>([])
        @Sendable func refusal(_ kind: Interceptor.Kind, _ request: SeenRequest) -> String? {
            for name in request.headers.keys {
                if name.hasPrefix("x-amz-checksum") || name.hasPrefix("x-amz-sdk") || name.hasPrefix("x-goog") {
                    return "header \(name)"
                }
                if ["x-amz-decoded-content-length", "transfer-encoding", "x-amz-trailer"].contains(name) {
                    return "header \(name)"
                }
            }
            if request.headers["host"]?.hasPrefix("127.0.0.1:") != true { return "virtual host" }
            if ["PUT", "POST"].contains(request.method), request.headers["content-length"] == nil {
                return "no length"
            }
            if kind == .part, request.body.count != Self.part, request.body.count != 11, request.body.count != 1 {
                return "a part of \(request.body.count)"
            }
            return nil
        }
        try await withInterceptedStore(
            { kind, _, request in
                if let reason = refusal(kind, request) {
                    refused.withLock { $0.append(reason) }
                    return .answer(S3Text.error("400 Bad Request", "MalformedXML", message: reason))
                }
                if request.method != "GET", request.headers["if-match"] ?? request.headers["if-none-match"] != nil {
                    return .answer(S3Text.error("501 Not Implemented", "NotImplemented"))
                }
                guard kind == .part else { return .pass }
                let now = underWay.withLock { underWay in
                    underWay += 1
                    return underWay
                }
                defer { underWay.withLock { $0 -= 1 } }
                try await Task.sleep(for: .milliseconds(20))
                if provider == .r2, now > 2 { refused.withLock { $0.append("\(now) parts at a time") } }
                return .pass
            },
            options: "provider=\(provider.rawValue)"
        ) {
            $0.environment["AWS_REQUEST_CHECKSUM_CALCULATION"] = provider == .gcs ? "when_supported" : nil
            $0.environment["AWS_REGION"] = nil
        } _: { tested async throws in
            try await exercise(tested, parts: 4)
            #expect(refused.withLock { $0 } == [])
            let region = try #require(tested.interceptor.requests(.begin).first?.headers["authorization"])
            #expect(region.contains(provider == .other ? "/us-east-1/s3/" : "/auto/s3/"))
        }
    }

    /// Tags that a provider refuses, as Backblaze does, are no reason to try for long, and are named.
    @Test func optionThatTheProviderRefusesIsAFailureAtOnce() async throws {
        let key = try #require(ObjectKey(parsing: "set/1/a.rdb"))
        try await withInterceptedStore(
            { _, _, request in
                request.headers["x-amz-tagging"] == nil
                    ? .pass : .answer(S3Text.error("400 Bad Request", "InvalidArgument", message: "x-amz-tagging"))
            },
            options: "tags=a=b"
        ) { tested async throws in
            let failure = await #expect(throws: Failure.self) { try await tested.store.write(key, [1]) }
            #expect(failure?.code == .unsupported && failure?.message.contains("x-amz-tagging") == true)
            #expect(tested.interceptor.requests(.begin).count == 1)
        }
    }

    /// The bucket before the host, byte by byte; `*.localhost` is this machine.
    @Test func bucketBeforeTheHostIsSentAndSignedAlike() async throws {
        try await ScriptedStore.withStore { _, _ in
            S3Text.ok("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        } configure: {
            $0.endpointURL = $0.endpointURL?.replacing("127.0.0.1", with: "localhost")
        } options: {
            "provider=digitalocean"
        } _: { store, server, _ async throws in
            _ = try await store.list(under: .root)
            let request = try #require(server.requests.first)
            #expect(request.target == "/?encoding-type=url&list-type=2&prefix=pre%2F")
            #expect(request.headers["host"] == "bucket.localhost:\(server.port)")
        }
    }

    private static func settings(_ options: String) throws -> S3Settings {
        guard case .bucket(let location) = try StoreLocation(parsing: "s3://bucket?\(options)") else {
            throw Failure(.usage, "no bucket")
        }
        let keys = ["AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"]
        return try S3Settings(location, StoreConfiguration(environment: keys))
    }
}
