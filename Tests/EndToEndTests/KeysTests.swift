// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// `restore --keys`: some keys come back into a server that runs, and everything else stays.
struct KeysTests {
    /// Takes a backup of a server.
    private func backup(_ redis: RedisServer, _ store: String) async throws {
        let outcome = try await Redoubt.run("backup", "--endpoint", redis.url, "--to", store, "--name", "demo")
        try #require(outcome.code == 0, "\(outcome.errors)")
    }

    /// A store with one set.
    private func withSet(
        _ flavour: RedisFlavour = .redis70,
        loading load: @Sendable (RedisServer) async throws -> Void,
        _ body: @Sendable @escaping (_ store: String, _ redis: RedisServer) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let store = "file://\(folder.path)/store"
            try await withRedis(flavour) { redis in
                try await load(redis)
                try await backup(redis, store)
                try await body(store, redis)
            }
        }
    }

    private func restore(_ store: String, _ url: String, _ arguments: String...) async throws -> Redoubt.Outcome {
        try await Redoubt.run(
            ["restore", "--from", store, "--endpoint", url, "--output", "json", "--connect-timeout", "5"] + arguments
        )
    }

    private func restored(_ outcome: Redoubt.Outcome, _ name: String) throws -> Int? {
        try TestJSON(parsing: outcome.output)["written"]?[name]?.int
    }

    /// Every type, from every server to every one that reads it; the others refuse before anything is written.
    @Test(arguments: RedisFlavour.allCases)
    func everyTypeGoesFromEveryServerToEveryOneThatReadsIt(flavour: RedisFlavour) async throws {
        try await withSet(flavour) { redis in
            try await Dataset.small.load(into: redis)
            if flavour == .valkey91 {
                try await redis.command("HSET", "expiring", "field", "1", "other", "2")
                try await redis.command("HPEXPIREAT", "expiring", 4_000_000_000_123, "FIELDS", 1, "field")
            }
        } _: { store, redis in
            let content = try await DatasetDigest(of: redis)
            for target in RedisFlavour.allCases {
                try await withRedis(target) { server in
                    try await server.command("SET", "beside", "stays")
                    let isReadable =
                        flavour == target || flavour == .redis62 || (flavour, target) == (.redis70, .valkey91)
                    let outcome = try await restore(store, server.url, "--keys", "*")
                    let beside = try await server.command("GET", "beside").text
                    #expect(beside == "stays")
                    guard isReadable else {
                        #expect(outcome.code == 7 && outcome.errors.contains("RDB has version"), "\(outcome.errors)")
                        let keys = try await server.command("DBSIZE").int
                        #expect(keys == 1)
                        return
                    }
                    #expect(outcome.code == 0, "\(flavour) to \(target): \(outcome.errors)")
                    try await server.command("DEL", "beside")
                    let found = try await DatasetDigest(of: server)
                    // Redis and Valkey do not digest alike: what counts is what a load of the file gives.
                    let isAlike = (flavour == .valkey91) == (target == .valkey91)
                    let expected = isAlike ? content : try await contentWhenLoaded(from: store, by: target)
                    #expect(found.digest == expected.digest, "\(flavour) to \(target)")
                    #expect(found.keys == expected.keys && found.groups == expected.groups)
                }
            }
        }
    }

    /// What a server holds that has loaded the backup as a whole.
    private func contentWhenLoaded(from store: String, by flavour: RedisFlavour) async throws -> DatasetDigest {
        try await withTemporaryFolder { data in
            let arguments = ["restore", "--from", store, "--data-dir", data.path, "--appendonly", "no"]
            let outcome = try await Redoubt.run(arguments)
            try #require(outcome.code == 0, "\(outcome.errors)")
            return try await withRedis(flavour, .with { $0.folder = data }) { try await DatasetDigest(of: $0) }
        }
    }

    /// A value goes out as it was read: it is not copied as a whole, and no time-out is about all of it.
    @Test func aLargeValueIsHeldOnce() async throws {
        let size = 60_000_000
        try await withSet { redis in
            try await Dataset.with {
                $0.scale = 0.01
                $0.bigValueBytes = size
            }.load(into: redis)
        } _: { store, redis in
            let content = try await DatasetDigest(of: redis)
            try await redis.command("DEL", "big")
            try await withFaultProxy(to: redis.port) { proxy in
                proxy.add(.bandwidth(bytesPerSecond: 16_000_000), .toServer)
                let outcome = try await restore(
                    store,
                    "redis://127.0.0.1:\(proxy.port)",
                    "--keys",
                    "big",
                    "--timeout",
                    "3"
                )
                #expect(outcome.code == 0, "\(outcome.errors)")
                #expect(outcome.peakMemoryBytes < 4 * size, "\(outcome.peakMemoryBytes)")
            }
            let found = try await DatasetDigest(of: redis)
            #expect(found == content)
        }
    }

    @Test func keysThatAreThereAreLeftAloneAndOverwrittenOnlyWhenAsked() async throws {
        try await withSet { redis in
            try await redis.pipeline((0..<600).map { ["SET", "user:\($0)", "old \($0)"] })
            try await redis.command("SET", "other", "old")
        } _: { store, redis in
            try await redis.command("SET", "user:7", "new")
            try await redis.command("SET", "other", "new")
            try await redis.pipeline((100..<600).map { ["DEL", "user:\($0)"] })

            let tried = try await restore(store, redis.url, "--keys", "user:*", "--dry-run")
            #expect(tried.code == 0, "\(tried.errors)")
            let would = try TestJSON(parsing: tried.output)
            #expect(would["outcome"]?.text == "would-restore" && would["existing"]?.int == 100)
            #expect(would["written"]?["keys"]?.int == 500)
            #expect(would["matched"]?["databases"]?["0"]?["string"]?["keys"]?.int == 600)
            let untouched = try await redis.command("DBSIZE").int
            #expect(untouched == 101)

            let partial = try await restore(store, redis.url, "--keys", "user:*")
            #expect(partial.code == 3, "\(partial.errors)")
            #expect(try restored(partial, "keys") == 500)
            let replies = try await redis.command("MGET", "user:7", "user:599", "other").array?.map(\.text)
            #expect(replies == ["new", "old 599", "new"])

            let replaced = try await restore(store, redis.url, "--keys", "user:7", "--keys", "user:8", "--replace")
            #expect(replaced.code == 0, "\(replaced.errors)")
            #expect(try restored(replaced, "replaced") == 2)
            let after = try await redis.command("MGET", "user:7", "other").array?.map(\.text)
            #expect(after == ["old 7", "new"])

            let nothing = try await restore(store, redis.url, "--keys", "USER:*")
            #expect(nothing.code == 0 && nothing.output.contains("nothing-matched"), "\(nothing.errors)")
        }
    }

    @Test func onlyTheDatabaseThatIsNamedIsRestored() async throws {
        try await withSet { redis in
            for database in [0, 3, 9] { _ = try await redis.command("SET", "key", "\(database)", database: database) }
        } _: { store, redis in
            try await redis.command("FLUSHALL")
            let one = try await restore(store, redis.url, "--keys", "k*", "--db", "3")
            #expect(one.code == 0, "\(one.errors)")
            let keyspace = try await redis.info("keyspace").keys.filter { $0.hasPrefix("db") }
            #expect(keyspace == ["db3"])
            let all = try await restore(store, redis.url, "--keys", "k*", "--replace")
            #expect(all.code == 0, "\(all.errors)")
            let value = try await redis.command("GET", "key", database: 9).text
            #expect(value == "9")
        }
    }

    /// A key that has expired is not written, and with `--replace` does not take the one away that is there.
    @Test func expiriesAreKeptMovedOrRemoved() async throws {
        let far = 4_000_000_000_123
        try await withSet { redis in
            try await redis.command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
            try await redis.command("SET", "far", "x", "PXAT", far)
            try await redis.command("SET", "past", "x", "PX", 1)
        } _: { store, redis in
            try await redis.command("SET", "past", "new")
            let kept = try await restore(store, redis.url, "--keys", "*", "--replace")
            #expect(kept.code == 0, "\(kept.errors)")
            #expect(try TestJSON(parsing: kept.output)["expired"]?.int == 1)
            let past = try await redis.command("GET", "past").text
            #expect(past == "new")
            for (ttl, least, most) in [("keep", far, far), ("shift", far, far + 600_000), ("persist", -1, -1)] {
                let outcome = try await restore(store, redis.url, "--keys", "far", "--replace", "--ttl", ttl)
                #expect(outcome.code == 0, "\(outcome.errors)")
                let expiry = try await redis.command("PEXPIRETIME", "far").int ?? 0
                #expect(least <= expiry && expiry <= most, "\(ttl): \(expiry)")
            }
        }
    }

    @Test(arguments: ["replica", "cluster", "databases", "memory", "value", "damaged"])
    func whatCannotEndWellIsRefusedWithNothingWritten(reason: String) async throws {
        try await withSet { redis in
            var random = SeededRandom(seed: 1)
            try await redis.command("SET", "key", random.bytes(5000), database: 9)
            try await redis.pipeline((0..<100).map { ["SET", "many:\($0)", Array("\($0 * $0)".utf8)] })
        } _: { store, redis in
            let options = RedisOptions.with { options in
                switch reason {
                case "replica": options.replicaOf = redis
                case "cluster": options.config = ["cluster-enabled yes"]
                case "databases": options.databases = 4
                case "memory": options.config = ["maxmemory 100kb"]
                default: break
                }
            }
            if reason == "damaged" {
                let folder = String(store.dropFirst("file://".count))
                let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
                let object = URL(fileURLWithPath: "\(folder)/\(try #require(files.first { $0.hasSuffix(".zst") }))")
                var bytes = [UInt8](try Data(contentsOf: object))
                bytes[bytes.count - 3] ^= 1
                try Data(bytes).write(to: object)
            }
            func refusal(of server: RedisServer) async throws {
                let before = try await server.info("keyspace")
                let limit = reason == "value" ? ["--max-value-bytes", "80"] : []
                let arguments = ["restore", "--from", store, "--endpoint", server.url, "--keys", "*"]
                let outcome = try await Redoubt.run(arguments + limit)
                let code: Int32 = ["memory", "value"].contains(reason) ? 8 : reason == "damaged" ? 4 : 7
                #expect(outcome.code == code, "\(outcome.errors)")
                let after = try await server.info("keyspace")
                #expect(after == before)
            }
            if reason == "cluster" {
                try await withFreePort { bus in
                    var options = options
                    options.config.append("cluster-port \(bus)")
                    try await withRedis(.redis70, options) { try await refusal(of: $0) }
                }
            } else {
                try await withRedis(.redis70, options) { server in
                    if reason == "replica" { try await redis.waitUntilSynchronized([server]) }
                    try await refusal(of: server)
                }
            }
        }
    }

    /// The rights that docs/keys.md names suffice; one that is missing is named, and it is not taken for "not there".
    @Test func theRightsThatAreNeededAreThoseThatAreNamed() async throws {
        try await withSet { redis in
            try await redis.command("MSET", "user:1", "a", "other", "b")
        } _: { store, redis in
            try await redis.command("FLUSHALL")
            let rights = ["+info", "+time", "+select", "+exists", "+restore"]
            for missing in [nil, "+exists", "+restore", "~user:*"] {
                let granted = (rights + ["~user:*"]).filter { $0 != missing }
                let user: [any CommandWord] = ["ACL", "SETUSER", "some", "reset", "on", ">secret"]
                try await redis.pipeline([user + granted])
                for mode in ["--dry-run", "--replace"] {
                    let arguments = ["restore", "--from", store, "--endpoint", redis.url, "--user", "some", mode]
                    let outcome = try await Redoubt.run(
                        arguments + ["--keys", "user:*"],
                        environment: ["REDISCLI_AUTH": "secret"]
                    )
                    let isRefused = missing != nil && (mode != "--dry-run" || missing != "+restore")
                    #expect(outcome.code == (isRefused ? 7 : 0), "\(missing ?? "") \(mode): \(outcome.errors)")
                    #expect(outcome.errors.isEmpty || !isRefused || outcome.errors.contains("ACL SETUSER some"))
                    #expect(!outcome.errors.contains("secret"))
                }
            }
        }
    }

    /// What was written stays, is told, and the same command writes the rest.
    @Test(arguments: ["reset", "signal"])
    func aRunThatIsCutOffSaysWhatItWroteAndIsCompletedByAnother(how: String) async throws {
        try await withSet { redis in
            var random = SeededRandom(seed: 3)
            try await redis.pipeline((0..<1500).map { ["SET", "key:\($0)", random.bytes(2000)] })
        } _: { store, redis in
            let content = try await DatasetDigest(of: redis)
            try await redis.command("FLUSHALL")
            try await withFaultProxy(to: redis.port) { proxy in
                // The connection that writes is the third: one looks at the server, one tries its databases.
                if how == "reset" {
                    proxy.add(.reset(afterBytes: 1_500_000), .toServer, on: .only(3))
                } else {
                    proxy.add(.bandwidth(bytesPerSecond: 1_500_000), .toServer, on: .only(3))
                }
                let arguments = ["restore", "--from", store, "--endpoint", "redis://127.0.0.1:\(proxy.port)"]
                try await Redoubt.withRunning(arguments + ["--keys", "*"]) { process in
                    if how == "signal" {
                        try await eventually("some keys to be there", withinSeconds: 30) {
                            try await redis.command("DBSIZE").int ?? 0 > 300 ? true : nil
                        }
                        process.kill(SIGTERM)
                    }
                    let outcome = try await Redoubt.outcome(of: process)
                    #expect(outcome.code == (how == "signal" ? 143 : 5), "\(outcome.errors)")
                    #expect(outcome.errors.contains("of 1500 keys are known to be written"), "\(outcome.errors)")
                    #expect(!outcome.errors.contains("half-made"))
                }
            }
            let some = try await redis.command("DBSIZE").int ?? 0
            #expect(some > 0 && some < 1500)
            let rest = try await restore(store, redis.url, "--keys", "*")
            #expect(rest.code == 3, "\(rest.errors)")
            #expect(try restored(rest, "keys") == 1500 - some)
            let found = try await DatasetDigest(of: redis)
            #expect(found == content)
        }
    }

    @Test(arguments: [
        ["--keys", "*"], ["--data-dir", ".", "--keys", "*"], ["--db", "1"], [],
        ["--keys", "*", "--endpoint", "redis://127.0.0.1:1", "--endpoint", "redis://127.0.0.1:2"],
        ["--keys", "*", "--endpoint", "redis://127.0.0.1:1", "--appendonly", "no"],
    ])
    func whatDoesNotGoTogetherIsSaid(arguments: [String]) async throws {
        let outcome = try await Redoubt.run(["restore", "--from", "file:///nowhere"] + arguments)
        #expect(outcome.code == 64, "\(outcome.errors)")
    }
}
