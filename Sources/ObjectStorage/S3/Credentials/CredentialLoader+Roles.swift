// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

extension CredentialLoader {
    private static let triesMax = 4
    private static let connectSecondsMax = 5
    private static let sessionNameLengthMax = 64
    /// Clocks that differ by more make a signature worthless.
    private static let skewSecondsMax: Int64 = 300

    // MARK: Web identities

    func load(_ identity: WebIdentity, _ attempt: String) async throws -> LoadedCredentials {
        // The file is read for each try anew: the kubelet writes a new token long before the old one ends.
        let token = SharedValue("")
        var loaded = try await exchanging(attempt) { exchange in
            try await exchange.perform {
                token.value = try await self.token(identity, attempt)
                return try tokenService.request(
                    [
                        ("Action", "AssumeRoleWithWebIdentity"), ("RoleArn", identity.roleARN),
                        ("RoleSessionName", identity.sessionName ?? sessionName),
                        ("WebIdentityToken", token.value),
                    ],
                    signedBy: nil,
                    atSecondsSince1970: clock.secondsSince1970(),
                    deadlines: deadlines
                )
            } read: { response in
                let answer = TokenServiceAnswer(response: response, secrets: [token.value])
                return try answer.read(attempt: attempt, clock: clock) {
                    hint($0, identity, TokenClaims(token.value))
                }
            }
        }
        loaded.secrets = [token.value]
        return loaded
    }

    private func token(_ identity: WebIdentity, _ attempt: String) async throws -> String {
        let bytes = try await onBlockingThread {
            try SmallFile.read(identity.tokenFile, bytesMax: ContainerEndpoint.tokenBytesMax)
        }
        guard let bytes else {
            throw Failure(
                .configuration,
                "\(attempt): \(identity.tokenFile), which it names, is not there",
                hint: "On EKS the pod gets it by a projected volume, which is added when the pod is made: make the pod "
                    + "anew after its service account got the annotation."
            )
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let token = String(text.reversed().drop(while: \.isWhitespace).reversed())
        guard !token.isEmpty, AWSCredentials.isSendable(token) else {
            throw Failure(.configuration, "\(attempt): \(identity.tokenFile), which it names, holds no token")
        }
        return token
    }

    private func hint(_ code: String?, _ identity: WebIdentity, _ claims: TokenClaims?) -> String? {
        let told = claims.map(\.text) ?? ""
        let says = told.isEmpty ? "" : " The token says: \(told)."
        switch code {
        case "AccessDenied", "AccessDeniedException":
            return "The trust policy of \(identity.roleARN) must allow sts:AssumeRoleWithWebIdentity to the OIDC "
                + "provider of the cluster, with conditions that this token meets.\(says)"
        case "InvalidIdentityToken":
            return "IAM of the account of the role must have the issuer of the token as an OIDC provider, with its "
                + "audience: `aws iam list-open-id-connect-providers`.\(says)"
        case "IDPRejectedClaim": return "The OIDC provider in IAM does not take the audience of the token.\(says)"
        case "ExpiredTokenException", "ExpiredToken":
            let ended = claims?.endsAtSeconds.map {
                " It ended \(SpokenTime.age(clock.secondsSince1970() - $0)) ago by our clock."
            }
            return "The token in \(identity.tokenFile) has ended: the kubelet should have renewed it.\(ended ?? "")"
        default: return nil
        }
    }

    // MARK: Roles of profiles

    func load(_ role: AWSRole, _ base: AWSCredentials, _ attempt: String) async throws -> LoadedCredentials {
        var parameters = [
            ("Action", "AssumeRole"), ("RoleArn", role.arn), ("RoleSessionName", role.sessionName ?? sessionName),
        ]
        if let id = role.externalID { parameters.append(("ExternalId", id)) }
        if let seconds = role.durationSeconds { parameters.append(("DurationSeconds", String(seconds))) }
        let sent = parameters
        let skewSeconds = SharedValue<Int64>(0)
        return try await exchanging(attempt) { exchange in
            try await exchange.perform {
                try tokenService.request(
                    sent,
                    signedBy: base,
                    atSecondsSince1970: clock.secondsSince1970() + skewSeconds.value,
                    deadlines: deadlines
                )
            } read: { response in
                let difference = response.head.skewSeconds(against: clock)
                let secrets = base.secrets + [role.externalID].compactMap(\.self)
                let answer = TokenServiceAnswer(response: response, secrets: secrets)
                do {
                    return try answer.read(attempt: attempt, clock: clock) { hint($0, role) }
                } catch let failure as Failure {
                    guard skewSeconds.value == 0, abs(difference) > Self.skewSecondsMax else { throw failure }
                    skewSeconds.value = difference
                    return .passing(failure)
                }
            }
        }
    }

    private func hint(_ code: String?, _ role: AWSRole) -> String? {
        switch code {
        case "AccessDenied", "AccessDeniedException":
            "The credentials of the source must be allowed sts:AssumeRole on \(role.arn), and its trust policy must "
                + "name them\(role.externalID == nil ? ", with no external_id required" : " with this external_id")."
        case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId":
            "The credentials that should take the role on are not known: check the source of the AWS profile "
                + "\(role.profile)."
        case "ExpiredToken", "ExpiredTokenException":
            "The credentials that should take the role on have ended: check the source of the AWS profile "
                + "\(role.profile)."
        case "SignatureDoesNotMatch", "InvalidSignatureException":
            "The secret of the source does not belong to its access key, or the clock of this machine is wrong."
        default: nil
        }
    }

    // MARK: The service

    private var deadlines: HTTPDeadlines {
        HTTPDeadlines(
            connectSeconds: min(Self.connectSecondsMax, noProgressSeconds),
            noProgressSeconds: noProgressSeconds
        )
    }

    private func exchanging(
        _ attempt: String,
        _ body: (CredentialExchange) async throws -> LoadedCredentials
    ) async throws -> LoadedCredentials {
        var http = HTTPClientConfiguration()
        http.caFile = tokenService.caFile
        return try await withHTTPClient(http) { client in
            try await body(
                CredentialExchange(
                    client: client,
                    clock: clock,
                    logger: logger,
                    attempt: attempt,
                    triesMax: Self.triesMax
                )
            )
        }
    }

    /// What CloudTrail shows: the pod, where its name is known.
    private var sessionName: String {
        let host = (environment["HOSTNAME"] ?? "").filter {
            $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0))
        }
        let name = "redoubt-" + (host.isEmpty ? String(clock.secondsSince1970()) : host)
        return String(name.prefix(Self.sessionNameLengthMax))
    }
}
