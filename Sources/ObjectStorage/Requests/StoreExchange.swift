// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import Logging

/// Sends operations to a store: signs each try anew, waits and tries again after what passes, and gives up with a
/// failure that says what the store answered.
struct StoreExchange: Sendable {
    let client: HTTPClient
    let clock: RequestClock
    let logger: Logger
    let policy: RetryPolicy
    /// How often a request is sent, counting the first time.
    var attemptsMax: Int { policy.attemptsMax }
    private let dialect: any StoreDialect
    private let deadlines: HTTPDeadlines
    /// What the clock of the store says more than ours.
    private let skewSeconds = SharedValue<Int64>(0)

    init(_ dialect: any StoreDialect, attemptsMax: Int, client: HTTPClient, configuration: StoreConfiguration) {
        self.dialect = dialect
        self.client = client
        clock = configuration.clock
        deadlines = configuration.deadlines
        logger = configuration.logger
        policy = RetryPolicy(
            attemptsMax: attemptsMax,
            budget: configuration.traffic.retries,
            clock: clock,
            logger: logger
        )
    }

    /// Sends an operation until it is answered.
    /// - Parameter read: makes something of an answer with a status that the operation expects; what it throws is an
    ///   answer that broke off, and the request is sent again.
    /// - Throws: the failure of the last try.
    func perform<Result>(
        _ operation: StoreOperation,
        read: (HTTPResponse) throws(StoreMalformed) -> Result
    ) async throws -> Result {
        var tries = StoreTries(operation: operation, exchange: self)
        while true {
            do {
                let response = try await client.send(
                    try await tries.signed(operation),
                    bodyBytesMax: XMLLimits.bytesMax
                )
                try check(response.head, response.body, of: operation)
                let result = try read(response)
                tries.succeeded()
                return result
            } catch {
                try await tries.waitAfter(error)
            }
        }
    }

    func perform(_ operation: StoreOperation) async throws -> HTTPResponse {
        try await perform(operation) { response in response }
    }

    /// The request of an operation, signed for now.
    /// - Throws: `Unauthorized`.
    func signed(_ operation: StoreOperation) async throws -> HTTPRequest {
        let request = HTTPRequest(
            method: operation.method,
            url: operation.url ?? dialect.url(key: operation.key, query: operation.query),
            headers: operation.headers,
            body: operation.body,
            deadlines: operation.deadlines ?? deadlines
        )
        do {
            return try await dialect.authorized(request, for: operation, atSecondsSince1970: secondsSince1970())
        } catch let failure as Failure {
            throw Unauthorized(failure: failure)
        }
    }

    /// Now, by the clock of the store as far as it is known.
    func secondsSince1970() -> Int64 { clock.secondsSince1970() + skewSeconds.value }

    /// - Throws: `RefusedAnswer` when the status is none that the operation expects.
    func check(_ head: HTTPResponseHead, _ body: [UInt8], of operation: StoreOperation) throws {
        let isExpected = operation.answers.contains(head.status)
        if head.status == 200 || (isExpected && head.status / 100 == 2) { return }
        let refusal = dialect.refusal(head, body)
        // Without its bucket, an object is not absent: it could not be asked for.
        guard isExpected, !refusal.isStoreMissing, !refusal.isPassing, !refusal.isMendable else {
            throw RefusedAnswer(refusal: refusal, head: head)
        }
    }

    /// Whether other credentials can be had than those of a request.
    func renewCredentials(after request: HTTPRequest) async throws -> Bool {
        try await dialect.renewCredentials(after: request)
    }

    /// Goes to where the store says that the bucket is.
    /// - Returns: whether that may help.
    func adoptPlace(of refusal: any StoreRefusal) -> Bool {
        guard let place = dialect.adoptPlace(of: refusal) else { return false }
        logger.notice("the bucket is in another region, going there", metadata: ["region": "\(place)"])
        return true
    }

    /// Takes over the clock of the store, which answered that ours is wrong.
    /// - Returns: whether that may help.
    func adoptClock(of head: HTTPResponseHead) -> Bool {
        guard let theirs = head["date"].flatMap(CivilTime.init(httpDate:)) else { return false }
        let difference = theirs.secondsSince1970 - clock.secondsSince1970()
        logger.notice("the clock of the store differs, signing with it", metadata: ["seconds": "\(difference)"])
        skewSeconds.value = difference
        return true
    }
}

/// There is nothing to sign with. The source of the credentials was asked often enough: this is final.
struct Unauthorized: Error {
    let failure: Failure
}

/// An answer that says that all went well, and is not what such an answer looks like: cut off, empty, or an error
/// inside (F24).
struct StoreMalformed: Error {
    let reason: String
}
