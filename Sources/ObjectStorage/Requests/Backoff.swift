// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How long to wait before a request is sent again: full jitter over a doubling limit, as the AWS tools do it.
package enum Backoff {
    private static let limitSecondsMax = 20.0
    /// A store that asks for more gets no more: a run ends rather than it waits for hours.
    package static let retryAfterSecondsMax = 60

    /// - Parameters:
    ///   - retry: 0 for the first one.
    ///   - chance: at least 0 and less than 1.
    ///   - retryAfterSeconds: what the store asked for; honoured up to the limit.
    package static func wait(retry: Int, chance: Double, retryAfterSeconds: Int? = nil) -> Duration {
        var limitSeconds = 1.0
        for _ in 0..<min(retry, 10) { limitSeconds *= 2 }
        let seconds = chance * min(limitSeconds, limitSecondsMax)
        let asked = Double(min(max(0, retryAfterSeconds ?? 0), retryAfterSecondsMax))
        return .seconds(max(seconds, asked))
    }
}

/// The retries that all requests of a run share, to all its stores. What a request took is given back when it succeeds
/// in the end, so that only a store that is really down uses the budget up, and is then left alone.
package final class RetryBudget: Sendable {
    /// How many there are, where nothing else is said.
    package static let retriesUsual = 100

    private struct State {
        var limit: Int
        var left: Int
        var taken = 0
        var told = 0
    }

    private let state: Mutex<State>

    package init(retries: Int = retriesUsual) {
        state = Mutex(State(limit: retries, left: retries))
    }

    /// Sets how many there are, for a run that has taken none yet.
    package func limit(to retries: Int) {
        state.withLock { state in
            state.left = max(0, state.left + retries - state.limit)
            state.limit = retries
        }
    }

    /// - Returns: `false` when nothing is left.
    package func take() -> Bool {
        state.withLock { state in
            guard state.left > 0 else { return false }
            state.left -= 1
            state.taken += 1
            return true
        }
    }

    /// Never more than there were.
    package func giveBack(_ count: Int) {
        state.withLock { $0.left = min($0.limit, $0.left + count) }
    }

    /// How many were taken so far, also those that were given back.
    package var taken: Int { state.withLock { $0.taken } }

    /// How many were taken since this was asked before.
    package func takenSinceTold() -> Int {
        state.withLock { state in
            defer { state.told = state.taken }
            return state.taken - state.told
        }
    }
}
