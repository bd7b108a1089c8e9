// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// How closely a snapshot is read: `--proof`.
struct ProofLevelTests {
    @Test func theManifestSaysHowCloselyItWasRead() async throws {
        try await withTemporaryFolder { folder in
            try await withRedis(.redis70) { redis in
                try await Dataset.small.load(into: redis)
                for level in ["framing", "deep", "content"] {
                    let rdb = try await Self.backup(redis, to: folder, level).members[0].rdb
                    #expect(rdb?["proof"]?.text == level)
                    #expect((rdb?["contentDigest"]?.text != nil) == (level == "content"))
                }
                let one = try await Self.backup(redis, to: folder, "content").members[0].rdb?["contentDigest"]
                let other = try await Self.backup(redis, to: folder, "content").members[0].rdb?["contentDigest"]
                #expect(one == other)
                try await redis.command("SET", "another", "key")
                let changed = try await Self.backup(redis, to: folder, "content").members[0].rdb?["contentDigest"]
                #expect(changed != one)
                let verified = try await Redoubt.run(
                    "verify",
                    "--from",
                    "file://\(folder.path)",
                    "--proof",
                    "content",
                    "--output",
                    "json"
                )
                #expect(verified.code == 0, "\(verified.errors)")
                #expect(try TestJSON(parsing: verified.output)["members"]?[0]?["contentDigest"] == changed)
            }
        }
    }

    @Test func aFileHasADigestOfItsContent() async throws {
        try await withRedis(.valkey91) { redis in
            try await Dataset.small.load(into: redis)
            try await redis.command("SAVE")
            let outcome = try await Redoubt.run("verify", redis.dumpFile.path, "--proof", "content")
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(outcome.output.contains(", content 1:"))
        }
    }

    /// Somebody put other content into a set, with every digest of bytes corrected: only the content tells.
    @Test func otherContentBehindForgedDigestsIsFound() async throws {
        try await withTemporaryFolder { folder in
            try await withRedis(.redis70) { redis in
                try await Dataset.small.load(into: redis)
                let original = try await Self.backup(redis, to: folder, "content")
                try await redis.command("SET", "balance", "1000000")
                let altered = try await Self.backup(redis, to: folder, "content")
                try Self.forge(original, from: altered, in: folder)

                let deep = try await Redoubt.run("verify", original.id, "--from", "file://\(folder.path)")
                #expect(deep.code == 0, "every digest of bytes is what the manifest says: \(deep.errors)")
                let content = try await Redoubt.run(
                    "verify",
                    original.id,
                    "--from",
                    "file://\(folder.path)",
                    "--proof",
                    "content"
                )
                #expect(content.code == 4)
                #expect(content.errors.contains("content digest"))
            }
        }
    }

    /// Only digests of one definition are compared: those of a later program are left to it.
    @Test func digestsOfAnotherDefinitionAreNotCompared() async throws {
        try await withTemporaryFolder { folder in
            try await withRedis(.redis70) { redis in
                try await Dataset.small.load(into: redis)
                let taken = try await Self.backup(redis, to: folder, "content")
                let file = folder.appendingPathComponent("one/\(taken.id)/manifest.json")
                let text = String(decoding: try Data(contentsOf: file), as: UTF8.self)
                let digest = try #require(taken.members[0].rdb?["contentDigest"]?.text)
                for (other, code) in [("2:", 0), ("1:", 4)] as [(String, Int32)] {
                    let changed = text.replacing(digest, with: other + String(repeating: "0", count: 64))
                    try Data(changed.utf8).write(to: file)
                    let outcome = try await Redoubt.run(
                        "verify",
                        taken.id,
                        "--from",
                        "file://\(folder.path)",
                        "--proof",
                        "content"
                    )
                    #expect(outcome.code == code, "\(outcome.errors)")
                }
            }
        }
    }

    /// What was committed at a level can be restored and inspected at it.
    @Test func aSetOfTheFramingRestores() async throws {
        try await withTemporaryFolder { folder in
            try await withRedis(.redis70) { redis in
                try await Dataset.small.load(into: redis)
                let taken = try await Self.backup(redis, to: folder, "framing")
                let store = "file://\(folder.path)"
                for (index, more) in [[], ["--proof", "framing"], ["--proof", "content"]].enumerated() {
                    let data = folder.appendingPathComponent("data-\(index)")
                    try FileManager.default.createDirectory(at: data, withIntermediateDirectories: true)
                    let restore = ["restore", taken.id, "--from", store, "--data-dir", data.path, "--appendonly", "no"]
                    let outcome = try await Redoubt.run(restore + more)
                    #expect(outcome.code == 0, "\(outcome.errors)")
                    let restored = try Data(contentsOf: data.appendingPathComponent("dump.rdb"))
                    #expect(restored.count == taken.members[0].rdb?["bytes"]?.int)
                    #expect(try await Redoubt.run(["inspect", taken.id, "--from", store] + more).code == 0)
                }
            }
        }
    }

    private struct Taken {
        let id: String
        let manifest: TestJSON

        struct Member { let rdb: TestJSON? }
        var members: [Member] { (manifest["members"]?.array ?? []).map { Member(rdb: $0["rdb"]) } }
        var key: String { manifest["members"]?[0]?["stored"]?["key"]?.text ?? "" }
    }

    private static func backup(_ redis: RedisServer, to folder: URL, _ level: String) async throws -> Taken {
        let outcome = try await Redoubt.run(
            "backup",
            "--endpoint",
            "redis://127.0.0.1:\(redis.port)",
            "--to",
            "file://\(folder.path)",
            "--name",
            "one",
            "--proof",
            level,
            "--output",
            "json"
        )
        #expect(outcome.code == 0, "\(outcome.errors)")
        let manifest = try TestJSON(parsing: outcome.output)
        return Taken(id: try #require(manifest["id"]?.text), manifest: manifest)
    }

    /// Puts the member of `other` in the place of that of `set`, and keeps only the content digest of `set`.
    private static func forge(_ set: Taken, from other: Taken, in folder: URL) throws {
        let object = folder.appendingPathComponent(set.key)
        try FileManager.default.removeItem(at: object)
        try FileManager.default.copyItem(at: folder.appendingPathComponent(other.key), to: object)
        var manifest = try #require(set.manifest.object)
        var member = try #require(manifest["members"]?[0]?.object)
        var rdb = try #require(other.members[0].rdb?.object)
        rdb["contentDigest"] = set.members[0].rdb?["contentDigest"]
        var stored = try #require(other.manifest["members"]?[0]?["stored"]?.object)
        stored["key"] = .text(set.key)
        member["rdb"] = .object(rdb)
        member["stored"] = .object(stored)
        manifest["members"] = .array([.object(member)])
        let file = object.deletingLastPathComponent().appendingPathComponent("manifest.json")
        try JSONEncoder().encode(TestJSON.object(manifest)).write(to: file)
    }
}
