// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// What is in a snapshot, against a server of which it is known.
struct InspectTests {
    private static let flavours: [RedisFlavour] = [.redis70, .valkey91]
    /// A name that would take over a terminal.
    private static let evilName: [UInt8] = Array("evil\u{1b}[31m\n\r\u{7}:".utf8) + [0xff, 0x00, 0x9b]

    @Test(arguments: flavours)
    func aFileIsShownAsItWasLoaded(flavour: RedisFlavour) async throws {
        try await withRedis(flavour) { server in
            try await Self.fill(server)
            try await server.command("SAVE")
            let json = try await Redoubt.run("inspect", server.dumpFile.path, "--output", "json", "--top", "3")
            try #require(json.code == 0, "\(json.errors)")
            let shown = try Shown(json)
            try expectWhatWasLoaded(shown, flavour)
            #expect(shown.source.file == server.dumpFile.path && shown.source.member == nil)

            let text = try await Redoubt.run("inspect", server.dumpFile.path, "--top", "3")
            #expect(text.code == 0 && text.errors.isEmpty)
            expectLines(text.output, flavour)
            for outcome in [json, text] {
                #expect(outcome.outputBytes.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x0a })
                #expect(!outcome.output.contains("\u{9b}") && !outcome.output.contains("evil\n"))
            }
        }
    }

    @Test(arguments: flavours)
    func aMemberOfABackupIsProvenAndShown(flavour: RedisFlavour) async throws {
        try await withTemporaryFolder { folder in
            let store = "file://\(folder.path)"
            try await withReplicatedRedis(flavour, replicas: 1) { primary, replicas in
                try await Self.fill(primary)
                try await primary.waitUntilSynchronized(replicas)
                let backup = try await Redoubt.run(
                    ["backup", "--endpoint", primary.url, "--endpoint", replicas[0].url, "--to", store]
                        + ["--name", "demo"]
                )
                try #require(backup.code == 0, "\(backup.errors)")
                let listed = try ShownBackup(await Redoubt.run("show", "--from", store, "--output", "json"))
                let outcome = try await Redoubt.run("inspect", "--from", store, "--top", "3", "--output", "json")
                try #require(outcome.code == 0, "\(outcome.errors)")
                let shown = try Shown(outcome)
                try expectWhatWasLoaded(shown, flavour)
                #expect(shown.source.member == listed.members[0].member && shown.source.storedMembers == 2)
                let other = listed.members[1].member
                let text = try await Redoubt.run("inspect", "latest", "--from", store, "--member", other)
                #expect(text.code == 0 && text.output.contains("member    \(other)  (of 2;"), "\(text.errors)")
                let info = try await primary.info("replication")
                #expect(shown.rdb.replicationID == info["master_replid"])
            }
            let missing = try await Redoubt.run("inspect", "--from", store, "--member", "nobody")
            #expect(missing.code == 10 && missing.errors.contains("It holds those of"))
            let none = try await Redoubt.run("inspect", "20200101T000000Z-0000", "--from", store)
            #expect(none.code == 10)
            try damageMembers(in: folder)
            let damaged = try await Redoubt.run("inspect", "--from", store)
            #expect(damaged.code == 4 && damaged.output.isEmpty, "\(damaged.errors)")
        }
    }

    @Test func whatIsNoWholeSnapshotIsNotShown() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("dump.rdb")
            try Data("REDIS0011 and then nothing of the kind".utf8).write(to: file)
            let corrupt = try await Redoubt.run("inspect", file.path)
            #expect(corrupt.code == 4 && corrupt.output.isEmpty)
            try Data("REDIS0011".utf8).write(to: file)
            let truncated = try await Redoubt.run("inspect", file.path)
            #expect(truncated.code == 4 && truncated.output.isEmpty && truncated.errors.contains("truncated"))
            let missing = try await Redoubt.run("inspect", file.path + ".none")
            #expect(missing.code == 7)
            try Data("REDIS0011".utf8 + [255] + [UInt8](repeating: 0, count: 8)).write(to: file)
            let empty = try await Redoubt.run("inspect", file.path)
            #expect(empty.code == 0 && empty.output.contains("keys      0, 0 with an expiry"), "\(empty.errors)")
        }
        for arguments in [["inspect"], ["inspect", "x", "--member", "y"], ["inspect", "x", "--top", "1001"]] {
            #expect(try await Redoubt.run(arguments).code == 64)
        }
    }

    // MARK: The data

    private static func fill(_ server: RedisServer) async throws {
        let expiries = [30, 1800, 40_000, 500_000, 2_000_000, 20_000_000, 40_000_000]
        var commands: [[any CommandWord]] = (0..<300).map { ["SET", "user:\($0)", "value"] }
        commands += expiries.enumerated().map { ["SET", "session:\($0.offset)", "value", "EX", $0.element] }
        commands.append([
            "SET", "session:big", String(repeating: "b", count: 50_000).utf8.map { $0 &+ UInt8.random(in: 0..<9) },
        ])
        commands += (0..<5).map { ["HSET", "cart:\($0)", "a", 1, "b", 2, "c", 3] }
        commands += (0..<700).map { ["HSET", "cart:big", "field \($0)", $0] }
        commands += (0..<40).map { ["RPUSH", "queue", "element \($0)"] }
        commands += [
            ["SADD", "ids", 1, 2, 3], ["ZADD", "board:x", 1, "one", 2, "two"], ["XADD", "log:x", "*", "f", "v"],
        ]
        commands.append(["SET", evilName, "value"])
        commands.append(["FUNCTION", "LOAD", "#!lua name=mylib\nredis.register_function('f', function() return 1 end)"])
        try await server.pipeline(commands)
        try await server.pipeline((0..<20).map { ["SET", "user:\($0)", "value"] }, database: 9)
    }

    private func expectWhatWasLoaded(_ shown: Shown, _ flavour: RedisFlavour) throws {
        #expect(shown.keys.count == 339 && shown.keys.withExpiry == 7)
        #expect(shown.databases.map(\.database) == [0, 9] && shown.databases.map(\.keys) == [319, 20])
        let types = Dictionary(uniqueKeysWithValues: shown.types.map { ($0.type, [$0.keys, $0.elements]) })
        #expect(
            types == [
                "string": [329, 329], "hash": [6, 715], "list": [1, 40], "set": [1, 3], "zset": [1, 2],
                "stream": [1, 1],
            ]
        )
        let hashes = shown.encodings.filter { $0.type == "hash" }
        #expect(Set(hashes.map { "\($0.encoding ?? "") \($0.keys)" }) == ["listpack 5", "hashtable 1"])
        #expect(shown.prefixes.isExact && shown.prefixes.watched == 6 && shown.prefixes.withoutPrefix.count == 2)
        #expect(shown.prefixes.byKeys.map { "\($0.prefix) \($0.keys ?? 0)" } == ["user 320", "session 8", "cart 6"])
        #expect(shown.prefixes.byBytes[0].prefix == "session")
        let classes = Dictionary(uniqueKeysWithValues: shown.expiry.classes.map { ($0.lifetime, $0.keys) })
        #expect(
            classes == [
                "expired": 0, "under1Minute": 1, "under1Hour": 1, "under1Day": 1, "under7Days": 1, "under30Days": 1,
                "under1Year": 1, "later": 1, "none": 332,
            ]
        )
        #expect(shown.largestKeys.byBytes.map(\.key).prefix(2) == ["session:big", "cart:big"])
        #expect(shown.largestKeys.byElements.map(\.elements) == [700, 40, 3])
        #expect(
            shown.functions.libraries.map(\.name) == ["mylib"] && shown.functions.libraries.map(\.engine) == ["lua"]
        )
        #expect(shown.memory.estimatedBytes > 50_000 && (shown.memory.usedBytes ?? 0) > shown.memory.estimatedBytes)
        #expect(shown.target.databases == 10)
        #expect(shown.target.oldestRedis == (flavour == .redis70 ? "7.0" : nil))
        #expect(shown.target.oldestValkey == (flavour == .redis70 ? "7.2" : "9.0"))
        #expect(shown.rdb.serverProduct == (flavour == .redis70 ? "redis" : "valkey"))
    }

    private func expectLines(_ text: String, _ flavour: RedisFlavour) {
        let lines = text.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
        let expected = [
            "keys 339, 7 with an expiry", "functions mylib (lua)", "6 prefixes, all numbers exact",
            "databases 10 or more",
            flavour == .redis70
                ? "release Redis 7.0 or later; Valkey 7.2 or later" : "release no Redis; Valkey 9.0 or later",
        ]
        for line in expected { #expect(lines.contains(line), "\(line) in\n\(text)") }
        for start in [
            "0 319 7 ", "9 20 0 ", "stream 1 1 ", "user: 320 ", "in less than an hour 1 ", "session:big 0 string ",
        ] {
            #expect(lines.contains { $0.hasPrefix(start) }, "\(start) in\n\(text)")
        }
    }

    private func damageMembers(in folder: URL) throws {
        for path in try FileManager.default.subpathsOfDirectory(atPath: folder.path) where path.contains(".rdb") {
            let file = folder.appendingPathComponent(path)
            var bytes = [UInt8](try Data(contentsOf: file))
            bytes[bytes.count / 2] ^= 1
            try Data(bytes).write(to: file)
        }
    }
}

/// The document that the command prints, as far as the tests look at it.
private struct Shown: Decodable {
    let source: Source
    let rdb: Snapshot
    let keys: Keys
    let databases: [Database]
    let types: [Group]
    let encodings: [Group]
    let prefixes: Prefixes
    let expiry: Expiry
    let largestKeys: Largest
    let functions: Functions
    let memory: Memory
    let target: Target

    init(_ outcome: Redoubt.Outcome) throws {
        self = try JSONDecoder().decode(Self.self, from: Data(outcome.outputBytes))
    }

    struct Source: Decodable {
        let file: String?
        let member: String?
        let storedMembers: Int?
    }

    struct Snapshot: Decodable {
        let serverProduct: String?
        let replicationID: String?
    }

    struct Keys: Decodable {
        let count: Int
        let withExpiry: Int
    }

    struct Database: Decodable {
        let database: Int
        let keys: Int
    }

    struct Group: Decodable {
        let type: String
        let encoding: String?
        let keys: Int
        let elements: Int
    }

    struct Prefixes: Decodable {
        let isExact: Bool
        let watched: Int
        let withoutPrefix: Keys
        let byKeys: [Prefix]
        let byBytes: [Prefix]
    }

    struct Prefix: Decodable {
        let prefix: String
        let keys: Int?
    }

    struct Expiry: Decodable {
        let classes: [Class]

        struct Class: Decodable {
            let lifetime: String
            let keys: Int
        }
    }

    struct Largest: Decodable {
        let byBytes: [Key]
        let byElements: [Key]

        struct Key: Decodable {
            let key: String
            let elements: Int
        }
    }

    struct Functions: Decodable {
        let libraries: [Library]

        struct Library: Decodable {
            let name: String?
            let engine: String?
        }
    }

    struct Memory: Decodable {
        let usedBytes: Int64?
        let estimatedBytes: Int64
    }

    struct Target: Decodable {
        let oldestRedis: String?
        let oldestValkey: String?
        let databases: Int
    }
}
