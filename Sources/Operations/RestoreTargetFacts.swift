// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import RedisProtocol

/// What is known of a server that will load a snapshot, or of the folder it will start in; `nil` is not known.
package struct RestoreTargetFacts: Sendable, Hashable {
    package var product: ServerInfo.Product?
    package var version: ServerVersion?
    /// Whether it tries RDB versions of the other product (`rdb-version-check relaxed`, Valkey 8.1 and later).
    package var triesForeignVersions = false
    /// How many databases it has (`databases`; in cluster mode 1, or `cluster-databases` of Valkey 9).
    package var databases: Int?
    /// Its limit of memory in bytes; 0 is none.
    package var maxMemoryBytes: Int64?
    /// What it does at that limit (`maxmemory-policy`), in lower case.
    package var maxMemoryPolicy: String?
    /// Where its container is killed, in bytes: the memory limit of its pod or cgroup.
    package var containerLimitBytes: Int64?
    /// What it uses now, in bytes, of memory.
    package var usedMemoryBytes: Int64?
    /// Whether it keeps its old data until the new is loaded (`repl-diskless-load swapdb`).
    package var keepsDataWhileLoading = false
    /// What is free where its files go, in bytes.
    package var freeDiskBytes: Int64?
    package var isAppendOnly: Bool?
    /// For which setting of `appendonly` files are written; `nil` where the server runs and no files are.
    package var filePurpose: PersistenceLayout.Purpose?
    /// The names of its modules, as `MODULE LIST` gives them.
    package var modules: Set<String>?
    package var isClustered: Bool?
    /// The slots that it owns, where it is a node of a cluster.
    package var slots: SlotRanges?
    /// What its `nodes.conf` says, where it does not run and has one.
    package var clusterNode: ClusterNode?
    /// How many keys it holds.
    package var keysHeld: UInt64?
    /// What stands in its folder that would be moved, with its size in bytes; empty where it is fresh.
    package var filesHeld: [String: Int64]?
    /// Whether its users come from a file (`aclfile`).
    package var hasACLFile: Bool?

    package init() {}

    /// Reads `7.0.15`, `redis-7.2` or `valkey-9.1`.
    /// - Throws: `.usage`.
    package init(parsing text: String) throws {
        let lowered = text.lowercased()
        let product = ["valkey", "redis"].first { lowered.hasPrefix($0) }
        let rest = lowered.dropFirst(product?.count ?? 0).drop { "-:= v".contains($0) }
        guard let version = ServerVersion(String(rest)) else {
            throw Failure(
                .usage,
                "read \(String(reflecting: text)) as the version of a server: it is none",
                hint: "Give 7.0.15, redis-7.2 or valkey-9.1."
            )
        }
        self.product = product == "valkey" ? .valkey : .redis
        self.version = version
    }
}

// MARK: From a server that runs

extension RestoreTargetFacts {
    /// The settings that matter, as `CONFIG GET` takes their names.
    package static let settingNames = [
        "aclfile", "appendonly", "cluster-databases", "databases", "maxmemory", "maxmemory-policy",
        "rdb-version-check", "repl-diskless-load",
    ]

    /// What a server that runs says of itself.
    ///
    /// - Parameters:
    ///   - info: all default sections of `INFO`.
    ///   - settings: what `CONFIG GET` gave of `settingNames`; `nil` where it is forbidden.
    ///   - modules: the reply to `MODULE LIST`; `nil` where it is forbidden.
    ///   - topology: the reply to `CLUSTER NODES`, where it is a node of a cluster.
    package init(
        _ info: ServerInfo,
        settings: [String: String]?,
        modules: RESPValue? = nil,
        topology: ClusterTopology? = nil,
        containerLimitBytes: Int64? = nil,
        freeDiskBytes: Int64? = nil
    ) {
        let settings = settings ?? [:]
        product = info.product
        version = info.version
        triesForeignVersions = settings["rdb-version-check"] == "relaxed"
        isClustered = info.mode.map { $0 == .cluster }
        slots = topology.flatMap { topology in topology.myself.flatMap { topology.primary(of: $0)?.slots } }
        databases = Self.databases(settings, isClustered: isClustered ?? false)
        maxMemoryBytes = settings["maxmemory"].flatMap { Int64($0) } ?? info.maxMemoryBytes
        maxMemoryPolicy = (settings["maxmemory-policy"] ?? info["maxmemory_policy"])?.lowercased()
        self.containerLimitBytes = containerLimitBytes
        usedMemoryBytes = info.usedMemoryBytes
        keepsDataWhileLoading = settings["repl-diskless-load"] == "swapdb"
        self.freeDiskBytes = freeDiskBytes
        isAppendOnly = settings["appendonly"].map { $0 == "yes" } ?? info.isAOFEnabled
        self.modules = modules.flatMap(Self.moduleNames)
        keysHeld = UInt64(clamping: info.keyCount)
        hasACLFile = settings["aclfile"].map { !$0.isEmpty }
    }

    /// A node of a cluster has one database, whatever `databases` says, unless it is a Valkey that was given more.
    private static func databases(_ settings: [String: String], isClustered: Bool) -> Int? {
        guard isClustered else { return settings["databases"].flatMap { Int($0) } }
        return settings["cluster-databases"].flatMap { Int($0) } ?? 1
    }

    /// The names in a reply to `MODULE LIST`: one list of pairs a module (`name`, `ver`, …), or a map in version 3.
    package static func moduleNames(_ reply: RESPValue) -> Set<String>? {
        guard let modules = reply.elements else { return nil }
        return Set(
            modules.compactMap { module in module.entries?.first { $0.key.text == "name" }?.value.text }
        )
    }
}

// MARK: From a configuration file

extension RestoreTargetFacts {
    /// Takes what a `redis.conf` says. Arguments on the command line of the server win over it, and are not seen.
    package mutating func apply(_ configuration: ServerConfiguration) {
        databases = configuration.isClusterEnabled ? 1 : configuration.databases
        maxMemoryBytes = configuration.maxMemoryBytes
        maxMemoryPolicy = configuration.maxMemoryPolicy
        isAppendOnly = configuration.isAppendOnly
        isClustered = configuration.isClusterEnabled
    }
}
