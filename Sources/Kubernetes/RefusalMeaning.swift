// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// What an answer with a status of no success means to an operation.
struct RefusalMeaning {
    private let refusal: APIRefusal
    private let operation: APIOperation
    private let server: APIServer
    private let secrets: [String]

    init(_ refusal: APIRefusal, of operation: APIOperation, at server: APIServer, hiding secrets: [String]) {
        self.refusal = refusal
        self.operation = operation
        self.server = server
        self.secrets = secrets
    }

    var failure: Failure {
        let (code, hint) = meaning
        let status = refusal.head.status
        let words = refusal.status.map { ": \(hidden($0.text))" } ?? ", and not as an API server does"
        return Failure(
            code,
            "\(operation.attempt) at \(server.shown): the server answered \(status)\(words)",
            hint: hint
        )
    }

    private var meaning: (Failure.Code, hint: String?) {
        switch refusal.head.status {
        case 401:
            (
                .authenticationFailed,
                "The server does not accept these credentials: `kubectl auth whoami` shows what they are worth to it."
            )
        case 403:
            (
                .permissionDenied,
                "`kubectl auth can-i \(operation.permission) --as=ACCOUNT` asks, for the account named above; "
                    + "the Roles in jobs/ grant it."
            )
        case 404 where refusal.status == nil:
            (.protocolViolation, "The server of the context must be the URL of a Kubernetes API server.")
        case 404: (.noSuchObject, nil)
        case 409: (.alreadyExists, nil)
        case 300..<400:
            (.configuration, "The server sends us elsewhere: set the server of the cluster to where it is.")
        case 400, 422: (.configuration, nil)
        case 429, 500...599: (.unreachable, "The API server is overloaded or in trouble: try again.")
        default: (.unsupported, nil)
        }
    }

    /// A server, or what stands before it, may repeat what it was sent.
    private func hidden(_ text: String) -> String {
        secrets.reduce(text) { $1.isEmpty ? $0 : $0.replacing($1, with: "***") }
    }
}
