// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Operations
import RedisProtocol
import Testing

/// Nodes that were restored become the cluster of the set; anything that does not fit is refused before it is touched.
struct ClusterPlanTests {
    @Test func eachNodeGetsTheShardWhoseKeysItHolds() throws {
        let plan = try ClusterPlan(ClusterParts.whole(), ClusterParts.fresh())
        #expect(plan.placements.map(\.primary.name) == ["b", "a", "c"])
        #expect(plan.placements.map(\.shard.slots.description) == ClusterParts.thirds)
        #expect(plan.placements.map(\.missingSlots.count) == [5460, 5461, 5460])
        #expect(plan.placements.map { $0.newReplicas.map(\.name) } == [["e0"], ["e1"], ["e2"]])
        #expect(plan.meetSteps.map(\.name) == ["e0", "a", "e1", "c", "e2"], "all but the first primary")
        #expect(plan.remarks.isEmpty)
    }

    /// Above all that the old cluster knew, in the order of the old ones, and all different.
    @Test func theEpochsKeepTheirOrder() throws {
        let steps = try ClusterPlan(ClusterParts.whole(), ClusterParts.fresh()).epochSteps
        #expect(steps.map(\.node.name) == ["c", "a", "b", "e0", "e1", "e2"])
        #expect(steps.map(\.epoch) == [8, 9, 10, 11, 12, 13])
    }

    /// What an earlier run has done is not done again, and what it left is not given twice.
    @Test func aRunThatWasInterruptedGoesOn() throws {
        let met = ["b x:1@2 master - 0 0 10 connected 0-5460"]
        let seen = ["e0 x:1@2 master - 0 0 11 connected"]
        let nodes = try [
            ClusterParts.node("e0", epoch: 11, others: met), ClusterParts.restored("a", 1), ClusterParts.node("e1"),
            ClusterParts.node("b", "0-5460", keys: 1, epoch: 10, others: seen),
            ClusterParts.node("c", "10923-16383", keys: 95, epoch: 8), ClusterParts.node("e2"),
        ]
        let plan = try ClusterPlan(ClusterParts.whole(), nodes)
        #expect(plan.epochSteps.map(\.node.name) == ["a", "e1", "e2"])
        let epochs = plan.epochSteps.map(\.epoch)
        #expect(Set(epochs).count == 3 && Set(epochs).isDisjoint(with: [8, 10, 11]))
        #expect(plan.slotSteps.map(\.primary.name) == ["a"])
        #expect(plan.meetSteps.map(\.name) == ["a", "e1", "c", "e2"])
    }

    /// Pods that were started again have other addresses; nobody refuses at the old ones.
    @Test func aNodeThatIsNotReachedWhereItWasIsMetAnew() throws {
        func met(_ flags: String) throws -> [String] {
            let seed = ["b x:1@2 master - 0 0 10 connected 0-5460"]
            let nodes = try [
                ClusterParts.node("e0", epoch: 11, others: seed), ClusterParts.restored("a", 1),
                ClusterParts.node("e1"),
                ClusterParts.node(
                    "b",
                    "0-5460",
                    keys: 1,
                    epoch: 10,
                    others: ["e0 x:1@2 \(flags) - 0 0 11 connected"]
                ),
                ClusterParts.restored("c", 2), ClusterParts.node("e2"),
            ]
            return try ClusterPlan(ClusterParts.whole(), nodes).meetSteps.map(\.name)
        }
        #expect(try !met("master").contains("e0"))
        #expect(try met("master,fail?").contains("e0"))
        #expect(try met("master,fail").contains("e0"))
    }

    @Test func aClusterThatIsFormedNeedsNothing() throws {
        let names = ["a", "b", "c", "d", "e", "f"]
        let lines = names.enumerated().map { index, name in
            index < 3
                ? "\(name) x:1@2 master - 0 0 \(index) connected \(ClusterParts.thirds[index])"
                : "\(name) x:1@2 slave \(names[index - 3]) 0 0 1 connected"
        }
        let nodes = try names.enumerated().map { index, name in
            try ClusterParts.node(
                name,
                index < 3 ? ClusterParts.thirds[index] : "",
                keys: 5000,
                epoch: 20,
                primary: index < 3 ? nil : names[index - 3],
                others: lines.filter { !$0.hasPrefix(name) }
            )
        }
        let plan = try ClusterPlan(ClusterParts.whole(), nodes)
        #expect(plan.steps.isEmpty && plan.remarks.isEmpty)
        #expect(plan.placements.map { $0.replicas.map(\.name) } == [["d"], ["e"], ["f"]])
    }

    @Test func replicasGoWhereTheyWereAndOntoOtherHosts() throws {
        let shards = try ClusterShards(
            ClusterParts.manifest([
                ClusterParts.member("p0", "0-8191"), ClusterParts.member("r0", "0-8191", role: "replica"),
                ClusterParts.member("s0", "0-8191", role: "replica"), ClusterParts.member("p1", "8192-16383"),
                ClusterParts.member("r1", "8192-16383", role: "replica"),
            ])
        )
        let nodes = try [
            ClusterParts.node("a", "0-8191", keys: 100, host: "h1"),
            ClusterParts.node("b", "8192-16383", keys: 100, host: "h2"),
            ClusterParts.node("x", host: "h1"), ClusterParts.node("y", host: "h2"), ClusterParts.node("z", host: "h3"),
        ]
        let plan = try ClusterPlan(shards, nodes)
        #expect(plan.placements.map { $0.newReplicas.map(\.name).sorted() } == [["y", "z"], ["x"]])
        #expect(plan.remarks.isEmpty)
        let fewer = try ClusterPlan(shards, Array(nodes.dropLast()))
        #expect(fewer.remarks.contains { $0.contains("0-8191 gets 1 replicas; the set knows of 2") })
        let crowded = try ClusterPlan(shards, Array(nodes.dropLast(2)) + [ClusterParts.node("w", host: "h1")])
        #expect(crowded.remarks.contains { $0.contains("two nodes on one host") })
    }

    /// A shard whose keys have all expired left nothing to know its node by.
    @Test func aShardWithoutKeysTakesAnEmptyNode() throws {
        let members = ClusterParts.thirds.enumerated().map { index, slots in
            ClusterParts.member("p\(index)", slots, expires: index == 1 ? 100 : 0)
        }
        let shards = try ClusterShards(ClusterParts.manifest(members))
        let nodes = try [
            ClusterParts.node("e0"), ClusterParts.restored("b", 0, keys: 100),
            ClusterParts.node("e1", loaded: (ClusterParts.history(ClusterParts.thirds[1]), 1000)),
            ClusterParts.restored("c", 2, keys: 100),
        ]
        let plan = try ClusterPlan(shards, nodes)
        #expect(plan.placements.map(\.primary.name) == ["b", "e1", "c"], "the one that loaded its snapshot")
        #expect(plan.placements.flatMap(\.newReplicas).map(\.name) == ["e0"])
    }

    /// A case of nodes that must not be made a cluster: which node takes the place of which, and what is said.
    struct Misfit: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let says: String
        let nodes: @Sendable () throws -> [ClusterNodeAnswer]

        init(_ name: String, says: String, _ change: @escaping @Sendable (inout [ClusterNodeAnswer]) throws -> Void) {
            testDescription = name
            self.says = says
            nodes = {
                var nodes = try ClusterParts.fresh()
                try change(&nodes)
                return nodes
            }
        }
    }

    static let misfits = [
        Misfit("a shard is missing", says: "no node holds the keys of the slots 5461-10922") { _ = $0.remove(at: 1) },
        Misfit("two nodes of a shard", says: "both own slots of the shard 0-5460") {
            $0[0] = try ClusterParts.restored("z", 0)
        },
        Misfit("slots of two shards", says: "not those of one shard") {
            $0[1] = try ClusterParts.node("a", "5000-6000", keys: 95)
        },
        Misfit("keys without slots", says: "holds 3 keys, and owns no slot") {
            $0[0] = try ClusterParts.node("z", keys: 3)
        },
        Misfit("keys of foreign slots", says: "holds 5 keys of slots that it does not own") {
            $0[1] = try ClusterParts.node("a", "5461", keys: 95, keysInOwnSlots: 90)
        },
        Misfit("a slot on its way", says: "has slots on their way") {
            $0[1] = try ClusterParts.node("a", "5461 [5462-<-ffff]", keys: 95)
        },
        Misfit("part of another cluster", says: "knows a node that is not named here: stranger") {
            $0[0] = try ClusterParts.node("z", others: ["stranger x:1@2 master - 0 0 1 connected 0-16383"])
        },
        Misfit("told to meet a stranger", says: "knows a node that is not named here: random") {
            $0[0] = try ClusterParts.node("z", others: ["random 10.9.9.9:6379@16379 handshake - 0 0 0 disconnected"])
        },
        Misfit("named twice", says: "are one node") { $0.append($0[0]) },
        Misfit("fewer keys than can have expired", says: "holds 89 keys") {
            $0[1] = try ClusterParts.restored("a", 1, keys: 89)
        },
        Misfit("more keys than the snapshot", says: "holds 101 keys") {
            $0[1] = try ClusterParts.restored("a", 1, keys: 101)
        },
        Misfit("another point of the history", says: "another point in the history") {
            $0[1] = try ClusterParts.node(
                "a",
                "5461",
                keys: 95,
                loaded: (ClusterParts.history(ClusterParts.thirds[1]), 999)
            )
        },
        Misfit("a replica of nobody in the set", says: "owns no slots of the set") {
            $0[0] = try ClusterParts.node("e0", primary: "e1", others: ["e1 x:1@2 master - 0 0 0 connected"])
        },
        Misfit("too little memory for a replica", says: "may use 500 bytes") {
            $0[5] = try ClusterParts.node("e2", memory: (1, 500))
        },
    ]

    @Test(arguments: misfits)
    func whatDoesNotFitIsRefused(misfit: Misfit) throws {
        let shards = try ClusterParts.whole()
        let nodes = try misfit.nodes()
        let failure = #expect(throws: Failure.self) { try ClusterPlan(shards, nodes) }
        #expect(failure?.code == .guardRefused)
        #expect(failure?.message.contains(misfit.says) == true, "\(failure?.message ?? "")")
    }

    @Test func whatMayBeAllowedIs() throws {
        var allowed = ClusterFormingRequest.Overrides()
        allowed.allowsOtherData = true
        allowed.ignoresMemoryHeadroom = true
        var nodes = try ClusterParts.fresh()
        nodes[1] = try ClusterParts.restored("a", 1, keys: 5)
        nodes[5] = try ClusterParts.node("e2", memory: (1, 500))
        let plan = try ClusterPlan(ClusterParts.whole(), nodes, allowing: allowed)
        #expect(plan.placements.count == 3)
    }
}
