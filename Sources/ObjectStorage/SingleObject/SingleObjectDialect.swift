// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// Requests to a single object: the URL says all, and nothing is added to it.
struct SingleObjectDialect: StoreDialect {
    let place: SingleObjectLocation

    func url(key: String?, query: [(name: String, value: String)]) -> String { place.url }

    func authorized(
        _ request: HTTPRequest,
        for operation: StoreOperation,
        atSecondsSince1970 seconds: Int64
    ) async throws -> HTTPRequest { request }

    func refusal(_ head: HTTPResponseHead, _ body: [UInt8]) -> any StoreRefusal {
        SingleObjectRefusal(head, body, secrets: place.secrets)
    }
}

/// A status that is an error, and what the store says beside it: S3, Google and Azure answer with the same document.
struct SingleObjectRefusal: StoreRefusal {
    let status: Int
    private let code: String?
    private let message: String?

    init(_ head: HTTPResponseHead, _ body: [UInt8], secrets: [String]) {
        let document = try? XMLElement(parsing: body)
        let error = document?.name == "Error" ? document : nil
        func quotable(_ text: String?) -> String? {
            text.flatMap { AnswerText.quotable($0, hiding: secrets) }
        }
        status = head.status
        code = quotable(error?["Code"])
        message = quotable(error?["Message"])
    }

    var isPassing: Bool { [408, 409, 425, 429, 500, 502, 503, 504].contains(status) }
    var isStoreMissing: Bool { false }
    var isAboutClock: Bool { false }
    var areCredentialsStale: Bool { false }

    func failure(of operation: StoreOperation) -> Failure {
        let (failureCode, hint) = meaning(of: operation)
        var text = "\(status)"
        if let code { text += " \(code)" }
        if let message { text += " (\(message))" }
        return Failure(failureCode, "\(operation.attempt): the store answered \(text)", hint: hint)
    }

    /// What is there already is kept, and no other try of the same URL ends otherwise: a guard, with its own flag.
    static let keptHint = "Give a new URL, or put #overwrite=true behind this one, which replaces what is there."

    private func meaning(of operation: StoreOperation) -> (Failure.Code, String?) {
        switch (status, code) {
        case (_, "EntityTooLarge"):
            (.unsupported, "S3 takes 5 GiB in one request. Use s3:// with credentials for a larger backup.")
        case (400, "ExpiredToken"), (401, _), (403, _):
            (
                .permissionDenied,
                "Is the URL expired, or signed for another method or with headers of its own? Sign one for PUT to "
                    + "write the object, and one for GET to read it."
            )
        case (404, _), (410, _): (.noSuchObject, "Nothing was written under this URL yet, or it was removed.")
        case (411, _): (.unsupported, nil)
        case (412, _) where operation.method == "PUT": (.guardRefused, Self.keptHint)
        case (412, _): (.alreadyExists, nil)
        case (413, _), (507, _): (.noSpace, "Enlarge the limit of the store.")
        case (501, _): (.unsupported, "If the store does not know If-None-Match, add #overwrite=true to the URL.")
        case (300...399, _): (.configuration, "Redirects are not followed: sign the URL for the host that answers.")
        default: (isPassing || status >= 500 ? .storeUnavailable : .unsupported, nil)
        }
    }
}
