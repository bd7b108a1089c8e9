// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// `prune` that is killed, that may not remove, or whose store keeps what it removes.
struct PruneFaultTests {
    private static let days = (1...6).map { "2026010\($0)" }

    /// kill -9 at any moment of a run: what is listed is whole, what is kept is there, and the next run comes to the
    /// same end.
    @Test(arguments: CopyRig.Kind.allCases)
    func aKilledPruneIsFinishedByTheNext(kind: CopyRig.Kind) async throws {
        try await kind.withStore { store in
            let real = try await store.fill(sets: 1)[0]
            let kept = Self.days.suffix(2).map { "\($0)T120000Z-0001" } + [real]
            for moment in 0..<5 {
                for day in Self.days {
                    let id = "\(day)T120000Z-0001"
                    if try await !store.tested.keys().contains("demo/\(id)/manifest.json") {
                        try await store.clone(real, as: id)
                    }
                }
                let milliseconds = kind == .folder ? 10 + 8 * moment : 60 + 110 * moment
                let arguments = ["prune", "--from", store.url, "--grace", "0s", "--keep-last", "3", "--yes"]
                try await Redoubt.withRunning(arguments, environment: store.tested.environment) { process in
                    try await Task.sleep(for: .milliseconds(milliseconds))
                    process.kill(SIGKILL)
                    _ = try await Redoubt.outcome(of: process)
                }
                let listed = try await store.tested.listedIDs()
                #expect(Array(listed.suffix(3)) == kept, "killed after \(milliseconds) ms")
                // Each is as whole as it was: verify reads every byte.
                for id in listed {
                    let verify = try await store.tested.redoubt("verify", "demo/\(id)", "--from", store.url)
                    #expect(verify.code == 0, "killed after \(milliseconds) ms: \(verify.errors)")
                }
                let next = try await store.prune("--keep-last", "3", "--yes")
                #expect(next.code == 0, "killed after \(milliseconds) ms: \(next.errors)")
                #expect(try await store.tested.listedIDs() == kept)
                try await store.tested.expectNothingHalfMade(good: kept)
            }
            let last = try await store.prune("--keep-last", "3", "--yes")
            try await store.tested.expectSound(after: last, code: 0, good: kept)
        }
    }

    /// A bucket that locks: what is removed is hidden, and every byte of it is there still.
    @Test func aLockedBucketKeepsWhatIsHidden() async throws {
        try await withSeaweedFS { s3 in
            let bucket = try await s3.makeBucket(isLocked: true)
            let tested = TestedStore(
                url: "s3://\(bucket)/redis?lock-mode=GOVERNANCE&lock-for=1d",
                environment: s3.environment,
                keys: { try await s3.keys(in: bucket).map { String($0.dropFirst("redis/".count)) }.sorted() },
                unfinished: { try await s3.uploads(in: bucket).map(\.key) }
            )
            try await withRedis(.redis70) { redis in
                try await Dataset.small.load(into: redis)
                for _ in 0..<2 {
                    let backup = try await tested.redoubt(
                        "backup",
                        "--endpoint",
                        redis.url,
                        "--to",
                        tested.url,
                        "--name",
                        "demo"
                    )
                    try #require(backup.code == 0, "\(backup.errors)")
                }
            }
            let ids = try await tested.listedIDs()
            let done = try await tested.redoubt(
                "prune",
                "--from",
                tested.url,
                "--grace",
                "0s",
                "--keep-last",
                "1",
                "--yes"
            )
            try await tested.expectSound(after: done, code: 0, good: [ids[1]])
            let versions = try await s3.call("list_object_versions", ["Bucket": .text(bucket)], pages: "Versions")
            let hidden = (versions.array ?? []).filter { $0["Key"]?.text?.contains("demo/\(ids[0])/") == true }
            #expect(hidden.count == 2)
        }
    }

    /// Sets that may only be read: one of them is one failure; all of them are a configuration that is wrong.
    @Test func whatMayNotBeRemovedIsSaid() async throws {
        try await withTemporaryFolder { folder in
            let store = OpenedStore.folder(folder)
            let ids = try await store.fill(days: ["20260101", "20260102", "20260103"])
            func whileReadOnly(_ path: String, _ body: () async throws -> Void) async throws {
                let path = folder.appendingPathComponent(path).path
                _ = try await run("/usr/bin/mount", ["--bind", path, path])
                do {
                    _ = try await run("/usr/bin/mount", ["-o", "remount,ro,bind", path])
                    try await body()
                    _ = try await run("/usr/bin/umount", [path])
                } catch {
                    _ = try await run("/usr/bin/umount", ["-l", path])
                    throw error
                }
            }
            try await whileReadOnly("demo") {
                let none = try await store.prune("--keep-last", "1", "--yes")
                #expect(try PruneOutput(none).outcomes == ["failed", "failed", "kept"])
                try await store.tested.expectSound(after: none, code: 7, good: ids)
                // Nothing went, and no record says so.
                #expect(try await !store.tested.keys().contains { $0.hasPrefix(".removed/") })
            }
            try await whileReadOnly("demo/\(ids[0])") {
                let some = try await store.prune("--keep-last", "1", "--yes")
                #expect(try PruneOutput(some).outcomes == ["failed", "removed", "kept"])
                try await store.tested.expectSound(after: some, code: 3, good: [ids[0], ids[2]])
            }
        }
    }

    /// Real backups and real prunes of one subject at once, again and again.
    @Test(arguments: CopyRig.Kind.allCases)
    func pruningBesideLiveBackupsTakesNothingOfThem(kind: CopyRig.Kind) async throws {
        try await kind.withStore { store in
            try await withRedis(.redis70) { redis in
                try await Dataset.with { $0.bigValueBytes = 6_000_000 }.load(into: redis)
                let done = Shared(false)
                let backup = [
                    "backup", "--endpoint", redis.url, "--to", store.url, "--name", "demo", "--part-size", "5",
                ]
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        while !done.value {
                            let outcome = try await store.prune("--keep-last", "2", "--yes")
                            // Before the first backup there may be no store.
                            #expect([0, 3, 10, 11].contains(outcome.code), "\(outcome.errors)")
                        }
                    }
                    group.addTask {
                        for _ in 0..<6 {
                            let outcome = try await Redoubt.run(backup, environment: store.tested.environment)
                            #expect([0, 11].contains(outcome.code), "\(outcome.errors)")
                        }
                        done.change { $0 = true }
                    }
                    try await group.waitForAll()
                }
                let last = try await store.prune("--keep-last", "2", "--yes")
                let ids = try await store.tested.listedIDs()
                #expect(!ids.isEmpty && ids.count <= 2)
                try await store.tested.expectSound(after: last, code: 0, good: ids)
                try await store.tested.expectNothingHalfMade(good: ids)
            }
        }
    }
}
