// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures

/// How a restore into running servers ended.
package struct RestoreServersOutcome: Sendable {
    /// What happened to one server.
    package struct Server: Sendable {
        package let name: String
        package let state: TargetState
        /// From the request to the last byte sent, and from there to the report that all is loaded, in seconds; `nil`
        /// when it held the snapshot already.
        package var streamSeconds: Double?
        package var loadSeconds: Double?
        package var rejoin: Rejoin?
        package var failure: Failure?
    }

    /// How a replica came back to its primary.
    package struct Rejoin: Sendable, Hashable {
        /// `partial` or `full`.
        package let kind: String
        /// Of a partial one: how far the primary was ahead of the snapshot, in bytes of the stream.
        package let bytes: Int64?
    }

    package let plan: RestoreServersPlan
    package var servers: [Server]
    /// How many full and partial synchronizations the primary served for it.
    package var fullSyncs: Int64 = 0
    package var partialSyncs: Int64 = 0
    package var warnings: [String] = []
    /// Whether Sentinel takes the primary for the primary; `nil` where none watches.
    package var sentinelAgrees: Bool?
    package var seconds = 0.0

    init(plan: RestoreServersPlan) {
        self.plan = plan
        servers = plan.targets.map { Server(name: $0.look.server.name, state: $0.state) }
    }

    /// Whether some servers are restored and others are not.
    package var isPartial: Bool { servers.contains { $0.failure != nil } }

    /// The failure, where there is no other server to go on with.
    var onlyFailure: Failure? {
        servers.allSatisfy { $0.failure != nil } ? servers.first?.failure : nil
    }

    mutating func note(_ seeded: RestoreServers.Seeded) {
        update(seeded.name) { server in
            server.streamSeconds = seeded.times?.stream
            server.loadSeconds = seeded.times?.load
            server.failure = seeded.failure
        }
    }

    mutating func update(_ name: String, _ change: (inout Server) -> Void) {
        guard let index = servers.firstIndex(where: { $0.name == name }) else { return }
        change(&servers[index])
    }
}
