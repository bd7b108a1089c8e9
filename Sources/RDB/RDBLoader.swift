// SPDX-License-Identifier: Apache-2.0

/// What a server must be and have so that it loads an RDB.
package struct RDBLoader: Sendable, Hashable {
    /// Data of a module.
    package struct Module: Sendable, Hashable {
        /// The name of the type, as it stands in the RDB.
        package let type: String
        /// The modules that read it, by their names in `MODULE LIST`, as far as they are known.
        package let readers: [String]
    }

    /// The oldest release that loads it; `nil` if none that is known does.
    package let oldestRedis: RDBServer?
    package let oldestValkey: RDBServer?
    /// The oldest Valkey that loads it if `rdb-version-check` is `relaxed`, where none does without.
    package let oldestRelaxedValkey: RDBServer?
    /// The data of modules that must be there.
    package let modules: [Module]
    /// How many databases it must have.
    package let databases: UInt64
    /// How many libraries of functions it must take.
    package let functions: UInt64
    /// The least `maxmemory`, in bytes, if the server that wrote it said how much memory the dataset took.
    package let memoryBytes: Int64?

    package init(_ requirements: RDBRequirements) {
        func oldest(_ product: RDBServer.Product, isRelaxed: Bool = false) -> RDBServer? {
            RDBServer.releases(of: product).first { server in
                var server = server
                server.triesForeignVersions = isRelaxed
                return server.obstacles(toLoading: requirements).isEmpty
            }
        }
        oldestRedis = oldest(.redis)
        oldestValkey = oldest(.valkey)
        oldestRelaxedValkey = oldestValkey == nil ? oldest(.valkey, isRelaxed: true) : nil
        modules = requirements.modules.map { Module(type: $0, readers: (RDBModuleType.readers[$0] ?? []).sorted()) }
        databases = (requirements.highestDatabase ?? 0) + 1
        functions = requirements.functions
        memoryBytes = requirements.usedMemoryBytes
    }
}
