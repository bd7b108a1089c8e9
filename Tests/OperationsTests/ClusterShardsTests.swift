// SPDX-License-Identifier: Apache-2.0

import Catalog
import DataDirectory
import Failures
import Operations
import Testing

/// Which shards a set has, and which member stands for one.
struct ClusterShardsTests {
    @Test(arguments: [
        ("0", "r0"), ("2", "r2"), ("0-5460", "r0"), ("5461-5461", "r1"), ("16383-16383", "r2"), ("6000-7000", "r1"),
    ])
    func aShardIsFoundByItsNumberOrBySlots(text: String, member: String) throws {
        let reference = try #require(ShardReference(text))
        let found = try ClusterParts.whole().member(of: reference)
        #expect(found.member == member, "the one that is furthest")
    }

    @Test(arguments: ["3", "5460-5461", "0-16383"])
    func whatIsNoShardIsRefused(text: String) throws {
        let shards = try ClusterParts.whole()
        let reference = try #require(ShardReference(text))
        let failure = #expect(throws: Failure.self) { try shards.shard(reference) }
        #expect(failure?.code == .usage && failure?.hint?.contains("1 (5461-10922)") == true)
    }

    @Test(arguments: ["", "-1", "x", "0-16384", "5-1", "1-2-3"])
    func whatIsNoReferenceIsNone(text: String) {
        #expect(ShardReference(text) == nil)
    }

    @Test func aSetThatLacksSlotsIsRefusedUnlessAllowed() throws {
        let shards = try ClusterShards(
            ClusterParts.manifest([
                ClusterParts.member("p0", "0-8191"), ClusterParts.member("p1", "8192-16383", isStored: false),
            ])
        )
        let failure = #expect(throws: Failure.self) { try shards.requireEverySlot(allowsMissing: false) }
        #expect(failure?.code == .guardRefused && failure?.hint?.contains("--allow-missing-slots") == true)
        #expect(failure?.message.contains("8192 slots (8192-16383)") == true)
        #expect(throws: Never.self) { try shards.requireEverySlot(allowsMissing: true) }
        let missing = #expect(throws: Failure.self) { try shards.member(of: .index(1)) }
        #expect(missing?.code == .noSuchBackup && missing?.message.contains("it is gone") == true)
    }

    @Test func shardsThatShareASlotAreRefused() throws {
        let manifest = ClusterParts.manifest([
            ClusterParts.member("p0", "0-8192"), ClusterParts.member("p1", "8192-16383"),
        ])
        let failure = #expect(throws: Failure.self) { try ClusterShards(manifest) }
        #expect(failure?.code == .guardRefused && failure?.message.contains("8192") == true)
    }

    @Test func aSetOfNoClusterIsRefused() throws {
        let manifest = ClusterParts.manifest([Manifest.Member(member: "redis-0", role: "primary")])
        let failure = #expect(throws: Failure.self) { try ClusterShards(manifest) }
        #expect(failure?.code == .guardRefused)
    }

    /// A `nodes.conf` that stays beside a snapshot must be of its shard (F42).
    @Test(arguments: [
        (true, "0-5460", 3, true), (false, "0-5460", 3, true), (true, "", 1, true), (true, "7,9", 1, true),
        (true, "5461-10922", 3, false), (false, "5461-10922", 3, false), (true, "0-5459", 3, false),
        (true, "", 3, false), (true, "5461", 1, false),
    ])
    func aNodesFileGoesWithItsShardOnly(isPrimary: Bool, slots: String, known: Int, fits: Bool) throws {
        let ranges = slots.split(separator: ",").compactMap { text -> ClosedRange<Int>? in
            let ends = text.split(separator: "-").compactMap { Int($0) }
            return ends.isEmpty ? nil : ends[0]...ends[ends.count - 1]
        }
        var facts = RestoreTargetFacts()
        facts.isClustered = true
        facts.clusterNode = ClusterNode(
            nodeID: "a",
            isPrimary: isPrimary,
            slots: isPrimary ? ranges : [],
            shardSlots: ranges,
            knownNodes: known
        )
        let member = ClusterParts.member("p0", "0-5460")
        let plan = RestorePlan.assess(member, of: ClusterParts.manifest([member]), for: facts, now: .now())
        let row = try #require(plan[.cluster])
        #expect(row.verdict == (fits ? .go : .noGo))
        #expect(fits || row.override == "--ignore-compatibility")
    }
}
