// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// The whole way with what the URL of a bucket may say: a key of our own, tags, a lock, a checksum.
struct StoreOptionsTests {
    private static let dataset = Dataset.with {
        $0.scale = 0.02
        $0.bigValueBytes = 12_000_000
    }

    private func store(_ s3: S3Service, _ bucket: String, _ options: String) -> TestedStore {
        TestedStore(
            url: "s3://\(bucket)/redis?\(options)",
            environment: s3.environment,
            keys: { try await s3.keys(in: bucket) },
            unfinished: { try await s3.uploads(in: bucket).map(\.key) }
        )
    }

    @Test func anEncryptedAndLockedBackupComesBack() async throws {
        try await withTemporaryFolder { folder async throws in
            let secret = [UInt8](repeating: 0x5A, count: 32)
            let keyText = Data(secret).base64EncodedString()
            let file = folder.appendingPathComponent("sse-c.key")
            try keyText.write(to: file, atomically: false, encoding: .utf8)
            try await withSeaweedFS { s3 async throws in
                let bucket = try await s3.makeBucket(isLocked: true)
                let store = store(
                    s3,
                    bucket,
                    "sse-c-key-file=\(file.path)&tags=team=data&lock-mode=GOVERNANCE&lock-for=1d&checksum=crc64nvme"
                )
                try await withRedis(.redis70) { redis async throws in
                    try await Self.dataset.load(into: redis)
                    let digest = try await DatasetDigest(of: redis)
                    let check = try await store.redoubt("check", "--to", store.url)
                    #expect(check.code == 0, "\(check.output) \(check.errors)")
                    let backup = try await store.redoubt(
                        "backup",
                        "--endpoint",
                        redis.url,
                        "--to",
                        store.url,
                        "--name",
                        "demo",
                        "--part-size",
                        "5"
                    )
                    try #require(backup.code == 0, "\(backup.errors)")
                    #expect(!backup.errors.contains("may have ignored"), "\(backup.errors)")
                    let list = try await store.redoubt("list", "--from", store.url)
                    let verify = try await store.redoubt("verify", "--no-record", "--from", store.url)
                    #expect(verify.code == 0, "\(verify.errors)")
                    let without = try await store.redoubt("verify", "--no-record", "--from", "s3://\(bucket)/redis")
                    #expect(
                        without.code != 0 && without.errors.contains("must provide the customer key"),
                        "\(without.errors)"
                    )
                    try await expectRestores(store, digest)
                    for outcome in [check, backup, list, verify, without] {
                        #expect(!outcome.output.contains(keyText) && !outcome.errors.contains(keyText))
                    }
                }
                try await expectMarked(s3, bucket, secret)
            }
        }
    }

    private func expectRestores(_ store: TestedStore, _ digest: DatasetDigest) async throws {
        try await withTemporaryFolder { data async throws in
            let restore = try await store.redoubt("restore", "--from", store.url, "--data-dir", data.path)
            try #require(restore.code == 0, "\(restore.errors)")
            try await withRedis(.redis70, .with { $0.folder = data }) { restored async throws in
                let found = try await DatasetDigest(of: restored)
                #expect(found == digest)
            }
        }
    }

    /// What is left in the bucket is the set alone, each object locked, tagged and encrypted.
    private func expectMarked(_ s3: S3Service, _ bucket: String, _ secret: [UInt8]) async throws {
        let keys = try await s3.keys(in: bucket)
        #expect(keys.count == 2 && keys.allSatisfy { $0.hasPrefix("redis/demo/") }, "\(keys)")
        for key in keys {
            let head = try await s3.call(
                "head_object",
                [
                    "Bucket": .text(bucket), "Key": .text(key), "SSECustomerAlgorithm": "AES256",
                    "SSECustomerKey": .bytes(secret), "ChecksumMode": "ENABLED",
                ]
            )
            #expect(head["ObjectLockMode"]?.text == "GOVERNANCE" && head["TagCount"]?.int == 1, "\(head)")
            #expect(head["ChecksumCRC64NVME"]?.text?.isEmpty == false, "\(head)")
        }
    }

    /// What a URL says that makes no sense is a mistake of usage, before anything is asked of anybody.
    @Test func anOptionThatIsNotKnownIsAMistakeOfUsage() async throws {
        for options in ["tag=a=b", "lock-mode=FOREVER", "sse=rot13"] {
            let outcome = try await Redoubt.run("list", "--from", "s3://bucket/redis?\(options)")
            #expect(outcome.code == 64, "\(outcome.errors)")
        }
    }
}
