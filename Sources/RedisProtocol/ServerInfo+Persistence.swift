// SPDX-License-Identifier: Apache-2.0

extension ServerInfo {
    /// Whether the server is loading its dataset.
    package var isLoading: Bool { flag("loading") ?? false }
    /// Whether a replica is loading the dataset of its primary while it serves the old one (since 7.0).
    package var isLoadingAsynchronously: Bool { flag("async_loading") ?? false }

    /// Whether a child saves: into a file, or straight into the sockets of replicas.
    package var isSaving: Bool { flag("rdb_bgsave_in_progress") ?? false }
    /// Whether a child rewrites the AOF.
    package var isRewritingAOF: Bool { flag("aof_rewrite_in_progress") ?? false }
    package var isAOFRewriteScheduled: Bool { flag("aof_rewrite_scheduled") ?? false }
    /// Whether a module runs a child.
    package var hasModuleChild: Bool { flag("module_fork_in_progress") ?? false }
    /// Whether a child sends slots to another shard (Valkey 9).
    package var hasSlotMigrationChild: Bool { flag("slot_migration_fork_in_progress") ?? false }

    /// Whether the last finished save went well. A save that was killed leaves this as it was: necessary, never
    /// sufficient.
    package var lastSaveSucceeded: Bool? { fields["rdb_last_bgsave_status"].map { $0 == "ok" } }
    /// When the last save into the file ended, in seconds since 1970; at first the start of the process.
    package var lastSaveTimeSeconds: Int64? { integer("rdb_last_save_time") }
    /// How long the running save has taken, in seconds; `nil` when none runs (-1).
    package var currentSaveSeconds: Int64? { integer("rdb_current_bgsave_time_sec").flatMap { $0 < 0 ? nil : $0 } }
    package var changesSinceLastSave: Int64? { integer("rdb_changes_since_last_save") }
    /// How much memory the running child made the server copy so far, in bytes.
    package var currentCopyOnWriteBytes: Int64? { integer("current_cow_size") }
    /// How much memory the last save made the server copy, in bytes.
    package var lastCopyOnWriteBytes: Int64? { integer("rdb_last_cow_size") }

    package var isAOFEnabled: Bool? { flag("aof_enabled") }
    package var lastAOFRewriteSucceeded: Bool? { fields["aof_last_bgrewrite_status"].map { $0 == "ok" } }
    /// How many keys the last load found, and how many of them it dropped as expired (since 7.0).
    package var lastLoadKeysLoaded: Int64? { integer("rdb_last_load_keys_loaded") }
    package var lastLoadKeysExpired: Int64? { integer("rdb_last_load_keys_expired") }
}
