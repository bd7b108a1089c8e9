// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RedisProtocol

extension Check {
    /// How the server keeps its data itself, and what that means for a restore.
    /// - Parameter settings: all that `CONFIG GET` says; `nil` where it is forbidden.
    static func persistence(_ member: BackupMember, _ info: ServerInfo, _ settings: [String: String]?) -> [Finding] {
        var findings: [Finding] = []
        if info.isAOFEnabled == true {
            findings.append(
                Finding(
                    member.name,
                    "persistence",
                    .warning,
                    "appendonly is on: the server ignores a dump.rdb at its start",
                    hint: "Restore with --server-config or --appendonly yes, so that the AOF is written too. A replica "
                        + "that is restored so rejoins by a full resync; with appendonly no, by a partial one."
                )
            )
        } else if let save = settings?["save"] {
            findings.append(
                Finding(
                    member.name,
                    "persistence",
                    .good,
                    save.isEmpty
                        ? "neither AOF nor RDB: it keeps nothing itself, and a restore writes dump.rdb"
                        : "RDB (save \(save)): a restore writes dump.rdb"
                )
            )
        }
        if info.lastSaveSucceeded == false {
            findings.append(
                Finding(
                    member.name,
                    "persistence",
                    .warning,
                    "the server's last save failed",
                    hint: "Its log says why; until a save succeeds it may refuse writes."
                )
            )
        }
        if info.role == .primary, info.connectedReplicaCount == 0, member.source.method == "volume",
            settings?["save"]?.isEmpty == false, settings?["stop-writes-on-bgsave-error"] == "yes"
        {
            findings.append(
                Finding(
                    member.name,
                    "persistence",
                    .warning,
                    "a BGSAVE that fails makes this primary refuse writes (stop-writes-on-bgsave-error)",
                    hint: "Back up one of its replicas, or with --source replication."
                )
            )
        }
        return findings + backlog(member, info)
    }

    /// What a restored replica needs to catch up with instead of a full resync.
    private static func backlog(_ member: BackupMember, _ info: ServerInfo) -> [Finding] {
        guard info.role == .primary, let bytes = info.replicationBacklogBytes, info.connectedReplicaCount ?? 0 > 0,
            bytes <= smallBacklogBytes
        else { return [] }
        return [
            Finding(
                member.name,
                "backlog",
                .warning,
                "repl-backlog-size is \(bytes) bytes: what is written after a backup must fit, or a restored replica "
                    + "rejoins by a full resync",
                hint: "Set repl-backlog-size to what is written between two backups."
            )
        ]
    }

    /// The server's default of 1 MiB.
    private static let smallBacklogBytes: Int64 = 1 << 20

    /// Whether a fork fits into memory.
    static func memory(_ member: BackupMember, _ info: ServerInfo) -> [Finding] {
        var findings: [Finding] = []
        if let room = MemoryHeadRoom(info, containerLimitBytes: member.pod?.memoryLimitBytes) {
            do {
                try room.require(for: member.name)
                let text =
                    "\(room.usedBytes) of \(room.limitBytes) bytes of \(room.limitOwner) are used; "
                    + "a fork may cost \(room.forkBytes)"
                findings.append(Finding(member.name, "memory", .good, text))
            } catch {
                findings.append(
                    Finding(member.name, "memory", failed: Failure(wrapping: error, attempting: "look at the memory"))
                )
            }
            findings += growth(member, info, room)
        }
        return findings
    }

    /// What may become of it when the dataset grows.
    private static func growth(_ member: BackupMember, _ info: ServerInfo, _ room: MemoryHeadRoom) -> [Finding] {
        guard let limit = member.pod?.memoryLimitBytes, let most = info.maxMemoryBytes else { return [] }
        if most == 0 {
            return [
                Finding(
                    member.name,
                    "memory",
                    .warning,
                    "maxmemory is not set: the dataset may grow until its container is killed at \(limit) bytes",
                    hint: "Set maxmemory to about three quarters of the container's limit."
                )
            ]
        }
        guard most > limit / 100 * maxMemoryPercent else { return [] }
        return [
            Finding(
                member.name,
                "memory",
                .warning,
                "maxmemory is \(most) of the \(limit) bytes of its container: when that is used, a fork finds no room",
                hint: "Set maxmemory to about three quarters of the container's limit."
            )
        ]
    }

    /// Above this part of the container's limit, in percent, maxmemory leaves too little for a fork.
    private static let maxMemoryPercent: Int64 = 85

    static func clock(_ member: BackupMember, atMicroseconds time: Int64) -> Finding {
        clock(
            member.name,
            aheadSeconds: Timestamp.now().secondsSince1970 - time / 1_000_000,
            hint: "Set the clocks: whether a snapshot is fresh is judged by the server's, its id is made by ours."
        )
    }
}
