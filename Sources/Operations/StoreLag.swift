// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Logging
import Synchronization

/// Notices a store that keeps the server waiting, and says that there is a spool.
package final class StoreLag: Sendable {
    /// What is said of a store that takes so long in all, and more than half of the time.
    private static let limit = Duration.seconds(15)

    private struct State: Sendable {
        /// How long the store was busy with what it had, and how long it waited for more.
        var busy: Duration = .zero
        var idle: Duration = .zero
        var busySince: ContinuousClock.Instant?
        var isSaid = false
    }

    private let state = Mutex(State())
    private let subject: String
    private let logger: Logger
    private let now: @Sendable () -> ContinuousClock.Instant

    /// - Parameters:
    ///   - subject: whose bytes go where, for the log.
    ///   - now: what time it is.
    package init(
        of subject: String,
        logger: Logger,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.subject = subject
        self.logger = logger
        self.now = now
    }

    /// The same chunks. Each time the store asks for the next one, it is seen how long it took for the one before.
    package func watching(_ chunks: ByteStream) -> ByteStream {
        let chunks = Mutex(chunks.makeAsyncIterator())
        return ByteStream {
            let asked = self.now()
            self.asks(at: asked)
            var source = chunks.withLock { $0 }
            let chunk = try await source.next()
            chunks.withLock { [source] in $0 = source }
            self.gets(at: self.now(), waitedSince: asked)
            return chunk
        }
    }

    private func asks(at now: ContinuousClock.Instant) {
        let busy = state.withLock { state -> Duration? in
            if let since = state.busySince { state.busy += now - since }
            guard !state.isSaid, state.busy >= Self.limit, state.busy > state.idle else { return nil }
            state.isSaid = true
            return state.busy
        }
        guard let busy else { return }
        logger.warning(
            """
            \(subject): the store is slower than the server, and has kept it waiting for \
            \(ReadableAmount.seconds(busy / .seconds(1))); with --spool DIR the server need not wait
            """
        )
    }

    private func gets(at now: ContinuousClock.Instant, waitedSince asked: ContinuousClock.Instant) {
        state.withLock { state in
            state.idle += now - asked
            state.busySince = now
        }
    }
}
