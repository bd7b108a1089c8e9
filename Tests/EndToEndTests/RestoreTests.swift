// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// `restore --data-dir`: three outcomes, never confused, and a folder that is never made worse.
struct RestoreTests {
    private struct Rig: Sendable {
        let store: TestedStore
        let id: String
        let key: String
        let data: URL

        func restore(_ arguments: String...) async throws -> Redoubt.Outcome {
            try await Redoubt.run(["restore", "--from", store.url, "--data-dir", data.path] + arguments)
        }

        func files() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: data.path).sorted()
        }
    }

    private func withRig(
        _ flavour: RedisFlavour = .redis70,
        _ body: @Sendable @escaping (Rig) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder.appendingPathComponent("store"))
            let backup = try await withRedis(flavour) { redis in
                try await Dataset.small.load(into: redis)
                return try await Redoubt.run(
                    "backup",
                    "--endpoint",
                    redis.url,
                    "--to",
                    store.url,
                    "--name",
                    "demo",
                    "--output",
                    "json"
                )
            }
            try #require(backup.code == 0, "\(backup.errors)")
            let shown = try ShownBackup(backup)
            let data = folder.appendingPathComponent("data")
            try FileManager.default.createDirectory(at: data, withIntermediateDirectories: false)
            try await body(
                Rig(store: store, id: shown.id, key: try #require(shown.members.first?.stored?.key), data: data)
            )
        }
    }

    @Test func aCompleteListingWithoutBackupsIsNothingToRestore() async throws {
        try await withTemporaryFolder { folder in
            let outcome = try await Redoubt.run(
                "restore",
                "--from",
                "file://\(folder.path)",
                "--name",
                "demo",
                "--data-dir",
                folder.path
            )
            #expect(outcome.code == 0 && outcome.output.contains("nothing to restore"))
        }
    }

    @Test func aMissingBackupIsAnErrorWhereOneIsRequired() async throws {
        try await withTemporaryFolder { folder in
            let outcome = try await Redoubt.run(
                "restore",
                "--from",
                "file://\(folder.path)",
                "--name",
                "demo",
                "--data-dir",
                folder.path,
                "--require-backup"
            )
            #expect(outcome.code == 10)
        }
    }

    /// A set that lacks a member may lack another shard: what happens to be there is not taken for it.
    @Test func aPartialSetOfUnknownHistoriesAsksForTheMember() async throws {
        try await withTemporaryFolder { folder in
            let store = "file://\(folder.path)/store"
            try await withRedis(.redis70) { redis in
                try await Dataset.small.load(into: redis)
                try await withFreePort { port in
                    let backup = try await Redoubt.run(
                        "backup",
                        "--endpoint",
                        redis.url,
                        "--endpoint",
                        "redis://127.0.0.1:\(port)",
                        "--to",
                        store,
                        "--name",
                        "demo"
                    )
                    #expect(backup.code == 3, "\(backup.errors)")
                    let data = folder.appendingPathComponent("data")
                    try FileManager.default.createDirectory(at: data, withIntermediateDirectories: false)
                    let restore = ["restore", "--from", store, "--data-dir", data.path]
                    let refused = try await Redoubt.run(restore)
                    #expect(refused.code == 64 && refused.errors.contains("--member"))
                    let files = try FileManager.default.contentsOfDirectory(atPath: data.path)
                    #expect(files.isEmpty)
                    let named = try await Redoubt.run(restore + ["--member", "127.0.0.1-\(redis.port)"])
                    #expect(named.code == 0, "\(named.errors)")
                }
            }
        }
    }

    @Test func anIDThatIsNotThereIsAnError() async throws {
        try await withRig { rig in
            let outcome = try await rig.restore("20200101T000000Z-0000")
            #expect(outcome.code == 10)
            let files = try rig.files()
            #expect(files.isEmpty)
        }
    }

    @Test func aFolderWithDataIsLeftAloneAndReplacedOnlyWhenAsked() async throws {
        try await withRig { rig in
            try Data("old".utf8).write(to: rig.data.appendingPathComponent("dump.rdb"))
            let alone = try await rig.restore()
            #expect(alone.code == 0 && alone.output.contains("left alone"))
            let old = try Data(contentsOf: rig.data.appendingPathComponent("dump.rdb"))
            #expect(old == Data("old".utf8))
            let replaced = try await rig.restore("--replace", "--appendonly", "no")
            #expect(replaced.code == 0, "\(replaced.errors)")
            let moved = try Data(contentsOf: rig.data.appendingPathComponent("pre-restore-\(rig.id)/dump.rdb"))
            #expect(moved == Data("old".utf8))
            let again = try await rig.restore("--replace", "--appendonly", "no")
            #expect(again.code == 0 && again.output.contains("already restored"))
            // A newer `latest` does not take a pod back at its next start; only another request does.
            let newer = try await rig.restore("--replace", "--appendonly", "no", "--request-id", "drill-2")
            #expect(newer.code == 0 && newer.output.contains("restored: demo/"), "\(newer.errors)")
            let files = try rig.files()
            #expect(files.contains("pre-restore-\(rig.id)-2"))
        }
    }

    /// 40: a store that is damaged is an error, and the folder stays as it was.
    @Test(arguments: ["flipped", "truncated", "longer", "gone", "manifest"])
    func aDamagedBackupIsNeverRestored(damage: String) async throws {
        try await withRig { rig in
            let root = URL(fileURLWithPath: String(rig.store.url.dropFirst("file://".count)))
            let object = root.appendingPathComponent(rig.key)
            var bytes = [UInt8](try Data(contentsOf: object))
            switch damage {
            case "flipped": bytes[bytes.count / 2] ^= 1
            case "truncated": bytes.removeLast(10)
            case "longer": bytes += [0]
            default: break
            }
            try FileManager.default.removeItem(at: object)
            if damage != "gone" { try Data(bytes).write(to: object) }
            if damage == "manifest" {
                let manifest = root.appendingPathComponent("demo/\(rig.id)/manifest.json")
                let text = try String(contentsOf: manifest, encoding: .utf8)
                try text.replacing("\"types\"", with: "\"tipes\"").write(
                    to: manifest,
                    atomically: true,
                    encoding: .utf8
                )
            }
            let outcome = try await rig.restore()
            #expect(outcome.code == 4, "\(outcome.errors)")
            // It says what was restored from where, and what to type next.
            #expect(outcome.errors.contains("demo/\(rig.id)") && outcome.errors.contains("redoubt "))
            let files = try rig.files()
            #expect(files.isEmpty)
            let verify = try await Redoubt.run("verify", "--from", rig.store.url)
            #expect(verify.code == 4, "\(verify.errors)")
        }
    }

    /// 57: a server that could not load it is refused before anything is touched.
    @Test(arguments: [
        (RedisFlavour.redis70, "6.2.14", false), (.redis70, "7.0.0", true), (.redis70, "valkey-9.1", true),
        (.valkey91, "7.0.15", false), (.valkey91, "valkey-8.1", false), (.valkey91, "valkey-9.0", true),
        (.redis62, "valkey-9.1", true), (.redis62, "5.0", true), (.redis62, "4.0", false),
    ])
    func whatTheServerCannotLoadIsRefused(flavour: RedisFlavour, version: String, isLoadable: Bool) async throws {
        try await withRig(flavour) { rig in
            let outcome = try await rig.restore("--server-version", version, "--appendonly", "no")
            #expect(outcome.code == (isLoadable ? 0 : 8), "\(outcome.errors)")
            if !isLoadable {
                #expect(outcome.errors.contains("--ignore-compatibility"))
                let files = try rig.files()
                #expect(files.isEmpty)
            }
        }
    }

    /// 58: the configuration of the server says what it can hold.
    @Test func aConfigurationThatIsTooSmallIsRefused() async throws {
        try await withRig { rig in
            let file = rig.data.deletingLastPathComponent().appendingPathComponent("redis.conf")
            for line in ["databases 4", "maxmemory 100kb"] {
                try "\(line)\nappendonly yes\n".write(to: file, atomically: true, encoding: .utf8)
                let outcome = try await rig.restore("--server-config", file.path)
                #expect(outcome.code == 8, "\(outcome.errors)")
            }
            try "databases 16\nappendonly yes\ndbfilename x.rdb\n".write(to: file, atomically: true, encoding: .utf8)
            let outcome = try await rig.restore("--server-config", file.path, "--dry-run")
            #expect(outcome.code == 0 && outcome.output.contains("would-restore"))
            let files = try rig.files()
            #expect(files.isEmpty)
        }
    }

    /// The plan says what would be, touches nothing, and its exit code is its verdict; a restore begins with it.
    @Test func aDryRunPrintsThePlanAndTouchesNothing() async throws {
        try await withRig { rig in
            let good = try await rig.restore("--dry-run", "--server-version", "7.0.15", "--memory-limit", "1Gi")
            #expect(good.code == 0, "\(good.errors)")
            for word in ["CHECK", "VERDICT", "rdb-version", "databases", "memory", "container 1.0 GiB", "acl"] {
                #expect(good.output.contains(word), "\(word) in \(good.output)")
            }
            let bad = try await rig.restore(
                "--dry-run",
                "--server-version",
                "6.2",
                "--memory-limit",
                "100Ki",
                "--output",
                "json"
            )
            #expect(bad.code == 8 && bad.errors.contains("--ignore-compatibility"), "\(bad.errors)")
            let report = try JSONDecoder().decode(PlannedRestore.self, from: Data(bad.outputBytes))
            #expect(report.outcome == "would-refuse" && report.plan.verdict == "no-go")
            let refused = report.plan.rows.filter { $0.verdict == "no-go" }.map(\.check)
            #expect(refused == ["rdb-version", "functions", "memory"])
            let files = try rig.files()
            #expect(files.isEmpty)
            let restored = try await rig.restore("--output", "json")
            #expect(restored.code == 0 && restored.errors.contains("plan: rdb-version"), "\(restored.errors)")
            let done = try JSONDecoder().decode(PlannedRestore.self, from: Data(restored.outputBytes))
            #expect(done.outcome == "restored" && done.plan.verdict == "warning")
        }
    }

    private struct PlannedRestore: Decodable {
        struct Plan: Decodable {
            let verdict: String
            let rows: [Row]
        }

        struct Row: Decodable {
            let check: String
            let verdict: String
        }

        let outcome: String
        let plan: Plan
    }

    /// 56: a server that runs there would save over the restore when it stops.
    @Test func aRunningServerIsNotOverwritten() async throws {
        try await withRig { rig in
            try await withRedis(.redis70) { redis in
                let outcome = try await Redoubt.run(
                    "restore",
                    "--from",
                    rig.store.url,
                    "--data-dir",
                    redis.folder.path,
                    "--replace"
                )
                #expect(outcome.code == 8, "\(outcome.errors)")
            }
        }
    }
}
