// SPDX-License-Identifier: Apache-2.0

import Failures
import Logging
import Operations
import RedisClient
import RedisProtocol

/// Members and what they say, made up.
enum PlanParts {
    static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    static func member(_ name: String, node: String? = nil, memoryLimitBytes: Int64? = nil) -> BackupMember {
        let endpoint = RedisEndpoint(url: RedisURL(host: name))
        return BackupMember(
            name: name,
            endpoint: endpoint,
            source: ReplicationSource(endpoint: endpoint, logger: logger),
            fitness: MemberFitness(),
            pod: BackupMember.Pod(node: node, memoryLimitBytes: memoryLimitBytes)
        )
    }

    static func answer(
        _ name: String,
        node: String? = nil,
        info: String = "role:slave\r\nmaster_replid:a\r\n",
        cluster: String? = nil,
        isMigratingSlots: Bool = false
    ) -> Survey.Answer {
        Survey.Answer(
            member: member(name, node: node),
            info: ServerInfo(info),
            failure: nil,
            isWatchedBySentinel: false,
            cluster: cluster.flatMap(ClusterTopology.init(parsing:)),
            isMigratingSlots: isMigratingSlots
        )
    }

    static func turn(_ shard: String, _ candidates: [(name: String, node: String?)]) -> BackupPlan.Turn {
        BackupPlan.Turn(
            candidates: candidates.map { BackupPlan.Candidate(answer($0.name, node: $0.node)) },
            shard: shard
        )
    }
}
