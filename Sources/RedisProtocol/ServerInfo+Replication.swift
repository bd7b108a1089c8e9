// SPDX-License-Identifier: Apache-2.0

extension ServerInfo {
    /// What a member is to its group.
    package enum Role: String, Sendable, Hashable, Codable {
        case primary
        case replica

        /// Reads `master`, `primary`, `slave` and `replica`.
        package init?(reported text: String) {
            switch text {
            case "master", "primary": self = .primary
            case "slave", "replica": self = .replica
            default: return nil
            }
        }
    }

    /// A replica, as its primary sees it (`slave0:ip=…,port=…,state=…,offset=…,lag=…`).
    package struct ConnectedReplica: Sendable, Hashable {
        package let host: String
        /// The port it said it listens on; 0 for a client that only takes a snapshot.
        package let port: Int
        /// `online`, `wait_bgsave`, `send_bulk`, …
        package let state: String
        /// Up to where it acknowledged the stream, in bytes.
        package let offset: Int64?
        /// Seconds since its last acknowledgement.
        package let lagSeconds: Int64?

        package init(host: String, port: Int, state: String, offset: Int64?, lagSeconds: Int64?) {
            self.host = host
            self.port = port
            self.state = state
            self.offset = offset
            self.lagSeconds = lagSeconds
        }
    }

    package var role: Role? { fields["role"].flatMap { Role(reported: $0) } }

    /// The identity of the history this member is in: 40 hexadecimal digits.
    package var replicationID: String? { fields["master_replid"] }
    /// The identity of the history before the last promotion; `nil` when there is none (forty zeros).
    package var secondReplicationID: String? {
        fields["master_replid2"].flatMap { id in id.allSatisfy { $0 == "0" } ? nil : id }
    }
    /// Up to where the history before the last promotion counts; `nil` when there is none (-1).
    package var secondReplicationOffset: Int64? { integer("second_repl_offset").flatMap { $0 < 0 ? nil : $0 } }
    /// How far in its history the member itself is, in bytes: on a replica, what it has processed and passes on.
    package var replicationOffset: Int64? { integer("master_repl_offset") }
    /// Whether the member keeps a backlog, without which an RDB carries no replication id on a primary.
    package var hasReplicationBacklog: Bool? { flag("repl_backlog_active") }
    package var replicationBacklogBytes: Int64? { integer("repl_backlog_size") }
    /// `no-failover`, `waiting-for-sync` or `failover-in-progress` (since 6.2).
    package var failoverState: String? { fields["master_failover_state"] }

    // Fields of a replica only.

    package var primaryHost: String? { fields["master_host"] }
    package var primaryPort: Int64? { integer("master_port") }
    /// Whether the link to the primary is up.
    package var primaryLinkIsUp: Bool? { fields["master_link_status"].map { $0 == "up" } }
    /// Whether a full synchronization is going on.
    package var primarySyncInProgress: Bool? { flag("master_sync_in_progress") }
    /// Seconds since the primary sent anything; -1 without a link. A primary sends a ping each 10 seconds.
    package var primaryLastIOSecondsAgo: Int64? { integer("master_last_io_seconds_ago") }
    /// For how many seconds the link has been down.
    package var primaryLinkDownSeconds: Int64? { integer("master_link_down_since_seconds") }
    /// Up to where the replica has processed the stream of its primary, in bytes.
    package var processedReplicationOffset: Int64? { integer("slave_repl_offset") }
    /// Up to where the replica has read the stream of its primary, in bytes (since 7.0).
    package var readReplicationOffset: Int64? { integer("slave_read_repl_offset") }

    // Fields of every member about those that follow it.

    package var connectedReplicaCount: Int64? { integer("connected_slaves") }

    package var connectedReplicas: [ConnectedReplica] {
        (0..<max(0, connectedReplicaCount ?? 0)).prefix(1000).compactMap { fields["slave\($0)"] }.map { line in
            let pairs = Self.pairs(line)
            return ConnectedReplica(
                host: pairs["ip"] ?? "",
                port: pairs["port"].flatMap { Int($0) } ?? 0,
                state: pairs["state"] ?? "",
                offset: pairs["offset"].flatMap { Int64($0) },
                lagSeconds: pairs["lag"].flatMap { Int64($0) }
            )
        }
    }

    /// How many full synchronizations the member served since its start.
    package var fullSyncCount: Int64? { integer("sync_full") }
    /// How many partial ones it granted.
    package var partialSyncCount: Int64? { integer("sync_partial_ok") }
    /// How many partial ones it refused.
    package var refusedPartialSyncCount: Int64? { integer("sync_partial_err") }
}
