// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import FoundationEssentials
import HTTPTransport
import Logging

/// Sends operations to an API server: with the credentials of now, again after what passes, and gives up with a failure
/// that says what the server answered.
struct APIExchange: Sendable {
    let server: APIServer
    let client: HTTPClient
    let keeper: CredentialKeeper
    let clock: RequestClock
    let logger: Logger

    /// Sends an operation until it is answered with success.
    /// - Throws: the failure of the last try; `ResourceExpired` for 410.
    func perform(_ operation: APIOperation) async throws -> HTTPResponse {
        try await attempt(operation) { request in
            let response = try await client.send(request, bodyBytesMax: operation.answerBytesMax)
            guard (200..<300).contains(response.head.status) else {
                throw APIRefusal(head: response.head, body: response.body)
            }
            return response
        }
    }

    /// The same, with the JSON of the answer read as `type`.
    /// - Throws: `.protocolViolation` when it cannot be.
    func perform<Answer: Decodable & Sendable>(_ operation: APIOperation, as type: Answer.Type) async throws -> Answer {
        let response = try await perform(operation)
        return try understood(operation) { try JSONDecoder().decode(type, from: Data(response.body)) }
    }

    /// Makes something of an answer; what it throws becomes a failure of the operation.
    func understood<Result>(_ operation: APIOperation, _ make: () throws -> Result) throws -> Result {
        do { return try make() } catch {
            throw Failure(
                .protocolViolation,
                "\(name(operation)): the answer is not understood: \(DecodingText.of(error))"
            )
        }
    }

    /// Sends an operation whose answer is a stream, and gives it to `body`. What `body` throws is never tried again.
    func stream(_ operation: APIOperation, _ body: @Sendable (ByteStream) async throws -> Void) async throws {
        let ending = try await attempt(operation) { request in
            try await client.withResponse(to: request) { head, chunks -> Result<Void, any Error> in
                guard head.status == 200 else { throw APIRefusal(head: head, body: try await Self.start(of: chunks)) }
                do { return .success(try await body(chunks)) } catch { return .failure(error) }
            }
        }
        try ending.get()
    }

    /// Enough of a body for a Status.
    private static func start(of chunks: ByteStream) async throws -> [UInt8] {
        var body: [UInt8] = []
        for try await chunk in chunks {
            body += chunk
            if body.count > APILimits.objectBytesMax { break }
        }
        return body
    }

    /// What was attempted, for messages.
    func name(_ operation: APIOperation) -> String {
        "\(operation.attempt) at \(server.shown)"
    }

    private func attempt<Answer: Sendable>(
        _ operation: APIOperation,
        _ send: (HTTPRequest) async throws -> Answer
    ) async throws -> Answer {
        var tries = APITries(operation, exchange: self)
        while true {
            let credentials: Credentials
            do { credentials = try await keeper.current() } catch let failure as Failure {
                throw failure.during(name(operation))
            }
            do {
                return try await send(request(operation, credentials))
            } catch {
                try await tries.waitAfter(error, with: credentials)
            }
        }
    }

    private func request(_ operation: APIOperation, _ credentials: Credentials) -> HTTPRequest {
        var headers: [(name: String, value: String)] = [("Accept", "application/json")]
        if !operation.body.isEmpty { headers.append(("Content-Type", operation.verb.contentType)) }
        if let authorization = credentials.authorization { headers.append(("Authorization", authorization)) }
        headers += server.impersonation
        return HTTPRequest(
            method: operation.verb.method,
            url: server.url + operation.target,
            headers: headers,
            body: operation.body,
            deadlines: HTTPDeadlines(
                connectSeconds: APILimits.connectSeconds,
                noProgressSeconds: operation.noProgressSeconds
            ),
            identity: credentials.identity,
            isSentOnce: !operation.isRepeatable
        )
    }
}

/// An answer with a status that is none of success.
struct APIRefusal: Error {
    let head: HTTPResponseHead
    /// `nil`: not the words of an API server.
    let status: APIStatus?

    init(head: HTTPResponseHead, body: [UInt8]) {
        self.head = head
        status = APIStatus(body: body)
    }
}

/// What a continuation or a watch would go on from is forgotten by the server: the list must be read anew.
struct ResourceExpired: Error {}

/// Where requests go.
struct APIServer: Sendable {
    /// Without a slash at its end.
    let url: String
    /// Whom the requests are to be taken for, if not for the credentials' owner.
    var impersonation: [(name: String, value: String)] = []

    /// For messages; it never has credentials in it.
    var shown: String { url }
}
