// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import NIOCore
import RedisProtocol
import Synchronization

/// A replica that waits for a snapshot; of one task at a time.
package final class SeedReplica: Sendable {
    private let peer: SeedPeer
    private let settings: SeedSettings
    private let conversation = Mutex(SeedConversation())

    init(peer: SeedPeer, settings: SeedSettings) {
        self.peer = peer
        self.settings = settings
    }

    /// Where the replica says that it listens, if that is not where the one that is awaited does.
    var strangerPort: Int? {
        guard !settings.listeningPorts.isEmpty else { return nil }
        return conversation.withLock(\.listeningPort).flatMap { settings.listeningPorts.contains($0) ? nil : $0 }
    }

    /// Answers what the replica asks, until it asks for the snapshot.
    func handshake() async throws {
        while true {
            for step in try await nextSteps(during: "was about to ask for a snapshot") {
                switch step {
                case .answer(let text): try await send(Array(text.utf8))
                case .synchronize: return
                case .acknowledged: break
                }
            }
        }
    }

    /// Sends the snapshot, and waits until the replica has loaded it.
    ///
    /// The last chunk is sent only when the stream came to its end without an error: a replica loads nothing of a file
    /// that did not come whole, and one that loads from its disk (`repl-diskless-load disabled`) has kept its data.
    /// - Parameters:
    ///   - bytes: the length; when `nil` the snapshot ends with a mark, which servers know since 2.8.18.
    ///   - sent: called when the last byte was sent.
    /// - Throws: `.truncated` when the stream is not as long as was said; `.timeout`; `.unreachable` when the replica
    ///   closes the connection, as it does when it cannot load the snapshot; what the stream throws.
    package func load(
        _ snapshot: ByteStream,
        as header: SeedHeader,
        bytes: Int64?,
        sent: @Sendable () -> Void
    ) async throws {
        setDeadline(seconds: settings.noProgressSeconds)
        let mark = Self.newMark()
        let takesMark = conversation.withLock(\.takesMark)
        guard bytes != nil || takesMark else {
            throw Failure(.unsupported, "send a snapshot of unknown length: the server takes none")
        }
        let line = bytes.map(SeedHeader.length) ?? SeedHeader.mark(mark)
        try await send(Array((header.answer + line).utf8))
        var held: [UInt8] = []
        var count: Int64 = 0
        for try await chunk in snapshot {
            if !held.isEmpty { try await send(held) }
            held = chunk
            count += Int64(chunk.count)
        }
        if let bytes, bytes != count {
            throw Failure(.truncated, "send a snapshot of \(bytes) bytes: \(count) came from the store")
        }
        try await send(held + (bytes == nil ? Array(mark.utf8) : []))
        sent()
        try await loaded(header.offset)
    }

    private func loaded(_ offset: Int64) async throws {
        while true {
            for step in try await nextSteps(during: "was loading the snapshot") {
                guard case .acknowledged(let reached) = step else { continue }
                if reached >= offset { return }
            }
        }
    }

    /// 40 characters that no snapshot holds, but by a chance of 2^-160 or less.
    private static func newMark() -> String {
        var generator = SystemRandomNumberGenerator()
        return String((0..<40).map { _ in "0123456789abcdef".randomElement(using: &generator) ?? "0" })
    }

    private func nextSteps(during attempt: String) async throws -> [SeedConversation.Step] {
        while true {
            try await peer.inbound.wait(forBytes: 1)
            let (bytes, end, resumesReading) = peer.inbound.take()
            if resumesReading { peer.channel.read() }
            if !bytes.isEmpty { return try conversation.withLock { try $0.receive(bytes) } }
            guard let end else { continue }
            throw broken(end, during: attempt)
        }
    }

    private func broken(_ end: InboundBytes.End, during attempt: String) -> Failure {
        let cause: (any Error)? = if case .failed(let error) = end { error } else { nil }
        if let stalled = cause as? InboundHandler.NoProgress {
            return Failure(.timeout, "the server that \(attempt) was silent for \(Int(stalled.seconds)) s")
        }
        return Failure(
            .unreachable,
            "the server that \(attempt) closed the connection",
            cause: cause,
            hint: "Its log says why."
        )
    }

    private func setDeadline(seconds: Double) {
        peer.inbound.setDeadline(.nanoseconds(Int64(seconds * 1e9)))
    }

    /// Sends, and waits until the kernel has taken it.
    private func send(_ bytes: [UInt8]) async throws {
        try Task.checkCancellation()
        let channel = peer.channel
        let hasStalled = Mutex(false)
        let alarm = channel.eventLoop.scheduleTask(in: .nanoseconds(Int64(settings.noProgressSeconds * 1e9))) {
            hasStalled.withLock { $0 = true }
            channel.close(mode: .all, promise: nil)
        }
        defer { alarm.cancel() }
        do {
            try await withTaskCancellationHandler {
                try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
            } onCancel: {
                channel.close(mode: .all, promise: nil)
            }
        } catch {
            try Task.checkCancellation()
            if hasStalled.withLock(\.self) {
                throw Failure(
                    .timeout,
                    "the server took nothing of the snapshot for \(Int(settings.noProgressSeconds)) s"
                )
            }
            throw broken(.failed(error), during: "was given the snapshot")
        }
    }
}
