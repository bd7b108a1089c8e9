// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// `prune --keep-…`, `pin` and `unpin` on real stores.
struct PruneTests {
    /// The last days of a year, some weeks and some months before, and one of the year before that.
    private static let days = [
        "20241105", "20250806", "20250910", "20251015", "20251112", "20251203", "20251210", "20251222", "20251229",
        "20251230", "20251231", "20260101",
    ]

    /// The plan and its reasons; nothing without a yes; then what no rule keeps goes, a pinned set stays, and what is
    /// left restores.
    @Test(arguments: CopyRig.Kind.allCases)
    func whatNoRuleKeepsGoesAndTheRestRestores(kind: CopyRig.Kind) async throws {
        try await kind.withStore { store in
            let ids = try await store.fill(days: Self.days)
            let rules = ["--keep-daily", "2", "--keep-weekly", "2", "--keep-monthly=3", "--name", "demo"]
            func prune(_ more: String...) async throws -> Redoubt.Outcome {
                try await Redoubt.run(
                    ["prune", "--from", store.url, "--grace", "0s", "--output", "json"] + rules + more,
                    environment: store.tested.environment
                )
            }
            let pinned = try await store.tested.redoubt("pin", ids[2], "--from", store.url, "--reason", "the audit")
            #expect(pinned.code == 0, "\(pinned.errors)")
            let dry = try await prune("--dry-run")
            #expect(dry.code == 0, "\(dry.errors)")
            let plan = try PruneOutput(dry)
            // The week of the 29th reaches into January; before it that of the 22nd.
            let kept = [ids[2], ids[4], ids[7], ids[10], ids[11]]
            #expect(plan.kept == kept)
            #expect(plan.sets[2].reasons == ["pinned"] && plan.sets[4].reasons == ["monthly"])
            #expect(plan.sets[11].reasons == ["daily", "weekly", "monthly", "newest proven", "newest whole"])
            #expect(plan.sets[7].reasons == ["weekly"] && plan.sets[10].reasons == ["daily", "monthly"])
            #expect(plan.sets[0].reasons == ["no rule keeps it"] && plan.sets[0].outcome == "would-remove")
            let asked = try await prune()
            #expect(asked.code == 8 && asked.errors.contains("--yes"), "\(asked.errors)")
            #expect(try PruneOutput(asked).kept == kept)
            #expect(try await store.tested.listedIDs() == ids)

            let manifest = try await store.get("demo/\(ids[0])/manifest.json")
            let done = try await prune("--yes")
            #expect(try PruneOutput(done).outcomes.count { $0 == "removed" } == 7)
            try await store.tested.expectSound(after: done, code: 0, good: kept)
            try await store.tested.expectNothingHalfMade(good: kept)
            try await expectOnRecord(store, ids[0], manifest)
            let again = try await prune("--yes")
            #expect(again.code == 0, "\(again.errors)")
            #expect(try PruneOutput(again).kept == kept)

            try await expectPinShows(store, ids[2])
            let unpinned = try await store.tested.redoubt("unpin", ids[2], "--from", store.url)
            #expect(unpinned.code == 0, "\(unpinned.errors)")
            let rest = try await prune("--yes")
            try await store.tested.expectSound(after: rest, code: 0, good: Array(kept.dropFirst()))
        }
    }

    /// sha256sum says of the manifest that is gone what its record says.
    private func expectOnRecord(_ store: OpenedStore, _ id: String, _ manifest: [UInt8]) async throws {
        struct Removal: Decodable {
            let format: Int
            let name: String
            let backup: String
            let manifestSha256: String
            let policy: String
        }
        let bytes = try await store.get(".removed/demo/\(id).json")
        let removal = try JSONDecoder().decode(Removal.self, from: Data(bytes))
        #expect(removal.format == 1 && removal.name == "demo" && removal.backup == id)
        #expect(removal.policy == "keep-daily 2, keep-weekly 2, keep-monthly 3 (UTC)")
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("manifest.json")
            try Data(manifest).write(to: file)
            let digest = try await run("/usr/bin/sha256sum", [file.path])
            #expect(String(decoding: digest, as: UTF8.self).hasPrefix(removal.manifestSha256))
        }
    }

    private func expectPinShows(_ store: OpenedStore, _ id: String) async throws {
        struct Listing: Decodable {
            let backups: [Backup]

            struct Backup: Decodable {
                let id: String
                let pinned: Bool
            }
        }
        struct Shown: Decodable {
            let id: String
            let pinned: Bool
            let pinReason: String?
        }
        let list = try await store.tested.redoubt("list", "--from", store.url, "--output", "json")
        let listing = try JSONDecoder().decode(Listing.self, from: Data(list.outputBytes))
        #expect(listing.backups.filter(\.pinned).map(\.id) == [id])
        let table = try await store.tested.redoubt("list", "--from", store.url)
        #expect(table.output.split(separator: "\n").filter { $0.contains("pinned") }.count == 1)
        let shown = try await store.tested.redoubt("show", id, "--from", store.url, "--output", "json")
        let set = try JSONDecoder().decode(Shown.self, from: Data(shown.outputBytes))
        #expect(set.id == id && set.pinned && set.pinReason == "the audit")
        let text = try await store.tested.redoubt("show", id, "--from", store.url)
        #expect(text.output.contains("the audit"))
    }

    @Test func tagsComeFromTheBackupAndKeepIt() async throws {
        try await CopyRig.Kind.folder.withStore { store in
            try await withRedis(.redis70) { redis in
                try await Dataset.small.load(into: redis)
                func backUp(_ more: String...) async throws {
                    let outcome = try await Redoubt.run(
                        ["backup", "--endpoint", redis.url, "--to", store.url, "--name", "demo"] + more
                    )
                    try #require(outcome.code == 0, "\(outcome.errors)")
                }
                try await backUp("--tag", "release", "--tag", "v1.2")
                try await backUp("--tag", "release")
                try await backUp()
                let bad = try await Redoubt.run(
                    ["backup", "--endpoint", redis.url, "--to", store.url, "--tag", "a b"]
                )
                #expect(bad.code == 64, "\(bad.errors)")
            }
            let ids = try await store.tested.listedIDs()
            let shown = try await store.tested.redoubt("show", ids[0], "--from", store.url)
            #expect(shown.output.contains("release, v1.2"), "\(shown.output)")
            let done = try await store.prune("--keep-tag", "release,v1.2", "--yes")
            #expect(try PruneOutput(done).sets[0].reasons == ["tag release,v1.2"])
            try await store.tested.expectSound(after: done, code: 0, good: [ids[0], ids[2]])
        }
    }

    @Test func whatIsYoungerThanAnHourStays() async throws {
        try await CopyRig.Kind.folder.withStore { store in
            let ids = try await store.fill(sets: 3)
            let outcome = try await store.tested.redoubt(
                "prune",
                "--from",
                store.url,
                "--keep-last",
                "1",
                "--yes",
                "--output",
                "json"
            )
            #expect(try PruneOutput(outcome).sets.map(\.reasons.last) == ["young", "young", "young"])
            try await store.tested.expectSound(after: outcome, code: 0, good: ids)
        }
    }

    /// A bucket that keeps versions: what prune says is gone is not, and it says so.
    @Test func whatABucketKeepsIsSaid() async throws {
        try await withSeaweedFS { s3 in
            let store = try await OpenedStore.bucket(s3, keepsVersions: true)
            let ids = try await store.fill(days: ["20260101", "20260102"])
            let stored = try await store.objects(of: ids[0]).filter { !$0.key.hasSuffix("json") }.values
            let words = ["prune", "--from", store.url, "--keep-last", "1", "--grace", "0s", "--yes"]
            let json = try await Redoubt.run(words + ["--output", "json"], environment: store.tested.environment)
            let said = try PruneOutput(json)
            #expect(said.outcomes == ["removed", "kept"])
            #expect(said.sets.map(\.hiddenBytes) == [Int64(stored.reduce(0) { $0 + $1.count }), nil])
            try await store.tested.expectSound(after: json, code: 0, good: [ids[1]])
            try await store.clone(ids[1], as: "20260103T030000Z-0001")
            let text = try await Redoubt.run(words, environment: store.tested.environment)
            #expect(text.code == 0 && text.output.contains("NoncurrentVersionExpiration"), "\(text.output)")
            #expect(text.output.contains("kept as versions"), "\(text.output)")
        }
    }

    /// An empty policy, and what makes no sense, is a mistake of usage before the store is asked anything.
    @Test func anEmptyPolicyIsNotUnderstood() async throws {
        let mistakes = [
            [], ["--keep-last", "0"], ["--keep-daily", "0", "--keep-weekly=0"], ["--keep-last", "x"],
            ["--keep-within", "1m"], ["--keep-within", "0d"], ["--keep-tag", "a b"],
            ["--keep-last", "0", "--incomplete"], ["--keep-last", "3", "--time-zone", "../../etc/passwd"],
        ]
        try await CopyRig.Kind.folder.withStore { store in
            let ids = try await store.fill(days: ["20260101", "20260102"])
            for words in mistakes {
                let outcome = try await Redoubt.run(["prune", "--from", store.url, "--grace", "0s", "--yes"] + words)
                #expect(outcome.code == 64, "\(words): \(outcome.errors)")
            }
            #expect(try await store.tested.listedIDs() == ids)
        }
    }

    @Test func whatIsNotThereIsSaid() async throws {
        let nowhere = try await Redoubt.run("prune", "--from", "file:///nowhere", "--keep-last", "1", "--yes")
        #expect(nowhere.code == 10, "\(nowhere.errors)")
        try await CopyRig.Kind.folder.withStore { store in
            let ids = try await store.fill(days: ["20260101"])
            let zone = try await store.prune("--keep-last", "1", "--yes", "--time-zone", "Europe/Atlantis")
            #expect(zone.code == 7 && zone.errors.contains("tzdata"), "\(zone.errors)")
            let zurich = try await store.prune("--keep-last", "1", "--yes", "--time-zone", "Europe/Zurich")
            #expect(zurich.code == 0, "\(zurich.errors)")
            for command in ["pin", "unpin"] {
                let none = try await store.tested.redoubt(command, "20260102T120000Z-0001", "--from", store.url)
                #expect(none.code == 10, "\(none.errors)")
            }
            #expect(try await store.tested.listedIDs() == ids)
        }
    }

    @Test func aDamagedManifestStopsItUntilSomebodySaysSo() async throws {
        try await CopyRig.Kind.folder.withStore { store in
            let ids = try await store.fill(days: ["20260101", "20260102", "20260103", "20260104"])
            let damaged = "demo/\(ids[1])/manifest.json"
            try await store.put(damaged, Array("{".utf8))
            let refused = try await store.prune("--keep-last", "1", "--yes")
            #expect(refused.code == 8, "\(refused.errors)")
            #expect(refused.errors.contains("--ignore-damaged") && refused.errors.contains(ids[1]))
            #expect(try PruneOutput(refused).outcomes == ["refused", "kept", "refused", "kept"])
            let ignoring = try await store.prune("--keep-last", "2", "--yes", "--ignore-damaged")
            #expect(ignoring.code == 0, "\(ignoring.errors)")
            #expect(try PruneOutput(ignoring).kept == Array(ids.dropFirst()))
            let removing = try await store.prune("--keep-last", "2", "--yes", "--remove-damaged")
            #expect(try PruneOutput(removing).outcomes == ["removed", "kept", "kept"])
            try await store.tested.expectSound(after: removing, code: 0, good: Array(ids.dropFirst(2)))
            try await store.tested.expectNothingHalfMade(good: Array(ids.dropFirst(2)))
        }
    }

    /// Both at once: what no rule keeps, and what dead runs left.
    @Test func leftoversGoInTheSameRun() async throws {
        try await CopyRig.Kind.folder.withStore { store in
            let ids = try await store.fill(days: ["20260101", "20260102", "20260103"])
            try await store.put("gone/20250101T000000Z-0001/redis-0.rdb", [1, 2, 3])
            try await store.delete("demo/\(ids[1])/manifest.json")
            let done = try await store.prune("--keep-last", "1", "--incomplete", "--yes")
            let output = try PruneOutput(done)
            #expect(output.outcomes == ["removed", "kept"] && output.sweptMembers == 3)
            try await store.tested.expectSound(after: done, code: 0, good: [ids[2]])
            try await store.tested.expectNothingHalfMade(good: [ids[2]])
        }
    }
}
