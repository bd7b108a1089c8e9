// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Operations
import Testing

/// Which members of a set are drilled.
struct DrillChoiceTests {
    /// A set whose members are described as `name history offset shard`: `-` is what is not known, and an offset of
    /// `x` a member that failed.
    private static func set(_ lines: String...) throws -> Manifest {
        let id = try #require(BackupID("20261122T153000Z-7f3a"))
        let members = lines.map { line in
            let words = line.split(separator: " ").map(String.init)
            var member = Manifest.Member(member: words[0])
            if words[1] != "-" { member.replication = .init(id: words[1], offset: Int64(words[2]) ?? 0) }
            if words[3] != "-" { member.shard = .init(slots: "0-1", primaryId: words[3]) }
            if words[2] != "x" {
                member.stored = .init(key: "a/b/c.rdb", bytes: 1, sha256: "", compression: "none")
            }
            return member
        }
        return Manifest(
            id: id,
            name: "demo",
            startedAt: id.time,
            finishedAt: id.time,
            tool: .init(name: "redoubt", version: "1"),
            source: .init(kind: "endpoints"),
            members: members
        )
    }

    private static func furthest(_ set: Manifest) throws -> [String] {
        try DrillRequest.Choice.furthestOfEachShard.members(of: set).map(\.member)
    }

    @Test func oneOfEachShardAndTheFurthest() throws {
        let replicated = try Self.furthest(Self.set("a h 5 -", "b h 9 -", "c h 7 -"))
        #expect(replicated == ["b"])
        let clustered = try Self.furthest(
            Self.set("a h1 5 p1", "b h1 4 p1", "c h2 1 p2", "d h2 3 p2", "e h3 x p3", "f h3 1 p3")
        )
        #expect(clustered == ["a", "d", "f"])
        let strangers = try Self.furthest(Self.set("a h1 5 -", "b h2 9 -", "c - 0 -", "d - 0 -"))
        #expect(strangers == ["a", "b", "c", "d"])
    }

    @Test func allOrOneOrNone() throws {
        let set = try Self.set("a h 5 -", "b h 9 -", "c h x -")
        let all = try DrillRequest.Choice.all.members(of: set).map(\.member)
        #expect(all == ["a", "b"])
        let named = try DrillRequest.Choice.named("a").members(of: set).map(\.member)
        #expect(named == ["a"])
        #expect(throws: Failure.self) { try DrillRequest.Choice.named("c").members(of: set) }
        let none = try Self.set("a h x -")
        #expect(throws: Failure.self) { try DrillRequest.Choice.all.members(of: none) }
    }
}
