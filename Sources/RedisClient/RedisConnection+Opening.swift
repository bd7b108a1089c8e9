// SPDX-License-Identifier: Apache-2.0

import Failures
import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import RedisProtocol

/// Opens a connection, logs in, runs `body`, and closes the connection, however `body` ends.
///
/// The server sees a client with the name `redoubt`, where the user may set a name.
/// - Throws: `.unreachable`, `.timeout`, `.tlsFailed`, `.authenticationFailed`, `.configuration`, and what `body`
///   throws.
package func withRedisConnection<Result: Sendable>(
    _ endpoint: RedisEndpoint,
    _ body: (RedisConnection) async throws -> Result
) async throws -> Result {
    let connection = try await RedisConnection.connect(to: endpoint)
    do {
        do {
            try await connection.introduce()
        } catch {
            throw await connection.explained(error)
        }
        let result = try await body(connection)
        await connection.close()
        return result
    } catch {
        await connection.close()
        throw error
    }
}

extension RedisConnection {
    /// The name under which `CLIENT LIST` shows us.
    static let clientName = "redoubt"
    /// How many bytes one read of the socket takes at most.
    private static let socketReadBytes = 256 * 1024

    static func connect(to endpoint: RedisEndpoint) async throws -> RedisConnection {
        let context = endpoint.url.usesTLS ? try await endpoint.tls.context() : nil
        let inbound = InboundBytes()
        inbound.setDeadline(.nanoseconds(Int64(endpoint.deadlines.connectSeconds * 1e9)))
        let bootstrap = bootstrap(endpoint)
        let connecting =
            switch endpoint.url.address {
            case .tcp(let host, let port): bootstrap.connect(host: host, port: port)
            case .unix(let path): bootstrap.connect(unixDomainSocketPath: path)
            }
        do {
            // On the event loop, before the first read of the socket.
            let ready = connecting.flatMapThrowing { channel -> any Channel in
                try addHandlers(to: channel, inbound: inbound, context: context, endpoint: endpoint)
                return channel
            }
            return RedisConnection(endpoint: endpoint, channel: try await channel(of: ready), inbound: inbound)
        } catch let error as CancellationError {
            throw error
        } catch {
            throw Failure(error, connectingTo: endpoint)
        }
    }

    private static func bootstrap(_ endpoint: RedisEndpoint) -> ClientBootstrap {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.nanoseconds(Int64(endpoint.deadlines.connectSeconds * 1e9)))
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: 4096,
                    initial: 16384,
                    maximum: socketReadBytes
                )
            )
            .channelOption(.maxMessagesPerRead, value: 2)
        guard case .tcp = endpoint.url.address else { return bootstrap }
        // A peer that vanished is noticed after 30 + 3 × 10 seconds, also while nothing is asked of it.
        return
            bootstrap
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(.tcpOption(NIOBSDSocket.Option(rawValue: TCP_KEEPIDLE)), value: 30)
            .channelOption(.tcpOption(NIOBSDSocket.Option(rawValue: TCP_KEEPINTVL)), value: 10)
            .channelOption(.tcpOption(NIOBSDSocket.Option(rawValue: TCP_KEEPCNT)), value: 3)
    }

    private static func addHandlers(
        to channel: any Channel,
        inbound: InboundBytes,
        context: NIOSSLContext?,
        endpoint: RedisEndpoint
    ) throws {
        let deadlines = endpoint.deadlines
        let shortest = min(deadlines.connectSeconds, deadlines.noProgressSeconds)
        if let context {
            let name = endpoint.tls.verifiedName(for: endpoint.url)
            try channel.pipeline.syncOperations.addHandler(
                NIOSSLClientHandler(context: context, serverHostname: name)
            )
        }
        try channel.pipeline.syncOperations.addHandler(
            InboundHandler(inbound: inbound, shortestDeadline: .nanoseconds(Int64(shortest * 1e9)))
        )
    }

    /// Waits for a connection. When the task is cancelled it returns at once, and a connection that comes later is
    /// closed.
    private static func channel(of ready: EventLoopFuture<any Channel>) async throws -> any Channel {
        let promise = ready.eventLoop.makePromise(of: (any Channel).self)
        ready.cascade(to: promise)
        return try await withTaskCancellationHandler {
            try await promise.futureResult.get()
        } onCancel: {
            promise.fail(CancellationError())
            promise.futureResult.whenFailure { _ in ready.whenSuccess { $0.close(promise: nil) } }
        }
    }
}

extension RedisConnection {
    /// Logs in and gives the connection a name. The first reply also tells whether a Redis server is there at all.
    func introduce() async throws {
        if let credentials = endpoint.credentials { try await authenticate(credentials) }
        let reply = try await reply(to: RESPCommand("CLIENT", "SETNAME", Self.clientName))
        // A name is a courtesy: a server that forbids the command, or does not know it, is still good to back up.
        if let error = reply.error, Self.isFatalAtFirst(error) {
            throw Failure(error, replyTo: RESPCommand("CLIENT", "SETNAME"), from: endpoint)
        }
        setDeadline(seconds: endpoint.deadlines.noProgressSeconds)
    }

    private func authenticate(_ credentials: RedisCredentials) async throws {
        let user = credentials.user
        let password = credentials.password.value
        let command = user.map { RESPCommand("AUTH", $0, password) } ?? RESPCommand("AUTH", password)
        var reply = try await reply(to: command)
        // Before 6.0 there were no users, and AUTH took the password alone.
        if user == "default", let error = reply.error, error.message.contains("wrong number of arguments") {
            reply = try await self.reply(to: RESPCommand("AUTH", password))
        }
        if let error = reply.error { throw Failure(error, replyTo: RESPCommand("AUTH"), from: endpoint) }
    }

    private static func isFatalAtFirst(_ error: RESPError) -> Bool {
        ["NOAUTH", "DENIED"].contains(error.kind) || error.message.contains("max number of clients")
    }
}

extension RedisConnection {
    /// A failure of the first steps, with what probably lies behind it.
    fileprivate func explained(_ error: any Error) async -> any Error {
        guard let failure = error as? Failure else { return error }
        switch failure.code {
        case .unreachable, .protocolViolation:
            guard !endpoint.url.usesTLS, failure.hint == nil else { return failure }
            return Failure(
                failure.code,
                failure.message,
                cause: failure.cause,
                hint: "If the server speaks TLS on this port, write rediss:// instead of redis://."
            )
        case .timeout where endpoint.url.usesTLS:
            return Failure(
                failure.code,
                failure.message,
                cause: failure.cause,
                hint: "If the server does not speak TLS on this port, write redis:// instead of rediss://."
            )
        case .tlsFailed where failure.message.contains("cannot be verified"):
            return await certificateFinding().map { Failure(unverified: endpoint, finding: $0) } ?? failure
        default:
            return failure
        }
    }

    /// Looks at the certificate that could not be verified, over a connection that sends no secret: BoringSSL does not
    /// say what is wrong with one.
    private func certificateFinding() async -> String? {
        var trusting = endpoint
        trusting.tls.skipsVerification = true
        guard let probe = try? await RedisConnection.connect(to: trusting) else { return nil }
        // Any reply tells that the handshake is over.
        let reply = try? await probe.reply(to: RESPCommand("PING"))
        let certificate = try? await probe.channel.nioSSL_peerCertificate().get()
        await probe.close()
        guard reply != nil, let certificate else { return nil }
        let now = Glibc.time(nil)
        if certificate.notValidAfter < now { return "it has expired" }
        if certificate.notValidBefore > now { return "it is not valid yet" }
        return "the authority that signed it is not among those trusted here"
    }
}
