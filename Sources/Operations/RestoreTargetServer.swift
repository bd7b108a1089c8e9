// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RDB
import RedisProtocol

/// The server that will load a snapshot, as far as it is known before it runs.
package struct RestoreTargetServer: Sendable, Hashable {
    package var product: ServerInfo.Product = .redis
    package var version: ServerVersion?
    /// How many databases it has (`databases`).
    package var databases: Int?
    /// Its limit of memory in bytes; 0 is none.
    package var maxMemoryBytes: Int64?
    /// Whether to restore although the server could not load it.
    package var ignoresObstacles = false

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
extension RestoreTargetServer {
    /// - Throws: `.guardRefused` when the server could not load the snapshot, or must not; nothing was touched then.
    func requireAbleToLoad(_ member: Manifest.Member) throws {
        guard let snapshot = member.rdb else { return }
        let obstacles = server(for: snapshot).obstacles(toLoading: RDBRequirements(snapshot))
        guard !ignoresObstacles, !obstacles.isEmpty else { return }
        throw Failure(
            .guardRefused,
            "restore \(member.member): the server could not load it: "
                + obstacles.map(\.description).joined(separator: "; "),
            hint: "Restore into a server that can. --ignore-compatibility restores all the same."
        )
    }

    /// A version that is not known is taken for the newest of the product that wrote the snapshot: what the
    /// configuration says of databases and memory counts all the same.
    private func server(for snapshot: Manifest.Snapshot) -> RDBServer {
        let isValkey = version == nil ? snapshot.version >= Self.valkeyVersionMin : product == .valkey
        return RDBServer(
            isValkey ? .valkey : .redis,
            version?.major ?? .max,
            version?.minor ?? .max,
            databases: databases.map(UInt64.init),
            memoryBytesMax: maxMemoryBytes
        )
    }

    /// RDB versions from here on belong to Valkey.
    private static let valkeyVersionMin = 80
}

extension RDBRequirements {
    /// What a snapshot asks of a server, by its manifest alone.
    fileprivate init(_ snapshot: Manifest.Snapshot) {
        self.init(
            version: snapshot.version,
            modules: snapshot.modules,
            functions: snapshot.functions,
            highestDatabase: snapshot.keys.keys.compactMap(UInt64.init).max(),
            usedMemoryBytes: snapshot.usedMemory
        )
    }
}
