// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The end of the pipeline: hands what arrives to `InboundBytes`, holds reads back while nobody takes it, watches the
/// deadline.
final class InboundHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = Never
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Nothing arrived for as long as the deadline allows.
    struct NoProgress: Error {
        let seconds: Double
    }

    private let inbound: InboundBytes
    private let checkInterval: TimeAmount
    private var check: RepeatedTask?

    /// - Parameter shortestDeadline: of those that will ever be set; it is checked about ten times in that time.
    init(inbound: InboundBytes, shortestDeadline: TimeAmount) {
        self.inbound = inbound
        checkInterval = .nanoseconds(max(1_000_000, shortestDeadline.nanoseconds / 10))
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        check = context.eventLoop.scheduleRepeatedTask(initialDelay: checkInterval, delay: checkInterval) {
            [inbound] _ in
            guard let waited = inbound.overdue(at: .now()) else { return }
            inbound.end(.failed(NoProgress(seconds: Double(waited.nanoseconds) / 1e9)))
            channel.close(mode: .all, promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        check?.cancel()
        inbound.end(.closed)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        inbound.append(unwrapInboundIn(data), at: .now())
    }

    func read(context: ChannelHandlerContext) {
        if inbound.admitsRead() { context.read() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        inbound.end(.failed(error))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        inbound.end(.closed)
        context.fireChannelInactive()
    }
}
