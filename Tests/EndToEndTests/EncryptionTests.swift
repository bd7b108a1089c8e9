// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// Backups that only the holder of an identity can read.
struct EncryptionTests {
    @Test(arguments: CopyRig.Kind.allCases)
    func whatIsBackedUpEncryptedComesBackWithItsIdentity(kind: CopyRig.Kind) async throws {
        try await EncryptionRig.with(kind) { rig in
            let (key, object) = try await rig.object()
            #expect(key == "demo/\(rig.id)/127.0.0.1.rdb.zst.age" || key.hasSuffix(".rdb.zst.age"))
            #expect(object.starts(with: Array("age-encryption.org/v1\n".utf8)))

            // Whoever has the store alone knows whom it is for, and nothing that would open it.
            let manifest = try await rig.store.get("demo/\(rig.id)/manifest.json")
            let text = String(decoding: manifest, as: UTF8.self)
            #expect(text.contains("\"encryption\" : \"age\"") && text.contains("\"x25519:"))
            #expect(!text.contains(rig.keys.identity) && !text.contains("AGE-SECRET"))
            for bytes in [manifest, object] {
                #expect(!String(decoding: bytes, as: UTF8.self).contains(EncryptionRig.marker))
            }
            let shown = try await rig.run("show", "latest")
            #expect(shown.code == 0 && shown.output.contains("encrypted age, for x25519:"), "\(shown.errors)")
            let fingerprint = try #require(text.firstMatch(of: /x25519:[0-9a-f]{16}/)).0
            for command in ["show", "list"] {
                let json = try await rig.run(command, "--output", "json")
                let document = try TestJSON(parsing: json.output)
                let set = command == "show" ? document : try #require(document["backups"]?.array?.first)
                #expect(set["encrypted"]?.bool == true, "\(json.output)")
                #expect(set["recipients"]?.array?.compactMap(\.text) == [String(fingerprint)], "\(json.output)")
            }

            // By hand, without this program.
            try await withTemporaryFolder { folder in
                let file = folder.appendingPathComponent("member.age").path
                try Data(object).write(to: URL(fileURLWithPath: file))
                let (age, zstd, digest) = (try Parts.age(), try Parts.zstd(), folder.path + "/dump.rdb")
                let script = "\(age) -d -i \(rig.keys.identityFile) \(file) | \(zstd) -d -q -o \(digest)"
                _ = try await TestParts.run("/bin/sh", ["-e", "-c", script])
                let sum = String(decoding: try await TestParts.run("/usr/bin/sha256sum", [digest]), as: UTF8.self)
                #expect(text.contains(sum.prefix(64)))
            }

            let verify = try await rig.run("verify", "--identity", rig.keys.identityFile)
            try await rig.store.tested.expectSound(after: verify, code: 0, good: [rig.id], secrets: rig.secrets)
            try await rig.store.tested.expectNothingHalfMade(good: [rig.id])
        }
    }

    @Test func everyReaderTakesTheIdentityAndEndsWith12WithoutIt() async throws {
        try await EncryptionRig.with { rig in
            let (right, wrong) = (rig.keys.reading, rig.strange.reading)
            try await withTemporaryFolder { data in
                let words = ["restore", "--data-dir", data.path, "--appendonly", "no"]
                for environment in [[:], wrong] {
                    let outcome = try await rig.run(
                        words[0],
                        words[1],
                        words[2],
                        words[3],
                        words[4],
                        environment: environment
                    )
                    rig.expectLocked(outcome)
                    #expect(try FileManager.default.contentsOfDirectory(atPath: data.path).isEmpty)
                }
                // One of several identities is enough.
                let both = ["REDOUBT_IDENTITY": "\(rig.strange.identityFile) \(rig.keys.identityFile)"]
                let outcome = try await rig.run(words[0], words[1], words[2], words[3], words[4], environment: both)
                rig.expectRefused(outcome, 0)
                let options = RedisOptions.with { $0.folder = data }
                try await withRedis(.redis70, options) { redis in
                    let found = try await DatasetDigest(of: redis)
                    #expect(found == rig.digest)
                }
            }
            for environment in [[:], wrong] {
                rig.expectLocked(try await rig.run("verify", environment: environment))
                rig.expectLocked(try await rig.run("inspect", environment: environment))
                rig.expectLocked(try await rig.run("drill", environment: environment))
                rig.expectLocked(
                    try await rig.run(
                        "restore",
                        "--data-dir",
                        rig.folder.path,
                        "--dry-run",
                        environment: environment
                    )
                )
            }
            for words in ["inspect", "drill"] {
                rig.expectRefused(try await rig.run(words, environment: right), 0)
            }
        }
    }

    @Test func aServerThatRunsIsNotTouchedWithoutTheKey() async throws {
        try await EncryptionRig.with { rig in
            try await withRedis(.redis70) { redis in
                let before = try await redis.info("replication")["master_replid"]
                rig.expectLocked(try await rig.run("restore", "--endpoint", redis.url))
                rig.expectLocked(
                    try await rig.run("restore", "--endpoint", redis.url, environment: rig.strange.reading)
                )
                rig.expectLocked(try await rig.run("restore", "--endpoint", redis.url, "--keys", "secret"))
                #expect(try await redis.info("replication")["master_replid"] == before)
                #expect(try await redis.command("DBSIZE").int == 0)

                let keys = ["restore", "--endpoint", redis.url, "--keys"]
                let one = try await rig.run(keys[0], keys[1], keys[2], keys[3], "secret", environment: rig.keys.reading)
                rig.expectRefused(one, 0)
                #expect(try await redis.command("GET", "secret").text == EncryptionRig.marker)
                try await redis.command("FLUSHALL")
                let all = try await rig.run("restore", "--endpoint", redis.url, environment: rig.keys.reading)
                rig.expectRefused(all, 0)
                #expect(try await DatasetDigest(of: redis) == rig.digest)
            }
        }
    }

    /// Without a key the objects can be proven to be what was stored, and no more is claimed.
    @Test func withoutAKeyTheObjectsAloneAreProven() async throws {
        try await EncryptionRig.with { rig in
            let locked = try await rig.run("verify", "--output", "json")
            rig.expectLocked(locked)
            let found = try TestJSON(parsing: locked.output)["members"]?.array?.first
            #expect(found?["proven"]?.bool == false && found?["storedProven"]?.bool == true, "\(locked.output)")
            let stored = try await rig.run("verify", "--stored-only")
            rig.expectRefused(stored, 0)
            #expect(stored.output.contains("stored") && !stored.output.contains("proven "), "\(stored.output)")

            let (key, object) = try await rig.object()
            for place in [3, object.count / 2, object.count - 1] {
                var changed = object
                changed[place] ^= 1
                try await rig.store.put(key, changed)
                for words in [["verify"], ["verify", "--stored-only"]] {
                    rig.expectRefused(try await rig.run(words[0], words.last ?? ""), words.count == 1 ? 64 : 4)
                }
                rig.expectRefused(try await rig.run("verify"), 4)
            }
        }
    }

    /// What is changed in the store is found by whoever has the key, before anything is put in place.
    @Test(arguments: ["version", "stanza", "code", "nonce", "payload", "last", "cut", "longer", "empty", "other"])
    func whatWasChangedIsRefused(what: String) async throws {
        try await EncryptionRig.with { rig in
            let (key, object) = try await rig.object()
            let text = String(decoding: object.prefix(400), as: UTF8.self)
            func place(after mark: String) -> Int {
                text.range(of: mark).map { text.utf8.distance(from: text.startIndex, to: $0.upperBound) } ?? 0
            }
            var changed = object
            switch what {
            case "version": changed[20] = UInt8(ascii: "2")
            case "stanza": changed[place(after: "-> X25519 ") + 50] ^= 1
            case "code": changed[place(after: "\n--- ") + 4] ^= 1
            case "nonce": changed[place(after: "\n--- ") + 45] ^= 1
            case "payload": changed[changed.count / 2] ^= 1
            case "last": changed[changed.count - 1] ^= 1
            case "cut": changed.removeLast(17)
            case "longer": changed.append(0)
            case "empty": changed = []
            default: changed = try await otherFile(of: rig, size: object.count)
            }
            try await rig.store.put(key, changed)
            let code: Int32 = what == "version" ? 7 : 4
            rig.expectRefused(try await rig.run("verify", environment: rig.keys.reading), code)
            try await withTemporaryFolder { data in
                let words = ["--data-dir", data.path, "--replace"]
                try Data("REDIS0011 what was there".utf8).write(to: data.appendingPathComponent("dump.rdb"))
                let restore = try await rig.run("restore", words[0], words[1], words[2], environment: rig.keys.reading)
                rig.expectRefused(restore, code)
                #expect(try FileManager.default.contentsOfDirectory(atPath: data.path) == ["dump.rdb"])
            }
        }
    }

    /// One that is encrypted for the same recipient, and is not what was stored.
    private func otherFile(of rig: EncryptionRig, size: Int) async throws -> [UInt8] {
        let path = rig.folder.appendingPathComponent("other").path
        try Data((0..<size).map { UInt8(truncatingIfNeeded: $0) }).write(to: URL(fileURLWithPath: path))
        _ = try await TestParts.run(Parts.age(), ["-r", rig.keys.recipient, "-o", path + ".age", path])
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + ".age")))
    }

    @Test func aFileIsVerifiedAndInspectedByItsName() async throws {
        try await EncryptionRig.with(backup: ["--compression", "gzip"]) { rig in
            let file = rig.folder.appendingPathComponent("member.rdb.gz.age").path
            try Data(try await rig.object().bytes).write(to: URL(fileURLWithPath: file))
            for command in ["verify", "inspect"] {
                let right = try await Redoubt.run(command, file, "--identity", rig.keys.identityFile)
                #expect(right.code == 0, "\(right.errors)")
                rig.expectLocked(try await Redoubt.run(command, file))
                rig.expectLocked(try await Redoubt.run(command, file, "--identity", rig.strange.identityFile))
            }
        }
    }
}
