// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RDB
import RedisClient

/// What is asked of a backup run.
package struct BackupRequest: Sendable {
    /// Which members of each shard give a snapshot.
    package enum Choice: String, Sendable, CaseIterable {
        /// Every member.
        case each
        /// Every replica.
        case replicas
        /// The best member of each shard; the next best stands in when it gives no proven snapshot.
        case onePerShard = "one-per-shard"
    }

    /// The subject of the backup.
    package var name: String
    package var members: [BackupMember]
    package var choice: Choice
    package var compression: CompressionChoice
    package var encryption = EncryptionChoice.none
    /// How closely each snapshot is read before it is committed.
    package var proof: RDBLevel
    package var source: Manifest.Source
    /// What the owner calls the set.
    package var tags: [String]
    package var tool: Manifest.Tool
    /// Whether a primary that Sentinel watches may be asked too (F12).
    package var allowsWatchedPrimary: Bool
    /// How many snapshots are taken at a time, at most; one on each node and in each shard.
    package var parallel: Int
    /// The guards that are overridden.
    package var overrides: Overrides
    /// Leases that are taken beside that of the store.
    package var leaseSeats: [any LeaseSeat]
    /// Random, new for each run.
    package var runID: String
    /// What the manifest is signed with.
    package var signingKey: SigningKey?

    /// Guards that a person may override, each by its flag.
    package struct Overrides: Sendable {
        /// Fork although there may be too little memory for it.
        package var ignoresMemoryHeadroom = false
        /// Take a set of a cluster while its slots move.
        package var allowsSlotMigration = false
        /// Take a set of a cluster of which not every shard is among the members.
        package var allowsMissingSlots = false

        package init() {}
    }

    package init(
        name: String,
        members: [BackupMember],
        choice: Choice,
        compression: CompressionChoice,
        proof: RDBLevel = .deep,
        source: Manifest.Source,
        tags: [String] = [],
        tool: Manifest.Tool,
        allowsWatchedPrimary: Bool,
        parallel: Int = 1,
        overrides: Overrides = Overrides(),
        leaseSeats: [any LeaseSeat] = [],
        runID: String
    ) {
        self.name = name
        self.members = members
        self.choice = choice
        self.compression = compression
        self.proof = proof
        self.source = source
        self.tags = tags
        self.tool = tool
        self.allowsWatchedPrimary = allowsWatchedPrimary
        self.parallel = parallel
        self.overrides = overrides
        self.leaseSeats = leaseSeats
        self.runID = runID
    }
}

extension BackupRequest {
    /// What follows the name of a member: `.rdb.zst.age`.
    var fileSuffix: String { ".rdb" + compression.fileSuffix + encryption.fileSuffix }
}

/// A server that may give a snapshot.
package struct BackupMember: Sendable {
    /// Unique in the run; becomes the name of the member's object.
    package let name: String
    package let endpoint: RedisEndpoint
    package let source: any SnapshotSource
    package let fitness: MemberFitness
    /// What the cluster says of its pod, where it was asked.
    package let pod: Pod?

    package init(
        name: String,
        endpoint: RedisEndpoint,
        source: any SnapshotSource,
        fitness: MemberFitness,
        pod: Pod? = nil
    ) {
        self.name = name
        self.endpoint = endpoint
        self.source = source
        self.fitness = fitness
        self.pod = pod
    }

    /// The pod that a member runs in.
    package struct Pod: Sendable {
        /// The node of Kubernetes it runs on; no two forks happen on one at a time.
        package let node: String?
        /// The memory limit of the server's container, in bytes.
        package let memoryLimitBytes: Int64?
        /// The name that its headless Service gives it, where the set has one: its address changes, the name does not.
        package let domainName: String?
        /// Why it cannot be spoken to: it is missing, pending, being deleted.
        package let absence: Failure?
        /// Looks again, after a failure: what is the matter with the pod, if anything.
        package let trouble: @Sendable () async -> String?

        package init(
            node: String?,
            memoryLimitBytes: Int64?,
            domainName: String? = nil,
            absence: Failure? = nil,
            trouble: @escaping @Sendable () async -> String? = { nil }
        ) {
            self.node = node
            self.memoryLimitBytes = memoryLimitBytes
            self.domainName = domainName
            self.absence = absence
            self.trouble = trouble
        }
    }
}

/// What a backup run committed.
package struct BackupOutcome: Sendable {
    package let manifest: Manifest
    /// Members that were not asked, with the reason.
    package let omissions: [BackupPlan.Omission]
    /// The stores that were asked for, in their order: each has the set, or dropped out.
    package let stores: [Destination]

    package init(manifest: Manifest, omissions: [BackupPlan.Omission], stores: [Destination] = []) {
        self.manifest = manifest
        self.omissions = omissions
        self.stores = stores
    }

    /// Whether a member is missing from the set, or the set from a store.
    package var isPartial: Bool { manifest.isPartial || stores.contains { $0.failure != nil } }
}

extension Failure {
    /// Of several failures the one that says most about why there is no backup at all: bytes that are corrupt before
    /// rights that are missing, those before a source that is not fit, and what may pass last.
    static func mostTelling(of failures: [Failure]) -> Failure {
        guard let worst = worst(of: failures) else {
            return Failure(.noFitMember, "find a member to back up: there is none")
        }
        guard failures.count > 1 else { return worst }
        return Failure(
            worst.code,
            "back up \(failures.count) members: none gave a proven snapshot, and nothing was stored",
            cause: worst,
            hint: worst.hint
        )
    }

    /// The one of several that says most; `nil` where there is none.
    static func worst(of failures: [Failure]) -> Failure? {
        func weight(_ code: Code) -> Int {
            switch code {
            case .corruptSnapshot, .truncated, .trailingBytes, .digestMismatch: 5
            case .authenticationFailed, .permissionDenied, .tlsFailed, .configuration, .unsupported, .noSpace,
                .noSuchStore, .inputOutput:
                4
            case .guardRefused, .locked: 3
            case .replicaLinkDown, .replicaLagging, .memberLoading, .memberChanged, .saveFailed, .snapshotNotFresh: 2
            case .unreachable, .timeout, .protocolViolation, .storeUnavailable: 1
            default: 0
            }
        }
        return failures.max { weight($0.code) < weight($1.code) }
    }
}

extension SnapshotSource {
    /// Whether a snapshot shows in `INFO replication` of a primary while it is taken, where Sentinel reads of
    /// replicas.
    var plantsPhantomReplica: Bool { method == "replication" }

    /// The commands beside `INFO` and `TIME` that the source cannot do without.
    var commands: [[String]] {
        plantsPhantomReplica
            ? [["REPLCONF", "rdb-only", "1"], ["PSYNC", "?", "-1"]] : [["BGSAVE"], ["LASTSAVE"]]
    }
}
