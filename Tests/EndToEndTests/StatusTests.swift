// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// `status`: one line and an exit code for scripts, JSON for programs, a table for people.
@Suite(.timeLimit(.minutes(3))) struct StatusTests {
    private func withStore(_ body: @Sendable @escaping (TestedStore, _ id: String) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder)
            let id = try await withRedis(.redis70) { redis in
                try await Dataset.small.load(into: redis)
                let line = ["backup", "--endpoint", redis.url, "--to", store.url, "--name", "demo", "--output", "json"]
                let backup = try await Redoubt.run(line)
                try #require(backup.code == 0, "\(backup.errors)")
                return try ShownBackup(backup).id
            }
            try await body(store, id)
        }
    }

    @Test func theExitCodeTellsWhatIsWrong() async throws {
        try await withStore { store, id in
            func status(_ words: String...) async throws -> Redoubt.Outcome {
                try await Redoubt.run(["status", "--from", store.url] + words)
            }
            let plain = try await status()
            #expect(
                plain.code == 0 && plain.output.hasPrefix("ok        demo/\(id): "),
                "\(plain.output)\(plain.errors)"
            )
            #expect(plain.output.split(separator: "\n").count == 1 && plain.output.contains("never verified"))
            let fresh = try await status("--max-age", "1h", "--min-keys", "1", "--max-shrink", "50%")
            #expect(fresh.code == 0, "\(fresh.errors)")
            try await Task.sleep(for: .milliseconds(1100))
            for words in [
                ["--max-age", "0s"], ["--max-verify-age", "1h"], ["--max-drill-age", "1h"], ["--min-keys", "99999999"],
            ] {
                let late = try await Redoubt.run(["status", "--from", store.url] + words)
                #expect(late.code == 6 && late.output.hasPrefix("FAILED    demo: "), "\(words): \(late.output)")
                #expect(late.output.contains(words[0]) && late.errors.contains("backup-unfit"))
            }
            let verify = try await store.redoubt("verify", "--from", store.url)
            let drill = try await store.redoubt("drill", "--from", store.url)
            #expect(verify.code == 0 && drill.code == 0, "\(drill.errors)")
            let all = try await status("--max-age", "1h", "--max-verify-age", "1h", "--max-drill-age", "1h")
            #expect(all.code == 0 && !all.output.contains("never"), "\(all.output)\(all.errors)")
            let other = try await status("--name", "nobody")
            #expect(other.code == 10, "\(other.errors)")
            let nowhere = try await store.redoubt("status", "--from", store.url + "/none")
            #expect(nowhere.code == 10, "\(nowhere.errors)")
            let usage = try await status("--max-shrink", "2")
            #expect(usage.code == 64)

            let json = try await status("--output", "json")
            let subject = try #require(try TestJSON(parsing: json.output)["subjects"]?[0])
            #expect(subject["verdict"] == "ok" && subject["backup"]?["id"]?.text == id && subject["verifiedSets"] == 1)
            #expect(subject["history"]?.array?.count == 1 && subject["drilled"]?["id"]?.text == id)
        }
    }

    /// The table, with bars that the terminal can show.
    @Test func peopleSeeATable() async throws {
        try await withStore { store, _ in
            let line = ["status", "--from", store.url, "--table"]
            let plain = try await Redoubt.run(line, environment: ["LC_ALL": "C"])
            #expect(plain.output.contains("SIZE") && plain.output.contains("#") && !plain.output.contains("▇"))
            let full = try await Redoubt.run(line, environment: ["LC_ALL": "C.UTF-8"])
            #expect(full.output.contains("▇"), "\(full.output)")
        }
    }

    /// Changed content and a manifest that cannot be read are told, whatever was asked.
    @Test func damageIsToldUnasked() async throws {
        try await withStore { store, id in
            let folder = try #require(URL(string: store.url)).appendingPathComponent("demo/\(id)")
            let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            let member = folder.appendingPathComponent(try #require(files.first { $0 != "manifest.json" }))
            var bytes = try Data(contentsOf: member)
            bytes[bytes.count / 2] ^= 1
            try bytes.write(to: member)
            let unaware = try await store.redoubt("status", "--from", store.url)
            #expect(unaware.code == 0)
            let verify = try await store.redoubt("verify", "--all", "--from", store.url)
            #expect(verify.code == 4)
            let aware = try await store.redoubt("status", "--from", store.url)
            #expect(
                aware.code == 4 && aware.output.contains("\(id): verify found that it is corrupt"),
                "\(aware.output)"
            )
            try Data("{".utf8).write(to: folder.appendingPathComponent("manifest.json"))
            let unreadable = try await store.redoubt("status", "--from", store.url, "--name", "demo")
            #expect(unreadable.code == 4, "\(unreadable.output)")
        }
    }
}
