// SPDX-License-Identifier: Apache-2.0

import Failures
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Where and how a replica is awaited that is to be given a snapshot.
package struct SeedSettings: Sendable {
    /// The address of this machine to listen on.
    package var host: String
    /// The port to listen on; any free one when 0.
    package var port = 0
    /// The addresses from which a connection is admitted.
    package var peers: Set<String>
    /// The ports that the replica may say it listens on; any when empty.
    package var listeningPorts: Set<Int> = []
    /// How TLS is spoken, where the replica speaks it (`tls-replication yes`).
    package var tls: SeedTLS?
    /// How long the replica may take to come.
    package var connectSeconds = 30.0
    /// How long nothing may move while a snapshot is sent or loaded.
    package var noProgressSeconds = 60.0

    package init(host: String, peers: Set<String>) {
        self.host = host
        self.peers = peers
    }
}

/// Listens for one replica while `body` runs. Every connection is closed at the end.
/// - Throws: `.configuration` when the address cannot be listened on or the certificate cannot be used, and what `body`
///   throws.
package func withSeedListener<Result: Sendable>(
    _ settings: SeedSettings,
    logger: Logger,
    _ body: (SeedListener) async throws -> Result
) async throws -> Result {
    let door = SeedDoor(settings, logger: logger)
    let context = try await settings.tls?.context()
    let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .serverChannelOption(.backlog, value: 8)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.socketOption(.so_keepalive), value: 1)
        .childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { try door.admit(channel, context) }
        }
    let server: any Channel
    do {
        server = try await bootstrap.bind(host: settings.host, port: settings.port).get()
    } catch {
        throw Failure(
            .configuration,
            "listen on \(settings.host), port \(settings.port), for the server that is to be restored",
            cause: error,
            hint: "--listen ADDRESS[:PORT] names an address of this machine that can be listened on."
        )
    }
    let alarm = server.eventLoop.scheduleTask(in: .nanoseconds(Int64(settings.connectSeconds * 1e9))) { door.close() }
    defer { alarm.cancel() }
    let listener = SeedListener(port: server.localAddress?.port ?? settings.port, door: door, settings: settings)
    do {
        let result = try await body(listener)
        await end(server, door)
        return result
    } catch {
        await end(server, door)
        throw error
    }
}

private func end(_ server: any Channel, _ door: SeedDoor) async {
    server.close(promise: nil)
    door.closeAll()
    try? await server.closeFuture.get()
}

/// A port on which one replica is awaited.
package struct SeedListener: Sendable {
    /// The port that the replica must be told.
    package let port: Int
    fileprivate let door: SeedDoor
    fileprivate let settings: SeedSettings

    /// Lets in who comes from now on: a server that was told this address long ago, and tries it each second, is not
    /// the one that is told now.
    package func open() {
        door.open()
    }

    /// Waits for the replica, and answers it up to the point where it waits for a snapshot.
    ///
    /// A connection that breaks before is given up, and the next one awaited.
    /// - Throws: `.unreachable` when none came in time, with the reason why the last one was given up.
    package func replica() async throws -> SeedReplica {
        var last: (any Error)?
        for await peer in door.peers {
            let replica = SeedReplica(peer: peer, settings: settings)
            do {
                try await replica.handshake()
                if let stranger = replica.strangerPort {
                    throw Failure(
                        .protocolViolation,
                        "another server of the same address came: it says that it listens on port \(stranger)"
                    )
                }
                return replica
            } catch let failure as Failure where failure.code == .unsupported {
                throw failure
            } catch {
                try Task.checkCancellation()
                last = error
                peer.channel.close(promise: nil)
            }
        }
        try Task.checkCancellation()
        let refused = door.refused
        throw Failure(
            .unreachable,
            "wait for the server on port \(port): it did not come within \(Int(settings.connectSeconds)) s"
                + (refused.isEmpty ? "" : "; connections from \(refused.joined(separator: ", ")) were refused"),
            cause: last,
            hint: refused.isEmpty
                ? "It must be able to connect to this machine: --advertise HOST[:PORT] says how, and no NetworkPolicy "
                    + "may forbid it."
                : "If that is the server, behind an address translation, admit it with --seed-peer ADDRESS."
        )
    }
}

/// A connection that was admitted.
struct SeedPeer: Sendable {
    let channel: any Channel
    let inbound: InboundBytes
}

/// Lets in connections from the addresses that are expected, and no other.
final class SeedDoor: Sendable {
    let peers: AsyncStream<SeedPeer>
    private let continuation: AsyncStream<SeedPeer>.Continuation
    private let settings: SeedSettings
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var isOpen = false
        var channels: [any Channel] = []
        var refused: Set<String> = []
    }

    init(_ settings: SeedSettings, logger: Logger) {
        self.settings = settings
        self.logger = logger
        (peers, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(8))
    }

    /// The addresses that were turned away.
    var refused: [String] { state.withLock { $0.refused.sorted() } }

    /// On the event loop of the connection, before its first byte is read.
    func admit(_ channel: any Channel, _ context: NIOSSLContext?) throws {
        guard state.withLock(\.isOpen) else { throw ChannelError.connectTimeout(.zero) }
        let given = channel.remoteAddress?.ipAddress ?? ""
        // An IPv4 address, as a socket for both families tells it (RFC 4291, section 2.5.5.2).
        let address = given.hasPrefix("::ffff:") && given.contains(".") ? String(given.dropFirst(7)) : given
        guard settings.peers.contains(address) else {
            if state.withLock({ $0.refused.insert(address).inserted }) {
                logger.warning("a connection from \(address) was refused: it is not the server that is restored")
            }
            throw ChannelError.connectTimeout(.zero)
        }
        let inbound = InboundBytes()
        inbound.setDeadline(.nanoseconds(Int64(settings.connectSeconds * 1e9)))
        if let context {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
        }
        let shortest = min(settings.connectSeconds, settings.noProgressSeconds)
        try channel.pipeline.syncOperations.addHandler(
            InboundHandler(inbound: inbound, shortestDeadline: .nanoseconds(Int64(shortest * 1e9)))
        )
        state.withLock { $0.channels.append(channel) }
        continuation.yield(SeedPeer(channel: channel, inbound: inbound))
    }

    func open() {
        state.withLock { $0.isOpen = true }
    }

    /// Nobody else is awaited.
    func close() {
        continuation.finish()
    }

    func closeAll() {
        close()
        let channels = state.withLock { state in
            defer { state.channels = [] }
            return state.channels
        }
        for channel in channels { channel.close(promise: nil) }
    }
}
