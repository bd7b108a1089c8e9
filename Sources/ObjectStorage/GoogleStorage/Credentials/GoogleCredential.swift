// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// Who we are to Google, and how a token is got for it. It cannot be printed.
///
/// Source: "How Application Default Credentials works", Google Cloud documentation; AIP-4110 and AIP-4117.
struct GoogleCredential: Sendable {
    indirect enum Kind: Sendable {
        /// A token that somebody else got; it cannot be renewed.
        case token(String)
        /// A key that signs for a service account.
        case serviceAccount(ServiceAccountKey)
        /// The consent of a person.
        case user(UserGrant)
        /// A token of another provider, which Google takes for one of its own: workload identity federation.
        case federated(FederatedIdentity)
        /// A service account that the other credentials may speak for.
        case impersonated(Impersonation, by: Kind)
        /// The server that knows what this machine, or this pod, is allowed to be.
        case metadata(host: String)
    }

    let kind: Kind
    /// For messages: `the service account a@b`.
    let shown: String
    let quotaProject: String?
}

extension GoogleCredential: CustomStringConvertible, CustomReflectable {
    var description: String { shown }
    var customMirror: Mirror { Mirror(self, children: [:]) }
}

struct ServiceAccountKey: Sendable {
    let email: String
    let keyID: String?
    /// PEM of PKCS #8.
    let privateKey: String
    let tokenURL: String
}

struct UserGrant: Sendable {
    let clientID: String
    let clientSecret: String
    let refreshToken: String
    let tokenURL: String
}

struct FederatedIdentity: Sendable {
    enum Place: Sendable {
        case file(String)
        case url(String, headers: [(name: String, value: String)])
    }

    let audience: String
    let subjectTokenType: String
    let place: Place
    /// Where the token is in a JSON document; `nil`: it is all of the text.
    let field: String?
    let tokenURL: String
    let client: (id: String, secret: String)?
    let workforceProject: String?
}

struct Impersonation: Sendable {
    /// `https://iamcredentials.googleapis.com/…:generateAccessToken`
    let url: String
    let delegates: [String]
    let lifetimeSeconds: Int
}

extension GoogleCredential {
    private static let fileVariable = "GOOGLE_APPLICATION_CREDENTIALS"
    private static let tokenVariables = ["GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"]
    private static let metadataHostUsual = "metadata.google.internal"

    /// The first source that is configured. One that cannot be used is an error and never passed over: falling through
    /// would back up as somebody else (F56). Blocks.
    /// - Throws: `.configuration`, `.unsupported`, `.authenticationFailed` when there are none.
    static func found(in environment: [String: String]) throws -> GoogleCredential {
        for name in tokenVariables {
            guard let text = environment[name] else { continue }
            guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw Failure(.configuration, "use the token in \(name): it has a blank or a line end in it")
            }
            return GoogleCredential(
                kind: .token(text),
                shown: "the token in \(name)",
                quotaProject: environment["GOOGLE_CLOUD_QUOTA_PROJECT"]
            )
        }
        if let path = environment[fileVariable] {
            guard let found = try GoogleCredentialFile.read(path, environment) else {
                throw Failure(.configuration, "read \(path), which \(fileVariable) names: there is no such file")
            }
            return found
        }
        let folder = environment["CLOUDSDK_CONFIG"] ?? environment["HOME"].map { "\($0)/.config/gcloud" }
        if let folder,
            let found = try GoogleCredentialFile.read("\(folder)/application_default_credentials.json", environment)
        {
            return found
        }
        return try ofMachine(environment)
    }

    private static func ofMachine(_ environment: [String: String]) throws -> GoogleCredential {
        guard environment["NO_GCE_CHECK"]?.lowercased() != "true" else {
            throw Failure(
                .authenticationFailed,
                "find credentials for Google: there are none, and NO_GCE_CHECK forbids to ask the metadata server",
                hint: "Name a file with GOOGLE_APPLICATION_CREDENTIALS."
            )
        }
        let host = environment["GCE_METADATA_HOST"] ?? metadataHostUsual
        let address = try HTTPAddress("http://\(host)", of: "GCE_METADATA_HOST")
        guard address.path.isEmpty, isMetadata(address) else {
            throw Failure(
                .configuration,
                "use the metadata server that GCE_METADATA_HOST names: it is neither metadata.google.internal, nor a "
                    + "link-local address, nor this machine"
            )
        }
        return GoogleCredential(
            kind: .metadata(host: host),
            shown: "the metadata server \(host)",
            quotaProject: environment["GOOGLE_CLOUD_QUOTA_PROJECT"]
        )
    }

    /// Whether tokens may come from there in clear text: no further than this machine and its network card.
    private static func isMetadata(_ address: HTTPAddress) -> Bool {
        let isLinkLocal = address.host.hasPrefix("169.254.") && address.host.allSatisfy { "0123456789.".contains($0) }
        return address.host == metadataHostUsual || address.host == "metadata" || address.isLoopback || isLinkLocal
    }

    /// Whether requests for a token go past any proxy.
    var isOfMachine: Bool {
        if case .metadata = kind { true } else { false }
    }
}
