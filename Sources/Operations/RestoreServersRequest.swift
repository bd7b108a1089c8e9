// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RDB
import RedisClient

/// A running server that a snapshot is restored into.
package struct RestoreServer: Sendable {
    package let name: String
    package let endpoint: RedisEndpoint
    /// Where its replicas reach it.
    package let address: ServerAddress
    /// What Kubernetes knows of it, where that was asked.
    package let pod: BackupMember.Pod?
    /// The limit of its container as it was given, in bytes.
    package var memoryLimitBytes: Int64?

    package init(name: String, endpoint: RedisEndpoint, address: ServerAddress, pod: BackupMember.Pod? = nil) {
        self.name = name
        self.endpoint = endpoint
        self.address = address
        self.pod = pod
    }
}

/// A host and a port, as `REPLICAOF` takes them.
package struct ServerAddress: Sendable, Hashable, CustomStringConvertible {
    package let host: String
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// Whether both name the same server, where one of them may lack the end that a resolver adds: a pod follows
    /// `redis-0.redis-headless`, and is spoken to as `redis-0.redis-headless.prod.svc`.
    package func isNamed(as other: ServerAddress) -> Bool {
        let (short, long) = host.count < other.host.count ? (host, other.host) : (other.host, host)
        // An address has no such end.
        let isName = short.contains { $0.isLetter } && !short.contains(":")
        return port == other.port && (short == long || isName && long.hasPrefix("\(short)."))
    }
}

/// How the servers reach this program, which answers their `PSYNC`.
package struct SeedRoute: Sendable {
    /// What the servers are told; the address that this machine has towards each of them when `nil`.
    package var advertisedHost: String?
    /// The port that the servers are told; the one that is listened on when `nil`.
    package var advertisedPort: Int?
    /// What is listened on; the address that this machine has towards the server, or every address where another one is
    /// advertised, when `nil`.
    package var listenHost: String?
    /// Any free one when 0.
    package var listenPort = 0
    /// From where a connection is admitted beside the address of the server.
    package var peers: Set<String> = []
    /// How TLS is spoken with servers that replicate over TLS.
    package var tls: SeedTLS?
    /// How long a server may take to come.
    package var connectSeconds = 30.0

    package init() {}

    /// Whether only one server at a time can be awaited.
    var hasFixedPort: Bool { listenPort != 0 || advertisedPort != nil }
}

/// What is asked of a restore into running servers.
package struct RestoreServersRequest: Sendable {
    package var reference: BackupReference
    /// The subject; may be `nil` where the store holds only one.
    package var name: String?
    /// The member; the one that is furthest in its history when `nil`.
    package var member: String?
    /// The servers, of one shard; at least one.
    package var servers: [RestoreServer]
    /// Which of them becomes the primary; chosen when `nil`.
    package var primary: String?
    /// A primary outside of `servers` that they rejoin as replicas.
    package var rejoins: RestoreServer?
    package var route = SeedRoute()
    /// How many servers are given the snapshot at a time.
    package var parallel = 4
    /// How closely the snapshot is read; as it was proven, and no closer than deep, when `nil`.
    package var proof: RDBLevel?
    /// How long a server may take to settle: to follow its primary, to rewrite its append-only file.
    package var settleSeconds = 600.0

    /// What becomes of expiries.
    package var expiries = ExpiryChoice.keep

    // What the guards would refuse.

    /// Restore into servers that hold data, which is lost.
    package var replaces = false
    /// Take a server away from the primary outside of `servers` that it follows.
    package var detaches = false
    package var ignoresSentinel = false
    package var allowsEmptyPrimary = false
    package var ignoresObstacles = false

    package var isDryRun = false

    package init(reference: BackupReference, servers: [RestoreServer]) {
        self.reference = reference
        self.servers = servers
    }
}
