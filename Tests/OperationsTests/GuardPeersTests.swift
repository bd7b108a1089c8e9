// SPDX-License-Identifier: Apache-2.0

import Catalog
import DataDirectory
import Operations
import RedisProtocol
import Testing

/// What the other members of a group mean for a server that is held back.
struct GuardPeersTests {
    private static let own = DatasetHistory(id: "a", offset: 100)

    private static func peers(_ infos: String...) -> GuardPeers {
        GuardPeers(
            living: infos.enumerated().map { number, info in
                GuardPeers.Peer(name: "redis-\(number)", info: ServerInfo(info.replacing(" ", with: "\r\n")))
            }
        )
    }

    private static let keys = " #Keyspace db0:keys=1,expires=0"

    /// F36: an empty primary wipes those that follow it, unless it is what they are, only later.
    @Test(arguments: [
        ("role:master master_replid:b master_repl_offset:500", true),
        ("role:master master_replid:a master_repl_offset:100", false),
        ("role:master master_replid:a master_repl_offset:99", true),
        ("role:master master_replid:b master_replid2:a second_repl_offset:101 master_repl_offset:500", false),
        ("role:master master_replid:b master_replid2:a second_repl_offset:100 master_repl_offset:500", true),
        ("role:master loading:1 master_replid:b master_repl_offset:0", false),
        ("role:slave master_replid:b master_repl_offset:500", false),
    ])
    func anEmptyPrimaryIsAStrangerUnlessItWentOn(info: String, isStranger: Bool) {
        #expect((Self.peers(info).emptyStranger(to: Self.own) != nil) == isStranger)
    }

    @Test func aPrimaryWithDataIsWhoIsFollowed() {
        let primary = "role:master master_replid:c" + Self.keys
        let peers = Self.peers("role:master master_replid:b", primary, "role:slave master_link_status:down" + Self.keys)
        #expect(peers.emptyStranger(to: Self.own) == nil && peers.orphan == nil)
    }

    /// Where nothing tells where the data stands, an empty primary is not known to have gone on from it.
    @Test func dataWithoutAHistoryIsGuardedToo() {
        #expect(Self.peers("role:master master_replid:b").emptyStranger(to: nil) != nil)
    }

    @Test(arguments: [
        ("role:slave master_link_status:down master_replid:a master_repl_offset:130", true),
        ("role:slave master_link_status:up master_replid:a master_repl_offset:130", false),
    ])
    func aReplicaWithoutItsPrimaryIsAnOrphan(info: String, isOrphan: Bool) {
        let peers = Self.peers(info + Self.keys, "role:master master_replid:b")
        #expect((peers.orphan != nil) == isOrphan)
        #expect(peers.lead(over: Self.own) == (isOrphan ? 30 : nil))
        #expect(Self.peers(info).orphan == nil, "without keys there is nothing to lose")
    }

    /// As `masterTryPartialResync` decides: the byte after the last one must be in the backlog, or be the next one.
    @Test(arguments: [
        (first: 1, length: 100, isPartial: true), (101, 0, true), (101, 50, true), (102, 50, false), (1, 99, false),
    ])
    func aPrimaryGoesOnFromWhatItsBacklogHolds(first: Int, length: Int, isPartial: Bool) {
        let info =
            "role:master master_replid:a master_repl_offset:\(first + length - 1) repl_backlog_active:1 "
            + "repl_backlog_first_byte_offset:\(first) repl_backlog_histlen:\(length)" + Self.keys
        let outlook = Self.peers(info).outlook(for: Self.own)
        #expect(outlook?.contains("partial resync") == isPartial, "\(outlook ?? "")")
    }

    @Test func dataIsComparedByWhereItStands() throws {
        func member(_ id: String?, _ offset: Int64) -> Manifest.Member {
            RestorePlanParts.member(
                RestorePlanParts.snapshot(),
                history: id.map { Manifest.Replication(id: $0, offset: offset) }
            )
        }
        let set = [member("a", 90), member("a", 120), member("b", 500)]
        #expect(DataComparison(Self.own, with: set) == .behind(bytes: 20))
        #expect(DataComparison(DatasetHistory(id: "a", offset: 120), with: set) == .current)
        #expect(DataComparison(DatasetHistory(id: "c", offset: 1), with: set) == .unrelated)
        #expect(DataComparison(nil, with: set) == .notTold)
        #expect(DataComparison(Self.own, with: [member(nil, 0)]) == .notTold)
    }
}
