// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RDB
import RedisClient
import RedisProtocol

/// A server that shall take keys, as it was found.
struct KeysTarget: Sendable {
    let endpoint: RedisEndpoint
    let info: ServerInfo
    let clock: ServerClock
    /// The longest argument of a command that it takes (`proto-max-bulk-len`), where it says so.
    private let argumentBytesMax: Int64

    /// What servers have unless they are told otherwise: 512 MiB.
    private static let usualArgumentBytesMax: Int64 = 512 << 20

    init(lookingAt endpoint: RedisEndpoint) async throws {
        self.endpoint = endpoint
        let found = try await withRedisConnection(endpoint) { connection in
            let setting = "proto-max-bulk-len"
            return (
                info: try await connection.info(),
                microseconds: try await connection.time(),
                limit: try await connection.configGet(setting)?[setting].flatMap { Int64($0) }
            )
        }
        info = found.info
        clock = ServerClock(milliseconds: found.microseconds / 1000)
        argumentBytesMax = found.limit ?? Self.usualArgumentBytesMax
    }

    private var attempt: String { "restore keys into \(endpoint)" }

    /// - Throws: `.unsupported` where no key can be written; `.memberLoading`.
    func requireFit() throws {
        if info.isLoading {
            throw Failure(.memberLoading, "\(attempt): it is loading its dataset", hint: "Try again when it has.")
        }
        guard info.role != .replica else {
            let primary = info.primaryHost.map { "\($0):\(info.primaryPort ?? 0)" } ?? "another server"
            throw Failure(
                .unsupported,
                "\(attempt): it is a replica of \(primary), which would not know of the keys",
                hint: "Give the --endpoint of its primary."
            )
        }
        guard info.mode != .cluster, info.flag("cluster_enabled") != true else {
            throw Failure(
                .unsupported,
                "\(attempt): it runs in cluster mode, where each key belongs to the owner of its slot",
                hint: "Restore the keys into a server of its own, and copy them to the cluster from there."
            )
        }
        guard info.mode != .sentinel else { throw Failure(.unsupported, "\(attempt): it is a Sentinel") }
        // ABSTTL, IDLETIME and FREQ (redis src/cluster.c, `restoreCommand`).
        if let version = info.version, version < ServerVersion(5, 0, 0) {
            throw Failure(.unsupported, "\(attempt): it runs \(version), and RESTORE takes what is needed since 5.0")
        }
    }

    /// - Throws: `.unsupported` where the server refuses payloads of the snapshot's RDB version.
    func requireAbleToRead(_ member: Manifest.Member) throws {
        guard let version = member.rdb?.version else { return }
        let obstacles = server(modules: nil).obstacles(toLoading: RDBRequirements(version: version))
        guard !obstacles.isEmpty else { return }
        throw Failure(
            .unsupported,
            "\(attempt): RESTORE refuses keys of this snapshot there: "
                + obstacles.map(\.description).joined(separator: "; "),
            hint: "Restore into a server that can read them: \(Self.readers(of: version))."
        )
    }

    private static func readers(of version: Int) -> String {
        let loader = RDBLoader(RDBRequirements(version: version))
        return [loader.oldestRedis, loader.oldestValkey].compactMap { $0.map { "\($0) or later" } }
            .joined(separator: ", ")
    }

    private func server(modules: [String]?) -> RDBServer {
        RDBServer(
            info.product == .valkey ? .valkey : .redis,
            info.version?.major ?? .max,
            info.version?.minor ?? .max,
            modules: modules
        )
    }
}

// MARK: - What shall be written

extension KeysTarget {
    /// - Throws: `.guardRefused`, `.unsupported`, with nothing written.
    func requireAbleToTake(_ found: KeysFindings, _ request: KeysRequest) async throws {
        try requireNoObstacles(found, request)
        try requireShortArguments(found)
        if !request.ignoresMemory { try requireMemory(found) }
        try await withRedisConnection(endpoint) { connection in
            for database in found.tallies.keys.sorted() { try await requireDatabase(database, connection) }
            if !found.modules.isEmpty { try await require(found.modules.sorted(), connection) }
        }
    }

    private func requireNoObstacles(_ found: KeysFindings, _ request: KeysRequest) throws {
        for obstacle in RDBKeyObstacle.allCases {
            guard let (first, count) = found.obstacles[obstacle] else { continue }
            let keys = "\(count) of the keys, \"\(escaped(first.name))\" first,"
            switch obstacle {
            case .tooLarge:
                throw Failure(
                    .guardRefused,
                    "\(attempt): \(keys) take \(first.payloadBytes) bytes and more, and at most "
                        + "\(request.valueBytesMax) are held in memory",
                    hint: "Raise --max-value-bytes, or leave them out with other --keys."
                )
            case .template, .metadata:
                let what = obstacle == .template ? "name their fields elsewhere" : "have metadata of modules"
                throw Failure(
                    .unsupported,
                    "\(attempt): \(keys) \(what), which RESTORE does not take",
                    hint: "Leave them out with other --keys, or restore the whole snapshot."
                )
            }
        }
    }

    private func requireShortArguments(_ found: KeysFindings) throws {
        guard found.bytesMax > argumentBytesMax else { return }
        throw Failure(
            .unsupported,
            "\(attempt): a key takes \(found.bytesMax) bytes, and the server takes \(argumentBytesMax) at once",
            hint: "Raise proto-max-bulk-len there, or leave the key out with other --keys."
        )
    }

    /// What is written takes more in memory than in the snapshot: this refuses only what cannot fit.
    private func requireMemory(_ found: KeysFindings) throws {
        guard let limit = info.maxMemoryBytes, limit > 0, let used = info.usedMemoryBytes,
            used + found.bytes > limit
        else { return }
        throw Failure(
            .guardRefused,
            "\(attempt): the keys take \(found.bytes) bytes, \(used) are used, and maxmemory is \(limit): "
                + "it would evict other keys, or refuse to go on half-way",
            hint: "Raise maxmemory there. --ignore-compatibility writes all the same."
        )
    }

    private func requireDatabase(_ database: UInt64, _ connection: RedisConnection) async throws {
        let command = RESPCommand("SELECT", "\(database)")
        guard let error = try await connection.reply(to: command).error else { return }
        if error.kind == "NOPERM" { throw connection.failure(error, to: command) }
        throw Failure(
            .unsupported,
            "\(attempt): keys stand in database \(database), which it does not have: \(error)",
            hint: "Choose a database with --db, or raise `databases` there."
        )
    }

    private func require(_ types: [String], _ connection: RedisConnection) async throws {
        // Whoever may not ask learns it from the first RESTORE.
        guard let list = try? await connection.command("MODULE", "LIST").elements else { return }
        let names = list.compactMap { $0.entries?.first { $0.key.text == "name" }?.value.text }
        let obstacles = server(modules: names).obstacles(toLoading: RDBRequirements(version: 0, modules: types))
            .filter { $0.code == .moduleMissing }
        guard !obstacles.isEmpty else { return }
        throw Failure(
            .unsupported,
            "\(attempt): it cannot read some of the keys: "
                + obstacles.map(\.description).joined(separator: "; "),
            hint: "Load the modules there, or leave those keys out with other --keys."
        )
    }
}
