// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import RedisClient
import RedisProtocol

/// Proves that the servers of a set that was restored have what they should: they loaded every key of the snapshot
/// that has not expired, and every replica is in step with its primary.
package struct RestoredSetProof: Sendable {
    /// What was found.
    package struct Report: Sendable, Hashable {
        /// Servers that are primaries, by their names.
        package let primaries: [String]
        package let replicasOnline: Int
        /// What a primary loaded, and what of it had expired by then; `nil` where the server does not say.
        package let keysLoaded: Int64?
        package let keysExpired: Int64?
        /// What it holds now.
        package let keys: Int64
        /// How the replicas came: by the rest that they missed, or by everything.
        package let partialSyncs: Int64
        package let fullSyncs: Int64
    }

    private let names: [String]
    private let endpoints: [RedisEndpoint]
    private let snapshot: Manifest.Snapshot
    private let logger: Logger

    private static let interval = Duration.seconds(1)

    /// - Parameter names: of the endpoints, in their order.
    package init(names: [String], endpoints: [RedisEndpoint], snapshot: Manifest.Snapshot, logger: Logger) {
        self.names = names
        self.endpoints = endpoints
        self.snapshot = snapshot
        self.logger = logger
    }

    /// Asks until all servers are in step, or the time is over.
    /// - Throws: `.timeout` with what was the matter last; `.digestMismatch` when a primary holds something else.
    package func prove(secondsMax: Double) async throws -> Report {
        let deadline = ContinuousClock.now + .seconds(secondsMax)
        while true {
            let trouble: String
            do {
                let infos = try await ask()
                guard let disorder = Self.disorder(infos) else { return try report(infos) }
                trouble = disorder
            } catch let failure as Failure where failure.code.isTransient || failure.code == .memberLoading {
                trouble = "\(failure)"
            }
            guard ContinuousClock.now < deadline else {
                throw Failure(
                    .timeout,
                    "wait until the restored servers are in step: \(trouble)",
                    hint: "Their volumes are restored. `redis-cli INFO replication` on each says how it goes on."
                )
            }
            logger.debug("not in step yet: \(trouble)")
            try await Task.sleep(for: Self.interval)
        }
    }

    /// One server and what it says.
    package struct Member: Sendable {
        package let name: String
        package let info: ServerInfo

        package init(name: String, info: ServerInfo) {
            self.name = name
            self.info = info
        }
    }

    private func ask() async throws -> [Member] {
        var members: [Member] = []
        for (name, endpoint) in zip(names, endpoints) {
            members.append(Member(name: name, info: try await withRedisConnection(endpoint) { try await $0.info() }))
        }
        return members
    }

    /// What is not in step yet; `nil` when everything is.
    package static func disorder(_ members: [Member]) -> String? {
        if let loading = members.first(where: { $0.info.isLoading || $0.info.isLoadingAsynchronously }) {
            return "\(loading.name) is loading"
        }
        let primaries = members.filter { $0.info.role == .primary }
        if primaries.isEmpty { return "no server is a primary" }
        let replicas = members.filter { $0.info.role != .primary }
        if let lost = replicas.first(where: { $0.info.primaryLinkIsUp != true }) {
            return "the link of \(lost.name) to its primary is down"
        }
        let online = primaries.flatMap(\.info.connectedReplicas).filter { $0.state == "online" }.count
        return online < replicas.count ? "\(online) of \(replicas.count) replicas are online" : nil
    }

    private func report(_ members: [Member]) throws -> Report {
        let primaries = members.filter { $0.info.role == .primary }
        for primary in primaries { try Self.requireKeys(of: primary, snapshot) }
        let first = primaries.first?.info
        func sum(_ field: (ServerInfo) -> Int64?) -> Int64 { primaries.reduce(0) { $0 + (field($1.info) ?? 0) } }
        return Report(
            primaries: primaries.map(\.name),
            replicasOnline: members.count - primaries.count,
            keysLoaded: first?.lastLoadKeysLoaded,
            keysExpired: first?.lastLoadKeysExpired,
            keys: first?.keyCount ?? 0,
            partialSyncs: sum(\.partialSyncCount),
            fullSyncs: sum(\.fullSyncCount)
        )
    }

    /// What a primary loaded and what it dropped as expired make up the snapshot (F38). Clients may have written since:
    /// what it holds now says less. A server before 7.0 does not tell: there, all that cannot expire must be there.
    package static func requireKeys(of primary: Member, _ snapshot: Manifest.Snapshot) throws {
        let expected = Int64(clamping: snapshot.keyCount)
        let found: String
        if let loaded = primary.info.lastLoadKeysLoaded {
            let expired = primary.info.lastLoadKeysExpired ?? 0
            if loaded + expired == expected { return }
            found = "it loaded \(loaded) keys, and \(expired) had expired"
        } else {
            if primary.info.keyCount >= expected - Int64(clamping: snapshot.expires) { return }
            found = "it holds \(primary.info.keyCount) keys, and \(snapshot.expires) of the snapshot may have expired"
        }
        throw Failure(
            .digestMismatch,
            "prove that \(primary.name) holds the snapshot of \(expected) keys: \(found)",
            hint: "Something else gave it its data: an init container, another volume, another data directory. Compare "
                + "`CONFIG GET dir` with the volume."
        )
    }
}
