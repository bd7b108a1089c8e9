// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// The whole way with real object stores: SeaweedFS and `rclone serve s3`.
struct StoreTests {
    enum Server: CaseIterable, Sendable {
        case seaweedFS
        case rclone

        func with(_ body: (S3Service) async throws -> Void) async throws {
            switch self {
            case .seaweedFS: try await withSeaweedFS { try await body($0) }
            case .rclone: try await withRcloneS3 { try await body($0) }
            }
        }
    }

    /// Large enough for several parts of the smallest size, and not to be compressed.
    private static let dataset = Dataset.with {
        $0.scale = 0.05
        $0.bigValueBytes = 24_000_000
    }

    @Test(arguments: Server.allCases, ["zstd", "gzip", "none"])
    func aBackupGoesUpInPartsAndComesBack(server: Server, compression: String) async throws {
        try await server.with { s3 in
            let store = try await TestedStore.bucket(s3)
            try await withRedis(.redis70) { redis in
                try await Self.dataset.load(into: redis)
                let digest = try await DatasetDigest(of: redis)
                let backup = try await store.redoubt(
                    "backup",
                    "--endpoint",
                    redis.url,
                    "--to",
                    store.url,
                    "--name",
                    "demo",
                    "--part-size",
                    "5",
                    "--compression",
                    compression,
                    "--output",
                    "json"
                )
                try #require(backup.code == 0, "\(backup.errors)")
                let shown = try ShownBackup(backup)
                #expect(shown.members.map { $0.stored?.compression } == [compression])
                let keys = try await store.keys()
                #expect(keys == ["demo/\(shown.id)/manifest.json", shown.members[0].stored?.key ?? ""].sorted())
                let verify = try await store.redoubt("verify", "--from", store.url)
                #expect(verify.code == 0, "\(verify.errors)")
                try await withTemporaryFolder { data in
                    let restore = try await store.redoubt("restore", "--from", store.url, "--data-dir", data.path)
                    try #require(restore.code == 0, "\(restore.errors)")
                    try await withRedis(.redis70, .with { $0.folder = data }) { restored in
                        let found = try await DatasetDigest(of: restored)
                        #expect(found == digest)
                    }
                }
            }
        }
    }

    @Test func aWrongKeyIsPermanentAndTheCauseIsNamed() async throws {
        try await withSeaweedFS { s3 in
            let store = try await TestedStore.bucket(s3)
            try await withRedis(.redis70) { redis in
                let wrong = "wrong-secret-key-of-the-test"
                let outcome = try await store.redoubt(
                    "backup",
                    "--endpoint",
                    redis.url,
                    "--to",
                    store.url,
                    "--name",
                    "demo",
                    environment: ["AWS_SECRET_ACCESS_KEY": wrong]
                )
                #expect(outcome.errors.contains("SignatureDoesNotMatch"))
                try await store.expectSound(after: outcome, code: 7, good: [], secrets: [wrong, s3.secretKey])
            }
        }
    }

    @Test func aBucketThatIsNotThereIsNoEmptyStore() async throws {
        try await withTemporaryFolder { data in
            try await withSeaweedFS { s3 in
                for command in [["list"], ["verify"], ["restore", "--data-dir", data.path]] {
                    let outcome = try await Redoubt.run(
                        command + ["--from", "s3://no-such-bucket-here/redis"],
                        environment: s3.environment
                    )
                    #expect(outcome.code == 10, "\(outcome.errors)")
                }
            }
        }
    }

    @Test func aStoreThatCannotBeReachedIsNoEmptyStore() async throws {
        try await withFreePort { port in
            try await withTemporaryFolder { data in
                let outcome = try await Redoubt.run(
                    "restore",
                    "--from",
                    "s3://bucket/redis",
                    "--data-dir",
                    data.path,
                    "--endpoint-url",
                    "http://127.0.0.1:\(port)",
                    environment: [
                        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "yyyyyyyy", "AWS_MAX_ATTEMPTS": "2",
                    ]
                )
                #expect(outcome.code == 5, "\(outcome.errors)")
                let left = try FileManager.default.contentsOfDirectory(atPath: data.path)
                #expect(left.isEmpty)
            }
        }
    }
}
