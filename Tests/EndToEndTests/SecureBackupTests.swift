// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// From a replica over TLS, with an ACL user who has only the rights that a backup needs.
struct SecureBackupTests {
    private static let secret = "a-secret-of-the-backup-user"
    /// The rights of the README.
    private static let user = "backup on >\(secret) +ping +hello +auth +info +time +replconf +psync +client|setname"

    @Test(arguments: ["no", "yes"])
    func theRightsOfTheREADMEAreEnough(appendonly: String) async throws {
        let material = try await TLSMaterial.shared()
        let options = RedisOptions.with {
            $0.tls = material
            $0.tlsClients = "yes"
            $0.users = [Self.user]
        }
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder.appendingPathComponent("store"))
            try await withReplicatedRedis(.redis70, replicas: 1, options) { primary, replicas in
                try await Dataset.with { $0.scale = 0.05 }.load(into: primary)
                try await primary.waitUntilSynchronized(replicas)
                let digest = try await DatasetDigest(of: primary)
                let endpoint = "rediss://127.0.0.1:\(replicas[0].tlsPort)"
                let arguments = [
                    "--endpoint", endpoint, "--user", "backup", "--cacert", material.authority, "--cert",
                    material.clientCertificate, "--key", material.clientKey, "--to", store.url,
                ]
                let environment = ["REDISCLI_AUTH": Self.secret]
                let check = try await Redoubt.run(["check"] + arguments, environment: environment)
                #expect(check.code == 0, "\(check.output)\(check.errors)")
                let backup = try await Redoubt.run(
                    ["backup", "--name", "demo", "--verbose"] + arguments,
                    environment: environment
                )
                let good = try await store.listedIDs()
                try await store.expectSound(after: backup, code: 0, good: good, secrets: [Self.secret])
                try #require(good.count == 1)
                try await withTemporaryFolder { data in
                    let restore = try await Redoubt.run(
                        "restore",
                        "--from",
                        store.url,
                        "--data-dir",
                        data.path,
                        "--appendonly",
                        appendonly
                    )
                    try #require(restore.code == 0, "\(restore.errors)")
                    let options = RedisOptions.with {
                        $0.folder = data
                        $0.appendOnly = appendonly == "yes"
                    }
                    try await withRedis(.redis70, options) { restored in
                        let found = try await DatasetDigest(of: restored)
                        #expect(found == digest)
                    }
                }
            }
        }
    }

    /// `redis://word@host` with a password from elsewhere is a user; without, a password, as redis-cli has it.
    @Test func aLoneWordInTheURLIsTheUserWhereAPasswordIsGivenElsewhere() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("password")
            try Data("\(Self.secret)\n".utf8).write(to: file)
            try await withRedis(.redis70, .with { $0.users = [Self.user] }) { redis in
                func check(_ word: String, _ options: [String] = [], password: String? = nil) async throws
                    -> Redoubt.Outcome
                {
                    try await Redoubt.run(
                        ["check", "--endpoint", "redis://\(word)@127.0.0.1:\(redis.port)"] + options,
                        environment: password.map { ["REDISCLI_AUTH": $0] } ?? [:]
                    )
                }
                let byVariable = try await check("backup", password: Self.secret)
                #expect(byVariable.code == 0, "\(byVariable.output)\(byVariable.errors)")
                let byFile = try await check("backup", ["--password-file", file.path], password: "another-one")
                #expect(byFile.code == 0, "\(byFile.output)\(byFile.errors)")
                let alone = try await check("a-lone-word")
                let said = alone.output + alone.errors
                #expect(alone.code == 7 && said.contains("user default, password from its URL"), "\(said)")
                // Kubernetes makes such URLs of a variable that the program sees as well.
                let twice = try await check("a-lone-word", password: "a-lone-word")
                let same = twice.output + twice.errors
                #expect(twice.code == 7 && same.contains("user default, password from its URL"), "\(same)")
                let named = try await check("a-lone-word", ["--user", "backup"], password: "a-wrong-password")
                let other = named.output + named.errors
                #expect(named.code == 7 && other.contains("user backup, password from its URL"), "\(other)")
                let wrong = try await check("a-lone-word", password: "a-wrong-password")
                let answer = wrong.output + wrong.errors
                #expect(wrong.code == 7 && answer.contains("password from REDISCLI_AUTH"), "\(answer)")
                for text in [said, same, other, answer] {
                    #expect(!text.contains("a-lone-word") && !text.contains("a-wrong-password"), "\(text)")
                }
            }
        }
    }

    @Test func aCertificateThatCannotBeVerifiedIsPermanent() async throws {
        let material = try await TLSMaterial.shared()
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder)
            try await withRedis(.redis70, .with { $0.tls = material }) { redis in
                for authority in [nil, material.otherAuthority] {
                    let outcome = try await Redoubt.run(
                        ["backup", "--endpoint", "rediss://127.0.0.1:\(redis.tlsPort)", "--to", store.url]
                            + (authority.map { ["--cacert", $0] } ?? [])
                    )
                    #expect(outcome.errors.contains("tls-failed"))
                    try await store.expectSound(after: outcome, code: 7, good: [])
                }
            }
        }
    }
}
