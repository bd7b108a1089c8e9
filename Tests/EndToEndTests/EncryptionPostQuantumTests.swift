// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// Backups for recipients that withstand quantum computers: everything that opens others opens these.
struct EncryptionPostQuantumTests {
    @Test func everyReaderOpensThemAndNothingOpensThemWithoutTheirIdentity() async throws {
        try await EncryptionRig.with(keys: .postQuantum) { rig in
            let right = rig.keys.reading
            let manifest = String(decoding: try await rig.store.get("demo/\(rig.id)/manifest.json"), as: UTF8.self)
            #expect(manifest.contains("\"mlkem768x25519:") && !manifest.contains("AGE-SECRET"), "\(manifest)")
            let object = try await rig.object().bytes
            #expect(object.starts(with: Array("age-encryption.org/v1\n-> mlkem768x25519 ".utf8)))
            let shown = try await rig.run("show", "latest")
            #expect(shown.output.contains("encrypted age, for mlkem768x25519:"), "\(shown.output)\(shown.errors)")

            for environment in [[:], rig.strange.reading] {
                for command in ["verify", "inspect", "drill"] {
                    rig.expectLocked(try await rig.run(command, environment: environment))
                }
            }
            for command in ["verify", "inspect", "drill"] {
                rig.expectRefused(try await rig.run(command, environment: right), 0)
            }
            try await withTemporaryFolder { data in
                let words = ["--data-dir", data.path, "--appendonly"]
                rig.expectLocked(try await rig.run("restore", words[0], words[1], words[2], "no"))
                #expect(try FileManager.default.contentsOfDirectory(atPath: data.path).isEmpty)
                let restore = try await rig.run("restore", words[0], words[1], words[2], "no", environment: right)
                rig.expectRefused(restore, 0)
                try await withRedis(.redis70, RedisOptions.with { $0.folder = data }) { redis in
                    let found = try await DatasetDigest(of: redis)
                    #expect(found == rig.digest)
                }
            }
            let verify = try await rig.run("verify", environment: right)
            try await rig.store.tested.expectSound(after: verify, code: 0, good: [rig.id], secrets: rig.secrets)
        }
    }

    /// What was encrypted for the older kind is encrypted anew for this one, and a copy as it is needs no key.
    @Test func aStoreIsMovedToThemByACopy() async throws {
        try await EncryptionRig.with { rig in
            let new = try await AgeKeys("new", .postQuantum, in: rig.folder)
            try await CopyRig.Kind.folder.withStore { store in
                var tested = store.tested
                tested.environment.merge(new.reading) { $1 }
                let words = ["copy", "--to", store.url, "--recipient", new.recipient]
                let copy = try await rig.run(
                    words[0],
                    words[1],
                    words[2],
                    words[3],
                    words[4],
                    environment: rig.keys.reading
                )
                try await tested.expectSound(after: copy, code: 0, good: [rig.id], secrets: rig.secrets)
                let old = try await Redoubt.run("verify", "--from", store.url, environment: rig.keys.reading)
                rig.expectLocked(old)
                #expect(old.errors.contains("mlkem768x25519:"), "\(old.errors)")
                let again = rig.folder.appendingPathComponent("again").path
                let plain = try await Redoubt.run("copy", "--from", store.url, "--to", "file://\(again)")
                rig.expectRefused(plain, 0)
            }
        }
    }

    /// Together they would be as weak as the weaker kind.
    @Test func theKindsAreNotMixed() async throws {
        try await withTemporaryFolder { folder in
            let classic = try await AgeKeys("classic", in: folder)
            let strong = try await AgeKeys("strong", .postQuantum, in: folder)
            let file = folder.appendingPathComponent("recipients").path
            try Data("# both\n\(strong.recipient)\n\(classic.recipient)\n".utf8)
                .write(to: URL(fileURLWithPath: file))
            let both = ["--recipient", classic.recipient, "--recipient", strong.recipient]
            for words in [both, ["--recipients-file", file], both.suffix(2) + ["--recipient", classic.recipient]] {
                let check = try await Redoubt.run(["check"] + words)
                #expect(check.code == 7 && (check.output + check.errors).contains("post-quantum"), "\(check.errors)")
                let store = folder.appendingPathComponent("store")
                let backup = try await Redoubt.run(
                    ["backup", "--endpoint", "redis://127.0.0.1:1", "--to", "file://\(store.path)"] + words
                )
                #expect(backup.code == 7, "\(backup.errors)")
                #expect(!FileManager.default.fileExists(atPath: store.path))
            }
            let check = try await Redoubt.run("check", "--recipient", strong.recipient)
            #expect(check.code == 0 && check.output.contains("mlkem768x25519:"), "\(check.output)\(check.errors)")
        }
    }
}
