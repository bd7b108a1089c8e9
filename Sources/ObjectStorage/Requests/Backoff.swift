// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How long to wait before a request is sent again: full jitter over a doubling limit, as the AWS tools do it.
package enum Backoff {
    private static let limitSecondsMax = 20.0

    /// - Parameters:
    ///   - retry: 0 for the first one.
    ///   - chance: at least 0 and less than 1.
    ///   - retryAfterSeconds: what the store asked for; honoured up to the limit.
    package static func wait(retry: Int, chance: Double, retryAfterSeconds: Int? = nil) -> Duration {
        var limitSeconds = 1.0
        for _ in 0..<min(retry, 10) { limitSeconds *= 2 }
        let seconds = chance * min(limitSeconds, limitSecondsMax)
        let asked = min(Double(max(0, retryAfterSeconds ?? 0)), limitSecondsMax)
        return .seconds(max(seconds, asked))
    }
}

/// The retries that all requests to a store share. What a request took is given back when it succeeds in the end, so
/// that only a store that is really down uses the budget up, and is then left alone.
package final class RetryBudget: Sendable {
    /// How many there are.
    package static let retriesMax = 100

    private let left: Mutex<Int>

    package init(retries: Int = retriesMax) {
        left = Mutex(retries)
    }

    /// - Returns: `false` when nothing is left.
    package func take() -> Bool {
        left.withLock { left in
            guard left > 0 else { return false }
            left -= 1
            return true
        }
    }

    /// Never more than there were.
    package func giveBack(_ count: Int) {
        left.withLock { $0 = min(Self.retriesMax, $0 + count) }
    }
}
