// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// One backup in several stores, with the program and real stores.
struct SeveralStoresTests {
    /// What the program says of the stores.
    private struct Said: Decodable {
        struct Store: Decodable {
            struct Problem: Decodable {
                let code: String
            }

            let url: String
            let holdsSet: Bool
            let error: Problem?
        }

        let id: String
        let stores: [Store]

        init(_ outcome: Redoubt.Outcome) throws {
            self = try JSONDecoder().decode(Said.self, from: Data(outcome.outputBytes))
        }
    }

    /// A folder and a bucket.
    private func withStores(_ body: (TestedStore, TestedStore, S3Service) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            try await withSeaweedFS { s3 in
                let store = TestedStore.folder(folder.appendingPathComponent("store"))
                try await body(store, try await TestedStore.bucket(s3), s3)
            }
        }
    }

    private static func arguments(_ endpoint: String, to urls: [String]) -> [String] {
        ["backup", "--endpoint", endpoint, "--name", "demo", "--part-size", "5", "--output", "json"]
            + urls.flatMap { ["--to", $0] }
    }

    @Test func everyStoreGetsTheSameSetFromOneSave() async throws {
        try await withStores { folder, bucket, s3 in
            try await withRedis(.redis70, .with { $0.config = ["repl-diskless-sync-delay 0"] }) { redis in
                try await Dataset.with { $0.bigValueBytes = 12_000_000 }.load(into: redis)
                let forks = try await redis.info("stats")["total_forks"]
                // Newer than what one of them holds already.
                let first = try await Redoubt.run(Self.arguments(redis.url, to: [folder.url]))
                let outcome = try await Redoubt.run(
                    Self.arguments(redis.url, to: [folder.url, bucket.url]),
                    environment: s3.environment
                )
                try #require(outcome.code == 0, "\(outcome.errors)")
                #expect(try await redis.info("stats")["total_forks"] == Int(forks ?? "").map { "\($0 + 2)" })
                let (earlier, said) = (try Said(first), try Said(outcome))
                #expect(earlier.id < said.id && earlier.stores.map(\.holdsSet) == [true])
                #expect(said.stores.map(\.holdsSet) == [true, true])
                #expect(said.stores.map(\.url) == [folder.url, bucket.url])
                let name = bucket.url.dropFirst("s3://".count).prefix { $0 != "/" }
                let keys = try await bucket.keys()
                #expect(try await folder.keys().filter { $0.contains(said.id) } == keys && keys.count == 2)
                for key in keys {
                    let path = String(folder.url.dropFirst("file://".count)) + "/" + key
                    let there = try await s3.get("redis/" + key, in: String(name))
                    #expect(try Array(Data(contentsOf: URL(fileURLWithPath: path))) == there, "\(key)")
                }
                try await folder.expectSound(after: outcome, code: 0, good: [earlier.id, said.id])
                try await bucket.expectSound(after: outcome, code: 0, good: [said.id])
                try await bucket.expectNothingHalfMade(good: [said.id])
            }
        }
    }

    enum Trouble: CaseIterable, Sendable {
        case noSuchBucket
        case wrongKey
        case refused
    }

    /// A store that says no at the start, as the first and as the second.
    @Test(arguments: Trouble.allCases, [true, false])
    func aStoreThatSaysNoDoesNotStopTheOther(trouble: Trouble, isFirst: Bool) async throws {
        try await withStores { folder, bucket, s3 in
            try await withRedis(.redis70, .with { $0.config = ["repl-diskless-sync-delay 0"] }) { redis in
                try await Dataset.small.load(into: redis)
                var environment = s3.environment.merging(["AWS_MAX_ATTEMPTS": "1"]) { $1 }
                var url = bucket.url
                switch trouble {
                case .noSuchBucket: url = "s3://no-such-bucket-here/redis"
                case .wrongKey: environment["AWS_SECRET_ACCESS_KEY"] = "wrong-secret-key-of-the-test"
                case .refused: environment["AWS_ENDPOINT_URL_S3"] = "http://127.0.0.1:1"
                }
                let outcome = try await Redoubt.run(
                    Self.arguments(redis.url, to: isFirst ? [url, folder.url] : [folder.url, url]),
                    environment: environment
                )
                let said = try Said(outcome)
                #expect(said.stores.map(\.holdsSet) == [!isFirst, isFirst])
                #expect(said.stores.compactMap(\.error).count == 1 && outcome.errors.contains("drops out"))
                try await folder.expectSound(
                    after: outcome,
                    code: 3,
                    good: [said.id],
                    secrets: ["wrong-secret-key-of-the-test", s3.secretKey]
                )
                #expect(try await bucket.listedIDs() == [])
                try await bucket.expectNothingHalfMade(good: [])
            }
        }
    }

    /// A full disk under one of them, and then under both.
    @Test func aFullDiskUnderOneOfThem() async throws {
        try await withTemporaryFolder { folder in
            let (small, large) = (folder.appendingPathComponent("small"), folder.appendingPathComponent("large"))
            try FileManager.default.createDirectory(at: small, withIntermediateDirectories: true)
            _ = try await run("/usr/bin/mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", small.path])
            do {
                let stores = [TestedStore.folder(small), TestedStore.folder(large)]
                try await withRedis(.redis70, .with { $0.config = ["repl-diskless-sync-delay 0"] }) { redis in
                    try await Dataset.small.load(into: redis)
                    let first = try await Redoubt.run(Self.arguments(redis.url, to: stores.map(\.url)))
                    try #require(first.code == 0, "\(first.errors)")
                    let good = try Said(first).id
                    try await redis.command("FLUSHALL")
                    try await Dataset.with { $0.bigValueBytes = 20_000_000 }.load(into: redis)
                    let outcome = try await Redoubt.run(Self.arguments(redis.url, to: stores.map(\.url)))
                    let said = try Said(outcome)
                    #expect(said.stores.map(\.holdsSet) == [false, true])
                    #expect(said.stores[0].error?.code == "no-space")
                    try await stores[0].expectSound(after: outcome, code: 3, good: [good])
                    try await stores[0].expectNothingHalfMade(good: [good])
                    try await stores[1].expectSound(after: outcome, code: 3, good: [good, said.id])
                    let both = [stores[0].url, stores[0].url + "/other"]
                    let none = try await Redoubt.run(Self.arguments(redis.url, to: both))
                    try await stores[0].expectSound(after: none, code: 7, good: [good])
                    try await stores[0].expectNothingHalfMade(good: [good])
                }
                _ = try await run("/usr/bin/umount", [small.path])
            } catch {
                _ = try await run("/usr/bin/umount", ["-l", small.path])
                throw error
            }
        }
    }

    /// A store that breaks away in the middle of the snapshot.
    @Test func aStoreThatBreaksAwayInTheMiddle() async throws {
        try await withStores { folder, bucket, s3 in
            try await withFaultProxy(to: s3.port) { proxy in
                try await withRedis(.redis70, .with { $0.config = ["repl-diskless-sync-delay 0"] }) { redis in
                    try await Dataset.with { $0.bigValueBytes = 30_000_000 }.load(into: redis)
                    let environment = s3.environment.merging([
                        "AWS_MAX_ATTEMPTS": "1", "AWS_ENDPOINT_URL_S3": proxy.url,
                    ]) { $1 }
                    proxy.add(.bandwidth(bytesPerSecond: 10_000_000), .toServer)
                    try await Redoubt.withRunning(
                        Self.arguments(redis.url, to: [bucket.url, folder.url]),
                        environment: environment
                    ) { process in
                        try await eventually("the upload is under way") { proxy.bytesToServer > 3_000_000 ? true : nil }
                        proxy.refuse(.all)
                        await proxy.resetAll()
                        let outcome = try await Redoubt.outcome(of: process)
                        let said = try Said(outcome)
                        #expect(said.stores.map(\.holdsSet) == [false, true])
                        try await folder.expectSound(after: outcome, code: 3, good: [said.id])
                        #expect(try await bucket.listedIDs() == [])
                        let keys = try await bucket.keys().filter { !$0.hasPrefix(".locks/") }
                        #expect(keys.isEmpty)
                    }
                }
            }
        }
    }

    @Test func aTerminatedRunCleansUpInEveryStore() async throws {
        try await withStores { folder, bucket, s3 in
            try await withRedis(.redis70, .with { $0.config = ["repl-diskless-sync-delay 0"] }) { redis in
                try await Dataset.with { $0.bigValueBytes = 16_000_000 }.load(into: redis)
                try await withFaultProxy(to: redis.port) { proxy in
                    proxy.add(.bandwidth(bytesPerSecond: 8_000_000), .toClient)
                    for threshold in [1, 4_000_000, 14_000_000] {
                        let before = proxy.bytesToClient
                        try await Redoubt.withRunning(
                            Self.arguments("redis://127.0.0.1:\(proxy.port)", to: [folder.url, bucket.url]),
                            environment: s3.environment
                        ) { process in
                            try await eventually("so many bytes") {
                                proxy.bytesToClient - before >= threshold ? true : nil
                            }
                            process.kill(SIGTERM)
                            let outcome = try await Redoubt.outcome(of: process, withinSeconds: 30)
                            for store in [folder, bucket] {
                                try await store.expectSound(after: outcome, code: 143, good: [])
                                try await store.expectNothingHalfMade(good: [])
                            }
                        }
                    }
                }
            }
        }
    }

    /// The same two stores, named in either order: one commits everywhere, the other is locked out.
    @Test func ofTwoRunsAtOnceOneCommitsEverywhere() async throws {
        try await withStores { folder, bucket, s3 in
            try await withRedis(.redis70) { redis in
                try await Dataset.small.load(into: redis)
                let codes = try await withThrowingTaskGroup(of: Int32?.self) { group in
                    for urls in [[folder.url, bucket.url], [bucket.url, folder.url]] {
                        group.addTask {
                            try await Redoubt.run(
                                Self.arguments(redis.url, to: urls),
                                environment: s3.environment
                            ).code
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1 ?? -1) }
                }
                #expect(codes.sorted() == [0, 11])
                let good = try await folder.listedIDs()
                #expect(good.count == 1)
                for store in [folder, bucket] {
                    #expect(try await store.listedIDs() == good)
                    try await store.expectNothingHalfMade(good: good)
                }
            }
        }
    }

    @Test func whatIsTypedWrongIsRefusedBeforeAnythingStarts() async throws {
        try await withTemporaryFolder { folder in
            let store = folder.appendingPathComponent("store")
            try FileManager.default.createDirectory(at: store, withIntermediateDirectories: true)
            let link = folder.appendingPathComponent("link").path
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: store.path)
            let url = "file://\(store.path)"
            let job = ["--shard-count", "2", "--shard-index", "0", "--job-id", "2f6b1f0e-58a3-4b0e-9a3c-3c1b0f6f7d11"]
            for more in [
                ["--to", url], ["--to", "file://\(link)"], ["--to", "ftp://host/dir"], ["--to", url + "/other"] + job,
                ["--spool-max", "1Gi"], ["--spool", folder.path, "--spool-max", "much"],
            ] {
                let outcome = try await Redoubt.run(
                    ["backup", "--endpoint", "redis://127.0.0.1:1", "--to", url, "--name", "demo"] + more
                )
                #expect(outcome.code == 64, "\(more): \(outcome.errors)")
            }
            let spool = try await Redoubt.run(
                ["backup", "--endpoint", "redis://127.0.0.1:1", "--to", url, "--spool", "/nonexistent/spool"]
            )
            #expect(spool.code == 7, "\(spool.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: store.path).isEmpty)
        }
    }

    @Test func checkLooksAtEveryStore() async throws {
        try await withStores { folder, bucket, s3 in
            let path = String(folder.url.dropFirst("file://".count))
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            let outcome = try await Redoubt.run(
                ["check", "--to", folder.url, "--to", bucket.url],
                environment: s3.environment
            )
            #expect(outcome.code == 0 && outcome.output.contains(folder.url) && outcome.output.contains(bucket.url))
        }
    }
}
