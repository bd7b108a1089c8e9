// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials
import HTTPTransport

/// Requests for tokens: they prove themselves by what they carry, and nothing is added to them.
struct GoogleTokenDialect: StoreDialect {
    /// What must not be quoted.
    let secrets = SharedValue<[String]>([])

    func url(key: String?, query: [(name: String, value: String)]) -> String { "" }

    func authorized(
        _ request: HTTPRequest,
        for operation: StoreOperation,
        atSecondsSince1970 seconds: Int64
    ) async throws -> HTTPRequest {
        request
    }

    func refusal(_ head: HTTPResponseHead, _ body: [UInt8]) -> any StoreRefusal {
        GoogleTokenError(head, body, secrets: secrets.value)
    }

    func hide(_ secret: String) {
        if secret.utf8.count >= 4 { secrets.change { $0.append(secret) } }
    }
}

/// What a server of tokens answered when it gave none (RFC 6749 §5.2), or IAM, or a metadata server.
struct GoogleTokenError: StoreRefusal {
    private let status: Int
    /// `invalid_grant`
    private let code: String?
    private let message: String?

    private struct OAuth: Decodable {
        let error: String
        let errorDescription: String?
    }

    init(_ head: HTTPResponseHead, _ body: [UInt8], secrets: [String]) {
        status = head.status
        if let oauth = try? GoogleAnswer.decoder.decode(OAuth.self, from: Data(body)) {
            code = AnswerText.quotable(oauth.error, hiding: secrets)
            message = oauth.errorDescription.flatMap { AnswerText.quotable($0, hiding: secrets) }
        } else {
            let error = GoogleError(head, body, secrets: secrets)
            (code, message) = (error.reason, error.message)
        }
    }

    var isPassing: Bool { status == 408 || status == 429 || status >= 500 }
    var isStoreMissing: Bool { false }
    var isAboutClock: Bool { false }
    var areCredentialsStale: Bool { false }

    func failure(of operation: StoreOperation) -> Failure {
        let text = "\(status)" + (code.map { " \($0)" } ?? "") + (message.map { " (\($0))" } ?? "")
        let problem = "\(operation.attempt): the server answered \(text)"
        if isPassing { return Failure(.storeUnavailable, problem) }
        if status / 100 == 3 {
            return Failure(.configuration, problem, hint: "A redirect is not followed: a token might go elsewhere.")
        }
        return Failure(.authenticationFailed, problem, hint: hint)
    }

    private var hint: String? {
        switch (code, status) {
        case ("invalid_grant", _):
            "The key or the consent was revoked, or the clock of this machine is wrong by more than some minutes."
        case ("invalid_client", _), ("unauthorized_client", _): "The client of the credentials is not known there."
        case (_, 403): "The identity needs roles/iam.workloadIdentityUser (or TokenCreator) on the service account."
        case (_, 404): "There is no such service account, or none is given to this machine."
        default: nil
        }
    }
}
