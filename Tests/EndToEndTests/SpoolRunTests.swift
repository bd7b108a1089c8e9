// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// A store that is slower than the server may wait: what becomes of the backup and of the server, with a spool and
/// without.
@Suite(.serialized) struct SpoolRunTests {
    /// A server that cuts off who takes nothing, a bucket behind a line that can be made slow, and a folder.
    private struct Rig: Sendable {
        let redis: RedisServer
        let bucket: TestedStore
        let folder: TestedStore
        let line: FaultProxy
        let spoolFolder: URL
        let environment: [String: String]

        func arguments(_ more: [String] = [], to stores: [TestedStore]? = nil) -> [String] {
            ["backup", "--endpoint", redis.url, "--name", "demo", "--part-size", "5", "--output", "json"]
                + ["--compression", "none"] + more + (stores ?? [bucket]).flatMap { ["--to", $0.url] }
        }

        /// Whether the server has let its child and its reader go.
        func serverIsFree() async throws -> Bool {
            let isSaving = try await redis.info("persistence")["rdb_bgsave_in_progress"] == "1"
            let readers = try await redis.info("replication")["connected_slaves"]
            return !isSaving && readers == "0"
        }

        /// Lets the snapshot begin to flow into the bucket, and then nothing more.
        func freezeInTheMiddle() async throws {
            let before = line.bytesToServer
            try await eventually("the upload is under way") { line.bytesToServer > before + 100_000 ? true : nil }
            line.freeze()
        }

        func spooled() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: spoolFolder.path) }
    }

    private func withRig(
        megabytes: Int = 96,
        config: [String] = [],
        _ body: @Sendable @escaping (Rig) async throws -> Void
    ) async throws {
        let lines = ["repl-diskless-sync yes", "repl-diskless-sync-delay 0", "repl-timeout 3"] + config
        try await withTemporaryFolder { folder in
            let spoolFolder = folder.appendingPathComponent("spool")
            try FileManager.default.createDirectory(at: spoolFolder, withIntermediateDirectories: true)
            try await withSeaweedFS { s3 in
                try await withRedis(.redis70, .with { $0.config = lines }) { redis in
                    // Many values: one that is large arrives as one.
                    for number in 0..<megabytes {
                        var random = SeededRandom(seed: UInt64(number))
                        try await redis.command("SET", "key:\(number)", random.bytes(1_000_000))
                    }
                    try await withFaultProxy(to: s3.port) { line in
                        line.add(.bandwidth(bytesPerSecond: 40_000_000), .toServer)
                        let environment = s3.environment.merging([
                            "AWS_ENDPOINT_URL_S3": line.url, "AWS_MAX_ATTEMPTS": "1",
                        ]) { $1 }
                        try await body(
                            Rig(
                                redis: redis,
                                bucket: try await TestedStore.bucket(s3),
                                folder: TestedStore.folder(folder.appendingPathComponent("store")),
                                line: line,
                                spoolFolder: spoolFolder,
                                environment: environment
                            )
                        )
                    }
                }
            }
        }
    }

    /// The bucket stands still for longer than the server waits.
    @Test func aStoreThatStandsStillCostsTheBackupUnlessThereIsASpool() async throws {
        try await withRig { rig in
            try await Redoubt.withRunning(rig.arguments(), environment: rig.environment) { process in
                try await rig.freezeInTheMiddle()
                try await eventually("the server cuts us off", withinSeconds: 60) {
                    rig.redis.log.contains("timedout replica") ? true : nil
                }
                rig.line.clear()
                let outcome = try await Redoubt.outcome(of: process)
                try await rig.bucket.expectSound(after: outcome, code: 5, good: [])
                try await rig.bucket.expectNothingHalfMade(good: [])
            }
            let spool = ["--spool", rig.spoolFolder.path]
            try await Redoubt.withRunning(rig.arguments(spool), environment: rig.environment) { process in
                try await rig.freezeInTheMiddle()
                try await eventually("the server is free", withinSeconds: 60) {
                    try await rig.serverIsFree() ? true : nil
                }
                let names = try rig.spooled()
                #expect(process.isRunning && names.isEmpty)
                rig.line.clear()
                let outcome = try await Redoubt.outcome(of: process)
                #expect(outcome.errors.contains("is used"), "\(outcome.errors)")
                let good = try await rig.bucket.listedIDs()
                #expect(good.count == 1)
                try await rig.bucket.expectSound(after: outcome, code: 0, good: good)
                try await rig.bucket.expectNothingHalfMade(good: good)
            }
        }
    }

    enum Limit: CaseIterable, Sendable {
        case option
        case disk
    }

    /// A spool that is full, by its limit or by its disk, is no failure: the server waits again.
    @Test(arguments: Limit.allCases) func aSpoolThatIsFullIsNoFailure(limit: Limit) async throws {
        try await withRig(megabytes: 40, config: ["repl-timeout 60"]) { rig in
            if limit == .disk {
                let mount = ["-t", "tmpfs", "-o", "size=2m", "tmpfs", rig.spoolFolder.path]
                _ = try await run("/usr/bin/mount", mount)
            }
            do {
                rig.line.clear()
                rig.line.add(.bandwidth(bytesPerSecond: 8_000_000), .toServer)
                let size = limit == .disk ? "1Gi" : "2Mi"
                let words = rig.arguments(["--spool", rig.spoolFolder.path, "--spool-max", size])
                try await Redoubt.withRunning(words, environment: rig.environment) { process in
                    try await rig.freezeInTheMiddle()
                    try await eventually("the spool is full", withinSeconds: 60) {
                        process.errors.text.contains("waits for the store again") ? true : nil
                    }
                    rig.line.clear()
                    let outcome = try await Redoubt.outcome(of: process)
                    let good = try await rig.bucket.listedIDs()
                    let names = try rig.spooled()
                    #expect(good.count == 1 && names.isEmpty)
                    try await rig.bucket.expectSound(after: outcome, code: 0, good: good)
                }
                if limit == .disk { _ = try await run("/usr/bin/umount", [rig.spoolFolder.path]) }
            } catch {
                if limit == .disk { _ = try? await run("/usr/bin/umount", ["-l", rig.spoolFolder.path]) }
                throw error
            }
        }
    }

    /// SIGKILL and SIGTERM while bytes are in the file.
    @Test(arguments: [SIGKILL, SIGTERM]) func aRunThatIsEndedLeavesNoFile(signal: Int32) async throws {
        try await withRig { rig in
            let words = rig.arguments(["--spool", rig.spoolFolder.path])
            try await Redoubt.withRunning(words, environment: rig.environment) { process in
                try await rig.freezeInTheMiddle()
                try await eventually("the server is free", withinSeconds: 60) {
                    try await rig.serverIsFree() ? true : nil
                }
                if signal == SIGTERM { rig.line.clear() }
                process.kill(signal)
                let outcome = try await Redoubt.outcome(of: process, withinSeconds: 30)
                rig.line.clear()
                let names = try rig.spooled()
                #expect(names.isEmpty)
                // What a kill leaves in the store is the next run's to remove (InterruptionTests).
                try await rig.bucket.expectSound(after: outcome, code: 128 + signal, good: [])
                if signal == SIGTERM { try await rig.bucket.expectNothingHalfMade(good: []) }
            }
        }
    }

    /// Two stores, one of which stands still: the other one, and the server, need not wait for it.
    @Test func oneStoreThatStandsStillDoesNotHoldTheOther() async throws {
        try await withRig { rig in
            let words = rig.arguments(["--spool", rig.spoolFolder.path], to: [rig.bucket, rig.folder])
            try await Redoubt.withRunning(words, environment: rig.environment) { process in
                try await rig.freezeInTheMiddle()
                try await eventually("the server is free", withinSeconds: 60) {
                    try await rig.serverIsFree() ? true : nil
                }
                // All of it is in the folder, and waits there for its commit.
                let root = String(rig.folder.url.dropFirst("file://".count))
                try await eventually("the folder has it all", withinSeconds: 60) {
                    guard let file = try await rig.folder.unfinished().first else { return nil as Bool? }
                    let bytes = try FileManager.default.attributesOfItem(atPath: "\(root)/\(file)")[.size] as? Int
                    return (bytes ?? 0) > 64_000_000 ? true : nil
                }
                rig.line.refuse(.all)
                await rig.line.resetAll()
                let outcome = try await Redoubt.outcome(of: process)
                let good = try await rig.folder.listedIDs()
                #expect(good.count == 1 && outcome.output.contains("\"holdsSet\" : false"))
                try await rig.folder.expectSound(after: outcome, code: 3, good: good)
                try await rig.folder.expectNothingHalfMade(good: good)
                rig.line.clear()
                #expect(try await rig.bucket.listedIDs() == [])
            }
        }
    }
}
