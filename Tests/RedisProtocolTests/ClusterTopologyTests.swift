// SPDX-License-Identifier: Apache-2.0

import RedisProtocol
import Testing

struct SlotRangesTests {
    @Test(arguments: [
        ([], "", 0), ([5...5], "5", 1), ([0...5460, 5462...5462], "0-5460,5462", 5462),
        // In any order, touching and overlapping.
        ([3...4, 0...2], "0-4", 5), ([0...9, 4...5], "0-9", 10), ([7...9, 0...8, 2...3], "0-9", 10),
    ])
    func rangesAreInOrderAndApart(ranges: [ClosedRange<Int>], text: String, count: Int) {
        let slots = SlotRanges(ranges)
        #expect(slots.description == text && slots.count == count)
        #expect(SlotRanges(text) == slots)
    }

    @Test(arguments: ["a", "1-", "-1", "3-2", "16384", "0-16384", "1,,2", "1-2-3", ","])
    func whatIsNoRangeIsRefused(text: String) {
        #expect(SlotRanges(text) == nil)
    }

    @Test func whatIsTakenAwayAndPutBackIsWhole() {
        let all = SlotRanges([0...16383])
        for hole in [0...0, 16383...16383, 5...7, 0...16383] {
            let holes = SlotRanges([hole])
            let left = all.subtracting(holes)
            #expect(left.count == 16384 - hole.count)
            #expect(left.union(holes) == all)
            #expect(left.subtracting(all).isEmpty)
        }
        #expect(SlotRanges([0...10]).subtracting(SlotRanges([2...3, 5...6, 9...20])).description == "0-1,4,7-8")
    }
}

struct ClusterTopologyTests {
    private static let text = """
        aaa 10.0.0.1:6379@16379,redis-0 myself,master - 0 0 3 connected 0-5460 [5461->-bbb] [7-<-bbb]
        bbb 10.0.0.2:6379@16379 master - 0 1 5 connected 5461-10922 10923-16383
        ccc 10.0.0.3:6379@16379 slave bbb 0 1 5 disconnected
        ddd :0@0 slave,fail,noaddr aaa 0 1 3 disconnected
        vars currentEpoch 6 lastVoteEpoch 0
        """

    @Test func nodesAreReadWithTheirSlots() throws {
        let topology = try #require(ClusterTopology(parsing: Self.text))
        #expect(topology.nodes.map(\.id) == ["aaa", "bbb", "ccc", "ddd"])
        let own = try #require(topology.myself)
        #expect(own.id == "aaa" && own.isPrimary && own.slots.description == "0-5460" && own.configEpoch == 3)
        #expect(own.migrations == ["5461->-bbb", "7-<-bbb"])
        #expect(topology.nodes[1].slots.description == "5461-16383")
        #expect(topology.primary(of: topology.nodes[2])?.id == "bbb")
        #expect(topology.primary(of: own)?.id == "aaa")
        #expect(topology.nodes[3].hasFailed && !topology.nodes[3].isLinkUp && !topology.nodes[2].hasFailed)
        #expect(topology.assignedSlots.count == 16384)
        #expect(topology.currentEpoch == 5)
        #expect(topology.ownership.mapValues(\.description) == ["aaa": "0-5460", "bbb": "5461-16383"])
    }

    /// As a node says it of one whose pod is gone: it still waits for the connection.
    @Test func aNodeThatIsOnlyBelievedToBeConnectedIsNotReached() throws {
        let lines = """
            aaa 10.0.0.1:6379@16379 myself,master - 0 0 3 connected 0-5460
            bbb 10.0.0.2:6379@16379 master,fail? - 1 1 2 connected 5461-16383
            ccc 10.0.0.3:6379@16379 slave bbb 0 1 5 connected
            ddd 10.0.0.4:6379@16379 slave,fail aaa 0 1 5 connected
            eee 10.0.0.5:6379@16379 slave aaa 0 1 5 disconnected
            """
        let topology = try #require(ClusterTopology(parsing: lines))
        #expect(topology.nodes.map(\.isReached) == [true, false, true, false, false])
    }

    @Test func everyTruncationIsReadOrRefused() {
        for count in 0..<Self.text.utf8.count {
            let part = String(decoding: Array(Self.text.utf8.prefix(count)), as: UTF8.self)
            let topology = ClusterTopology(parsing: part)
            #expect((topology?.nodes.count ?? 0) <= 4)
            #expect((topology?.assignedSlots.count ?? 0) <= 16384)
        }
        #expect(ClusterTopology(parsing: "bbb 10.0.0.2:6379@16379 master - 0 1 5 connected 5461-10922") == nil)
    }
}
