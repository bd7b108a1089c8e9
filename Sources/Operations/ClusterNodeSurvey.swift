// SPDX-License-Identifier: Apache-2.0

import Failures
import RedisClient
import RedisProtocol

/// Asks the nodes of a cluster that is being formed. Nothing is changed by it.
enum ClusterNodeSurvey {
    /// How many nodes are asked at once.
    private static let asksAtOnce = 16

    /// What every node says of itself.
    /// - Parameter isThorough: whether the keys of nodes that know nobody are counted slot by slot, too.
    /// - Throws: what the first node that cannot be asked throws; `.guardRefused` for one that is no node of a cluster.
    static func take(of nodes: [ClusterFormingNode], isThorough: Bool) async throws -> [ClusterNodeAnswer] {
        try await eachOf(nodes) { node in
            if let absence = node.pod?.absence { throw absence }
            do {
                return try await ask(node, isThorough: isThorough)
            } catch {
                throw await Failure(wrapping: error, attempting: "ask \(node.name) how it is").explained(by: node.pod)
            }
        }
    }

    /// Does something with each node, several at a time; the results in their order.
    static func eachOf<Element: Sendable, Result: Sendable>(
        _ elements: [Element],
        _ body: @escaping @Sendable (Element) async throws -> Result
    ) async throws -> [Result] {
        try await withThrowingTaskGroup(of: (Int, Result).self) { group in
            var waiting = elements.enumerated().makeIterator()
            func startNext() {
                guard let (index, element) = waiting.next() else { return }
                group.addTask { (index, try await body(element)) }
            }
            for _ in 0..<asksAtOnce { startNext() }
            var results: [(Int, Result)] = []
            for try await result in group {
                results.append(result)
                startNext()
            }
            return results.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private static func ask(_ node: ClusterFormingNode, isThorough: Bool) async throws -> ClusterNodeAnswer {
        try await withRedisConnection(node.endpoint) { connection in
            let info = try await connection.info()
            guard info.mode == .cluster else {
                throw Failure(
                    .guardRefused,
                    "make \(node.name) a node of a cluster: it runs as \(info.mode?.rawValue ?? "something else")",
                    hint: "Start it with `cluster-enabled yes`. One server alone is restored without --cluster."
                )
            }
            let topology = try await connection.clusterTopology()
            guard !info.isLoading, let own = topology.myself else {
                throw Failure(.memberLoading, "\(node.name) is loading its dataset", hint: "Run again when it is done.")
            }
            let asksKeys = isThorough && topology.nodes.count == 1 && info.keyCount > 0
            return ClusterNodeAnswer(
                node: node,
                info: info,
                topology: topology,
                own: own,
                state: try await connection.clusterState(),
                keysInOwnSlots: asksKeys ? try await connection.keyCount(in: own.slots, info) : nil,
                address: try await address(of: node, own, connection, isAsked: isThorough),
                isMigratingSlots: isThorough ? try await connection.isMigratingSlotsAtomically(info) : false
            )
        }
    }

    /// The ports are those that the node announces; so is the address, where it was told one (`cluster-announce-ip`).
    /// Otherwise it is the one under which the node was reached: what its own line says may be of an earlier pod.
    private static func address(
        of node: ClusterFormingNode,
        _ own: ClusterTopology.Node,
        _ connection: RedisConnection,
        isAsked: Bool
    ) async throws -> ClusterNodeAddress {
        guard let reached = connection.addresses?.remote, let location = own.location else {
            throw Failure(
                .usage,
                "make \(node.name) a node of a cluster: the others reach it neither by a socket nor by \(own.address)",
                hint: "Give its address with --endpoint redis://HOST:PORT."
            )
        }
        let announced = isAsked ? try await connection.configGet("cluster-announce-ip")?["cluster-announce-ip"] : nil
        let ip = announced.flatMap { $0.isEmpty ? nil : $0 } ?? reached
        return ClusterNodeAddress(ip: ip, port: location.port, busPort: location.busPort)
    }
}
