// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import Logging

/// The tries of one operation: how many there were, and whether and when there is another.
struct StoreTries {
    private let operation: StoreOperation
    private let exchange: StoreExchange
    private var count = 0
    private var taken = 0
    private var hasAdoptedClock = false
    private var hasRenewedCredentials = false
    private var hasProgressed = false

    init(operation: StoreOperation, exchange: StoreExchange) {
        self.operation = operation
        self.exchange = exchange
    }

    /// Gives the retries back that were needed.
    mutating func succeeded() {
        exchange.budget.giveBack(taken)
        (count, taken) = (0, 0)
    }

    /// Some of what was asked for has arrived: the next try begins to count anew, and at once.
    mutating func progressed() {
        if hasProgressed { return }
        succeeded()
        hasProgressed = true
    }

    /// Waits until the next try, or throws the failure that this error is in the end.
    mutating func waitAfter(_ error: any Error) async throws {
        count += 1
        var retryAfterSeconds: Int?
        let failure: Failure
        switch error {
        case let answer as RefusedAnswer:
            failure = answer.refusal.failure(of: operation)
            if try await isMended(after: answer) { return }
            guard answer.refusal.isPassing else { throw failure }
            retryAfterSeconds = answer.head["retry-after"].flatMap { Int($0) }
        case let malformed as StoreMalformed:
            failure = Failure(.storeUnavailable, "\(operation.attempt): \(malformed.reason)")
        case let shortfall as StoreShortfall:
            failure = Failure(
                .truncated,
                "\(operation.attempt): it ended after \(shortfall.bytes) of \(shortfall.announced) bytes"
            )
        case let transport as Failure where transport.code.isTransient:
            failure = transport.during(operation.attempt)
        case let transport as Failure:
            throw transport.during(operation.attempt)
        default:
            throw error
        }
        try giveUpIfDue(failure)
        if hasProgressed, retryAfterSeconds == nil {
            hasProgressed = false
            return
        }
        let wait = Backoff.wait(retry: count - 1, chance: exchange.clock.chance(), retryAfterSeconds: retryAfterSeconds)
        exchange.logger.info("trying again: \(failure)", metadata: ["try": "\(count + 1)", "wait": "\(wait)"])
        try await exchange.clock.sleep(wait)
    }

    /// Whether what the store complained about is another now, so that the request is worth another try, at once.
    private mutating func isMended(after answer: RefusedAnswer) async throws -> Bool {
        if answer.refusal.isAboutClock, !hasAdoptedClock {
            hasAdoptedClock = true
            return exchange.adoptClock(of: answer.head)
        }
        if answer.refusal.areCredentialsStale, !hasRenewedCredentials {
            hasRenewedCredentials = true
            return try await exchange.renewCredentials()
        }
        return false
    }

    private mutating func giveUpIfDue(_ failure: Failure) throws {
        let isLast = count >= exchange.attemptsMax
        guard isLast || !exchange.budget.take() else {
            taken += 1
            return
        }
        let ending = isLast ? "after \(count) tries" : "after \(count) tries, and the retries of this run are used up"
        throw Failure(failure.code, "\(failure.message), \(ending)", cause: failure.cause, hint: failure.hint)
    }
}
