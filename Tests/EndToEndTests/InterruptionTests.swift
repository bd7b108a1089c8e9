// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// Runs that are ended from outside, at any moment: what is left behind, and what the next run makes of it.
struct InterruptionTests {
    enum Kind: CaseIterable, Sendable {
        case folder
        case seaweedFS

        func withStore(_ body: (TestedStore) async throws -> Void) async throws {
            switch self {
            case .folder: try await withTemporaryFolder { try await body(.folder($0)) }
            case .seaweedFS: try await withSeaweedFS { try await body(try await .bucket($0)) }
            }
        }
    }

    private static let dataset = Dataset.with {
        $0.scale = 0.02
        $0.bigValueBytes = 16_000_000
    }

    /// A server whose snapshot takes a second or two to come.
    private func withSlowServer(_ body: @Sendable @escaping (String) async throws -> Void) async throws {
        try await withRedis(.redis70) { redis in
            try await Self.dataset.load(into: redis)
            try await withFaultProxy(to: redis.port) { proxy in
                proxy.add(.bandwidth(bytesPerSecond: 12_000_000), .toClient)
                try await body("redis://127.0.0.1:\(proxy.port)")
            }
        }
    }

    private static func arguments(_ endpoint: String, _ store: TestedStore) -> [String] {
        [
            "backup", "--endpoint", endpoint, "--to", store.url, "--name", "demo", "--part-size", "5", "--output",
            "json",
        ]
    }

    /// 42: kill -9 at ten moments of a run; only committed keys are ever seen, and the next run cleans up.
    @Test(arguments: Kind.allCases)
    func aKilledRunLeavesNothingThatIsListedAndTheNextOneCleansUp(kind: Kind) async throws {
        try await kind.withStore { store in
            try await withSlowServer { endpoint in
                var good: [String] = []
                var random = SystemRandomNumberGenerator()
                for moment in 0..<10 {
                    let wait = Duration.milliseconds(Int.random(in: 50...(moment < 8 ? 1700 : 3000), using: &random))
                    try await Redoubt.withRunning(
                        Self.arguments(endpoint, store),
                        environment: store.environment
                    ) { process in
                        try await Task.sleep(for: wait)
                        process.kill(SIGKILL)
                        let outcome = try await Redoubt.outcome(of: process)
                        // It may have been done already; then its set is good.
                        if outcome.code == 0 { good.append(try ShownBackup(outcome).id) }
                    }
                    let listed = try await store.listedIDs()
                    if listed.count == good.count + 1 { good = listed }
                    #expect(listed == good, "killed after \(wait)")
                    let stray = try await store.keys().filter { key in
                        !key.hasPrefix(".locks/") && !good.contains { key.contains("/\($0)/") }
                    }
                    #expect(stray.isEmpty, "killed after \(wait)")
                }
                let next = try await Redoubt.run(Self.arguments(endpoint, store), environment: store.environment)
                try #require(next.code == 0, "\(next.errors)")
                good.append(try ShownBackup(next).id)
                try await store.expectSound(after: next, code: 0, good: good)
                try await store.expectNothingHalfMade(good: good)
            }
        }
    }

    /// 45: SIGTERM at any moment.
    @Test(arguments: Kind.allCases)
    func aTerminatedRunCleansUpBehindItself(kind: Kind) async throws {
        try await kind.withStore { store in
            try await withSlowServer { endpoint in
                for signal in [SIGTERM, SIGINT, SIGTERM, SIGTERM] {
                    let wait = Duration.milliseconds(Int.random(in: 100...1500))
                    try await Redoubt.withRunning(
                        Self.arguments(endpoint, store),
                        environment: store.environment
                    ) { process in
                        try await Task.sleep(for: wait)
                        let begun = ContinuousClock.now
                        process.kill(signal)
                        let outcome = try await Redoubt.outcome(of: process, withinSeconds: 30)
                        #expect(ContinuousClock.now - begun < .seconds(10))
                        let good = try await store.listedIDs()
                        try await store.expectSound(
                            after: outcome,
                            code: good.isEmpty ? 128 + signal : 0,
                            good: good
                        )
                        try await store.expectNothingHalfMade(good: good)
                    }
                }
            }
        }
    }

    /// 46
    @Test func aSecondSignalEndsTheRunAtOnce() async throws {
        try await Kind.folder.withStore { store in
            try await withSlowServer { endpoint in
                try await Redoubt.withRunning(Self.arguments(endpoint, store)) { process in
                    try await Task.sleep(for: .milliseconds(600))
                    process.kill(SIGTERM)
                    process.kill(SIGTERM)
                    let outcome = try await Redoubt.outcome(of: process, withinSeconds: 60)
                    try await store.expectSound(after: outcome, code: 143, good: [])
                }
            }
        }
    }

    /// 47: of two runs of one subject at once, one commits and the other is locked out; or both commit, one after
    /// another.
    @Test(arguments: Kind.allCases)
    func ofTwoRunsAtOnceOneCommitsAndOneIsLockedOut(kind: Kind) async throws {
        try await kind.withStore { store in
            try await withSlowServer { endpoint in
                let codes = try await withThrowingTaskGroup(of: Int32?.self) { group in
                    for _ in 0..<2 {
                        group.addTask {
                            try await Redoubt.run(Self.arguments(endpoint, store), environment: store.environment).code
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1 ?? -1) }
                }
                #expect(codes.sorted() == [0, 11])
                let good = try await store.listedIDs()
                #expect(good.count == 1)
                for id in good { try await store.expectRestores(id) }
                try await store.expectNothingHalfMade(good: good)
            }
        }
    }

    /// 43, 44: the disk of the store is full.
    @Test func aFullDiskIsPermanentAndTheLastGoodBackupStays() async throws {
        try await withTemporaryFolder { folder in
            _ = try await run("/usr/bin/mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", folder.path])
            do {
                let store = TestedStore.folder(folder)
                try await withRedis(.redis70) { redis in
                    try await Dataset.small.load(into: redis)
                    let arguments = Self.arguments(redis.url, store)
                    let first = try await Redoubt.run(arguments)
                    try #require(first.code == 0, "\(first.errors)")
                    let good = try await store.listedIDs()
                    try await redis.command("FLUSHALL")
                    try await Dataset.with { $0.bigValueBytes = 40_000_000 }.load(into: redis)
                    let outcome = try await Redoubt.run(arguments)
                    #expect(outcome.errors.contains("no-space"))
                    try await store.expectSound(after: outcome, code: 7, good: good)
                    try await store.expectNothingHalfMade(good: good)
                }
                _ = try await run("/usr/bin/umount", [folder.path])
            } catch {
                _ = try await run("/usr/bin/umount", ["-l", folder.path])
                throw error
            }
        }
    }
}
