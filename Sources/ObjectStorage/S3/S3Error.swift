// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// What a store answered when it did not do what it was asked.
///
/// Source: "Error responses", Amazon S3 API Reference.
struct S3Error: StoreRefusal, Error, Hashable {
    let status: Int
    /// `SlowDown`; `nil` when the answer had no body that could be read, as those to `HEAD`.
    let code: String?
    private let message: String?
    private let requestID: String?
    /// The region of the bucket, where the store says so.
    let region: String?

    /// - Parameter secrets: struck out of what the store says.
    init(_ head: HTTPResponseHead, _ body: [UInt8], secrets: [String]) {
        let document = try? XMLElement(parsing: body)
        let error = document?.name == "Error" ? document : nil
        func quotable(_ text: String?) -> String? {
            text.flatMap { AnswerText.quotable($0, hiding: secrets) }
        }
        status = head.status
        code = quotable(error?["Code"])
        message = quotable(error?["Message"])
        requestID = quotable(head["x-amz-request-id"] ?? error?["RequestId"])
        region = quotable(head["x-amz-bucket-region"] ?? error?["Region"])
    }

    /// Whether the same request may succeed when it is sent once more.
    var isPassing: Bool {
        switch status {
        case 408, 429, 500, 502, 503, 504, 509: return true
        // A conditional write met another request for the same key; S3 wants it sent again.
        case 409: return code == "ConditionalRequestConflict" || code == "OperationAborted"
        default: break
        }
        switch code {
        case "SlowDown", "InternalError", "RequestTimeout", "ServiceUnavailable", "Throttling", "ThrottlingException",
            "RequestThrottled", "TooManyRequests", "TransactionInProgress":
            return true
        // The body arrived damaged or short.
        case "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch": return true
        default: return false
        }
    }

    var isStoreMissing: Bool { code == "NoSuchBucket" }

    var isAboutClock: Bool { code == "RequestTimeTooSkewed" }

    var isAboutPlace: Bool {
        [301, 307, 308].contains(status)
            || ["PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"].contains(code)
    }

    var areCredentialsStale: Bool {
        switch code {
        case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired": true
        // Keys that were exchanged for others while the run went on.
        case "InvalidToken", "InvalidAccessKeyId", "InvalidSecurity", "InvalidClientTokenId",
            "UnrecognizedClientException":
            true
        default: false
        }
    }

    /// Whether the store may not know what was asked, or a condition that the request carried.
    var isUnknownRequest: Bool {
        status == 501 || code == "NotImplemented"
            || (status == 400 && ["InvalidArgument", "InvalidRequest", "UnsupportedArgument", nil].contains(code))
    }

    /// Whether it is about a key that only the client has.
    var isAboutEncryption: Bool {
        let message = message?.lowercased() ?? ""
        return message.contains("encrypt") || message.contains("sse-c") || message.contains("customer key")
    }

    /// Whether a lock, a legal hold or a retention keeps the object. AWS says so in the message alone; others have
    /// codes for it.
    var isAboutLock: Bool {
        if ["ObjectLocked", "FileImmutable", "ObjectUnderRetention"].contains(code) { return true }
        let message = message?.lowercased() ?? ""
        return ["object lock", "worm", "retention", "legal hold", "compliance mode", "immutable"]
            .contains { message.contains($0) }
    }

    /// One line: `503 SlowDown (Please reduce your request rate.), request id 4442587FB7D0A2F9`.
    var text: String {
        var text = "\(status)"
        if let code { text += " \(code)" }
        if let message { text += " (\(message))" }
        if let requestID { text += ", request id \(requestID)" }
        return text
    }
}
