// SPDX-License-Identifier: Apache-2.0

import RDB

/// What a backup set is: the one object that makes it exist. Format 1, specified in docs/backup-format.md.
///
/// Later versions only add fields; a reader ignores those it does not know.
package struct Manifest: Sendable, Hashable, Codable {
    /// The format this program writes and reads.
    package static let formatNumber = 1

    package var format: Int
    package var id: BackupID
    /// The subject of the backup: `<namespace>.<statefulset>`, or the host.
    package var name: String
    package var startedAt: Timestamp
    package var finishedAt: Timestamp
    package var tool: Tool
    package var source: Source
    /// Where the members are nodes of a cluster.
    package var cluster: Cluster?
    /// What its owner calls it, for rules of retention; absent where there are none.
    package var tags: [String]?
    /// The set of the same subject before this one; absent for the first.
    package var previous: Link?
    package var members: [Member]

    package init(
        id: BackupID,
        name: String,
        startedAt: Timestamp,
        finishedAt: Timestamp,
        tool: Tool,
        source: Source,
        cluster: Cluster? = nil,
        tags: [String]? = nil,
        previous: Link? = nil,
        members: [Member]
    ) {
        self.format = Self.formatNumber
        self.id = id
        self.name = name
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.tool = tool
        self.source = source
        self.cluster = cluster
        self.tags = tags
        self.previous = previous
        self.members = members
    }

    /// The program that wrote the set.
    package struct Tool: Sendable, Hashable, Codable {
        package var name: String
        package var version: String

        package init(name: String, version: String) {
            self.name = name
            self.version = version
        }
    }

    /// The cluster that the members are nodes of.
    package struct Cluster: Sendable, Hashable, Codable {
        /// The largest epoch that a member knew.
        package var currentEpoch: Int64
        /// The slots that had an owner, as `0-16383`.
        package var assignedSlots: String
        /// The slots whose keys are in the set.
        package var storedSlots: String

        package init(currentEpoch: Int64, assignedSlots: String, storedSlots: String) {
            self.currentEpoch = currentEpoch
            self.assignedSlots = assignedSlots
            self.storedSlots = storedSlots
        }
    }

    /// What is remembered of a cluster while a set of it is taken.
    package struct ClusterFacts: Sendable, Hashable, Codable {
        package var currentEpoch: Int64
        /// The slots of each shard, as `0-5460`, in the order of the texts.
        package var slotsOfShards: [String]
        /// What would have kept the set from being taken, had it not been allowed.
        package var trouble: String?

        package init(currentEpoch: Int64, slotsOfShards: [String], trouble: String? = nil) {
            self.currentEpoch = currentEpoch
            self.slotsOfShards = slotsOfShards
            self.trouble = trouble
        }
    }

    /// Where the members were found.
    package struct Source: Sendable, Hashable, Codable {
        /// `endpoints` or `statefulset`.
        package var kind: String
        package var namespace: String?
        package var statefulSet: String?

        package init(kind: String, namespace: String? = nil, statefulSet: String? = nil) {
            self.kind = kind
            self.namespace = namespace
            self.statefulSet = statefulSet
        }
    }
}

extension Manifest {
    /// The members whose snapshot is in the set.
    package var storedMembers: [Member] { members.filter { $0.stored != nil } }

    /// Whether a member that was asked for is missing from the set.
    package var isPartial: Bool { members.contains { $0.error != nil } }

    /// What the store holds for the set, in bytes, without the manifest.
    package var storedBytes: Int64 { members.reduce(0) { $0 + ($1.stored?.bytes ?? 0) } }
}
