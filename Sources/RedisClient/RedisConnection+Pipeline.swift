// SPDX-License-Identifier: Apache-2.0

import Failures
import NIOCore
import RedisProtocol

extension RedisConnection {
    /// How much is handed to the socket at once. Each such piece is progress, as a byte that comes back is.
    private static let writtenBytes = 256 * 1024

    /// Sends commands one right after the other, and reads their replies, which may be errors.
    ///
    /// - Parameter commands: the caller bounds their bytes; large arguments are not copied as a whole.
    /// - Returns: as many replies as commands, in their order.
    /// - Throws: only for the connection itself: `.unreachable`, `.timeout`, `.tlsFailed`, `.protocolViolation`. What
    ///   became of the commands is not known then.
    package func replies(to commands: [RESPCommand]) async throws -> [RESPValue] {
        guard let first = commands.first else { return [] }
        var buffer = ByteBuffer()
        for piece in commands.lazy.flatMap(\.pieces) {
            var rest = piece[...]
            while !rest.isEmpty {
                let part = rest.prefix(Self.writtenBytes - buffer.readableBytes)
                buffer.writeBytes(part)
                rest = rest.dropFirst(part.count)
                guard buffer.readableBytes >= Self.writtenBytes else { continue }
                try await write(buffer, during: "was sent \(first)")
                buffer = ByteBuffer()
            }
        }
        if buffer.readableBytes > 0 { try await write(buffer, during: "was sent \(first)") }
        var replies: [RESPValue] = []
        for command in commands { replies.append(try await nextReply(to: command)) }
        return replies
    }

    /// What an error reply means.
    package func failure(_ error: RESPError, to command: RESPCommand) -> Failure {
        Failure(error, replyTo: command, from: endpoint)
    }

    /// Waits until the socket has taken some bytes, as long as a reader would wait for one.
    private func write(_ bytes: ByteBuffer, during attempt: String) async throws {
        let written = channel.eventLoop.makePromise(of: Void.self)
        channel.writeAndFlush(bytes, promise: written)
        let seconds = endpoint.deadlines.noProgressSeconds
        let alarm = channel.eventLoop.scheduleTask(in: .nanoseconds(Int64(seconds * 1e9))) { [channel] in
            written.fail(InboundHandler.NoProgress(seconds: seconds))
            channel.close(mode: .all, promise: nil)
        }
        defer { alarm.cancel() }
        do {
            try await withTaskCancellationHandler {
                try await written.futureResult.get()
            } onCancel: { [channel] in
                written.fail(CancellationError())
                channel.close(mode: .all, promise: nil)
            }
        } catch let error as CancellationError {
            throw error
        } catch {
            throw Failure(error, connectedTo: endpoint, during: attempt)
        }
    }
}
