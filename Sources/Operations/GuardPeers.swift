// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Logging
import ObjectStorage
import RedisClient
import RedisProtocol

/// What the other members of the group say while a server of it is held back.
package struct GuardPeers: Sendable {
    package struct Peer: Sendable {
        package let name: String
        package let info: ServerInfo

        package init(name: String, info: ServerInfo) {
            self.name = name
            self.info = info
        }
    }

    /// Those that answered. One that does not is gone, or not up yet, and decides nothing.
    package let living: [Peer]

    package init(living: [Peer]) {
        self.living = living
    }

    /// How long one of them is asked.
    private static let patience = Duration.seconds(5)

    /// Asks all of them at once.
    package static func ask(_ endpoints: [RedisEndpoint], logger: Logger) async -> GuardPeers {
        await withTaskGroup(of: Peer?.self) { group in
            for endpoint in endpoints {
                group.addTask { await ask(endpoint, logger: logger) }
            }
            var peers: [Peer] = []
            for await peer in group { if let peer { peers.append(peer) } }
            return GuardPeers(living: peers.sorted { $0.name < $1.name })
        }
    }

    private static func ask(_ endpoint: RedisEndpoint, logger: Logger) async -> Peer? {
        do {
            let info = try await withTimeLimit(patience, to: "ask the peer \(endpoint)") {
                try await withRedisConnection(endpoint) { try await $0.info() }
            }
            return Peer(name: "\(endpoint)", info: info)
        } catch let failure as Failure where failure.code == .unreachable {
            logger.debug("the peer \(endpoint) is not up: \(failure)")
        } catch {
            logger.warning("the peer \(endpoint) could not be asked: \(error)")
        }
        return nil
    }
}

extension GuardPeers {
    /// Primaries that have loaded what they have.
    private var primaries: [Peer] { living.filter { $0.info.role == .primary && !$0.info.isLoading } }

    private var primaryWithData: Peer? { primaries.first { $0.info.keyCount > 0 } }

    /// A primary without keys that would make a server with this history throw its data away (F36). One that went on
    /// from this history and holds no keys was emptied, and not born empty.
    ///
    /// - Parameter history: where the data stands that the server has, or will have.
    package func emptyStranger(to history: DatasetHistory?) -> Peer? {
        guard primaryWithData == nil else { return nil }
        return primaries.first { peer in
            peer.info.keyCount == 0 && !(history.map(peer.info.contains) ?? false)
        }
    }

    /// A replica with data that has lost its primary: a server with less that becomes the primary would wipe it.
    package var orphan: Peer? {
        guard !living.contains(where: { $0.info.role == .primary && ($0.info.keyCount > 0 || $0.info.isLoading) })
        else {
            return nil
        }
        return living.filter { $0.info.role == .replica && $0.info.keyCount > 0 && $0.info.primaryLinkIsUp != true }
            .max { ($0.info.replicationOffset ?? -1) < ($1.info.replicationOffset ?? -1) }
    }

    /// By how many bytes the orphan has more of the same history.
    package func lead(over history: DatasetHistory?) -> Int64? {
        guard let history, let info = orphan?.info, info.replicationID == history.id,
            let offset = info.replicationOffset,
            offset > history.offset
        else { return nil }
        return offset &- history.offset
    }

    /// What will happen when a server that was restored to this point meets them; `nil` where nobody says.
    package func outlook(for history: DatasetHistory?) -> String? {
        guard let primary = primaryWithData else { return nil }
        guard let history, primary.info.canContinue(from: history) else {
            return "\(primary.name) is a primary with data that cannot go on from this snapshot: the server will fetch "
                + "all of its data from it, and the restore is a head start at most"
        }
        return "\(primary.name) is a primary that can go on from this snapshot: a partial resync will follow"
    }
}

extension ServerInfo {
    /// Whether what stands at this point is a beginning of what the server has.
    func contains(_ history: DatasetHistory) -> Bool {
        if replicationID == history.id { return history.offset <= replicationOffset ?? -1 }
        return secondReplicationID == history.id && history.offset < secondReplicationOffset ?? -1
    }

    /// Whether the server can go on from this point with a replica (`masterTryPartialResync` in redis
    /// src/replication.c).
    func canContinue(from history: DatasetHistory) -> Bool {
        guard contains(history), hasReplicationBacklog == true,
            let first = integer("repl_backlog_first_byte_offset"), let length = integer("repl_backlog_histlen")
        else { return false }
        // The first byte that the replica lacks.
        let next = history.offset &+ 1
        return next >= first && next <= first &+ length
    }
}
