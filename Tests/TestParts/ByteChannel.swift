// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Synchronization

/// A TCP connection as plain bytes. One task reads, one task writes. Reading stops at the socket when nobody takes the
/// bytes.
package final class ByteChannel: Sendable {
    private let channel: any Channel
    private let inbox: Inbox

    /// The peer ended the connection where more bytes were needed.
    package struct Ended: Error, CustomStringConvertible {
        package let description: String
    }

    fileprivate init(_ channel: any Channel, _ inbox: Inbox) {
        self.channel = channel
        self.inbox = inbox
    }

    /// Connects; whoever calls this closes it.
    package static func connect(host: String = "127.0.0.1", port: Int) async throws -> ByteChannel {
        try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: host, port: port) { channel in adopt(channel) }
    }

    /// Makes a fresh channel ours; called on its event loop.
    static func adopt(_ channel: any Channel) -> EventLoopFuture<ByteChannel> {
        channel.eventLoop.makeCompletedFuture {
            let inbox = Inbox()
            try channel.pipeline.syncOperations.addHandler(inbox)
            return ByteChannel(channel, inbox)
        }
    }

    /// The next bytes, at most `limit`; `nil` at the end.
    ///
    /// - Throws: what the system said when the connection broke (an RST, say), or `CancellationError`.
    package func read(upTo limit: Int = 256 * 1024) async throws -> [UInt8]? {
        while true {
            switch inbox.take(upTo: limit) {
            case .bytes(let bytes, let resume):
                if resume { channel.eventLoop.execute { self.channel.read() } }
                return bytes
            case .ended: return nil
            case .failed(let error): throw error
            case .nothingYet: try await inbox.waitForBytes()
            }
        }
    }

    /// Exactly `count` bytes.
    ///
    /// - Throws: `Ended` when the peer ends before.
    package func readExactly(_ count: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(count, 1 << 20))
        while bytes.count < count {
            guard let more = try await read(upTo: count - bytes.count) else {
                throw Ended(description: "the peer ended after \(bytes.count) of \(count) bytes")
            }
            bytes += more
        }
        return bytes
    }

    /// The bytes up to and with `mark`.
    ///
    /// - Throws: `Ended` when the peer ends before.
    package func read(through mark: String, bytesMax: Int = 1 << 20) async throws -> [UInt8] {
        let mark = Array(mark.utf8)
        var bytes: [UInt8] = []
        while !bytes.reversed().starts(with: mark.reversed()) {
            guard bytes.count < bytesMax, let byte = try await read(upTo: 1) else {
                throw Ended(description: "the peer sent \(bytes.count) bytes without the mark \(mark)")
            }
            bytes += byte
        }
        return bytes
    }

    /// A line without its end (`\n` or `\r\n`).
    package func readLine() async throws -> String {
        var line = try await read(through: "\n")
        line.removeLast()
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return String(decoding: line, as: UTF8.self)
    }

    /// Everything up to the end.
    package func readToEnd() async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let more = try await read() { bytes += more }
        return bytes
    }

    /// The same, of a server that may have stalled: the connection is closed when the time is over.
    /// - Throws: `WaitedTooLong` then.
    package func readToEnd(withinSeconds seconds: Double) async throws -> [UInt8] {
        let isSettled = Flag()
        let alarm = channel.eventLoop.scheduleTask(in: .milliseconds(Int64(seconds * 1000))) { [self] in
            if isSettled.raise() { closeSoon() }
        }
        defer { alarm.cancel() }
        let read: Swift.Result<[UInt8], any Error>
        do { read = .success(try await readToEnd()) } catch { read = .failure(error) }
        // A connection that we closed looks like one that ended.
        guard isSettled.raise() else {
            throw WaitedTooLong(what: "the end of an answer", seconds: seconds, lastError: nil)
        }
        return try read.get()
    }

    /// Writes all; returns when the system took it.
    package func write(_ bytes: [UInt8]) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
    }

    package func write(_ text: String) async throws {
        try await write(Array(text.utf8))
    }

    /// Ends our direction (FIN); the peer may still send.
    package func closeWriting() async throws {
        try await channel.close(mode: .output).get()
    }

    /// Ends both directions (FIN).
    package func close() async {
        try? await channel.close().get()
    }

    /// Closes without waiting for it.
    package func closeSoon() {
        channel.close(promise: nil)
    }

    /// Breaks the connection (RST): what the peer has not read yet is lost.
    package func reset() async {
        if let socket = channel as? any SocketOptionProvider {
            try? await socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        }
        await close()
    }
}

/// Keeps what arrived until somebody reads it.
private final class Inbox: ChannelDuplexHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Above this, nothing more is read from the socket.
    private static let keptBytesMax = 1 << 20

    enum Taken {
        /// With `resume`, the socket must be read again.
        case bytes([UInt8], resume: Bool)
        case nothingYet
        case ended
        case failed(any Error)
    }

    private struct State {
        var buffer = ByteBuffer()
        var hasEnded = false
        var isPaused = false
        var error: (any Error)?
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func take(upTo limit: Int) -> Taken {
        state.withLock { state in
            if let bytes = state.buffer.readBytes(length: min(limit, state.buffer.readableBytes)), !bytes.isEmpty {
                // Rarely, because it moves what is left.
                if state.buffer.readerIndex > 64 * 1024 + state.buffer.readableBytes { state.buffer.discardReadBytes() }
                let resume = state.isPaused && state.buffer.readableBytes < Self.keptBytesMax
                if resume { state.isPaused = false }
                return .bytes(bytes, resume: resume)
            }
            if let error = state.error { return .failed(error) }
            return state.hasEnded ? .ended : .nothingYet
        }
    }

    func waitForBytes() async throws {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waits = state.withLock { state in
                    let isReady = state.buffer.readableBytes > 0 || state.hasEnded || state.error != nil
                    if isReady || Task.isCancelled { return false }
                    precondition(state.waiter == nil, "one task at a time reads a channel")
                    state.waiter = continuation
                    return true
                }
                if !waits { continuation.resume() }
            }
        } onCancel: {
            change { _ in }
        }
        try Task.checkCancellation()
    }

    private func change(_ body: (inout State) -> Void) {
        let waiter = state.withLock { state in
            body(&state)
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        change { state in
            state.buffer.writeBuffer(&bytes)
            if state.buffer.readableBytes >= Self.keptBytesMax { state.isPaused = true }
        }
    }

    func read(context: ChannelHandlerContext) {
        if !state.withLock({ $0.isPaused }) { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed? = event as? ChannelEvent { change { $0.hasEnded = true } }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        change { $0.hasEnded = true }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        change { $0.error = error }
    }
}
