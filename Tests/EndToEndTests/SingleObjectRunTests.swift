// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// A backup to one object, by a pre-signed URL, with the program itself.
struct SingleObjectRunTests {
    @Test func aBackupToOneObjectIsListedProvenAndRestored() async throws {
        try await withSeaweedFS { s3 in
            let bucket = try await s3.makeBucket()
            let put = try await s3.presigned("put_object", "nightly.tar", in: bucket)
            let get = try await s3.presigned("get_object", "nightly.tar", in: bucket)
            let signature = try #require(put.split(separator: "=").last.map(String.init))
            try await withRedis(.redis70) { redis in
                try await Dataset.with { $0.scale = 0.02 }.load(into: redis)
                // The URL is a secret: it need not be on the command line.
                let backup = try await Redoubt.run(
                    ["backup", "--endpoint", redis.url, "--name", "demo", "--output", "json"],
                    environment: ["REDOUBT_TO": put]
                )
                try #require(backup.code == 0, "\(backup.errors)")
                #expect(!backup.errors.contains(signature) && !backup.output.contains(signature))
                let store = TestedStore(url: get, keys: { [] }, unfinished: { [] })
                let shown = try ShownBackup(backup)
                try await store.expectSound(after: backup, code: 0, good: [shown.id], secrets: [signature])
                let verify = try await store.redoubt("verify", "--from", get)
                #expect(verify.code == 0, "\(verify.errors)")
                try await Self.expectTarTakesItApart(s3, bucket, shown)
                let again = try await Redoubt.run(["backup", "--endpoint", redis.url, "--to", put, "--name", "demo"])
                #expect(again.code == 8 && !again.errors.contains(signature), "\(again.errors)")
                try await store.expectSound(after: verify, code: 0, good: [shown.id])
            }
        }
    }

    /// `tar` makes a store of it.
    private static func expectTarTakesItApart(_ s3: S3Service, _ bucket: String, _ shown: ShownBackup) async throws {
        let object = try await s3.get("nightly.tar", in: bucket)
        try await withTemporaryFolder { folder in
            try Data(object).write(to: folder.appendingPathComponent("nightly.tar"))
            let store = TestedStore.folder(folder.appendingPathComponent("store"))
            try await run("/bin/sh", ["-c", "cd '\(folder.path)' && mkdir store && tar -xf nightly.tar -C store"])
            #expect(try await store.listedIDs() == [shown.id])
            try await store.expectRestores(shown.id)
        }
    }

    @Test func aSetIsCopiedIntoOneObjectAndBack() async throws {
        try await withSeaweedFS { s3 in
            let bucket = try await s3.makeBucket()
            let put = try await s3.presigned("put_object", "one.tar", in: bucket)
            let get = try await s3.presigned("get_object", "one.tar", in: bucket)
            try await withTemporaryFolder { folder in
                let (first, second) = (
                    TestedStore.folder(folder.appendingPathComponent("a")),
                    TestedStore.folder(folder.appendingPathComponent("b"))
                )
                try await withRedis(.redis70) { redis in
                    try await Dataset.with { $0.scale = 0.01 }.load(into: redis)
                    let backup = try await first.redoubt(
                        "backup",
                        "--endpoint",
                        redis.url,
                        "--to",
                        first.url,
                        "--name",
                        "demo"
                    )
                    try #require(backup.code == 0, "\(backup.errors)")
                }
                let out = try await first.redoubt("copy", "--from", first.url, "--to", put)
                #expect(out.code == 0, "\(out.errors)")
                let back = try await second.redoubt("copy", "--from", get, "--to", second.url)
                #expect(back.code == 0, "\(back.errors)")
                let ids = try await first.listedIDs()
                #expect(ids.count == 1)
                try await second.expectSound(after: back, code: 0, good: ids)
                #expect(try await second.keys() == first.keys())
            }
        }
    }

    /// The signature lies beside the manifest, and is no reason to send the object without it.
    @Test func aSignedBackupIsOneObjectWithItsManifest() async throws {
        try await withSeaweedFS { s3 in
            let bucket = try await s3.makeBucket()
            let put = try await s3.presigned("put_object", "signed.tar", in: bucket)
            let get = try await s3.presigned("get_object", "signed.tar", in: bucket)
            try await withTemporaryFolder { folder in
                let key = folder.path + "/sign.pem"
                try await run("/usr/bin/openssl", ["genpkey", "-algorithm", "ed25519", "-out", key])
                try await run("/usr/bin/openssl", ["pkey", "-in", key, "-pubout", "-out", folder.path + "/verify.pem"])
                try await withRedis(.redis70) { redis in
                    _ = try await redis.command("SET", "key", "value")
                    let backup = try await Redoubt.run(
                        ["backup", "--endpoint", redis.url, "--name", "demo", "--to", put, "--sign-key", key]
                    )
                    try #require(backup.code == 0, "\(backup.errors)")
                }
                let store = TestedStore(url: get, keys: { [] }, unfinished: { [] })
                let ids = try await store.listedIDs()
                #expect(ids.count == 1)
                let chain = try await store.redoubt(
                    "verify",
                    "--chain",
                    "--from",
                    get,
                    "--public-key",
                    folder.path + "/verify.pem"
                )
                #expect(chain.code == 0 && chain.output.contains("beginning"), "\(chain.output) \(chain.errors)")
                for id in ids { try await store.expectRestores(id) }
            }
        }
    }

    /// Nothing is written to find out: the one object would be used up.
    @Test func checkSaysThatItTriesNothing() async throws {
        let check = try await Redoubt.run([
            "check", "--to", "https://bucket.example.com/one.tar?sig=0123456789abcdef01",
        ])
        #expect(check.code == 0, "\(check.errors)")
        #expect(check.output.contains("not tried") && !check.output.contains("0123456789abcdef01"), "\(check.output)")
    }
}
