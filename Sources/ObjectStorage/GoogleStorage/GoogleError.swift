// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import HTTPTransport

/// What Cloud Storage answered when it did not do what it was asked.
///
/// Source: "HTTP status and error codes for JSON", Cloud Storage documentation.
struct GoogleError: StoreRefusal, Error, Hashable {
    let status: Int
    /// `rateLimitExceeded`; `nil` when the answer had no body that could be read.
    let reason: String?
    let message: String?

    private struct Document: Decodable {
        struct Whole: Decodable {
            let message: String?
            let errors: [Part]?
        }
        struct Part: Decodable {
            let reason: String?
        }
        let error: Whole
    }

    /// - Parameter secrets: struck out of what the store says.
    init(_ head: HTTPResponseHead, _ body: [UInt8], secrets: [String]) {
        status = head.status
        let document = try? JSONDecoder().decode(Document.self, from: Data(body)).error
        reason = document?.errors?.first?.reason.flatMap { AnswerText.quotable($0, hiding: secrets) }
        // The servers of uploads answer in plain words, and those in front of them in HTML.
        let isText = head["content-type"]?.lowercased().hasPrefix("text/plain") ?? false
        let words = document?.message ?? (isText ? String(decoding: body.prefix(1000), as: UTF8.self) : nil)
        message = words.flatMap { AnswerText.quotable($0, hiding: secrets) }
    }

    /// Whether the same request may succeed when it is sent once more.
    var isPassing: Bool {
        switch status {
        case 408, 429, 500, 502, 503, 504: return true
        default: break
        }
        return ["rateLimitExceeded", "userRateLimitExceeded", "backendError", "internalError"].contains(reason)
    }

    /// Objects and buckets that are missing have the same reason; only the words differ.
    var isStoreMissing: Bool { status == 404 && message?.contains("bucket does not exist") == true }

    /// No request is dated.
    var isAboutClock: Bool { false }

    var areCredentialsStale: Bool { status == 401 }

    /// One line: `503 backendError (Backend Error)`.
    var text: String {
        var text = "\(status)"
        if let reason { text += " \(reason)" }
        if let message { text += " (\(message))" }
        return text
    }
}
