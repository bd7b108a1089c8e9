// SPDX-License-Identifier: Apache-2.0

import Failures
import RedisProtocol

extension RedisConnection {
    /// What the server says of itself.
    /// - Parameter section: one section; the default ones when `nil`.
    package func info(_ section: String? = nil) async throws -> ServerInfo {
        let reply = try await run(RESPCommand(["INFO"] + (section.map { [$0] } ?? [])))
        guard let text = reply.text else { throw unexpected(reply, to: "INFO") }
        return ServerInfo(text)
    }

    /// The clock of the server, in microseconds since 1970.
    package func time() async throws -> Int64 {
        let reply = try await command("TIME")
        guard let elements = reply.elements, elements.count == 2,
            let seconds = elements[0].integer, let microseconds = elements[1].integer,
            (0..<1_000_000_000_000).contains(seconds), (0..<1_000_000).contains(microseconds)
        else { throw unexpected(reply, to: "TIME") }
        return seconds * 1_000_000 + microseconds
    }

    /// What the server is to its group: the only way to ask that takes no right but `+role`.
    package func role() async throws -> MemberRole {
        let reply = try await command("ROLE")
        guard let elements = reply.elements, let role = elements.first?.text.flatMap(ServerInfo.Role.init(reported:))
        else {
            throw unexpected(reply, to: "ROLE")
        }
        switch role {
        case .primary:
            return MemberRole(role: role, linkState: nil, offset: elements.count > 1 ? elements[1].integer : nil)
        case .replica:
            guard elements.count >= 5 else { throw unexpected(reply, to: "ROLE") }
            return MemberRole(role: role, linkState: elements[3].text, offset: elements[4].integer)
        }
    }

    /// Settings of the server whose names match; `nil` when `CONFIG` is forbidden, renamed or disabled there.
    package func configGet(_ pattern: String) async throws -> [String: String]? {
        let command = RESPCommand("CONFIG", "GET", pattern)
        let reply = try await reply(to: command)
        if let error = reply.error {
            let failure = Failure(error, replyTo: command, from: endpoint)
            guard failure.code == .permissionDenied || failure.code == .unsupported else { throw failure }
            return nil
        }
        guard let entries = reply.entries else { throw unexpected(reply, to: "CONFIG GET") }
        return Dictionary(
            entries.compactMap { entry in entry.key.text.flatMap { key in entry.value.text.map { (key, $0) } } },
            uniquingKeysWith: { first, _ in first }
        )
    }

    /// The cluster as this node sees it.
    /// - Throws: `.permissionDenied` where the right `+cluster|nodes` is missing.
    package func clusterTopology() async throws -> ClusterTopology {
        let reply = try await command("CLUSTER", "NODES")
        guard let topology = reply.text.flatMap(ClusterTopology.init(parsing:)) else {
            throw unexpected(reply, to: "CLUSTER NODES")
        }
        return topology
    }

    /// Whether slots are on their way from or to this node by an atomic migration (Valkey 9, `CLUSTER
    /// GETSLOTMIGRATIONS`), which `CLUSTER NODES` does not show. Other servers have no such thing, and are not asked.
    /// - Throws: `.permissionDenied` where the right `+cluster|getslotmigrations` is missing.
    package func isMigratingSlotsAtomically(_ info: ServerInfo) async throws -> Bool {
        guard info.product == .valkey, let version = info.version, version >= ServerVersion(9, 0, 0) else {
            return false
        }
        let jobs = try await command("CLUSTER", "GETSLOTMIGRATIONS").elements ?? []
        return jobs.contains { job in
            let state = job.entries?.first { $0.key.text == "state" }?.value.text
            return state.map { !["success", "failed", "cancelled", "canceled"].contains($0) } ?? false
        }
    }

    func unexpected(_ reply: RESPValue, to command: String) -> Failure {
        let kind = Mirror(reflecting: reply).children.first?.label ?? "\(reply)"
        return Failure(.protocolViolation, "\(endpoint) answered \(command) with a value of the kind \(kind)")
    }
}

/// The reply to `ROLE`.
package struct MemberRole: Sendable, Hashable {
    package let role: ServerInfo.Role
    /// Of a replica: `connect`, `connecting`, `sync` or `connected`.
    package let linkState: String?
    /// How far in its history the member is, in bytes; -1 on a replica that never synchronized.
    package let offset: Int64?
}
