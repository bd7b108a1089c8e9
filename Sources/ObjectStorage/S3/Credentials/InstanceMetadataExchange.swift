// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport
import Logging

/// Speaks to the instance metadata service, version 2: a token first, then the name of the role, then its credentials.
///
/// Source: "Use the Instance Metadata Service to access instance metadata", Amazon EC2 User Guide.
struct InstanceMetadataExchange: Sendable {
    let metadata: InstanceMetadata
    let clock: RequestClock
    let logger: Logger

    private static let rolePath = "/latest/meta-data/iam/security-credentials/"
    private static let tokenSeconds = 21_600
    private static let nameLengthMax = 128

    private var attempt: String {
        metadata.isConfigured
            ? "get credentials for S3 from the instance metadata service"
            : "find credentials for S3: none are configured, and from the instance metadata service"
    }

    /// What can be done where there are no credentials at all.
    static let allWays =
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile of ~/.aws/credentials or ~/.aws/config with "
        + "AWS_PROFILE (keys, role_arn or credential_process), or give the service account of the pod a role (IRSA or "
        + "EKS Pod Identity), or the machine. docs/credentials.md has each."

    func load() async throws -> LoadedCredentials {
        guard let endpoint = metadata.endpoint else {
            throw absent("AWS_EC2_METADATA_DISABLED forbids to ask it", .configuration)
        }
        // It is on the machine; a proxy would be asked for its own role.
        var http = HTTPClientConfiguration()
        http.proxy = .off
        return try await withHTTPClient(http) { client in
            let exchange = CredentialExchange(
                client: client,
                clock: clock,
                logger: logger,
                attempt: attempt,
                triesMax: metadata.attempts
            )
            let token = try await token(exchange, endpoint)
            let role = try await role(exchange, endpoint, token)
            if !metadata.isConfigured {
                logger.info(
                    "no credentials are configured, using the role of this machine",
                    metadata: ["role": "\(role)"]
                )
            }
            var loaded = try await credentials(exchange, endpoint, token, role)
            loaded.mayOutliveTheirEnd = true
            loaded.secrets = [token]
            return loaded
        }
    }

    // MARK: The three requests

    private func token(_ exchange: CredentialExchange, _ endpoint: String) async throws -> String {
        do {
            return try await exchange.perform {
                request(
                    "PUT",
                    endpoint,
                    "/latest/api/token",
                    "x-aws-ec2-metadata-token-ttl-seconds",
                    "\(Self.tokenSeconds)"
                )
            } read: { response in
                let status = response.head.status
                let text = String(decoding: response.body, as: UTF8.self)
                switch status {
                case 200 where !text.isEmpty && text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }): return .done(text)
                case 200: throw absent("what answers there gave no token, and is none of EC2")
                case 403: throw absent("it is switched off for this machine (403)")
                case _ where CredentialExchange.isPassing(status): return .passing(refused(status, "the token"))
                default: throw absent("what answers there is none of EC2, or only of version 1 (\(status))")
                }
            }
        } catch let failure as Failure where [.unreachable, .timeout].contains(failure.code) && failure.cause != nil {
            throw unanswered(failure)
        }
    }

    private func role(_ exchange: CredentialExchange, _ endpoint: String, _ token: String) async throws -> String {
        try await exchange.perform {
            request("GET", endpoint, Self.rolePath, "x-aws-ec2-metadata-token", token)
        } read: { response in
            let status = response.head.status
            switch status {
            case 200: break
            case 404: throw absent("the machine has no role (404)")
            case _ where CredentialExchange.isPassing(status): return .passing(refused(status, "the name of the role"))
            default: throw refused(status, "the name of the role")
            }
            let names = String(decoding: response.body, as: UTF8.self).split(whereSeparator: \.isNewline)
            guard let name = names.first, (1...Self.nameLengthMax).contains(name.utf8.count),
                name.utf8.allSatisfy({ ObjectKey.isAllowed($0) || "+=,@".utf8.contains($0) }), !name.hasPrefix(".")
            else { return .passing(malformed("what it gave is not the name of a role")) }
            return .done(String(name))
        }
    }

    private func credentials(
        _ exchange: CredentialExchange,
        _ endpoint: String,
        _ token: String,
        _ role: String
    ) async throws -> LoadedCredentials {
        try await exchange.perform {
            request("GET", endpoint, Self.rolePath + role, "x-aws-ec2-metadata-token", token)
        } read: { response in
            let status = response.head.status
            guard status == 200 else {
                let failure = refused(status, "the credentials of \(role)")
                if CredentialExchange.isPassing(status) { return .passing(failure) }
                throw failure
            }
            do {
                let document = try CredentialDocument(parsing: response.body)
                if let code = document.code, code != "Success" {
                    throw refused(role, code, document.message, hiding: token)
                }
                return .done(try document.credentials(skewSeconds: response.head.skewSeconds(against: clock)))
            } catch let error as CredentialsMalformed {
                return .passing(malformed(error.reason))
            }
        }
    }

    private func request(
        _ method: String,
        _ endpoint: String,
        _ path: String,
        _ name: String,
        _ value: String
    ) -> HTTPRequest {
        HTTPRequest(
            method: method,
            url: endpoint + path,
            headers: [(name, value)],
            deadlines: HTTPDeadlines(
                connectSeconds: metadata.timeoutSeconds,
                noProgressSeconds: metadata.timeoutSeconds
            )
        )
    }

    // MARK: Failures

    private func absent(_ what: String, _ code: Failure.Code = .authenticationFailed) -> Failure {
        Failure(
            metadata.isConfigured ? code : .authenticationFailed,
            metadata.isConfigured ? "\(attempt): \(what)" : "\(attempt) none come: \(what)",
            hint: metadata.isConfigured ? "The profile names it by credential_source." : Self.allWays
        )
    }

    /// No answer: there may be no such service, or its answer does not reach us.
    private func unanswered(_ failure: Failure) -> Failure {
        let hopLimit =
            "In a pod on EC2 the answer ends at the machine while its hop limit is 1: `aws ec2 "
            + "modify-instance-metadata-options --instance-id … --http-put-response-hop-limit 2`; a NetworkPolicy may "
            + "be in the way, too. "
        return Failure(
            metadata.isConfigured ? failure.code : .authenticationFailed,
            metadata.isConfigured ? "\(attempt): it does not answer" : "\(attempt) no answer comes",
            cause: failure.cause,
            hint: (failure.code == .timeout ? hopLimit : "") + (metadata.isConfigured ? "" : Self.allWays)
        )
    }

    private func refused(_ status: Int, _ what: String) -> Failure {
        Failure(
            CredentialExchange.isPassing(status) ? .storeUnavailable : .authenticationFailed,
            "\(attempt): asked for \(what), it answered \(status)"
        )
    }

    private func refused(_ role: String, _ code: String, _ message: String?, hiding token: String) -> Failure {
        let words = [code, message].compactMap(\.self).compactMap { AnswerText.quotable($0, hiding: [token]) }
        return Failure(
            .authenticationFailed,
            "\(attempt): it has no credentials of the role \(role) (\(words.joined(separator: ": ")))",
            hint: "The trust policy of the role must name ec2.amazonaws.com."
        )
    }

    private func malformed(_ reason: String) -> Failure {
        Failure(.protocolViolation, "\(attempt): it answered 200, and \(reason)")
    }
}
