// SPDX-License-Identifier: Apache-2.0

import Failures
import NIOCore
import NIOSSL
import RedisProtocol
import Synchronization

/// An open connection to a server, for one task at a time: it sends a command, then reads the reply.
///
/// Only `withRedisConnection` makes one, and closes it. After an error of the connection, or after a cancelled command,
/// it is of no more use; after an error reply it is.
package final class RedisConnection: Sendable {
    /// Whom it is connected to.
    package let endpoint: RedisEndpoint

    let channel: any Channel
    private let inbound: InboundBytes
    private let decoder = Mutex(RESPDecoder())

    init(endpoint: RedisEndpoint, channel: any Channel, inbound: InboundBytes) {
        self.endpoint = endpoint
        self.channel = channel
        self.inbound = inbound
    }

    /// Runs a command.
    /// - Throws: `.authenticationFailed`, `.permissionDenied` with the right that is missing, `.memberLoading`,
    ///   `.replicaLinkDown`, … for error replies; `.unreachable`, `.timeout`, `.tlsFailed`, `.protocolViolation`.
    @discardableResult
    package func command(_ words: String...) async throws -> RESPValue {
        try await run(RESPCommand(words))
    }

    /// The same, for a command made beforehand.
    @discardableResult
    package func run(_ command: RESPCommand) async throws -> RESPValue {
        let reply = try await reply(to: command)
        if let error = reply.error { throw Failure(error, replyTo: command, from: endpoint) }
        return reply
    }

    /// Runs a command whose error reply the caller understands.
    /// - Throws: only for the connection itself: `.unreachable`, `.timeout`, `.tlsFailed`, `.protocolViolation`.
    package func reply(to command: RESPCommand) async throws -> RESPValue {
        send(command)
        return try await nextReply(to: command)
    }

    /// Reads the next reply, which is that to a command which was sent.
    func nextReply(to command: RESPCommand) async throws -> RESPValue {
        while true {
            if let value = try next() {
                // Out-of-band messages are not replies; without a subscription none comes.
                if case .push = value { continue }
                return value
            }
            let bytes = try await receive(atLeast: 1, during: "was asked for \(command)")
            guard !bytes.isEmpty else { throw Failure(closedBy: endpoint, during: "was asked for \(command)") }
            decoder.withLock { $0.append(bytes) }
        }
    }

    private func next() throws(Failure) -> RESPValue? {
        do throws(Failure) {
            return try decoder.withLock { decoder throws(Failure) in try decoder.next() }
        } catch {
            throw error.during("cannot read the reply of \(endpoint)")
        }
    }
}

extension RedisConnection {
    /// Sends a command whose answer is not one reply; `nextBytes` reads what comes.
    func send(_ command: RESPCommand) {
        // A write that fails ends the connection, and the reader learns from there.
        channel.writeAndFlush(ByteBuffer(bytes: command.encoded()), promise: nil)
    }

    /// Takes what has arrived, once so many bytes are there; less only at the end, and nothing after it.
    /// - Parameter attempt: what the server was doing, for the message of a failure: `was asked for INFO`.
    func nextBytes(atLeast wantedBytes: Int, during attempt: String) async throws -> [UInt8] {
        let rest = decoder.withLock { $0.takeRest() }
        return rest.isEmpty ? try await receive(atLeast: wantedBytes, during: attempt) : rest
    }

    /// Takes what has arrived, or arrives within `quiet`; nothing at the end.
    /// - Returns: `nil` if nothing arrives in that time. The connection stays as it is.
    func nextBytes(orQuietAfter quiet: TimeAmount, during attempt: String) async throws -> [UInt8]? {
        let alarm = channel.eventLoop.scheduleTask(in: quiet) { [inbound] in inbound.wake() }
        defer { alarm.cancel() }
        try await inbound.wait(forBytes: 1)
        return try taken(during: attempt)
    }

    private func receive(atLeast wantedBytes: Int, during attempt: String) async throws -> [UInt8] {
        while true {
            try await inbound.wait(forBytes: wantedBytes)
            // Nothing is there when an alarm woke us that was cancelled too late.
            if let bytes = try taken(during: attempt) { return bytes }
        }
    }

    /// What is there, nothing at the end; `nil` if the connection goes on and nothing is there.
    private func taken(during attempt: String) throws -> [UInt8]? {
        let (bytes, end, resumesReading) = inbound.take()
        if resumesReading { channel.read() }
        guard bytes.isEmpty else { return bytes }
        switch end {
        case nil: return nil
        case .closed: return []
        case .failed(NIOSSLError.uncleanShutdown):
            // Redis ends TLS so when it is killed. Whether something is missing, the framing says.
            return []
        case .failed(let error): throw Failure(error, connectedTo: endpoint, during: attempt)
        }
    }

    /// How long a reader waits for the next byte from now on.
    func setDeadline(seconds: Double) {
        inbound.setDeadline(.nanoseconds(Int64(seconds * 1e9)))
    }

    /// Closes the connection and waits until it is closed, cancelled or not.
    func close() async {
        channel.close(mode: .all, promise: nil)
        // The future of a close cannot fail.
        try? await channel.closeFuture.get()
    }
}
