// SPDX-License-Identifier: Apache-2.0

/// A cluster of primaries, each with the same number of replicas, all slots assigned evenly.
///
/// - Parameter body: gets the primaries in the order of their slots, and the replicas of each.
@discardableResult
package func withRedisCluster<Value>(
    _ flavour: RedisFlavour = .redis70,
    shards: Int = 3,
    replicas: Int = 0,
    _ body: (_ primaries: [RedisServer], _ replicas: [[RedisServer]]) async throws -> Value
) async throws -> Value {
    let options = [RedisOptions](repeating: .clusterNode, count: shards * (replicas + 1))
    return try await withClusterNodes(flavour, options) { nodes in
        let primaries = Array(nodes[..<shards])
        let followers = (0..<shards).map { shard in
            (0..<replicas).map { nodes[shards + shard * replicas + $0] }
        }
        try await join(nodes)
        try await assign(primaries)
        for (primary, group) in zip(primaries, followers) {
            let id = try await primary.command("CLUSTER", "MYID").text ?? ""
            for replica in group { try await follow(id, replica) }
        }
        for node in nodes {
            try await eventually("the cluster is whole at port \(node.port)", withinSeconds: 60) {
                let state = try await node.command("CLUSTER", "INFO").text ?? ""
                return state.contains("cluster_state:ok") && state.contains("cluster_slots_ok:16384") ? true : nil
            }
        }
        for (primary, group) in zip(primaries, followers) { try await primary.waitUntilSynchronized(group) }
        return try await body(primaries, followers)
    }
}

extension RedisOptions {
    /// A node that belongs to no cluster yet.
    package static var clusterNode: RedisOptions {
        .with {
            $0.config = ["cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 5000"]
            $0.databases = 1
        }
    }
}

/// Nodes that have not met, one for each of the options.
@discardableResult
package func withClusterNodes<Value>(
    _ flavour: RedisFlavour,
    _ options: [RedisOptions],
    _ body: ([RedisServer]) async throws -> Value
) async throws -> Value {
    try await withNodes(flavour, options, [], body)
}

private func withNodes<Value>(
    _ flavour: RedisFlavour,
    _ options: [RedisOptions],
    _ nodes: [RedisServer],
    _ body: ([RedisServer]) async throws -> Value
) async throws -> Value {
    guard nodes.count < options.count else { return try await body(nodes) }
    return try await withRedis(flavour, options[nodes.count]) { node in
        try await withNodes(flavour, options, nodes + [node], body)
    }
}

private func join(_ nodes: [RedisServer]) async throws {
    for (number, node) in nodes.enumerated() {
        // Without epochs of their own, nodes that meet would have to agree on them first.
        try await node.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        if number > 0 { try await node.command("CLUSTER", "MEET", nodes[0].host, nodes[0].port) }
    }
    for node in nodes {
        try await eventually("port \(node.port) to know all nodes", withinSeconds: 60) {
            let known = try await node.command("CLUSTER", "NODES").text ?? ""
            let lines = known.split(whereSeparator: \.isNewline)
            return lines.count == nodes.count && !known.contains("handshake") ? true : nil
        }
    }
}

private func assign(_ primaries: [RedisServer]) async throws {
    let slots = 16384
    for (number, primary) in primaries.enumerated() {
        let range = (slots * number / primaries.count)..<(slots * (number + 1) / primaries.count)
        for start in stride(from: range.lowerBound, to: range.upperBound, by: 1000) {
            let part = (start..<min(start + 1000, range.upperBound)).map { $0 as any CommandWord }
            _ = try await primary.withConnection { try await $0.command(["CLUSTER", "ADDSLOTS"] + part) }
        }
    }
}

private func follow(_ id: String, _ replica: RedisServer) async throws {
    try await eventually("port \(replica.port) to follow \(id)", withinSeconds: 60) {
        try await replica.ask("CLUSTER", "REPLICATE", id).errorText == nil ? true : nil
    }
}
