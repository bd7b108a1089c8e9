// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import FoundationEssentials
import Testing

struct ManifestTests {
    static func sample() throws -> Manifest {
        let id = try #require(BackupID("20261122T153000Z-7f3a"))
        var good = Manifest.Member(member: "redis-1", role: "replica")
        good.server = .init(product: "redis", version: "7.0.15", runId: "f00", mode: "standalone")
        good.replication = .init(id: String(repeating: "ab", count: 20), offset: 1234)
        good.method = "replication"
        good.rdb = .init(
            version: 10,
            bytes: 300,
            sha256: String(repeating: "0a", count: 32),
            crc64: "00000000000000ff",
            createdAt: id.time,
            keys: ["0": 3, "7": 1],
            expires: 2,
            types: ["string": 4],
            usedMemory: 1000,
            modules: [],
            functions: 1,
            proof: "content",
            contentDigest: "1:" + String(repeating: "0c", count: 32)
        )
        good.stored = .init(
            key: "prod.redis/20261122T153000Z-7f3a/redis-1.rdb.zst",
            bytes: 100,
            sha256: String(repeating: "0b", count: 32),
            compression: "zstd"
        )
        good.seconds = .init(save: 0.25, stream: 1.5)
        var bad = Manifest.Member(member: "redis-2")
        bad.error = .init(code: "replica-link-down", message: "the link is down")
        return Manifest(
            id: id,
            name: "prod.redis",
            startedAt: id.time,
            finishedAt: id.time,
            tool: .init(name: "redoubt", version: "1"),
            source: .init(kind: "endpoints"),
            members: [good, bad]
        )
    }

    @Test func aManifestReadsBackAsItWasWritten() throws {
        let manifest = try Self.sample()
        let bytes = try manifest.encoded()
        #expect(try Manifest(decoding: bytes) == manifest)
        #expect(bytes.last == UInt8(ascii: "\n"))
        #expect(manifest.isPartial && manifest.storedBytes == 100)
    }

    @Test func fieldsOfALaterProgramAreIgnored() throws {
        let text = String(decoding: try Self.sample().encoded(), as: UTF8.self)
        let later = "{\"later\": [1, {\"x\": null}]," + text.dropFirst()
        #expect(try Manifest(decoding: Array(later.utf8)) == Self.sample())
    }

    /// Written before there were levels, or by a program that makes another digest.
    @Test(arguments: [(nil, nil), ("deep", nil), ("content", "2:" + String(repeating: "0c", count: 32))])
    func proofsOfOtherProgramsAreRead(proof: String?, digest: String?) throws {
        var manifest = try Self.sample()
        manifest.members[0].rdb?.proof = proof
        manifest.members[0].rdb?.contentDigest = digest
        let bytes = try manifest.encoded()
        #expect(try Manifest(decoding: bytes) == manifest)
    }

    /// So many that their sizes would not add up any more.
    @Test func moreMembersThanAClusterHasAreRefused() throws {
        var manifest = try Self.sample()
        manifest.members = (0..<5000).map { number in
            var member = Manifest.Member(member: "m\(number)")
            member.error = .init(code: "unreachable", message: "")
            return member
        }
        let failure = #expect(throws: Failure.self) { try Manifest(decoding: try manifest.encoded()) }
        #expect(failure?.code == .corruptManifest)
    }

    @Test func everyTruncationIsRefused() throws {
        let bytes = try Self.sample().encoded()
        for length in 0..<(bytes.count - 2) {
            #expect(throws: Failure.self) { try Manifest(decoding: Array(bytes[..<length])) }
        }
    }

    @Test func aLaterFormatIsRefusedByName() throws {
        let failure = #expect(throws: Failure.self) { try Manifest(decoding: Array("{\"format\": 2}".utf8)) }
        #expect(failure?.code == .unsupported && failure?.message.contains("a later redoubt") == true)
        let none = #expect(throws: Failure.self) { try Manifest(decoding: Array("{\"format\": 0}".utf8)) }
        #expect(none?.code == .corruptManifest)
    }

    /// In words, and as docs/backup-format.md calls the field.
    @Test(arguments: [
        ("\"name\" : \"prod.redis\",", "", "the field name is missing"),
        ("\"bytes\" : 300,", "", "the field members[0].rdb.bytes is missing"),
        ("\"bytes\" : 300,", "\"bytes\" : \"many\",", "the field members[0].rdb.bytes cannot be read"),
        ("\"bytes\" : 300,", "\"bytes\" : null,", "the field members[0].rdb.bytes is empty"),
    ])
    func whatIsWrongInAManifestIsNamed(old: String, new: String, reason: String) throws {
        let text = String(decoding: try Self.sample().encoded(), as: UTF8.self)
        try #require(text.contains(old))
        let broken = text.replacing(old, with: new, maxReplacements: 1)
        let failure = #expect(throws: Failure.self) { try Manifest(decoding: Array(broken.utf8)) }
        #expect(failure?.description.hasSuffix(": \(reason)") == true, "\(failure.map(String.init(describing:)) ?? "")")
    }

    @Test(arguments: [
        (
            "\"prod.redis/20261122T153000Z-7f3a/redis-1.rdb.zst\"",
            "\"prod.redis/20261122T153000Z-7f3a/../../etc/passwd\""
        ),
        ("\"prod.redis/20261122T153000Z-7f3a/redis-1.rdb.zst\"", "\"/etc/passwd\""),
        ("\"prod.redis/20261122T153000Z-7f3a/redis-1.rdb.zst\"", "\"other/20261122T153000Z-7f3a/redis-1.rdb.zst\""),
        (
            "\"prod.redis/20261122T153000Z-7f3a/redis-1.rdb.zst\"",
            "\"prod.redis/20261122T153000Z-7f3b/redis-1.rdb.zst\""
        ),
        ("\"redis-2\"", "\"redis-1\""), ("\"redis-2\"", "\"..\""), ("\"redis-2\"", "\"a/b\""), ("\"redis-2\"", "\"\""),
        ("\"prod.redis\"", "\"../x\""), ("\"bytes\" : 100", "\"bytes\" : -1"), ("\"bytes\" : 300", "\"bytes\" : 1e99"),
        ("\"bytes\" : 300", "\"bytes\" : 9223372036854775807"), ("\"save\" : 0.25", "\"save\" : 1e300"),
        ("\"save\" : 0.25", "\"save\" : -1"),
        (String(repeating: "0a", count: 32), String(repeating: "0A", count: 32)),
        (String(repeating: "0c", count: 32), "short"), ("\"1:0c", "\"0c"), ("\"1:0c", "\"x:0c"), ("\"1:0c", "\"1:1:0c"),
        (String(repeating: "0b", count: 32), "short"), ("2026-11-22T15:30:00Z", "yesterday"),
        ("20261122T153000Z-7f3a\",", "latest\","),
    ])
    func aManifestThatBreaksARuleIsRefused(old: String, new: String) throws {
        let text = String(decoding: try Self.sample().encoded(), as: UTF8.self)
        try #require(text.contains(old))
        let broken = text.replacing(old, with: new, maxReplacements: 1)
        let failure = #expect(throws: Failure.self) { try Manifest(decoding: Array(broken.utf8)) }
        #expect(failure?.code == .corruptManifest)
    }

    @Test func aMemberHasEitherASnapshotOrAnError() throws {
        var manifest = try Self.sample()
        manifest.members[1].error = nil
        let neither = try manifest.encoded()
        #expect(throws: Failure.self) { try Manifest(decoding: neither) }
        manifest = try Self.sample()
        manifest.members[0].error = .init(code: "x", message: "y")
        let both = try manifest.encoded()
        #expect(throws: Failure.self) { try Manifest(decoding: both) }
    }
}
