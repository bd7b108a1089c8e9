// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// The tries of one operation: how many there were, and whether and when there is another.
struct StoreTries {
    private let operation: StoreOperation
    private let exchange: StoreExchange
    private var tries: Tries
    private var hasAdoptedClock = false
    private var hasAdoptedPlace = false
    private var hasRenewedCredentials = false
    /// The one of the last try.
    private var request: HTTPRequest?

    init(operation: StoreOperation, exchange: StoreExchange) {
        self.operation = operation
        self.exchange = exchange
        tries = Tries(exchange.policy)
    }

    /// The request of the next try.
    mutating func signed(_ operation: StoreOperation) async throws -> HTTPRequest {
        let request = try await exchange.signed(operation)
        self.request = request
        return request
    }

    /// Gives the retries back that were needed.
    mutating func succeeded() {
        tries.succeeded()
    }

    /// Some of what was asked for has arrived: the next try begins to count anew, and at once.
    mutating func progressed() {
        tries.progressed()
    }

    /// Waits until the next try, or throws the failure that this error is in the end.
    mutating func waitAfter(_ error: any Error) async throws {
        tries.failed()
        var retryAfterSeconds: Int?
        let failure: Failure
        switch error {
        case let missing as Unauthorized: throw missing.failure.during(operation.attempt)
        case let answer as RefusedAnswer:
            failure = answer.failure(of: operation)
            if try await isMended(after: answer) { return }
            guard answer.refusal.isPassing else { throw failure }
            retryAfterSeconds = answer.retryAfterSeconds(by: exchange.clock)
        case let malformed as StoreMalformed:
            failure = Failure(.storeUnavailable, "\(operation.attempt): \(malformed.reason)")
        case let shortfall as StoreShortfall:
            failure = Failure(
                .truncated,
                "\(operation.attempt): it ended after \(shortfall.bytes) of \(shortfall.announced) bytes"
            )
        case let transport as Failure where transport.code.isTransient:
            failure = transport.withWayHint().during(operation.attempt)
        case let transport as Failure:
            throw transport.withWayHint().during(operation.attempt)
        default:
            throw error
        }
        try await tries.wait(after: failure, retryAfterSeconds: retryAfterSeconds)
    }

    /// Whether what the store complained about is another now, so that the request is worth another try, at once.
    private mutating func isMended(after answer: RefusedAnswer) async throws -> Bool {
        if answer.refusal.isAboutClock, !hasAdoptedClock {
            hasAdoptedClock = true
            return exchange.adoptClock(of: answer.head)
        }
        if answer.refusal.isAboutPlace, !hasAdoptedPlace {
            hasAdoptedPlace = true
            return exchange.adoptPlace(of: answer.refusal)
        }
        if answer.refusal.areCredentialsStale, !hasRenewedCredentials, let request {
            hasRenewedCredentials = true
            do { return try await exchange.renewCredentials(after: request) } catch let failure as Failure {
                throw failure.during(operation.attempt)
            }
        }
        return false
    }
}
