// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// A store with one set of a primary and its replica, whose servers are gone.
struct BackedUpSet: Sendable {
    let store: TestedStore
    let id: String
    let digest: DatasetDigest
    /// The name of the primary in it, and where its snapshot rests.
    let member: String
    let object: URL

    /// Takes the backup in a folder, and ends the servers.
    static func make(
        of flavour: RedisFlavour,
        _ dataset: Dataset = .small,
        in folder: URL,
        _ change: (RedisServer) async throws -> Void = { _ in }
    ) async throws -> BackedUpSet {
        let store = TestedStore.folder(folder.appendingPathComponent("store"))
        return try await withReplicatedRedis(flavour, replicas: 1) { primary, replicas in
            try await dataset.load(into: primary)
            try await change(primary)
            try await primary.waitUntilSynchronized(replicas)
            let digest = try await DatasetDigest(of: primary)
            let backup = try await Redoubt.run(
                [
                    "backup", "--endpoint", primary.url, "--endpoint", replicas[0].url, "--to", store.url, "--name",
                    "demo", "--output", "json",
                ]
            )
            try #require(backup.code == 0, "\(backup.errors)")
            let shown = try ShownBackup(backup)
            let member = try #require(shown.members.first { $0.role == "primary" })
            let key = try #require(member.stored?.key)
            return BackedUpSet(
                store: store,
                id: shown.id,
                digest: digest,
                member: member.member,
                object: folder.appendingPathComponent("store").appendingPathComponent(key)
            )
        }
    }
}

/// Servers that hold nothing and do not know each other.
func withFreshServers<Value>(
    _ count: Int,
    _ flavour: RedisFlavour = .redis70,
    _ options: RedisOptions = RedisOptions(),
    _ body: ([RedisServer]) async throws -> Value
) async throws -> Value {
    guard count > 0 else { return try await body([]) }
    return try await withRedis(flavour, options) { server in
        try await withFreshServers(count - 1, flavour, options) { try await body([server] + $0) }
    }
}

extension BackedUpSet {
    func restore(
        into servers: [RedisServer],
        _ more: String...,
        environment: [String: String] = [:]
    ) async throws -> Redoubt.Outcome {
        try await Redoubt.run(arguments(servers) + more, environment: environment)
    }

    func arguments(_ servers: [RedisServer]) -> [String] {
        ["restore", "--from", store.url] + servers.flatMap { ["--endpoint", $0.url] }
    }

    /// Every server holds what the backup holds; the first one is the primary, and the others follow it.
    func expectRestored(_ servers: [RedisServer], _ location: SourceLocation = #_sourceLocation) async throws {
        for server in servers {
            let found = try await DatasetDigest(of: server)
            #expect(found == digest, "port \(server.port)", sourceLocation: location)
        }
        let role = try await servers[0].info("replication")["role"]
        #expect(role == "master", sourceLocation: location)
        for server in servers.dropFirst() {
            let info = try await server.info("replication")
            #expect(info["role"] == "slave" && info["master_link_status"] == "up", sourceLocation: location)
            #expect(info["master_port"] == "\(servers[0].port)", sourceLocation: location)
        }
    }
}

/// What a restore into servers says as JSON, as far as tests ask.
struct ServersReport: Decodable {
    let outcome: String
    let primary: String
    let fullSyncs: Int
    let partialSyncs: Int
    let servers: [Server]
    let warnings: [String]
    let sentinelAgrees: Bool?

    struct Server: Decodable {
        let name: String
        let role: String
        let found: String
        let outcome: String
        let rejoin: String?
        let rejoinBytes: Int?
    }

    init(_ outcome: Redoubt.Outcome) throws {
        self = try JSONDecoder().decode(ServersReport.self, from: Data(outcome.outputBytes))
    }
}
