// SPDX-License-Identifier: Apache-2.0

import Failures
import NIOCore
import RedisProtocol

/// What a restore into a running server says and asks.
extension RedisConnection {
    /// Makes the server a replica of another one; it connects there by itself, about once a second.
    package func replicate(host: String, port: Int) async throws {
        // Servers before 5.0 know it as SLAVEOF only; the oldest that is restored here is 6.0.
        try await command("REPLICAOF", host, "\(port)")
    }

    /// Makes the server a primary, with the data that it holds; the history it was in becomes its second one.
    package func replicateNobody() async throws {
        try await command("REPLICAOF", "NO", "ONE")
    }

    /// Gives the connection a name that `CLIENT LIST` shows, and tells whether an older connection has it already.
    ///
    /// Ids of connections only grow: of two that took the name at the same time, each sees which one was first.
    /// - Returns: the address of the other one; `nil` when there is none, or when the user may not ask.
    package func claim(name: String) async throws -> String? {
        guard try await reply(to: RESPCommand("CLIENT", "SETNAME", name)).error == nil else { return nil }
        let identity = try await reply(to: RESPCommand("CLIENT", "ID"))
        let list = try await reply(to: RESPCommand("CLIENT", "LIST"))
        guard let own = identity.integer, list.error == nil, let lines = list.text else { return nil }
        for line in lines.split(separator: "\n") {
            let pairs = line.split(separator: " ").map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
            let fields = Dictionary(
                pairs.filter { $0.count == 2 }.map { ($0[0], $0[1]) },
                uniquingKeysWith: { first, _ in first }
            )
            guard fields["name"] == name, let id = fields["id"].flatMap(Int64.init), id < own else { continue }
            return fields["addr"] ?? "an unknown address"
        }
        return nil
    }

    /// The addresses of both ends; `nil` over a Unix domain socket.
    package var addresses: (local: String, remote: String)? {
        guard let local = channel.localAddress?.ipAddress, let remote = channel.remoteAddress?.ipAddress else {
            return nil
        }
        return (local, remote)
    }
}
