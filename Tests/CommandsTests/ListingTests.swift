// SPDX-License-Identifier: Apache-2.0

import Catalog
import Commands
import Failures
import Foundation
import Testing

/// What `list` says of a set is what the set holds, however many replicas gave a snapshot of it.
struct ListingTests {
    private static func member(
        _ name: String,
        keys: UInt64,
        bytes: Int64,
        history: String? = nil,
        slots: String? = nil
    ) throws -> Manifest.Member {
        let text = """
            {"version": 10, "bytes": \(bytes), "sha256": "\(String(repeating: "0a", count: 32))",
            "crc64": "00000000000000ff", "keys": {"0": \(keys)}, "expires": 0, "types": {}, "modules": [],
            "functions": 0}
            """
        var member = Manifest.Member(member: name)
        member.rdb = try JSONDecoder().decode(Manifest.Snapshot.self, from: Data(text.utf8))
        member.stored = .init(
            key: "demo/20261122T000000Z-0001/\(name).rdb",
            bytes: 10,
            sha256: String(repeating: "0b", count: 32),
            compression: "none"
        )
        member.replication = history.map { .init(id: $0, offset: Int64(keys)) }
        member.shard = slots.map { .init(slots: $0) }
        return member
    }

    private static func listed(_ members: [Manifest.Member]) throws -> Listing.Backup {
        let id = try #require(BackupID("20261122T000000Z-0001"))
        let manifest = Manifest(
            id: id,
            name: "demo",
            startedAt: id.time,
            finishedAt: id.time,
            tool: .init(name: "redoubt", version: "1"),
            source: .init(kind: "endpoints"),
            members: members
        )
        return try #require(Listing([.complete(manifest)], pins: nil).backups.first)
    }

    @Test func replicasOfOneHistoryAreCountedOnce() throws {
        let backup = try Self.listed([
            Self.member("a", keys: 1000, bytes: 5000, history: "one"),
            Self.member("b", keys: 1001, bytes: 5005, history: "one"),
            Self.member("c", keys: 7, bytes: 100, history: "two"),
        ])
        // The one that is furthest speaks for its shard; what is stored is stored of all.
        #expect(backup.keys == 1008 && backup.rawBytes == 5105 && backup.storedBytes == 30)
    }

    /// What a later program wrote is not damaged, and does not make the rest so.
    @Test func whatCannotBeReadIsNamed() throws {
        let id = try #require(BackupID("20261122T000000Z-0001"))
        func entry(_ name: String, _ code: Failure.Code) -> Catalog.Entry {
            .damaged(name: name, id: id, Failure(code, "read \(name)/\(id)/manifest.json", hint: "Do \(code)."))
        }
        let later = Listing([entry("a", .unsupported)], pins: nil)
        #expect(later.failure?.code == .unsupported && later.failure?.hint == "Do unsupported.")
        #expect(later.text.contains("a/\(id): read"))
        let both = Listing([entry("a", .unsupported), entry("b", .corruptManifest)], pins: nil)
        #expect(both.failure?.code == .corruptManifest)
        #expect(both.failure?.description.hasPrefix("read 2 of 2 manifests: read b/\(id)/manifest.json") == true)
        #expect(Listing([], pins: nil).failure == nil)
    }

    @Test func whereThereIsNoneTheOthersAreNamed() {
        #expect(Listing([], pins: nil).text == "no backups")
        #expect(Listing([], pins: nil, others: ["demo", "prod"]).text.hasSuffix("backups of demo, prod"))
    }

    @Test func shardsOfAClusterAreAdded() throws {
        let backup = try Self.listed([
            Self.member("a", keys: 10, bytes: 100, history: "one", slots: "0-8191"),
            Self.member("b", keys: 20, bytes: 200, history: "two", slots: "8192-16383"),
            Self.member("c", keys: 10, bytes: 100, history: "one", slots: "0-8191"),
        ])
        #expect(backup.keys == 30 && backup.rawBytes == 300)
    }
}
