// SPDX-License-Identifier: Apache-2.0

import Foundation
import RDB
import TestParts
import Testing

/// The digest of the content of what real servers write: it stays what it is while they encode the content anew, and
/// changes when the content does.
struct ContentOnServersTests {
    /// Commands are all that is left of the dataset in between: no RDB preamble.
    @Test(arguments: RedisFlavour.allCases)
    func aRestartThroughTheAppendOnlyFileKeepsIt(flavour: RedisFlavour) async throws {
        try await withRedis(flavour, .with { $0.config = ["aof-use-rdb-preamble no"] }) { server in
            try await Self.fill(server)
            let before = try await server.content()
            try await server.command("CONFIG", "SET", "appendonly", "yes")
            try await server.waitForRewrite()
            try FileManager.default.removeItem(at: server.dumpFile)
            try await server.command("CONFIG", "REWRITE")
            try await server.restart()
            let info = try await server.info("persistence")
            #expect(info["aof_enabled"] == "1")
            let after = try await server.content()
            #expect(after == before)
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func otherThresholdsOfPackingKeepIt(flavour: RedisFlavour) async throws {
        try await withRedis(flavour) { server in
            try await Self.fill(server)
            let before = try await server.summary()
            for entries in [0, 10_000] {
                for directive in Self.thresholds(flavour) {
                    try await server.command("CONFIG", "SET", directive, entries)
                }
                try await server.command("DEBUG", "RELOAD")
                let after = try await server.summary()
                #expect(after.content == before.content)
                // A server unpacks at loading, and packs never again: only the first step changes the encodings.
                if entries == 0 { #expect(after.records != before.records) }
            }
        }
    }

    /// Each pair that loads at all: what a server writes says the same after another one loaded and wrote it.
    @Test(arguments: [
        (RedisFlavour.redis62, RedisFlavour.redis70), (.redis62, .valkey91), (.redis70, .valkey91),
        (.redis70, .redis70),
    ])
    func anotherServerKeepsIt(source: RedisFlavour, target: RedisFlavour) async throws {
        try await withTemporaryFolder { folder in
            let dump = folder.appendingPathComponent("dump.rdb")
            let before = try await withRedis(source) { server in
                try await Self.fill(server)
                let content = try await server.content()
                try FileManager.default.copyItem(at: server.dumpFile, to: dump)
                return content
            }
            try await withRedis(target, .with { $0.folder = folder }) { server in
                let after = try await server.content()
                #expect(after == before)
            }
        }
    }

    /// One change of each kind, and back again where a command can take it back.
    @Test(arguments: RedisFlavour.allCases)
    func oneChangeChangesIt(flavour: RedisFlavour) async throws {
        try await withRedis(flavour) { server in
            try await Self.fill(server)
            try await server.pipeline(Self.prepared)
            var digests: Set<String> = [try await server.content()]
            for change in Self.changes {
                let reply = try await server.ask(change[0], arguments: Array(change.dropFirst()))
                #expect(reply.errorText == nil, "\(change)")
                let digest = try await server.content()
                #expect(digests.insert(digest).inserted, "\(change)")
            }
            let before = try await server.content()
            try await server.command("HSET", "change:hash", "new", "1")
            let changed = try await server.content()
            #expect(changed != before)
            try await server.command("HDEL", "change:hash", "new")
            let after = try await server.content()
            #expect(after == before)
        }
    }

    private static func fill(_ server: RedisServer) async throws {
        try await Dataset.with { $0.scale = 0.05 }.load(into: server)
        // Zero without a sign and with one: packed and unpacked sorted sets keep another of the two.
        try await server.pipeline([
            ["ZADD", "signs", "-0.0", "minus", "0", "plus", "-inf", "least", "inf", "most"],
            ["SETRANGE", "zeros", 100_000, "x"], ["PFADD", "loglog", "a", "b", "c"],
        ])
    }

    private static func thresholds(_ flavour: RedisFlavour) -> [String] {
        let packing = flavour == .redis62 ? "ziplist" : "listpack"
        var directives = ["hash-max-\(packing)-entries", "zset-max-\(packing)-entries", "set-max-intset-entries"]
        if flavour == .valkey91 { directives.append("set-max-listpack-entries") }
        return directives
    }

    private static let prepared: [[any CommandWord]] = [
        ["SET", "change:string", "value"], ["RPUSH", "change:list", "a", "b", "c"], ["SADD", "change:set", "a", "b"],
        ["ZADD", "change:zset", "1", "a", "2", "b"], ["HSET", "change:hash", "f", "1", "g", "2"],
        ["XADD", "change:stream", "5-1", "f", "1"], ["XADD", "change:stream", "5-2", "f", "2"],
        ["XGROUP", "CREATE", "change:stream", "group", "0"],
    ]

    private static let changes: [[String]] = [
        ["SET", "change:string", "valuf"], ["APPEND", "change:string", "x"],
        ["RENAME", "change:string", "change:other"],
        ["MOVE", "change:other", "1"], ["EXPIREAT", "change:list", "4000000000"],
        ["EXPIREAT", "change:list", "4000000001"], ["LSET", "change:list", "1", "x"],
        ["LMOVE", "change:list", "change:list", "LEFT", "RIGHT"], ["SADD", "change:set", "c"],
        ["SMOVE", "change:set", "change:set2", "c"], ["ZADD", "change:zset", "1.5", "a"],
        ["ZADD", "change:zset", "1.5000000000000002", "a"], ["HSET", "change:hash", "f", "2"],
        ["HSET", "change:hash", "f", "1", "g", "1"], ["XADD", "change:stream", "6-1", "f", "3"],
        ["XDEL", "change:stream", "5-1"],
        ["XREADGROUP", "GROUP", "group", "me", "COUNT", "1", "STREAMS", "change:stream", ">"],
        ["XCLAIM", "change:stream", "group", "you", "0", "5-2", "JUSTID"],
        ["XACK", "change:stream", "group", "5-2"], ["XGROUP", "DELCONSUMER", "change:stream", "group", "me"],
        ["XSETID", "change:stream", "9-9"], ["DEL", "change:set2"], ["SWAPDB", "0", "9"],
    ]
}

extension RedisServer {
    /// Saves, and reads what it wrote.
    fileprivate func summary() async throws -> RDBSummary {
        try await command("SAVE")
        return try scan([UInt8](try Data(contentsOf: dumpFile)), level: .content, chunk: 100_000)
    }

    fileprivate func content() async throws -> String {
        try #require(try await summary().content).description
    }

    fileprivate func waitForRewrite() async throws {
        try await eventually("the append-only file to be written", withinSeconds: 60) {
            let info = try await self.info("persistence")
            let isDone = info["aof_rewrite_in_progress"] == "0" && info["aof_rewrite_scheduled"] == "0"
            return isDone && info["aof_last_bgrewrite_status"] == "ok" ? true : nil as Bool?
        }
    }

    fileprivate func ask(_ name: String, arguments: [String]) async throws -> TestReply {
        try await withConnection { try await $0.ask([name] + arguments) }
    }
}
