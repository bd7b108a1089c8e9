// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// What the Blob service answered when it did not do what it was asked.
///
/// Source: "Status and error codes" and "Blob Storage error codes", Azure Storage REST API Reference.
struct AzureError: StoreRefusal, Error, Hashable {
    let status: Int
    /// `BlobNotFound`; in a header, so that answers to `HEAD` have it too.
    let code: String?
    let message: String?
    private let requestID: String?
    /// How requests prove themselves: what an answer means depends on it.
    let proof: Proof
    /// Whether the clock of the store differs from ours by more than a signature may be old.
    private let isFarFromOurClock: Bool

    enum Proof: Sendable {
        case key
        case sas
        case token
    }

    /// A signature is good for a quarter of an hour.
    private static let clockSecondsMax: Int64 = 10 * 60

    /// - Parameters:
    ///   - secrets: struck out of what the store says.
    ///   - now: seconds since 1970 by our clock.
    init(_ head: HTTPResponseHead, _ body: [UInt8], proof: Proof, secrets: [String], now: Int64) {
        let document = try? XMLElement(parsing: body)
        let error = document?.name == "Error" ? document : nil
        status = head.status
        code = Self.quotable(head["x-ms-error-code"] ?? error?["Code"], secrets: secrets)
        message = Self.quotable(Self.sentence(error), secrets: secrets)
        requestID = Self.quotable(head["x-ms-request-id"], secrets: secrets)
        self.proof = proof
        let theirs = head["date"].flatMap(CivilTime.init(httpDate:))?.secondsSince1970
        isFarFromOurClock = theirs.map { abs($0 - now) > Self.clockSecondsMax } ?? false
    }

    /// The message without the id and the time that follow it, and what is said about times that do not fit. The rest
    /// of the detail quotes what was signed.
    private static func sentence(_ error: XMLElement?) -> String? {
        guard let message = error?["Message"]?.split(whereSeparator: \.isNewline).first else { return nil }
        guard let detail = error?["AuthenticationErrorDetail"]?.split(whereSeparator: \.isNewline).first,
            detail.contains("time frame") || detail.contains("date header") || detail.contains("Lifetime")
        else { return String(message) }
        return "\(message) \(detail)"
    }

    /// Whether the same request may succeed when it is sent once more.
    var isPassing: Bool {
        switch status {
        case 408, 429, 500, 502, 503, 504: return true
        default: break
        }
        switch code {
        case "ServerBusy", "InternalError", "OperationTimedOut", "AccountBeingCreated": return true
        // The body arrived damaged or short.
        case "Md5Mismatch", "Crc64Mismatch", "IncompleteBody": return true
        default: return false
        }
    }

    var isStoreMissing: Bool {
        ["ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"].contains(code)
    }

    var isAboutClock: Bool { code == "AuthenticationFailed" && proof == .key && isFarFromOurClock }

    var areCredentialsStale: Bool { proof == .token && status == 401 }

    /// Whether a condition of the request did not hold: something is there, or is not what it was.
    var isConflict: Bool {
        [
            "BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet", "ResourceAlreadyExists",
            // A SAS that may create and not overwrite.
            "UnauthorizedBlobOverwrite",
        ].contains(code) || (status == 412 && code == nil)
    }

    /// One line: `503 ServerBusy (The server is busy.), request id 4442587F…`.
    var text: String {
        var text = "\(status)"
        if let code { text += " \(code)" }
        if let message { text += " (\(message))" }
        if let requestID { text += ", request id \(requestID)" }
        return text
    }

    static func quotable(_ text: String?, secrets: [String]) -> String? {
        // Shorter ones would strike out half of each sentence.
        let hidden = secrets.filter { $0.utf8.count >= 4 }
        return text.flatMap { AnswerText.quotable($0, hiding: hidden) }
    }
}
