// SPDX-License-Identifier: Apache-2.0

import RedisProtocol
import Testing

/// Where nodes say that they are.
struct ClusterNodeAddressTests {
    @Test(arguments: [
        ("10.0.0.7:6379@16379", ClusterNodeAddress(ip: "10.0.0.7", port: 6379, busPort: 16379)),
        (":7000@17000", ClusterNodeAddress(ip: "", port: 7000, busPort: 17000)),
        ("fd00::1:6379@7777,redis-0.headless", ClusterNodeAddress(ip: "fd00::1", port: 6379, busPort: 7777)),
        ("1.2.3.4:6379@16379,,shard-id=abc", ClusterNodeAddress(ip: "1.2.3.4", port: 6379, busPort: 16379)),
    ])
    func anAddressIsRead(text: String, address: ClusterNodeAddress) {
        #expect(ClusterNodeAddress(parsing: text) == address)
    }

    @Test(arguments: ["", "10.0.0.7:6379", "10.0.0.7@16379", "x:y@z", "h:70000@1", "h:1@-2", "h:1@"])
    func whatIsNoneIsNone(text: String) {
        #expect(ClusterNodeAddress(parsing: text) == nil)
    }

    @Test func theStateOfAClusterIsRead() throws {
        let text =
            "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_current_epoch:9\r\ncluster_my_epoch:3\r\n"
        let state = try #require(ClusterState(parsing: text))
        #expect(state.isOK && state.slotsAssigned == 16384 && state.currentEpoch == 9 && state.ownEpoch == 3)
        #expect(ClusterState(parsing: "ERR") == nil)
    }

    @Test func slotsAreComparedAsSets() {
        let some = SlotRanges([0...10, 20...30])
        #expect(SlotRanges.all.contains(some) && !some.contains(.all) && some.contains(SlotRanges()))
        #expect(some.intersection(SlotRanges([5...25])) == SlotRanges([5...10, 20...25]))
        #expect(SlotRanges([3...4, 9...9]).slots == [3, 4, 9])
    }
}
