// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Testing

@Suite struct ClusterNodeTests {
    @Test(
        arguments: [
            // As Redis 6.2 and 7.0, and Valkey 9.1, leave it after a first start.
            (
                "47bc959aeab881a8cdec4dbcc3652d2fb3937e76 :0@0 myself,master - 0 0 0 connected\n"
                    + "vars currentEpoch 0 lastVoteEpoch 0\n",
                ClusterNode(
                    nodeID: "47bc959aeab881a8cdec4dbcc3652d2fb3937e76",
                    isPrimary: true,
                    slots: [],
                    knownNodes: 1
                )
            ),
            (
                "192f :36769@46769,,tls-port=0,shard-id=0cf3 myself,master - 0 0 0 connected\nvars currentEpoch 0",
                ClusterNode(nodeID: "192f", isPrimary: true, slots: [], knownNodes: 1)
            ),
            // A node among others, with a slot on its way out.
            (
                "aaa 10.0.0.1:6379@16379 master - 0 1 2 connected 5461-10922\n"
                    + "bbb 10.0.0.2:6379@16379 myself,master - 0 0 1 connected 0-5459 5460 [12-<-aaa]\n"
                    + "ccc 10.0.0.3:6379@16379 slave bbb 0 1 1 connected\nvars currentEpoch 6 lastVoteEpoch 0\n",
                ClusterNode(nodeID: "bbb", isPrimary: true, slots: [0...5460], knownNodes: 3)
            ),
            (
                "ccc 10.0.0.3:6379@16379 myself,slave bbb 0 1 1 connected\n",
                ClusterNode(nodeID: "ccc", isPrimary: false, slots: [], knownNodes: 1)
            ),
            ("", nil), ("vars currentEpoch 0 lastVoteEpoch 0", nil), ("garbage", nil),
            ("aaa 10.0.0.1:6379@16379 master - 0 1 2 connected 0-16383\n", nil),
            (
                "aaa x myself,master - 0 1 2 connected 9-1 -1 0-16384 1-2-3 x\n",
                ClusterNode(nodeID: "aaa", isPrimary: true, slots: [], knownNodes: 1)
            ),
        ] as [(String, ClusterNode?)]
    )
    func nodesFileSaysWhoTheNodeIs(text: String, node: ClusterNode?) {
        #expect(ClusterNode(parsing: text) == node)
    }
}
