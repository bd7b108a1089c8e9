// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// `verify --all`: every backup in turn, and what was found is on record.
@Suite(.timeLimit(.minutes(3))) struct VerifyRoundRunTests {
    /// A store with backups of two subjects: two of `demo`, one of `other`.
    private func withStore(
        _ body: @Sendable @escaping (_ store: TestedStore, _ folder: URL, _ ids: [String]) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let store = TestedStore.folder(folder)
            let ids = try await withRedis(.redis70) { redis in
                try await Dataset.small.load(into: redis)
                var ids: [String] = []
                for name in ["demo", "demo", "other"] {
                    let line = [
                        "backup", "--endpoint", redis.url, "--to", store.url, "--name", name, "--output", "json",
                    ]
                    let backup = try await Redoubt.run(line)
                    try #require(backup.code == 0, "\(backup.errors)")
                    ids.append(try ShownBackup(backup).id)
                }
                return ids
            }
            try await body(store, folder, ids)
        }
    }

    private static func document(_ outcome: Redoubt.Outcome) throws -> TestJSON {
        try TestJSON(parsing: outcome.output)
    }

    @Test func eachHasItsTurnAndACorruptOneIsToldAtEveryRun() async throws {
        try await withStore { store, folder, ids in
            var seen: [String] = []
            for _ in 0..<3 {
                let line = ["verify", "--all", "--from", store.url, "--max-bytes", "1", "--output", "json"]
                let run = try await Redoubt.run(line)
                #expect(run.code == 0, "\(run.errors)")
                let found = try Self.document(run)
                #expect(found["totalSets"] == 3 && found["stoppedBy"] == "max-bytes" && found["runsOfARound"]?.int == 3)
                #expect(found["sets"]?.array?.count == 1 && found["sets"]?[0]?["verdict"] == "proven")
                seen.append(found["sets"]?[0]?["id"]?.text ?? "")
                // Turns go by seconds.
                try await Task.sleep(for: .milliseconds(1050))
            }
            #expect(Set(seen) == Set(ids))
            let keys = try await store.keys().filter { $0.hasPrefix(".proofs/") }
            #expect(keys.count == 3 && keys.allSatisfy { $0.hasSuffix(".proven.json") })

            let object = folder.appendingPathComponent("demo/\(ids[0])")
            let files = try FileManager.default.contentsOfDirectory(atPath: object.path)
            let file = try #require(files.first { $0 != "manifest.json" })
            let path = object.appendingPathComponent(file)
            var bytes = try Data(contentsOf: path)
            bytes[bytes.count / 2] ^= 0x10
            try bytes.write(to: path)
            let all = try await store.redoubt("verify", "--all", "--from", store.url)
            #expect(all.code == 4 && all.output.contains("2 of 3 backups proven, 1 corrupt"), "\(all.output)")
            #expect(all.output.contains("FAILED    demo/\(ids[0])"))
            let line = ["verify", "--all", "--from", store.url, "--name"]
            let later = try await Redoubt.run(line + ["demo", "--max-bytes", "1"])
            #expect(later.code == 4, "\(later.output)\(later.errors)")
            let other = try await Redoubt.run(line + ["other", "--max-time", "1h"])
            #expect(other.code == 0, "\(other.errors)")
            let listed = try await store.listedIDs()
            #expect(listed.sorted() == ids.sorted())
        }
    }

    /// One backup too says what it found, unless it is told not to; a store that may only be read is no failure.
    @Test func oneBackupKeepsItsRecordToo() async throws {
        try await withStore { store, folder, ids in
            let silent = try await store.redoubt("verify", "demo/\(ids[0])", "--from", store.url, "--no-record")
            let before = try await store.keys()
            #expect(silent.code == 0 && !before.contains { $0.hasPrefix(".proofs") }, "\(silent.errors)")
            let line = ["verify", "demo/\(ids[0])", "--from", store.url, "--output", "json"]
            let told = try await Redoubt.run(line)
            let key = try #require(try Self.document(told)["recordKey"]?.text)
            let after = try await store.keys()
            #expect(key.hasPrefix(".proofs/demo/\(ids[0])/") && after.contains(key))

            // A file where the folder would be: nothing can be written there.
            try FileManager.default.removeItem(at: folder.appendingPathComponent(".proofs"))
            try Data().write(to: folder.appendingPathComponent(".proofs"))
            let refused = try await Redoubt.run(line)
            #expect(refused.code == 0 && refused.errors.contains("--no-record"), "\(refused.errors)")
        }
    }

    /// A look that is less close than the one that found a backup corrupt says so, with and without a record.
    @Test func aDisproofStandsBeforeALookThatIsLessClose() async throws {
        try await withStore { store, folder, ids in
            let records = folder.appendingPathComponent(".proofs/demo/\(ids[0])")
            try FileManager.default.createDirectory(at: records, withIntermediateDirectories: true)
            // It cannot be read: how closely that look went is not known.
            try Data("{}".utf8).write(to: records.appendingPathComponent("20260101T000000Z-0001.different.json"))
            let line = ["verify", "demo/\(ids[0])", "--from", store.url]
            for words in [["--stored-only"], ["--proof", "framing"], ["--proof", "deep", "--no-record"]] {
                let refuted = try await Redoubt.run(line + words)
                let isSaid = refuted.output.contains("CORRUPT   verify demo/\(ids[0])")
                #expect(refuted.code == 4 && isSaid, "\(refuted.output)")
                #expect(refuted.errors.contains("--proof content"), "\(refuted.errors)")
            }
            let close = try await Redoubt.run(line + ["--proof", "content"])
            #expect(close.code == 0, "\(close.errors)")
            let after = try await Redoubt.run(line + ["--stored-only"])
            #expect(after.code == 0, "\(after.errors)")
        }
    }

    /// A history that cannot be looked at is told at the end, and keeps no backup from being read.
    @Test func aChainThatCannotBeLookedAtKeepsNoBackupFromItsTurn() async throws {
        try await withStore { store, _, _ in
            let outcome = try await store.redoubt("verify", "--all", "--chain", "--from", store.url)
            #expect(outcome.code != 0 && outcome.output.contains("3 of 3 backups proven"), "\(outcome.output)")
            #expect(outcome.errors.contains("--name"), "\(outcome.errors)")
            let alone = try await store.redoubt("verify", "--chain", "--from", store.url)
            #expect(alone.code == outcome.code, "\(outcome.errors)")
        }
    }

    @Test func whatMakesNoSenseIsUsage() async throws {
        try await withStore { store, _, _ in
            for words in [["--all", "--max-bytes", "nonsense"], ["--max-time", "1h"], ["latest", "--all"]] {
                let outcome = try await Redoubt.run(["verify", "--from", store.url] + words)
                #expect(outcome.code == 64 && !outcome.errors.isEmpty, "\(words)")
            }
            let empty = try await store.redoubt("verify", "--all", "--from", store.url, "--name", "nobody")
            #expect(empty.code == 10, "\(empty.errors)")
        }
    }
}
