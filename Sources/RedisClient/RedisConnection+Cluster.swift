// SPDX-License-Identifier: Apache-2.0

import Failures
import RedisProtocol

/// What a node of a cluster is asked and told. Each needs the right of its subcommand, as `+cluster|meet`.
extension RedisConnection {
    /// How many slots, or ranges of slots, go into one command: some ten thousand bytes.
    private static let slotsAtOnce = 1000
    /// How many questions are on their way at a time.
    private static let questionsAtOnce = 512

    /// How the node finds its cluster.
    package func clusterState() async throws -> ClusterState {
        let reply = try await command("CLUSTER", "INFO")
        guard let state = reply.text.flatMap(ClusterState.init(parsing:)) else {
            throw unexpected(reply, to: "CLUSTER INFO")
        }
        return state
    }

    /// Gives a node that knows no other one the version of its slots.
    ///
    /// The node takes it once in its life: only where it knows itself alone and has none (redis.io, `CLUSTER
    /// SET-CONFIG-EPOCH`).
    package func setConfigEpoch(_ epoch: Int64) async throws {
        try await command("CLUSTER", "SET-CONFIG-EPOCH", "\(epoch)")
    }

    /// Makes the node the owner of slots that nobody owns, as far as it knows; itself counts, too.
    /// - Parameter info: of this server: ranges are understood from 7.0 on.
    package func addSlots(_ slots: SlotRanges, _ info: ServerInfo) async throws {
        let takesRanges = info.product == .valkey || (info.version ?? ServerVersion(0, 0, 0)) >= ServerVersion(7, 0, 0)
        let words =
            takesRanges
            ? slots.ranges.map { ["\($0.lowerBound)", "\($0.upperBound)"] } : slots.slots.map { ["\($0)"] }
        for start in stride(from: 0, to: words.count, by: Self.slotsAtOnce) {
            let part = words[start..<min(start + Self.slotsAtOnce, words.count)].flatMap(\.self)
            try await run(RESPCommand(["CLUSTER", takesRanges ? "ADDSLOTSRANGE" : "ADDSLOTS"] + part))
        }
    }

    /// Tells the node to meet another one. It answers before it has: whether they met is seen in their views.
    package func meet(_ address: ClusterNodeAddress) async throws {
        try await command("CLUSTER", "MEET", address.ip, "\(address.port)", "\(address.busPort)")
    }

    /// Makes the node a replica of another one that it knows. One that is a primary must hold no keys and own no slots.
    package func follow(nodeID: String) async throws {
        try await command("CLUSTER", "REPLICATE", nodeID)
    }

    /// How many keys the node holds in these slots, in all of its databases.
    /// - Parameter info: of this moment; it says which databases hold keys. Only Valkey 9 has more than one.
    package func keyCount(in slots: SlotRanges, _ info: ServerInfo) async throws -> Int64 {
        var count: Int64 = 0
        let databases = info.keyspace.keys.sorted()
        for database in databases {
            if databases != [0] { try await command("SELECT", "\(database)") }
            count += try await keyCountInOneDatabase(slots)
        }
        return count
    }

    private func keyCountInOneDatabase(_ slots: SlotRanges) async throws -> Int64 {
        var count: Int64 = 0
        let all = slots.slots
        for start in stride(from: 0, to: all.count, by: Self.questionsAtOnce) {
            let commands = all[start..<min(start + Self.questionsAtOnce, all.count)].map {
                RESPCommand("CLUSTER", "COUNTKEYSINSLOT", "\($0)")
            }
            for reply in try await replies(to: commands) {
                if let error = reply.error { throw Failure(error, replyTo: commands[0], from: endpoint) }
                guard let number = reply.integer else { throw unexpected(reply, to: "CLUSTER COUNTKEYSINSLOT") }
                count += number
            }
        }
        return count
    }
}
