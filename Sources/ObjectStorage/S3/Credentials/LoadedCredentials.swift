// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import HTTPTransport

/// Credentials as a source gave them.
struct LoadedCredentials: Sendable {
    let credentials: AWSCredentials
    /// By our clock, in seconds since 1970; `nil`: they do not end.
    let endsAtSeconds: Int64?
    /// Whether they may still be good after their end: a metadata service that has no new ones gives the old ones.
    var mayOutliveTheirEnd = false
    /// What was needed to get them, and no message may show.
    var secrets: [String] = []
}

/// What is wrong with an answer that should hold credentials. It never quotes them.
struct CredentialsMalformed: Error {
    let reason: String
}

/// The JSON in which programs, containers and machines give credentials.
struct CredentialDocument: Decodable {
    /// Of a program: 1.
    var version: Int?
    /// Of a machine: `Success`; else what went wrong.
    var code: String?
    var message: String?
    private var accessKeyID: String?
    private var secretAccessKey: String?
    /// Of containers and machines.
    private var token: String?
    /// Of programs.
    private var sessionToken: String?
    private var expiration: String?

    private enum CodingKeys: String, CodingKey {
        case version = "Version"
        case code = "Code"
        case message = "Message"
        case accessKeyID = "AccessKeyId"
        case secretAccessKey = "SecretAccessKey"
        case token = "Token"
        case sessionToken = "SessionToken"
        case expiration = "Expiration"
    }

    init(parsing bytes: [UInt8]) throws(CredentialsMalformed) {
        do { self = try JSONDecoder().decode(CredentialDocument.self, from: Data(bytes)) } catch {
            throw CredentialsMalformed(reason: "it is \(bytes.count) bytes that are no JSON of credentials")
        }
    }

    /// - Parameter skewSeconds: what the clock of the source says more than ours.
    func credentials(skewSeconds: Int64 = 0) throws(CredentialsMalformed) -> LoadedCredentials {
        try LoadedCredentials(
            id: accessKeyID,
            secret: secretAccessKey,
            token: token ?? sessionToken,
            expiration: expiration,
            skewSeconds: skewSeconds
        )
    }
}

extension LoadedCredentials {
    /// - Throws: when something is missing, or would not go into a header as it is.
    init(
        id: String?,
        secret: String?,
        token: String?,
        expiration: String?,
        skewSeconds: Int64
    ) throws(CredentialsMalformed) {
        guard let id, let secret, !id.isEmpty, !secret.isEmpty else {
            throw CredentialsMalformed(reason: "the \(id?.isEmpty ?? true ? "access key" : "secret") is missing in it")
        }
        for value in [id, secret, token ?? ""] where !AWSCredentials.isSendable(value) {
            throw CredentialsMalformed(reason: "its credentials have a blank or a line end in them")
        }
        let hasToken = token?.isEmpty == false
        credentials = AWSCredentials(accessKeyID: id, secretAccessKey: secret, sessionToken: hasToken ? token : nil)
        guard let expiration, !expiration.isEmpty else {
            endsAtSeconds = nil
            return
        }
        guard let end = Expiration.seconds(expiration) else {
            throw CredentialsMalformed(reason: "the end of its credentials is no time")
        }
        endsAtSeconds = end - skewSeconds
    }
}

/// When credentials end.
package enum Expiration {
    /// `2026-11-25T22:00:00Z`, `2026-11-25T22:00:00.5+00:00`, as RFC 3339 has it.
    package static func seconds(_ text: String) -> Int64? {
        if let time = CivilTime(iso8601: text) { return time.secondsSince1970 }
        guard let sign = text.lastIndex(where: { $0 == "+" || $0 == "-" }), text[..<sign].contains("T") else {
            return nil
        }
        let offset = text[text.index(after: sign)...].split(separator: ":", omittingEmptySubsequences: false)
        guard offset.count == 2, offset.allSatisfy({ $0.utf8.count == 2 && $0.allSatisfy(\.isASCII) }),
            let hours = UInt8(offset[0]), let minutes = UInt8(offset[1]), hours < 24, minutes < 60,
            let local = CivilTime(iso8601: String(text[..<sign]) + "Z")
        else { return nil }
        let seconds = Int64(hours) * 3600 + Int64(minutes) * 60
        return local.secondsSince1970 - (text[sign] == "+" ? seconds : -seconds)
    }
}

extension HTTPResponseHead {
    /// What the clock of whoever answered says more than ours; 0 when it does not say.
    func skewSeconds(against clock: RequestClock) -> Int64 {
        guard let theirs = self["date"].flatMap(CivilTime.init(httpDate:)) else { return 0 }
        return theirs.secondsSince1970 - clock.secondsSince1970()
    }
}
