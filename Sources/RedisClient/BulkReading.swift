// SPDX-License-Identifier: Apache-2.0

import Glibc
import NIOCore

/// Has the kernel collect bytes before it wakes the event loop: for a connection that sends much.
///
/// A server that saves without a disk sends what its child writes in pieces of 16 KiB (`PROTO_IOBUF_LEN` of redis
/// src/server.h). Woken at each, the event loop and the reader cost about as much as scanning the snapshot, on cores
/// that the server may need itself. So the socket gets a low-water mark (socket(7), `SO_RCVLOWAT`). Linux ignores the
/// mark where nothing can follow: at the end of the connection, and when the receive window is full.
///
/// What stays below the mark is not left there: when nothing was read between two ticks, the mark is taken away until
/// bytes come faster again.
final class BulkReading: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    /// Its name in a pipeline.
    static let name = "bulk reading"
    static let option = ChannelOptions.socketOption(NIOBSDSocket.Option(rawValue: SO_RCVLOWAT))

    private let markBytes: Int
    private let tick: TimeAmount
    private var ticking: RepeatedTask?
    private var readSinceTick = 0
    private var isMarked = false

    /// - Parameters:
    ///   - markBytes: how many bytes to collect. The kernel may take less, for a small receive buffer.
    ///   - tick: how long bytes below the mark may wait; at most twice that.
    init(markBytes: Int, tick: TimeAmount = .milliseconds(20)) {
        self.markBytes = markBytes
        self.tick = tick
    }

    func handlerAdded(context: ChannelHandlerContext) {
        mark(true, context.channel)
        let bound = NIOLoopBound((self, context.channel), eventLoop: context.eventLoop)
        ticking = context.eventLoop.scheduleRepeatedTask(initialDelay: tick, delay: tick) { _ in
            let (handler, channel) = bound.value
            handler.lookAtPace(channel)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        ticking?.cancel()
        mark(false, context.channel)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        readSinceTick += unwrapInboundIn(data).readableBytes
        context.fireChannelRead(data)
    }

    private func lookAtPace(_ channel: any Channel) {
        if readSinceTick == 0 { mark(false, channel) }
        if readSinceTick >= markBytes { mark(true, channel) }
        readSinceTick = 0
    }

    /// A socket that refuses the option is read as it always was.
    private func mark(_ isMarked: Bool, _ channel: any Channel) {
        guard isMarked != self.isMarked, channel.isActive else { return }
        self.isMarked = isMarked
        channel.setOption(Self.option, value: isMarked ? markBytes : 1).whenFailure { _ in }
    }
}

extension RedisConnection {
    /// Reads the socket in large pieces from now on.
    func beginBulkReading(markBytes: Int) async throws {
        try await channel.eventLoop.submit { [channel] in
            // A connection that has ended has nothing more to read.
            guard channel.isActive else { return }
            try channel.pipeline.syncOperations.addHandler(
                BulkReading(markBytes: markBytes),
                name: BulkReading.name,
                position: .first
            )
        }.get()
    }

    /// Reads whatever comes again, at once.
    func endBulkReading() {
        channel.pipeline.removeHandler(name: BulkReading.name, promise: nil)
    }
}
