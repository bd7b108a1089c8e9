// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Operations
import RedisClient
import RedisProtocol

/// Nodes and sets of clusters, made up.
enum ClusterParts {
    static let thirds = ["0-5460", "5461-10922", "10923-16383"]

    /// A member of a set: `role` of the shard with these slots.
    static func member(
        _ name: String,
        _ slots: String,
        role: String = "primary",
        keys: UInt64 = 100,
        expires: UInt64 = 10,
        offset: Int64 = 1000,
        epoch: Int64 = 1,
        isStored: Bool = true
    ) -> Manifest.Member {
        var member = Manifest.Member(member: name, role: role)
        member.server = .init(product: "redis", version: "7.0.15", runId: "r", mode: "cluster")
        member.shard = .init(slots: slots, nodeId: name, primaryId: name, configEpoch: epoch)
        member.replication = .init(id: history(slots), offset: offset)
        guard isStored else {
            member.error = .init(code: "unreachable", message: "it is gone")
            return member
        }
        member.rdb = .init(
            version: 10,
            bytes: 1000,
            sha256: "",
            crc64: "",
            createdAt: nil,
            keys: ["0": keys],
            expires: expires,
            types: [:],
            usedMemory: nil,
            modules: [],
            functions: 0
        )
        member.stored = .init(key: "demo/x/\(name).rdb", bytes: 1000, sha256: "", compression: "none")
        return member
    }

    /// The id of the history of the shard with these slots.
    static func history(_ slots: String) -> String { "history of \(slots)" }

    static func manifest(_ members: [Manifest.Member], currentEpoch: Int64 = 7) -> Manifest {
        Manifest(
            id: BackupID(time: Timestamp.now(), suffix: 1),
            name: "demo",
            startedAt: Timestamp.now(),
            finishedAt: Timestamp.now(),
            tool: .init(name: "redoubt", version: "0"),
            source: .init(kind: "endpoints"),
            cluster: .init(currentEpoch: currentEpoch, assignedSlots: "0-16383", storedSlots: "0-16383"),
            members: members
        )
    }

    /// A set of three shards with a replica each.
    static func whole() throws -> ClusterShards {
        try ClusterShards(
            manifest(
                thirds.enumerated().flatMap { index, slots in
                    [
                        member("p\(index)", slots, offset: 900, epoch: Int64(3 - index)),
                        member("r\(index)", slots, role: "replica", offset: 1000, epoch: Int64(3 - index)),
                    ]
                }
            )
        )
    }

    /// A node that was looked at.
    /// - Parameters:
    ///   - slots: as in its own line, with spaces between them.
    ///   - others: further lines of its `CLUSTER NODES`.
    ///   - loaded: the history and offset that its snapshot left it; `nil` where it tells of none.
    static func node(
        _ name: String,
        _ slots: String = "",
        keys: Int64 = 0,
        host: String? = nil,
        epoch: Int64 = 0,
        primary: String? = nil,
        others: [String] = [],
        loaded: (id: String, offset: Int64)? = nil,
        keysInOwnSlots: Int64? = nil,
        memory: (used: Int64, max: Int64) = (1000, 0)
    ) throws -> ClusterNodeAnswer {
        let role = primary == nil ? "master -" : "slave \(primary ?? "")"
        let own = "\(name) 10.0.0.1:6379@16379 myself,\(role) 0 0 \(epoch) connected \(slots)"
        guard let topology = ClusterTopology(parsing: ([own] + others).joined(separator: "\n")),
            let state = ClusterState(parsing: "cluster_state:fail\r\ncluster_my_epoch:\(epoch)\r\n")
        else { throw Failure(.unclassified, "make up \(name)") }
        var info =
            "# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\nused_memory:\(memory.used)\r\n"
            + "maxmemory:\(memory.max)\r\nrole:\(primary == nil ? "master" : "slave")\r\n"
        if let loaded { info += "master_replid2:\(loaded.id)\r\nsecond_repl_offset:\(loaded.offset + 1)\r\n" }
        if keys > 0 { info += "# Keyspace\r\ndb0:keys=\(keys),expires=0,avg_ttl=0\r\n" }
        return ClusterNodeAnswer(
            node: ClusterFormingNode(
                name: name,
                endpoint: RedisEndpoint(url: RedisURL(host: name)),
                pod: BackupMember.Pod(node: host ?? name, memoryLimitBytes: nil)
            ),
            info: ServerInfo(info),
            topology: topology,
            own: topology.nodes[0],
            state: state,
            keysInOwnSlots: keysInOwnSlots ?? keys,
            address: ClusterNodeAddress(ip: "10.0.0.\(name.utf8.last ?? 0)", port: 6379, busPort: 16379)
        )
    }

    /// A node that was restored from the snapshot of this shard and has met nobody.
    static func restored(_ name: String, _ shard: Int, keys: Int64 = 95, host: String? = nil) throws
        -> ClusterNodeAnswer
    {
        let first = thirds[shard].split(separator: "-")[0]
        return try node(
            name,
            "\(first)",
            keys: keys,
            host: host,
            loaded: (history(thirds[shard]), 1000)
        )
    }

    /// Three nodes that were restored, and three empty ones.
    static func fresh() throws -> [ClusterNodeAnswer] {
        try [
            node("e0"), restored("a", 1), node("e1"), restored("b", 0), restored("c", 2), node("e2"),
        ]
    }
}
