// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import Logging

/// The tries of one operation: whether and when there is another, and what the last one means.
struct APITries {
    private let operation: APIOperation
    private let exchange: APIExchange
    private var count = 0
    private var waitedSeconds = 0.0
    private var hasRefreshed = false

    init(_ operation: APIOperation, exchange: APIExchange) {
        self.operation = operation
        self.exchange = exchange
    }

    /// Waits until the next try, or throws the failure that this error is in the end.
    mutating func waitAfter(_ error: any Error, with credentials: Credentials) async throws {
        count += 1
        switch error {
        case let refusal as APIRefusal: try await waitAfter(refusal, credentials)
        case let transport as Failure:
            let failure = seen(transport)
            let isLost = [.unreachable, .timeout].contains(transport.code)
            guard isLost, operation.isRepeatable else { throw failure }
            try await wait(failure, retryAfterSeconds: nil)
        default: throw error
        }
    }

    private mutating func waitAfter(_ refusal: APIRefusal, _ credentials: Credentials) async throws {
        let meaning = RefusalMeaning(refusal, of: operation, at: exchange.server, hiding: credentials.secrets)
        switch refusal.head.status {
        case 401:
            guard !hasRefreshed, exchange.keeper.reject(credentials) else { throw meaning.failure }
            hasRefreshed = true
            exchange.logger.debug("credentials refused, getting them anew")
            return
        case 410 where operation.verb == .list || operation.verb == .watch:
            throw ResourceExpired()
        // What was refused for too many requests was not carried out, whatever it is.
        case 429: break
        case 500...599 where operation.isRepeatable: break
        default: throw meaning.failure
        }
        try await wait(meaning.failure, retryAfterSeconds: refusal.head["retry-after"].flatMap { Double($0) })
    }

    private mutating func wait(_ failure: Failure, retryAfterSeconds: Double?) async throws {
        let seconds = RetryWait.seconds(
            retry: count - 1,
            chance: exchange.clock.chance(),
            retryAfterSeconds: retryAfterSeconds
        )
        guard count < APILimits.triesMax, waitedSeconds + seconds <= APILimits.waitSecondsMax else {
            throw Failure(
                failure.code,
                "\(failure.message), after \(count) tries",
                cause: failure.cause,
                hint: failure.hint
            )
        }
        waitedSeconds += seconds
        let tenths = (seconds * 10).rounded() / 10
        exchange.logger.info("trying again: \(failure)", metadata: ["try": "\(count + 1)", "seconds": "\(tenths)"])
        try await exchange.clock.sleep(.seconds(seconds))
    }

    /// What went wrong on the way, seen from the operation.
    private func seen(_ transport: Failure) -> Failure {
        let hint: String? =
            switch transport.code {
            case .tlsFailed:
                "The certificate-authority of the cluster in the kubeconfig (or ca.crt of the service account) must "
                    + "have signed the server's certificate; `kubectl version` shows whether kubectl agrees."
            case .unreachable, .timeout:
                "Check the server of the context: `kubectl cluster-info` asks it too. --replicas and --service find "
                    + "the members by DNS, without the API."
            default: transport.hint
            }
        return Failure(transport.code, exchange.name(operation), cause: transport, hint: transport.hint ?? hint)
    }
}

/// How long to wait before a request is sent again: full jitter over a doubling limit.
enum RetryWait {
    private static let firstLimitSeconds = 0.5
    private static let limitSecondsMax = 10.0

    /// - Parameters:
    ///   - retry: 0 for the first one.
    ///   - chance: at least 0 and less than 1.
    ///   - retryAfterSeconds: what the server asked for; honoured up to `APILimits.retryAfterSecondsMax`.
    static func seconds(retry: Int, chance: Double, retryAfterSeconds: Double? = nil) -> Double {
        var limit = firstLimitSeconds
        for _ in 0..<min(max(0, retry), 10) { limit *= 2 }
        let asked = min(max(0, retryAfterSeconds ?? 0), APILimits.retryAfterSecondsMax)
        return max(chance * min(limit, limitSecondsMax), asked.isNaN ? 0 : asked)
    }
}
