// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials
import HTTPTransport

/// A file of credentials, as the console and the command line of Google write it.
final class GoogleCredentialFile: Sendable, Decodable {
    struct Source: Sendable, Decodable {
        let file: String?
        let url: String?
        let headers: [String: String]?
        let format: Format?
        let environmentId: String?
        let executable: Executable?
        let certificate: Certificate?
    }

    struct Format: Sendable, Decodable {
        let type: String?
        let subjectTokenFieldName: String?
    }

    struct Executable: Sendable, Decodable {}
    struct Certificate: Sendable, Decodable {}

    struct Lifetime: Sendable, Decodable {
        let tokenLifetimeSeconds: Int?
    }

    // The names of the file, which writes them in snake case.
    private let type: String
    private let clientEmail: String?
    private let privateKey: String?
    private let privateKeyId: String?
    private let tokenUri: String?
    private let clientId: String?
    private let clientSecret: String?
    private let refreshToken: String?
    private let quotaProjectId: String?
    private let audience: String?
    private let subjectTokenType: String?
    private let tokenUrl: String?
    private let credentialSource: Source?
    private let serviceAccountImpersonationUrl: String?
    private let serviceAccountImpersonation: Lifetime?
    private let workforcePoolUserProject: String?
    private let sourceCredentials: GoogleCredentialFile?
    private let delegates: [String]?

    private static let bytesMax = 1 << 20
    private static let tokenURLUsual = "https://oauth2.googleapis.com/token"
    private static let lifetimeSecondsUsual = 3600

    /// Blocks.
    /// - Returns: `nil` when there is no such file.
    /// - Throws: `.configuration` when it is not understood, `.unsupported`.
    static func read(_ path: String, _ environment: [String: String]) throws -> GoogleCredential? {
        guard let bytes = try SmallFile.read(path, bytesMax: bytesMax) else { return nil }
        // Not what the decoder says: it may quote.
        guard let file = try? GoogleAnswer.decoder.decode(GoogleCredentialFile.self, from: Data(bytes)) else {
            throw Failure(
                .configuration,
                "read the Google credentials \(path): that is no JSON of such credentials",
                hint: "It is the key file of a service account, or what `gcloud auth application-default login` writes."
            )
        }
        let kind = try file.kind(path)
        return GoogleCredential(
            kind: kind,
            shown: "\(file.name) in \(path)",
            quotaProject: environment["GOOGLE_CLOUD_QUOTA_PROJECT"] ?? file.quotaProjectId
        )
    }

    private var name: String {
        switch type {
        case "service_account": "the service account \(clientEmail ?? "")"
        case "authorized_user": "the user"
        case "external_account": "the workload identity"
        default: "the service account to be impersonated"
        }
    }

    private func kind(_ path: String) throws -> GoogleCredential.Kind {
        switch type {
        case "service_account":
            return .serviceAccount(
                ServiceAccountKey(
                    email: try required(clientEmail, "client_email", path),
                    keyID: privateKeyId,
                    privateKey: try required(privateKey, "private_key", path),
                    tokenURL: try trusted(tokenUri ?? Self.tokenURLUsual, "token_uri", path)
                )
            )
        case "authorized_user":
            return .user(
                UserGrant(
                    clientID: try required(clientId, "client_id", path),
                    clientSecret: try required(clientSecret, "client_secret", path),
                    refreshToken: try required(refreshToken, "refresh_token", path),
                    tokenURL: try trusted(tokenUri ?? Self.tokenURLUsual, "token_uri", path)
                )
            )
        case "external_account":
            let kind = GoogleCredential.Kind.federated(try federated(path))
            guard serviceAccountImpersonationUrl != nil else { return kind }
            return .impersonated(try impersonation(path), by: kind)
        case "impersonated_service_account":
            guard let source = sourceCredentials else { throw missing("source_credentials", path) }
            guard source.type != type else { throw unsupported("one impersonation behind another", path) }
            return .impersonated(try impersonation(path), by: try source.kind(path))
        default:
            throw unsupported("the type \(String(reflecting: String(type.prefix(40))))", path)
        }
    }

    private func impersonation(_ path: String) throws -> Impersonation {
        let name = "service_account_impersonation_url"
        return Impersonation(
            url: try trusted(try required(serviceAccountImpersonationUrl, name, path), name, path),
            delegates: delegates ?? [],
            lifetimeSeconds: serviceAccountImpersonation?.tokenLifetimeSeconds ?? Self.lifetimeSecondsUsual
        )
    }

    private func federated(_ path: String) throws -> FederatedIdentity {
        guard let source = credentialSource else { throw missing("credential_source", path) }
        if source.environmentId != nil { throw unsupported("a credential_source of AWS", path) }
        if source.executable != nil { throw unsupported("a credential_source that is a program", path) }
        if source.certificate != nil { throw unsupported("a credential_source that is a certificate", path) }
        let isJSON = source.format?.type == "json"
        return FederatedIdentity(
            audience: try required(audience, "audience", path),
            subjectTokenType: try required(subjectTokenType, "subject_token_type", path),
            place: try place(source, path),
            field: isJSON
                ? try required(source.format?.subjectTokenFieldName, "subject_token_field_name", path) : nil,
            tokenURL: try trusted(try required(tokenUrl, "token_url", path), "token_url", path),
            client: clientId.map { ($0, clientSecret ?? "") },
            workforceProject: workforcePoolUserProject
        )
    }

    private func place(_ source: Source, _ path: String) throws -> FederatedIdentity.Place {
        if let file = source.file { return .file(file) }
        let url = try required(source.url, "credential_source.file", path)
        // A metadata server of another cloud answers in clear text, at an address that goes no further.
        let address = try HTTPAddress(url, of: "the credential_source.url in \(path)")
        guard address.isPrivate || address.host.hasPrefix("169.254.") else {
            throw exposed("credential_source.url", path)
        }
        return .url(url, headers: (source.headers ?? [:]).sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    }

    // MARK: Checks

    private func required(_ value: String?, _ name: String, _ path: String) throws -> String {
        guard let value, !value.isEmpty else { throw missing(name, path) }
        return value
    }

    /// What is sent there is as good as the credentials themselves.
    private func trusted(_ url: String, _ name: String, _ path: String) throws -> String {
        guard try HTTPAddress(url, of: "the \(name) in \(path)").isPrivate else { throw exposed(name, path) }
        return url
    }

    private func missing(_ name: String, _ path: String) -> Failure {
        Failure(.configuration, "use the Google credentials \(path): \(name) is missing")
    }

    private func exposed(_ name: String, _ path: String) -> Failure {
        Failure(.configuration, "use the Google credentials \(path): the \(name) is neither https nor of this machine")
    }

    private func unsupported(_ what: String, _ path: String) -> Failure {
        Failure(
            .unsupported,
            "use the Google credentials \(path): this version of redoubt does not know \(what)",
            hint: "It takes service_account, authorized_user, external_account with a file or a url, and "
                + "impersonated_service_account."
        )
    }
}
