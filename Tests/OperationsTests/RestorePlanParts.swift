// SPDX-License-Identifier: Apache-2.0

import Catalog
import Operations
import RedisProtocol

/// Sets and servers, made up.
enum RestorePlanParts {
    static let made = Timestamp(secondsSince1970: 1_800_000_000)
    static let day: Int64 = 86_400
    static let now = Timestamp(secondsSince1970: 1_800_000_000 + day)

    static func snapshot(
        version: Int = 10,
        bytes: Int64 = 1000,
        keys: [String: UInt64] = ["0": 10],
        expires: UInt64 = 0,
        usedMemory: Int64? = 1_000_000,
        modules: [String] = [],
        functions: UInt64 = 0
    ) -> Manifest.Snapshot {
        Manifest.Snapshot(
            version: version,
            bytes: bytes,
            sha256: String(repeating: "0", count: 64),
            crc64: String(repeating: "0", count: 16),
            createdAt: made,
            keys: keys,
            expires: expires,
            types: [:],
            usedMemory: usedMemory,
            modules: modules,
            functions: functions
        )
    }

    static func member(
        _ snapshot: Manifest.Snapshot?,
        name: String = "redis-0",
        mode: String = "standalone",
        slots: String? = nil,
        history: Manifest.Replication? = nil
    ) -> Manifest.Member {
        var member = Manifest.Member(member: name, role: "primary")
        member.server = .init(product: "redis", version: "7.0.15", runId: "r", mode: mode)
        member.shard = slots.map { Manifest.Shard(slots: $0) }
        member.replication = history
        member.rdb = snapshot
        if snapshot != nil {
            member.stored = .init(key: "demo/x/\(name).rdb.zst", bytes: 1, sha256: "0", compression: "zstd")
        }
        return member
    }

    static func manifest(_ members: [Manifest.Member]) throws -> Manifest {
        Manifest(
            id: BackupID.next(after: [], now: made, suffix: 1),
            name: "demo",
            startedAt: made,
            finishedAt: made,
            tool: .init(name: "redoubt", version: "0"),
            source: .init(kind: "endpoints"),
            members: members
        )
    }

    static func plan(
        _ snapshot: Manifest.Snapshot,
        mode: String = "standalone",
        slots: String? = nil,
        expiries: ExpiryChoice = .keep,
        allowing allowances: RestorePlan.Allowances = .init(),
        _ facts: (inout RestoreTargetFacts) throws -> Void = { _ in }
    ) throws -> RestorePlan {
        var target = try RestoreTargetFacts(parsing: "7.0.15")
        try facts(&target)
        let member = member(snapshot, mode: mode, slots: slots)
        return RestorePlan.assess(
            member,
            of: try manifest([member]),
            for: target,
            expiries: expiries,
            allowing: allowances,
            now: now
        )
    }
}
