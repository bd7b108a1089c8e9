// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import Logging

/// Asks a service that gives credentials: again after what passes, a few times.
struct CredentialExchange: Sendable {
    let client: HTTPClient
    let clock: RequestClock
    let logger: Logger
    /// For messages: `get credentials for S3 from …`.
    let attempt: String
    let triesMax: Int

    /// No answer comes near this.
    private static let answerBytesMax = 256 << 10

    /// What an answer comes to.
    enum Reading<Result> {
        case done(Result)
        /// The same request may succeed later.
        case passing(Failure)
    }

    /// - Parameters:
    ///   - make: the request, for each try anew.
    ///   - read: throws what is final.
    /// - Throws: the failure of the last try.
    func perform<Result>(
        _ make: () async throws -> HTTPRequest,
        read: (HTTPResponse) throws -> Reading<Result>
    ) async throws -> Result {
        var tries = 0
        while true {
            tries += 1
            let failure: Failure
            let response: Swift.Result<HTTPResponse, Failure>
            let request = try await make()
            do {
                response = .success(try await client.send(request, bodyBytesMax: Self.answerBytesMax))
            } catch let transport as Failure {
                response = .failure(transport)
            }
            switch response {
            case .success(let response):
                switch try read(response) {
                case .done(let result): return result
                case .passing(let refusal): failure = refusal
                }
            case .failure(let transport):
                failure = transport.during(attempt)
                guard transport.code.isTransient else { throw failure }
            }
            guard tries < triesMax else {
                throw Failure(
                    failure.code,
                    tries == 1 ? failure.message : "\(failure.message), after \(tries) tries",
                    cause: failure.cause,
                    hint: failure.hint
                )
            }
            let wait = Backoff.wait(retry: tries - 1, chance: clock.chance())
            logger.info(
                "trying again: \(failure)",
                metadata: ["try": "\(tries + 1)", "wait": "\(SpokenTime.wait(wait))"]
            )
            try await clock.sleep(wait)
        }
    }

    /// Whether a status is one that passes.
    static func isPassing(_ status: Int) -> Bool { status == 408 || status == 429 || status >= 500 }
}
