// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials
import HTTPTransport

/// Who we are to Azure, before anybody was asked. It cannot be printed.
package enum AzureIdentity: Sendable {
    /// The key of the account, decoded.
    case sharedKey([UInt8])
    /// A shared access signature: the query that it is, without a question mark.
    case sas(String)
    /// An application with a secret.
    case application(AzureApplication, secret: String)
    /// An application that Kubernetes vouches for, with a token in a file.
    case workload(AzureApplication, tokenFile: String)
    /// The identity of the machine; `nil`: the only one that it has.
    case managed(clientID: String?, host: String)

    /// The address of the instance metadata service.
    static let metadataHost = "http://169.254.169.254"

    /// What must not stand in any message, should a server quote it.
    var secrets: [String] {
        switch self {
        case .sharedKey(let key): [Base64.text(key)]
        case .sas(let query): Self.signatures(of: query)
        case .application(_, let secret): [secret]
        case .workload, .managed: []
        }
    }

    /// The signature of a SAS, as it is written and as it is meant.
    private static func signatures(of query: String) -> [String] {
        let written = query.split(separator: "&").filter { $0.hasPrefix("sig=") }.map { String($0.dropFirst(4)) }
        return written + written.compactMap { PercentEncoding.decode($0) }
    }
}

extension AzureIdentity: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// For messages.
    package var description: String {
        switch self {
        case .sharedKey: "the account key"
        case .sas: "the shared access signature"
        case .application: "the application's secret"
        case .workload: "the workload identity"
        case .managed: "the managed identity"
        }
    }

    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// An application of Microsoft Entra, and where it gets its tokens.
package struct AzureApplication: Sendable, Hashable {
    let tenantID: String
    let clientID: String
    /// Without a slash at its end.
    let authority: String
}

/// Where the identity comes from: the environment, in an order that docs/stores-azure.md tells.
///
/// A source that is configured and cannot be used is an error and never passed over: falling through would back up as
/// somebody else (F56).
struct AzureIdentitySource: Sendable {
    private let environment: [String: String]
    private let connection: ConnectionString?

    private static let usualAuthority = "https://login.microsoftonline.com"

    init(environment: [String: String], connection: ConnectionString?) {
        self.environment = environment
        self.connection = connection
    }

    /// - Throws: `.configuration` when the first source that is configured is not complete.
    func identity() throws -> AzureIdentity {
        if let connection { return try identity(of: connection) }
        if let key = environment["AZURE_STORAGE_KEY"] {
            return .sharedKey(try Self.decoded(key, of: "AZURE_STORAGE_KEY"))
        }
        if let sas = environment["AZURE_STORAGE_SAS_TOKEN"] {
            return .sas(try Self.signature(sas, of: "AZURE_STORAGE_SAS_TOKEN"))
        }
        if let secret = environment["AZURE_CLIENT_SECRET"] {
            try Self.refuseBlanks(secret, of: "AZURE_CLIENT_SECRET")
            return .application(try application(for: "AZURE_CLIENT_SECRET"), secret: secret)
        }
        if let file = environment["AZURE_FEDERATED_TOKEN_FILE"] {
            return .workload(try application(for: "AZURE_FEDERATED_TOKEN_FILE"), tokenFile: file)
        }
        let host = environment["AZURE_POD_IDENTITY_AUTHORITY_HOST"] ?? AzureIdentity.metadataHost
        return .managed(clientID: environment["AZURE_CLIENT_ID"], host: Self.withoutSlash(host))
    }

    private func identity(of connection: ConnectionString) throws -> AzureIdentity {
        let name = "AZURE_STORAGE_CONNECTION_STRING"
        if let key = connection.key { return .sharedKey(try Self.decoded(key, of: name)) }
        if let sas = connection.sas { return .sas(try Self.signature(sas, of: name)) }
        throw Failure(
            .configuration,
            "use \(name): it has neither AccountKey nor SharedAccessSignature",
            hint: "For an identity instead of a key, leave it out and name the account with AZURE_STORAGE_ACCOUNT."
        )
    }

    private func application(for source: String) throws -> AzureApplication {
        func value(_ name: String) throws -> String {
            guard let value = environment[name] else {
                throw Failure(
                    .configuration,
                    "find credentials for Azure: \(source) is set, and \(name) is missing",
                    hint: "Set \(name) too. In Kubernetes the webhook of Workload Identity sets them all: it wants the "
                        + "label azure.workload.identity/use on the pod."
                )
            }
            // They stand in a URL and in a form.
            guard value.utf8.allSatisfy(ObjectKey.isAllowed) else {
                throw Failure(.configuration, "find credentials for Azure: \(name) is no identifier")
            }
            return value
        }
        return AzureApplication(
            tenantID: try value("AZURE_TENANT_ID"),
            clientID: try value("AZURE_CLIENT_ID"),
            authority: Self.withoutSlash(environment["AZURE_AUTHORITY_HOST"] ?? Self.usualAuthority)
        )
    }

    private static func withoutSlash(_ url: String) -> String {
        let isPlain = !url.contains("://")
        let trimmed = url.hasSuffix("/") ? String(url.dropLast()) : url
        return isPlain ? "https://" + trimmed : trimmed
    }

    private static func decoded(_ key: String, of source: String) throws -> [UInt8] {
        try refuseBlanks(key, of: source)
        guard let bytes = Data(base64Encoded: key), !bytes.isEmpty else {
            throw Failure(.configuration, "find credentials for Azure: the key in \(source) is not Base64")
        }
        return Array(bytes)
    }

    private static func signature(_ text: String, of source: String) throws -> String {
        try refuseBlanks(text, of: source)
        let query = text.hasPrefix("?") ? String(text.dropFirst()) : text
        guard query.split(separator: "&").contains(where: { $0.hasPrefix("sig=") }), !query.contains("?"),
            !query.contains("#"), query.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw Failure(
                .configuration,
                "find credentials for Azure: \(source) holds no shared access signature",
                hint: "It is sv=…&sp=…&sig=…, what follows the question mark of a URL that the portal gives."
            )
        }
        return query
    }

    /// A line end at the end of a secret is a mistake of every second `kubectl create secret`.
    private static func refuseBlanks(_ value: String, of name: String) throws {
        guard value.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else { return }
        throw Failure(
            .configuration,
            "find credentials for Azure: \(name) has a blank or a line end in it",
            hint: "Write the value without the line end: `printf %s` does, `echo` does not."
        )
    }
}
