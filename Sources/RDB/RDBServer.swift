// SPDX-License-Identifier: Apache-2.0

/// The server that shall load an RDB, as far as it is known.
package struct RDBServer: Sendable, Hashable {
    package enum Product: String, Sendable, Hashable {
        case redis
        case valkey
    }

    package var product: Product
    package var major: Int
    package var minor: Int
    /// How many databases it has (`databases`; in cluster mode 1, or `cluster-databases` of Valkey 9).
    package var databases: UInt64?
    /// The names of its modules, as `MODULE LIST` gives them.
    package var modules: [String]?
    /// Its limit of memory, in bytes; zero is none (`maxmemory`).
    package var memoryBytesMax: Int64?
    /// Whether it tries RDB versions of others (`rdb-version-check relaxed`, Valkey 8.1 and later).
    package var triesForeignVersions: Bool

    package init(
        _ product: Product,
        _ major: Int,
        _ minor: Int,
        databases: UInt64? = nil,
        modules: [String]? = nil,
        memoryBytesMax: Int64? = nil,
        triesForeignVersions: Bool = false
    ) {
        self.product = product
        self.major = major
        self.minor = minor
        self.databases = databases
        self.modules = modules
        self.memoryBytesMax = memoryBytesMax
        self.triesForeignVersions = triesForeignVersions
    }
}

extension RDBServer {
    /// The newest RDB version that it loads, and the one that it writes (`RDB_VERSION` in redis and valkey src/rdb.h).
    /// A release that is newer than this table loads at least what the last one in it does.
    package var rdbVersion: Int {
        let releases =
            switch product {
            case .redis: Self.redisReleases
            case .valkey: Self.valkeyReleases
            }
        return releases.last { ($0.major, $0.minor) <= (major, minor) }?.rdbVersion ?? 1
    }

    /// The releases in which something changed for the loading of an RDB, the oldest first.
    package static func releases(of product: Product) -> [RDBServer] {
        (product == .redis ? redisReleases : valkeyReleases).map { RDBServer(product, $0.major, $0.minor) }
    }

    private typealias Release = (major: Int, minor: Int, rdbVersion: Int)

    private static let redisReleases: [Release] = [
        (2, 4, 2), (2, 6, 6), (3, 2, 7), (4, 0, 8), (5, 0, 9), (7, 0, 10), (7, 2, 11), (7, 4, 12), (8, 6, 13),
        (8, 8, 14), (8, 10, 15),
    ]

    private static let valkeyReleases: [Release] = [(7, 2, 11), (9, 0, 80)]
}

extension RDBServer: CustomStringConvertible {
    /// Such as `Redis 7.0`.
    package var description: String { "\(product == .redis ? "Redis" : "Valkey") \(major).\(minor)" }
}
