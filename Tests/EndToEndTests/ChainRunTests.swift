// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// `backup --sign-key` and `verify --chain` with the program itself, on a folder and on SeaweedFS.
struct ChainRunTests {
    private struct Rig: Sendable {
        let store: TestedStore
        let folder: URL
        let ids: [String]

        var signKey: String { folder.path + "/sign.pem" }
        var publicKey: String { folder.path + "/verify.pem" }
        var anchor: String { folder.path + "/anchor.json" }

        func verify(_ more: String...) async throws -> Redoubt.Outcome {
            try await Redoubt.run(
                ["verify", "--chain", "--from", store.url, "--name", "demo", "--public-key", publicKey] + more,
                environment: store.environment
            )
        }
    }

    private static func makeKeys(in folder: String) async throws {
        try await run(
            "/bin/sh",
            [
                "-c",
                "mkdir -p '\(folder)' && cd '\(folder)' && openssl genpkey -algorithm ed25519 -out sign.pem "
                    + "&& openssl pkey -in sign.pem -pubout -out verify.pem",
            ]
        )
    }

    /// Three sets of a small server, signed unless it is said otherwise.
    private static func withSets(
        in store: TestedStore,
        signed: Bool = true,
        _ body: @Sendable (Rig) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            try await makeKeys(in: folder.path)
            try await withRedis(.redis70) { redis in
                for number in 1...3 {
                    _ = try await redis.command("SET", "key", "\(number)")
                    let backup = try await store.redoubt(
                        "backup",
                        "--endpoint",
                        redis.url,
                        "--to",
                        store.url,
                        "--name",
                        "demo",
                        environment: signed ? ["REDOUBT_SIGN_KEY": folder.path + "/sign.pem"] : [:]
                    )
                    try #require(backup.code == 0, "\(backup.errors)")
                }
            }
            try await body(Rig(store: store, folder: folder, ids: try await store.listedIDs()))
        }
    }

    @Test func aHistoryOnSeaweedFSIsWholeAndItsCopyToo() async throws {
        try await withSeaweedFS { s3 in
            try await Self.withSets(in: try await TestedStore.bucket(s3)) { rig in
                let whole = try await rig.verify()
                #expect(whole.code == 0 && whole.output.contains("whole (3 sets, 0 pruned)"), "\(whole.errors)")
                let copies = TestedStore.folder(rig.folder.appendingPathComponent("copies"))
                let copy = try await rig.store.redoubt("copy", "--all", "--from", rig.store.url, "--to", copies.url)
                #expect(copy.code == 0, "\(copy.errors)")
                let copied = try await Rig(store: copies, folder: rig.folder, ids: rig.ids).verify()
                #expect(copied.code == 0, "\(copied.output) \(copied.errors)")
                // OpenSSL takes what lies beside the manifest.
                try await run(
                    "/bin/sh",
                    [
                        "-c",
                        "cd '\(rig.folder.path)/copies/demo/\(rig.ids[2])' && openssl pkeyutl -verify -pubin -rawin "
                            + "-inkey '\(rig.publicKey)' -in manifest.json "
                            + "-sigfile manifest-$(sha256sum manifest.json | cut -d ' ' -f 1)-*.sig",
                    ]
                )
            }
        }
    }

    /// What was taken without a key is signed later, and anew with a second key; show tells whose the signatures are.
    @Test func aHistoryIsSignedLaterAndWithASecondKey() async throws {
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder.appendingPathComponent("store"))
            try await Self.withSets(in: store, signed: false) { rig in
                let other = rig.folder.path + "/other"
                try await Self.makeKeys(in: other)
                @Sendable func sign(_ key: String, _ more: String...) async throws -> Redoubt.Outcome {
                    let arguments = ["sign", "--all", "--from", rig.store.url, "--sign-key", key, "--output", "json"]
                    return try await Redoubt.run(arguments + more)
                }
                @Sendable func show(_ more: String...) async throws -> Redoubt.Outcome {
                    try await Redoubt.run(["show", "--from", rig.store.url] + more)
                }
                let bare = try await show()
                #expect(bare.code == 0 && bare.output.contains("\nunsigned"), "\(bare.output)")
                let refused = try await show("--public-key", rig.publicKey)
                #expect(refused.code == 4 && refused.errors.contains("not signed"), "\(refused.errors)")

                let first = try await sign(rig.signKey)
                #expect(first.code == 0, "\(first.errors)")
                let second = try await sign(other + "/sign.pem", "--public-key", rig.publicKey)
                #expect(second.code == 0, "\(second.errors)")
                let again = try await sign(rig.signKey)
                #expect(again.code == 0 && !again.output.contains("\"signed\""), "\(again.output)")
                for key in [rig.publicKey, other + "/verify.pem"] {
                    let chain = try await Redoubt.run(
                        ["verify", "--chain", "--from", rig.store.url, "--public-key", key]
                    )
                    #expect(chain.code == 0, "\(chain.output) \(chain.errors)")
                }
                let shown = try await show("--public-key", rig.publicKey)
                #expect(shown.code == 0 && shown.output.contains(": checks out"), "\(shown.output)")
                #expect(shown.output.components(separatedBy: "\nsigned    by ").count == 3)
                let json = try await show("--output", "json")
                #expect(json.output.components(separatedBy: "\"key\"").count >= 3, "\(json.output)")
                try await rig.store.expectSound(after: shown, code: 0, good: rig.ids)
            }
        }
    }

    /// What is encrypted anew has other manifests: they are a chain of their own, in the order of the sets.
    @Test func aCopyThatIsEncryptedAnewIsAChainOfItsOwn() async throws {
        try await withTemporaryFolder { folder in
            try await Self.withSets(in: TestedStore.folder(folder.appendingPathComponent("store"))) { rig in
                let recipient = try await run(
                    "/bin/sh",
                    ["-c", "cd '\(folder.path)' && age-keygen -o id.txt 2>/dev/null && age-keygen -y id.txt"]
                )
                let sealed = TestedStore.folder(folder.appendingPathComponent("sealed"))
                for times in 1...2 {
                    let copy = try await rig.store.redoubt(
                        "copy",
                        "--all",
                        "--from",
                        rig.store.url,
                        "--to",
                        sealed.url,
                        "--recipient",
                        String(decoding: recipient, as: UTF8.self).trimmingCharacters(in: .newlines)
                    )
                    #expect(copy.code == 0, "\(times): \(copy.errors)")
                }
                let chain = try await sealed.redoubt("verify", "--chain", "--from", sealed.url)
                #expect(chain.code == 0 && chain.output.contains("whole (3 sets, 0 pruned)"), "\(chain.output)")
                let verify = try await sealed.redoubt(
                    "verify",
                    "--from",
                    sealed.url,
                    "--identity",
                    folder.path + "/id.txt"
                )
                #expect(verify.code == 0, "\(verify.errors)")
            }
        }
    }

    @Test func whatSomebodyDidByHandIsSaid() async throws {
        try await withTemporaryFolder { folder in
            let place = folder.appendingPathComponent("store")
            try await Self.withSets(in: TestedStore.folder(place)) { rig in
                let files = FileManager.default
                func set(_ index: Int) -> URL { place.appendingPathComponent("demo/\(rig.ids[index])") }
                let kept = folder.appendingPathComponent("kept")
                func restore() throws {
                    try files.removeItem(at: place)
                    try files.copyItem(at: kept, to: place)
                }
                let first = try await rig.verify("--anchor", rig.anchor)
                #expect(first.code == 0, "\(first.errors)")
                try files.copyItem(at: place, to: kept)

                try files.removeItem(at: set(1))
                let removed = try await rig.verify()
                #expect(removed.code == 4 && removed.output.contains("removed"), "\(removed.output)")
                try restore()

                try files.removeItem(at: set(1))
                try files.copyItem(at: set(0), to: set(1))
                let swapped = try await rig.verify()
                #expect(swapped.code == 4 && swapped.output.contains("it is demo/\(rig.ids[0])"), "\(swapped.output)")
                try restore()

                let manifest = set(2).appendingPathComponent("manifest.json")
                let text = try String(contentsOf: manifest, encoding: .utf8)
                try text.replacingOccurrences(of: "\"0\" : 1", with: "\"0\" : 2")
                    .write(to: manifest, atomically: false, encoding: .utf8)
                let edited = try await rig.verify()
                #expect(edited.code == 4 && edited.output.contains("forged"), "\(edited.output)")
                try restore()

                try files.removeItem(at: set(2))
                let unseen = try await rig.verify()
                #expect(unseen.code == 0, "\(unseen.output)")
                let rolledBack = try await rig.verify("--anchor", rig.anchor)
                #expect(rolledBack.code == 4 && rolledBack.output.contains("rolled-back"), "\(rolledBack.output)")
                try restore()

                let prune = try await rig.store.redoubt(
                    "prune",
                    "--from",
                    rig.store.url,
                    "--name",
                    "demo",
                    "--keep-last",
                    "1",
                    "--grace",
                    "0s",
                    "--yes",
                    "--sign-key",
                    rig.signKey
                )
                #expect(prune.code == 0, "\(prune.errors)")
                let pruned = try await rig.verify("--anchor", rig.anchor)
                #expect(pruned.code == 0 && pruned.output.contains("whole (1 sets, 2 pruned)"), "\(pruned.output)")
                try await rig.store.expectSound(after: pruned, code: 0, good: [rig.ids[2]])
            }
        }
    }

    /// One run looks at the history and reads the backups: what is wrong with either ends it, and keeps nothing of the
    /// other from being said.
    @Test func theHistoryAndTheBackupsInOneRun() async throws {
        try await withTemporaryFolder { folder in
            let place = folder.appendingPathComponent("store")
            try await Self.withSets(in: TestedStore.folder(place)) { rig in
                let both = try await rig.verify("--all", "--anchor", rig.anchor)
                #expect(both.code == 0 && both.output.contains("whole (3 sets, 0 pruned)"), "\(both.errors)")
                #expect(both.output.contains("3 of 3 backups proven"), "\(both.output)")
                #expect(FileManager.default.fileExists(atPath: rig.anchor))

                try FileManager.default.removeItem(at: place.appendingPathComponent("demo/\(rig.ids[1])"))
                let broken = try await rig.verify("--all", "--output", "json")
                #expect(broken.code == 4 && broken.output.contains("\"removed\""), "\(broken.output)")
                #expect(broken.output.contains("\"proven\""), "\(broken.output)")
                try await rig.store.expectSound(after: broken, code: 4, good: [rig.ids[0], rig.ids[2]])
            }
        }
    }

    /// Sets are copied with the signatures they have. A key in an environment that is shared with backups is no reason
    /// to copy nothing; one on the line of such a copy is a misunderstanding.
    @Test func aCopyPassesOverTheKeyOfBackups() async throws {
        try await withTemporaryFolder { folder in
            try await Self.withSets(in: TestedStore.folder(folder.appendingPathComponent("store"))) { rig in
                let target = "file://\(folder.path)/copy"
                let copy = ["copy", "--all", "--from", rig.store.url, "--to", target]
                let asked = try await Redoubt.run(copy + ["--sign-key", rig.signKey])
                #expect(asked.code == 64 && asked.errors.contains("sign copies"), "\(asked.errors)")
                let shared = try await Redoubt.run(copy, environment: ["REDOUBT_SIGN_KEY": rig.signKey])
                #expect(shared.code == 0, "\(shared.errors)")
                let verify = try await Redoubt.run(
                    ["verify", "--chain", "--from", target, "--name", "demo", "--public-key", rig.publicKey]
                )
                #expect(verify.code == 0 && verify.output.contains("whole (3 sets"), "\(verify.output)")
            }
        }
    }

    /// A key that is none, or is encrypted, is refused before anything is asked of anybody.
    @Test func aKeyThatIsNoneIsRefused() async throws {
        let outcome = try await Redoubt.run(
            [
                "backup", "--endpoint", "redis://127.0.0.1:1", "--to", "file:///nowhere/at/all", "--sign-key",
                "/dev/null",
            ]
        )
        #expect(outcome.code == 7 && outcome.errors.contains("openssl genpkey"), "\(outcome.errors)")
    }
}
