// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import Logging

/// How often something is tried, and what all that is asked of a store shares.
struct RetryPolicy: Sendable {
    /// How often, counting the first time.
    let attemptsMax: Int
    let budget: RetryBudget
    let clock: RequestClock
    let logger: Logger
}

/// The tries of one attempt, whatever the protocol: how many there were, and whether and when there is another.
struct Tries {
    private let policy: RetryPolicy
    private var count = 0
    private var taken = 0
    private var hasProgressed = false

    init(_ policy: RetryPolicy) {
        self.policy = policy
    }

    /// Gives the retries back that were needed.
    mutating func succeeded() {
        policy.budget.giveBack(taken)
        (count, taken) = (0, 0)
    }

    /// Some of what was asked for has arrived: the next try begins to count anew, and at once.
    mutating func progressed() {
        if hasProgressed { return }
        succeeded()
        hasProgressed = true
    }

    /// Counts a try that failed.
    mutating func failed() {
        count += 1
    }

    /// Waits until the next try, or throws the failure when there is none.
    mutating func wait(after failure: Failure, retryAfterSeconds: Int? = nil) async throws {
        try giveUpIfDue(failure)
        StoreTrouble.heard?(failure)
        if hasProgressed, retryAfterSeconds == nil {
            hasProgressed = false
            return
        }
        let wait = Backoff.wait(retry: count - 1, chance: policy.clock.chance(), retryAfterSeconds: retryAfterSeconds)
        policy.logger.info(
            "trying again: \(failure)",
            metadata: ["try": "\(count + 1)", "wait": "\(SpokenTime.wait(wait))"]
        )
        try await policy.clock.sleep(wait)
    }

    private mutating func giveUpIfDue(_ failure: Failure) throws {
        let isLast = count >= policy.attemptsMax
        guard isLast || !policy.budget.take() else {
            taken += 1
            return
        }
        let ending =
            "after \(count) \(count == 1 ? "try" : "tries")"
            + (isLast ? "" : ", and the retries of this run are used up")
        throw Failure(failure.code, "\(failure.message), \(ending)", cause: failure.cause, hint: failure.hint)
    }
}
