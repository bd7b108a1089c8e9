// SPDX-License-Identifier: Apache-2.0

import Failures
import Foundation
import HTTPTransport
import Logging
import ObjectStorage
import Synchronization
import TestParts
import Testing

/// Locks, versions, tags, classes and encryption at real servers.
@Suite struct S3KeepingTests {
    private static let marks = "lock-mode=GOVERNANCE&lock-for=1d&legal-hold=true&tags=team=a%20b,kind=backup"
    private static let daySeconds = 86_400.0

    private func key(_ text: String) throws -> ObjectKey { try #require(ObjectKey(parsing: text)) }

    private func head(_ tested: InterceptedStore, _ key: ObjectKey) async throws -> TestJSON {
        try await tested.service.call("head_object", ["Bucket": .text(tested.bucket), "Key": .text("\(key)")])
    }

    @Test func membersAndManifestsAreLockedAndLeasesAreNot() async throws {
        let (member, manifest, lease) = try (key("s/1/a.rdb"), key("s/1/manifest.json"), key(".locks/s.json"))
        try await withInterceptedStore({ _, _, _ in .pass }, options: Self.marks, isLocked: true) {
            tested async throws in
            try await tested.store.write(member, [1, 2, 3])
            try await tested.store.create(manifest, [4])
            for key in [member, manifest] {
                let shown = try await head(tested, key)
                #expect(
                    shown["ObjectLockMode"]?.text == "GOVERNANCE" && shown["TagCount"]?.int == 2,
                    "\(key): \(shown)"
                )
                #expect(shown["ObjectLockLegalHoldStatus"]?.text == "ON")
                let until = ISO8601DateFormatter().date(from: shown["ObjectLockRetainUntilDate"]?.text ?? "")
                let seconds = try #require(until).timeIntervalSinceNow
                #expect((Self.daySeconds - 600...Self.daySeconds).contains(seconds))
                let version = try #require(shown["VersionId"]?.text)
                let refusal = await #expect(throws: S3OracleError.self) {
                    try await tested.service.call(
                        "delete_object",
                        ["Bucket": .text(tested.bucket), "Key": .text("\(key)"), "VersionId": .text(version)]
                    )
                }
                #expect(refusal?.code == "AccessDenied")
            }
            let created = try await tested.store.create(lease, [1])
            let replaced = try await tested.store.replace(lease, version: created.version, with: [2])
            #expect(try await tested.store.stat(lease) == replaced)
            let shown = try await head(tested, lease)
            #expect(shown["ObjectLockMode"]?.text == nil && shown["TagCount"]?.int == nil, "\(shown)")
            try await tested.store.remove(lease)
            #expect(try await tested.store.list(under: .root).map(\.key) == [member, manifest])
        }
    }

    /// A removed object is hidden by a marker; its version stays, and the key is free.
    @Test func removedObjectIsGoneForUsAndKeptByTheStore() async throws {
        let (member, manifest) = try (key("s/1/a.rdb"), key("s/1/manifest.json"))
        try await withInterceptedStore({ _, _, _ in .pass }, options: Self.marks, isLocked: true) {
            tested async throws in
            try await tested.store.write(member, [1, 2, 3])
            try await tested.store.create(manifest, [4])
            for key in [manifest, member, member] {
                let removal = try await tested.store.remove(key)
                #expect(removal == .hidden, "\(key)")
            }
            #expect(try await tested.store.list(under: .root) == [])
            #expect(try await tested.store.stat(member) == nil)
            let failure = await #expect(throws: Failure.self) { try await tested.store.readAll(member) }
            #expect(failure?.code == .noSuchObject)
            let versions = try await tested.service.call(
                "list_object_versions",
                ["Bucket": .text(tested.bucket)],
                pages: "Versions"
            )
            #expect(versions.array?.count == 2)
            try await tested.store.write(member, [5])
            #expect(try await tested.store.readAll(member) == [5])
        }
    }

    /// A bucket that locks everything by itself: leases are renewed and given up all the same.
    @Test func bucketThatLocksByItselfHoldsLeases() async throws {
        let lease = try key(".locks/s.json")
        try await withInterceptedStore({ _, _, _ in .pass }, isLocked: true) { tested async throws in
            try await tested.service.call(
                "put_object_lock_configuration",
                [
                    "Bucket": .text(tested.bucket),
                    "ObjectLockConfiguration": .object([
                        "ObjectLockEnabled": "Enabled",
                        "Rule": .object(["DefaultRetention": .object(["Mode": "GOVERNANCE", "Days": 1])]),
                    ]),
                ]
            )
            for round in 0..<3 {
                var object = try await tested.store.create(lease, [1])
                for number in 0..<3 {
                    object = try await tested.store.replace(lease, version: object.version, with: [2, UInt8(number)])
                }
                #expect(try await tested.store.readAll(lease) == [2, 2], "round \(round)")
                try await tested.store.remove(lease)
                #expect(try await tested.store.stat(lease) == nil)
            }
            for request in tested.interceptor.requests(.put) { #expect(request.headers["content-md5"] != nil) }
        }
    }

    @Test func whatCannotBeRemovedMayBeLocked() async throws {
        let key = try key("s/1/a.rdb")
        try await withInterceptedStore({ kind, _, _ in
            kind == .delete ? .answer(S3Text.error("403 Forbidden", "AccessDenied")) : .pass
        }) { tested async throws in
            let failure = await #expect(throws: Failure.self) { try await tested.store.remove(key) }
            #expect(failure?.code == .permissionDenied && failure?.hint?.contains("lock") == true)
        }
    }

    /// A bucket without versions keeps nothing; where versions are suspended, what was written since is gone.
    @Test func whatABucketWithoutVersionsRemovesIsGone() async throws {
        let member = try key("s/1/a.rdb")
        func expect(_ removal: Removal, _ service: S3Service, versions: String?) async throws {
            let bucket = try await service.makeBucket()
            func set(_ status: String) async throws {
                try await service.call(
                    "put_bucket_versioning",
                    ["Bucket": .text(bucket), "VersioningConfiguration": .object(["Status": .text(status)])]
                )
            }
            if let versions {
                try await set("Enabled")
                try await set(versions)
            }
            var configuration = StoreConfiguration(environment: service.environment)
            configuration.clock = .hasty
            let location = try StoreLocation(parsing: "s3://\(bucket)")
            try await withObjectStore(location, configuration: configuration) { store async throws in
                try await store.write(member, [1, 2, 3])
                let found = try await store.remove(member)
                #expect(found == removal, "\(versions ?? "never")")
                let absent = try await store.stat(member)
                #expect(absent == nil)
            }
        }
        try await withSeaweedFS { service in
            try await expect(.gone, service, versions: nil)
            try await expect(.hidden, service, versions: "Enabled")
            try await expect(.gone, service, versions: "Suspended")
        }
        try await withMoto { service in
            try await expect(.gone, service, versions: nil)
            try await expect(.hidden, service, versions: "Enabled")
        }
    }

    /// A refusal that does not say why: the object does, to whom may see its lock. Where the bucket keeps versions no
    /// lock can be the reason, and it is the right that is missing.
    @Test(arguments: [
        (
            ["x-amz-object-lock-mode: GOVERNANCE", "x-amz-object-lock-retain-until-date: 2999-01-01T00:00:00.000Z"],
            true
        ),
        (["x-amz-object-lock-legal-hold: ON"], true),
        (["x-amz-object-lock-mode: COMPLIANCE", "x-amz-object-lock-retain-until-date: 2001-01-01T00:00:00Z"], false),
        (["x-amz-object-lock-legal-hold: OFF"], false), ([], false),
        (["x-amz-object-lock-legal-hold: ON", "x-amz-version-id: 3sL4kqtJlcpXroDTDmJ"], false),
        (["x-amz-object-lock-legal-hold: ON", "x-amz-version-id: null"], true),
    ])
    func aBareRefusalIsExplainedByTheObject(shown: [String], isRetained: Bool) async throws {
        let key = try key("s/1/a.rdb")
        let seen = S3Text.ok("", headers: shown + ["ETag: \"0\"", "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT"])
        let isRemoving = Mutex(false)
        try await withInterceptedStore({ kind, _, _ in
            switch kind {
            case .delete:
                isRemoving.withLock { $0 = true }
                return .answer(S3Text.error("403 Forbidden", "AccessDenied", message: "Access Denied."))
            case .head where isRemoving.withLock { $0 }: return .answer(seen)
            default: return .pass
            }
        }) { tested async throws in
            try await tested.store.write(key, [1, 2, 3])
            let failure = await #expect(throws: Failure.self) { try await tested.store.remove(key) }
            let said = failure?.message ?? ""
            #expect(failure?.code == (isRetained ? .retained : .permissionDenied), "\(shown): \(said)")
            #expect(failure?.hint?.contains(isRetained ? "when that ends" : "s3:DeleteObject") == true)
            #expect(
                said.contains("the object is") == (isRetained || shown.contains { $0.hasPrefix("x-amz-version-id") })
            )
        }
    }

    /// As AWS, MinIO, Wasabi and Ceph say it.
    @Test(arguments: [
        ("403 Forbidden", "AccessDenied", "Access Denied because object protected by object lock."),
        ("400 Bad Request", "InvalidRequest", "Object is WORM protected and cannot be overwritten"),
        ("403 Forbidden", "AccessDenied", "The object is under legal hold"), ("403 Forbidden", "ObjectLocked", "no"),
    ])
    func whatALockKeepsIsToldFromARightThatIsMissing(status: String, code: String, message: String) async throws {
        let key = try key("s/1/a.rdb")
        try await withInterceptedStore({ kind, _, _ in
            kind == .delete ? .answer(S3Text.error(status, code, message: message)) : .pass
        }) { tested async throws in
            let failure = await #expect(throws: Failure.self) { try await tested.store.remove(key) }
            #expect(failure?.code == .retained && failure?.hint?.contains("Lock") == true)
        }
    }

    // MARK: A key of the customer

    private func withKeyFile<Result: Sendable>(
        _ byte: UInt8,
        _ body: (_ option: String, _ bytes: [UInt8]) async throws -> Result
    ) async throws -> Result {
        try await withTemporaryFolder { folder async throws in
            let file = folder.appendingPathComponent("key")
            let bytes = [UInt8](repeating: byte, count: 32)
            try Data(bytes).write(to: file)
            return try await body("sse-c-key-file=\(PercentEncoding.path(file.path))", bytes)
        }
    }

    @Test func whatIsEncryptedWithOurKeyIsReadWithItAlone() async throws {
        let (member, lease) = try (key("s/1/a.rdb"), key(".locks/s.json"))
        var random = SeededRandom(seed: 9)
        let bytes = random.bytes(2 * StoreWithWitness.partSizeBytes + 77)
        try await withKeyFile(7) { option, secret async throws in
            try await withInterceptedStore(
                { kind, count, _ in
                    kind == .get && count == 1 ? .cut(bodyBytes: 3_000_000) : .pass
                },
                options: option + "&checksum=crc32c"
            ) { tested async throws in
                let object = try await tested.store.write(member, bytes)
                #expect(try await tested.store.readAll(member) == bytes)
                #expect(tested.interceptor.requests(.get).count == 2)
                #expect(try await tested.store.list(under: .root).map(\.key) == [object.key])
                let created = try await tested.store.create(lease, [1])
                _ = try await tested.store.replace(lease, version: created.version, with: [2])
                #expect(try await tested.store.readAll(lease) == [2])
                let refusal = await #expect(throws: S3OracleError.self) {
                    try await tested.service.get("\(member)", in: tested.bucket)
                }
                #expect(refusal?.status == 400)
                let found = try await tested.service.call(
                    "get_object",
                    [
                        "Bucket": .text(tested.bucket), "Key": .text("\(member)"), "SSECustomerAlgorithm": "AES256",
                        "SSECustomerKey": .bytes(secret),
                    ]
                )
                #expect(found["Body"]?.bytes == bytes)
            }
        }
    }

    @Test func anotherKeyOrNoneIsAFailureThatSaysWhy() async throws {
        let member = try key("s/1/a.rdb")
        try await withSeaweedFS { service in
            let bucket = try await service.makeBucket()
            func withStore(_ option: String, _ body: (any ObjectStore) async throws -> Void) async throws {
                var configuration = StoreConfiguration(environment: service.environment)
                configuration.clock = .hasty
                let location = try StoreLocation(parsing: "s3://\(bucket)" + (option.isEmpty ? "" : "?\(option)"))
                try await withObjectStore(location, configuration: configuration, body)
            }
            try await withKeyFile(7) { option, _ async throws in
                try await withStore(option) { try await $0.write(member, [1, 2, 3]) }
            }
            for option in [nil, UInt8(8)] {
                try await withKeyFile(option ?? 0) { other, _ async throws in
                    try await withStore(option == nil ? "" : other) { store async throws in
                        let unread = await #expect(throws: Failure.self) { try await store.readAll(member) }
                        let unseen = await #expect(throws: Failure.self) { try await store.stat(member) }
                        for failure in [unread, unseen] {
                            #expect([.unsupported, .permissionDenied].contains(failure?.code))
                            #expect(failure?.hint?.contains("key") == true, "\(failure?.hint ?? "")")
                        }
                        #expect(try await store.list(under: .root).map(\.key) == [member])
                    }
                }
            }
        }
    }

    // MARK: What a store ignores

    @Test(arguments: ["sse=AES256", "sse=aws:kms&sse-kms-key-id=some-key", "storage-class=STANDARD_IA", "tags=a=b"])
    func motoKeepsWhatWasAskedFor(_ options: String) async throws {
        let (member, manifest) = try (key("s/1/a.rdb"), key("s/1/manifest.json"))
        let log = CollectedLog()
        try await withMoto { service async throws in
            let bucket = try await service.makeBucket()
            var configuration = StoreConfiguration(environment: service.environment, logger: log.logger)
            configuration.clock = .hasty
            let location = try StoreLocation(parsing: "s3://\(bucket)?\(options)")
            try await withObjectStore(location, configuration: configuration) { store async throws in
                try await store.write(member, [1, 2, 3])
                try await store.create(manifest, [4])
            }
            for key in [member, manifest] {
                let shown = try await service.call("head_object", ["Bucket": .text(bucket), "Key": .text("\(key)")])
                switch options.prefix(4) {
                case "sse=": #expect(shown["ServerSideEncryption"]?.text.map { options.contains("sse=\($0)") } == true)
                case "stor": #expect(shown["StorageClass"]?.text == "STANDARD_IA")
                default: #expect(shown["TagCount"]?.int == 1)
                }
            }
            #expect(log.lines == [])
        }
    }

    /// moto leaves locks out of uploads, and shows a checksum of another kind: said once, however many there are.
    @Test func storeThatIgnoresWhatWasAskedForIsNamed() async throws {
        let log = CollectedLog()
        try await withMoto { service async throws in
            let bucket = try await service.makeBucket(isLocked: true)
            var configuration = StoreConfiguration(environment: service.environment, logger: log.logger)
            configuration.clock = .hasty
            let location = try StoreLocation(
                parsing: "s3://\(bucket)?lock-mode=COMPLIANCE&lock-for=1w&legal-hold=true&checksum=sha256"
            )
            try await withObjectStore(location, configuration: configuration) { store async throws in
                for name in ["a", "b"] {
                    try await store.write(try key("s/\(name).rdb"), [1, 2, 3])
                    try await store.create(try key("s/\(name).json"), [4])
                }
            }
        }
        #expect(log.lines.count == 1, "\(log.lines)")
        for word in ["lock-mode=COMPLIANCE", "legal-hold", "checksum=sha256"] {
            #expect(log.lines.first?.contains(word) == true, "\(log.lines)")
        }
    }
}

/// Warnings and what is worse, as lines.
final class CollectedLog: Sendable {
    private let all = Mutex<[String]>([])

    var lines: [String] { all.withLock { $0 } }

    var logger: Logger { Logger(label: "tests") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: CollectedLog
        var logLevel = Logger.Level.warning
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            log.all.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") }
        }
    }
}
