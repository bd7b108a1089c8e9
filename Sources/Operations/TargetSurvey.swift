// SPDX-License-Identifier: Apache-2.0

import Failures
import RedisClient
import RedisProtocol

/// What the servers say of themselves before anything is done to them.
package struct TargetSurvey: Sendable {
    /// One server.
    package struct Look: Sendable {
        package let server: RestoreServer
        package let info: ServerInfo
        package let settings: [String: String]?
        /// What a plan judges.
        package let facts: RestoreTargetFacts
        /// Its own address, as it is reached; `nil` over a Unix domain socket.
        package let remoteAddress: String?
        /// Where its replicas reach it.
        package let address: ServerAddress
        /// `nil` when the user may not ask.
        package let isWatchedBySentinel: Bool?
    }

    package let looks: [Look]

    /// The settings that are looked at.
    private static let patterns =
        RestoreTargetFacts.settingNames + [
            "port", "replica-announce-port", "save", "tls-auth-clients", "tls-port", "tls-replication",
        ]

    /// Asks every server.
    /// - Throws: when one does not answer, or loads its dataset.
    package static func take(of servers: [RestoreServer]) async throws -> TargetSurvey {
        try await withThrowingTaskGroup(of: (Int, Look).self) { group in
            for (index, server) in servers.enumerated() { group.addTask { (index, try await look(at: server)) } }
            var looks: [(Int, Look)] = []
            for try await look in group { looks.append(look) }
            return TargetSurvey(looks: looks.sorted { $0.0 < $1.0 }.map(\.1))
        }
    }

    private static func look(at server: RestoreServer) async throws -> Look {
        if let absence = server.pod?.absence { throw absence }
        do {
            return try await withRedisConnection(server.endpoint) { connection in
                let info = try await connection.info()
                guard !info.isLoading else {
                    throw Failure(
                        .memberLoading,
                        "look at \(server.name): it is loading its dataset",
                        hint: "Try again when it has ended."
                    )
                }
                var settings: [String: String]? = [:]
                for pattern in patterns {
                    guard let found = try await connection.configGet(pattern) else {
                        settings = nil
                        break
                    }
                    settings?.merge(found) { first, _ in first }
                }
                let modules = try await connection.reply(to: RESPCommand("MODULE", "LIST"))
                let facts = RestoreTargetFacts(
                    info,
                    settings: settings,
                    modules: modules.error == nil ? modules : nil,
                    containerLimitBytes: server.memoryLimitBytes ?? server.pod?.memoryLimitBytes
                )
                return Look(
                    server: server,
                    info: info,
                    settings: settings,
                    facts: facts,
                    remoteAddress: connection.addresses?.remote,
                    address: Self.address(of: server, settings, info),
                    isWatchedBySentinel: try await connection.isWatchedBySentinel()
                )
            }
        } catch {
            throw await Failure(wrapping: error, attempting: "look at \(server.name)").explained(by: server.pod)
        }
    }

    /// Replicas come to the port for TLS where replication is over TLS, and to the other one where not: the port that
    /// this program came by may be either.
    private static func address(
        of server: RestoreServer,
        _ settings: [String: String]?,
        _ info: ServerInfo
    ) -> ServerAddress {
        let isReplicationTLS = settings?["tls-replication"] == "yes"
        guard isReplicationTLS != server.endpoint.url.usesTLS || server.address.port == 0 else { return server.address }
        let port = settings?[isReplicationTLS ? "tls-port" : "port"].flatMap { Int($0) } ?? info.port.map { Int($0) }
        return ServerAddress(host: server.address.host, port: port.flatMap { $0 > 0 ? $0 : nil } ?? server.address.port)
    }
}
