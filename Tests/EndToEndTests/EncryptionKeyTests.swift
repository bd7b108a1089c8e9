// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// Where keys come from, and what is said of those that are no good.
struct EncryptionKeyTests {
    @Test func aPassphraseInAFileIsEnoughOnBothEnds() async throws {
        try await withTemporaryFolder { folder in
            func file(_ name: String, _ text: String) throws -> String {
                let path = folder.appendingPathComponent(name).path
                try Data(text.utf8).write(to: URL(fileURLWithPath: path))
                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
                return path
            }
            let (right, wrong) = (try file("right", "correct horse\n"), try file("wrong", "battery staple\n"))
            var store = TestedStore.folder(folder.appendingPathComponent("store"))
            store.environment = ["REDOUBT_PASSPHRASE_FILE": right]
            let backup = try await withRedis(.redis70) { redis in
                try await redis.command("SET", "key", "value")
                return try await store.redoubt("backup", "--endpoint", redis.url, "--to", store.url, "--name", "demo")
            }
            try #require(backup.code == 0, "\(backup.errors)")
            let good = try await store.listedIDs()
            try await store.expectSound(after: backup, code: 0, good: good, secrets: ["correct horse"])
            let shown = try await Redoubt.run("show", "--from", store.url)
            #expect(shown.output.contains("encrypted age, for scrypt"))
            for words in [["--passphrase-file", wrong], []] {
                let verify = try await Redoubt.run(["verify", "--from", store.url] + words)
                #expect(verify.code == 12 && verify.errors.contains("--passphrase-file"), "\(verify.errors)")
                #expect(!verify.errors.contains("battery") && !verify.errors.contains("horse"))
            }
        }
    }

    @Test func whatIsNoKeyIsRefusedAndNeverShown() async throws {
        try await withTemporaryFolder { folder in
            let keys = try await AgeKeys("keys", in: folder)
            func file(_ name: String, _ text: String) throws -> String {
                let path = folder.appendingPathComponent(name).path
                try Data(text.utf8).write(to: URL(fileURLWithPath: path))
                return path
            }
            let empty = try file("empty", "# nobody yet\n")
            let nothing = try file("nothing", "")
            let ssh = try file("ssh", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEtm me@home\n")
            let broken = try file("broken", keys.identity.dropLast() + "B\n")
            let misplaced = try file("misplaced", keys.identity + "\n")
            let cases: [(words: [String], code: Int32, says: String)] = [
                (["check", "--recipient", keys.recipient], 0, "snapshots would be encrypted for x25519:"),
                (["check", "--recipient", String(keys.recipient.dropLast())], 7, "mistyped"),
                (["check", "--recipient", keys.identity], 7, "secret half"),
                (["check", "--recipients-file", misplaced], 7, "line 1"),
                (["check", "--recipients-file", empty], 7, "there is none"),
                (["check", "--recipients-file", ssh], 7, "SSH"),
                (["check", "--recipients-file", folder.path + "/none"], 7, "none"),
                (["check", "--recipient", keys.recipient, "--passphrase-file", empty], 64, "stands alone"),
                (["check", "--passphrase-file", nothing], 7, "not empty"),
                (["verify", "--from", "file:///none", "--identity", broken], 7, "line 1"),
                (["verify", "--from", "file:///none", "--identity", ssh], 7, "not one of age"),
            ]
            for (words, code, says) in cases {
                let outcome = try await Redoubt.run(words)
                let said = outcome.output + outcome.errors
                #expect(outcome.code == code && said.contains(says), "\(words): \(said)")
                #expect(!said.contains(keys.identity.dropLast(2)), "\(words)")
            }
        }
    }

    @Test func anIdentityThatEverybodyCanReadIsWarnedOf() async throws {
        try await withTemporaryFolder { folder in
            let keys = try await AgeKeys("keys", in: folder)
            for (mode, isWarned) in [(0o600, false), (0o640, false), (0o644, true)] {
                try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: keys.identityFile)
                let outcome = try await Redoubt.run("verify", "--from", "file:///none", "--identity", keys.identityFile)
                #expect(outcome.code == 10)
                #expect(outcome.errors.contains("everybody on this machine can read") == isWarned, "\(mode)")
            }
            // As Kubernetes mounts a Secret.
            let mounted = folder.appendingPathComponent("..data")
            try FileManager.default.createDirectory(at: mounted, withIntermediateDirectories: false)
            try FileManager.default.moveItem(atPath: keys.identityFile, toPath: mounted.path + "/identity")
            let link = folder.appendingPathComponent("identity").path
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "..data/identity")
            let outcome = try await Redoubt.run("verify", "--from", "file:///none", "--identity", link)
            #expect(outcome.code == 10 && !outcome.errors.contains("everybody"), "\(outcome.errors)")
        }
    }

    /// As `age -p` makes it of what age-keygen wrote.
    @Test func anIdentityThatIsEncryptedItselfOpensWithItsPassphrase() async throws {
        try await EncryptionRig.with { rig in
            let sealed = rig.folder.appendingPathComponent("identity.age").path
            let typed = try [Parts.oracle("typed.py"), "correct horse", Parts.age(), "-p", "-a", "-o", sealed]
            _ = try await TestParts.run(Parts.python(), typed + [rig.keys.identityFile])
            func file(_ name: String, _ text: String) throws -> String {
                let path = rig.folder.appendingPathComponent(name).path
                try Data(text.utf8).write(to: URL(fileURLWithPath: path))
                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
                return path
            }
            let (right, wrong) = (try file("right", "correct horse\n"), try file("wrong", "battery staple\n"))
            let locked = ["REDOUBT_IDENTITY": sealed]
            for (what, environment) in [
                ("no passphrase", locked),
                ("the wrong one", locked.merging(["REDOUBT_IDENTITY_PASSPHRASE_FILE": wrong]) { $1 }),
                ("that of snapshots", locked.merging(["REDOUBT_PASSPHRASE_FILE": right]) { $1 }),
            ] {
                for command in ["verify", "inspect"] {
                    let outcome = try await rig.run(command, environment: environment)
                    rig.expectRefused(outcome, 12)
                    #expect(outcome.errors.contains("--identity-passphrase-file"), "\(what): \(outcome.errors)")
                    #expect(!outcome.errors.contains("horse") && !outcome.errors.contains("battery"))
                }
            }
            let opening = locked.merging(["REDOUBT_IDENTITY_PASSPHRASE_FILE": "\(wrong) \(right)"]) { $1 }
            for command in ["verify", "inspect", "drill"] {
                let outcome = try await rig.run(command, environment: opening)
                rig.expectRefused(outcome, 0)
                #expect(!(outcome.output + outcome.errors).contains("horse"))
            }
            try await withTemporaryFolder { data in
                let words = ["--data-dir", data.path, "--appendonly"]
                let restore = try await rig.run("restore", words[0], words[1], words[2], "no", environment: opening)
                rig.expectRefused(restore, 0)
                try await withRedis(.redis70, RedisOptions.with { $0.folder = data }) { redis in
                    let found = try await DatasetDigest(of: redis)
                    #expect(found == rig.digest)
                }
            }
        }
    }
}
