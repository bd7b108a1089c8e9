// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// What the security token service answered.
///
/// Source: "AssumeRole" and "AssumeRoleWithWebIdentity", AWS Security Token Service API Reference.
struct TokenServiceAnswer {
    let response: HTTPResponse
    /// Struck out of what it says.
    let secrets: [String]

    /// Makes credentials of it.
    /// - Parameters:
    ///   - hint: what to do about a code, when the general words do not do.
    func read(
        attempt: String,
        clock: RequestClock,
        hint: (_ code: String?) -> String?
    ) throws -> CredentialExchange.Reading<LoadedCredentials> {
        guard response.head.status == 200 else { return try refusal(attempt, hint) }
        do {
            let document = try? XMLElement(parsing: response.body)
            let result = document?.children.first { $0.name.hasSuffix("Result") }
            guard let found = result?.all("Credentials").first else {
                throw CredentialsMalformed(
                    reason: "it is \(response.body.count) bytes that are no answer of the security token service"
                )
            }
            return .done(
                try LoadedCredentials(
                    id: found["AccessKeyId"],
                    secret: found["SecretAccessKey"],
                    token: found["SessionToken"],
                    expiration: found["Expiration"],
                    skewSeconds: response.head.skewSeconds(against: clock)
                )
            )
        } catch let malformed as CredentialsMalformed {
            // An answer that broke off, or that of somebody in between.
            return .passing(
                Failure(
                    .protocolViolation,
                    "\(attempt): the security token service answered 200, and \(malformed.reason)",
                    hint: "Check the endpoint of the security token service (AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL)."
                )
            )
        }
    }

    private func refusal(
        _ attempt: String,
        _ hint: (String?) -> String?
    ) throws -> CredentialExchange.Reading<LoadedCredentials> {
        let status = response.head.status
        let document = try? XMLElement(parsing: response.body)
        let error = document?.name == "Error" ? document : document?.all("Error").first
        let code = error?["Code"].flatMap { AnswerText.quotable($0, hiding: secrets) }
        let message = error?["Message"].flatMap { AnswerText.quotable($0, hiding: secrets) }
        let text = ["\(status)", code, message.map { "(\($0))" }].compactMap(\.self).joined(separator: " ")
        let failure = Failure(
            Self.failureCode(code, status),
            "\(attempt): the security token service answered \(text)",
            hint: hint(code) ?? Self.hint(code, status)
        )
        if CredentialExchange.isPassing(status) || Self.passingCodes.contains(code) { return .passing(failure) }
        throw failure
    }

    private static let passingCodes: Set<String?> = [
        "IDPCommunicationError", "Throttling", "ThrottlingException", "RequestLimitExceeded", "InternalFailure",
        "ServiceUnavailable",
    ]

    private static func failureCode(_ code: String?, _ status: Int) -> Failure.Code {
        if CredentialExchange.isPassing(status) || passingCodes.contains(code) { return .storeUnavailable }
        switch code {
        case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation": return .permissionDenied
        case "ValidationError", "RegionDisabledException", "MalformedPolicyDocument": return .configuration
        case nil where status == 404 || (300..<400).contains(status): return .configuration
        default: return .authenticationFailed
        }
    }

    private static func hint(_ code: String?, _ status: Int) -> String? {
        switch code {
        case "RegionDisabledException":
            "The region is switched off for this account: activate its STS endpoint in IAM, or set AWS_REGION."
        case "ValidationError": "Check the ARN of the role and the name of the session."
        case "IDPCommunicationError": "AWS cannot reach the issuer of the token: its OIDC endpoint must be public."
        case nil where !CredentialExchange.isPassing(status):
            "That is no answer of AWS: check the endpoint of the security token service (AWS_ENDPOINT_URL_STS, "
                + "AWS_ENDPOINT_URL)."
        default: nil
        }
    }
}
