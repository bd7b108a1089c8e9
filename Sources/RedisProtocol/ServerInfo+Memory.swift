// SPDX-License-Identifier: Apache-2.0

extension ServerInfo {
    /// What the dataset and everything around it takes, by the server's own account.
    package var usedMemoryBytes: Int64? { integer("used_memory") }
    /// What the process occupies, by the account of the kernel.
    package var residentMemoryBytes: Int64? { integer("used_memory_rss") }
    /// The limit of memory in bytes; 0 is none.
    package var maxMemoryBytes: Int64? { integer("maxmemory") }
    /// What the machine has, in bytes; a container sees all of its node's.
    package var systemMemoryBytes: Int64? { integer("total_system_memory") }
    package var evictedKeys: Int64? { integer("evicted_keys") }
}
