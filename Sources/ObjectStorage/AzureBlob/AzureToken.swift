// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials
import HTTPTransport

/// Gets the tokens of an identity that has no key: from Microsoft Entra, or from the metadata service of the machine.
///
/// Sources: "Microsoft identity platform and the OAuth 2.0 client credentials flow"; "How to use managed identities on
/// a virtual machine to acquire an access token".
struct AzureTokenSource: Sendable {
    private let identity: AzureIdentity
    private let exchange: StoreExchange
    private let clock: RequestClock

    private static let scope = "https://storage.azure.com/.default"
    private static let resource = "https://storage.azure.com/"
    private static let assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    private static let tokenFileBytesMax = 64 << 10
    private static let attemptsMax = 4
    /// The metadata service is next door, or there is none.
    private static let metadataDeadlines = HTTPDeadlines(connectSeconds: 2, noProgressSeconds: 10)

    /// - Parameter client: one without a proxy, for the metadata service.
    init(_ identity: AzureIdentity, client: HTTPClient, configuration: StoreConfiguration) {
        self.identity = identity
        clock = configuration.clock
        exchange = StoreExchange(
            TokenDialect(secrets: identity.secrets),
            attemptsMax: min(configuration.attemptsMax ?? Self.attemptsMax, Self.attemptsMax),
            client: client,
            configuration: configuration
        )
    }

    /// - Throws: `.authenticationFailed` when the identity is refused; `.configuration` of the file of the token; what
    ///   cannot be reached.
    func fetch() async throws -> RefreshedCredential<String>.Fetched {
        switch identity {
        case .application(let application, let secret):
            return try await ask(application, ["client_secret": secret])
        case .workload(let application, let file):
            let assertion = try await onBlockingThread { try Self.assertion(in: file) }
            return try await ask(
                application,
                ["client_assertion_type": Self.assertionType, "client_assertion": assertion]
            )
        case .managed(let clientID, let host): return try await askMetadata(host, clientID)
        case .sharedKey, .sas: throw Failure(.unclassified, "get a token: \(identity) needs none")
        }
    }

    /// Read anew each time: Kubernetes replaces the file before the token in it ends.
    private static func assertion(in file: String) throws -> String {
        guard let bytes = try SmallFile.read(file, bytesMax: tokenFileBytesMax) else {
            throw Failure(
                .configuration,
                "read \(file), which AZURE_FEDERATED_TOKEN_FILE names: there is no such file",
                hint: "The webhook of Workload Identity mounts it: look at the label azure.workload.identity/use of "
                    + "the pod and at its service account."
            )
        }
        let token = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        guard !token.isEmpty else { throw Failure(.configuration, "read \(file): it holds no token") }
        return token
    }

    private func ask(
        _ application: AzureApplication,
        _ proof: [String: String]
    ) async throws -> RefreshedCredential<String>.Fetched {
        var form = ["client_id": application.clientID, "grant_type": "client_credentials", "scope": Self.scope]
        form.merge(proof) { $1 }
        var operation = StoreOperation("get a token for \(identity) of \(application.clientID)", action: "", "POST")
        operation.url = "\(application.authority)/\(application.tenantID)/oauth2/v2.0/token"
        operation.headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")]
        operation.body = Array(
            form.sorted { $0.key < $1.key }
                .map { "\(PercentEncoding.component($0.key))=\(PercentEncoding.component($0.value))" }
                .joined(separator: "&").utf8
        )
        return try await exchange.perform(operation, read: token)
    }

    private func askMetadata(_ host: String, _ clientID: String?) async throws -> RefreshedCredential<String>.Fetched {
        var operation = StoreOperation("get a token for the managed identity of this machine", action: "", "GET")
        operation.url =
            "\(host)/metadata/identity/oauth2/token?api-version=2018-02-01"
            + "&resource=\(PercentEncoding.component(Self.resource))"
            + (clientID.map { "&client_id=\(PercentEncoding.component($0))" } ?? "")
        operation.headers = [("Metadata", "true")]
        operation.deadlines = Self.metadataDeadlines
        do {
            return try await exchange.perform(operation, read: token)
        } catch let failure as Failure where clientID == nil && failure.code != .interrupted {
            // Nobody configured anything: that this machine has no identity either is no wonder.
            throw Failure(
                .authenticationFailed,
                "find credentials for Azure: none are set, and this machine has no identity",
                cause: failure,
                hint: "Set AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or give the "
                    + "pod a Workload Identity."
            )
        }
    }

    private func token(_ response: HTTPResponse) throws(StoreMalformed) -> RefreshedCredential<String>.Fetched {
        guard let answer = try? JSONDecoder().decode(TokenAnswer.self, from: Data(response.body)),
            !answer.token.isEmpty, answer.token.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { throw StoreMalformed(reason: "the answer of \(response.body.count) bytes holds no token") }
        return RefreshedCredential.Fetched(
            answer.token,
            endsAtSeconds: clock.secondsSince1970() + answer.seconds
        )
    }
}

/// What a token endpoint gives.
private struct TokenAnswer: Decodable {
    let token: String
    /// How long it is good.
    let seconds: Int64

    private enum CodingKeys: String, CodingKey {
        case token = "access_token"
        case seconds = "expires_in"
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        token = try values.decode(String.self, forKey: .token)
        // A number from Entra, a text from the metadata service.
        if let number = try? values.decode(Int64.self, forKey: .seconds) {
            seconds = number
        } else if let number = Int64(try values.decode(String.self, forKey: .seconds)) {
            seconds = number
        } else {
            throw DecodingError.dataCorruptedError(forKey: .seconds, in: values, debugDescription: "no number")
        }
    }
}

/// Requests for tokens: they carry what proves us themselves.
private struct TokenDialect: StoreDialect {
    let secrets: [String]

    func url(key: String?, query: [(name: String, value: String)]) -> String { "" }

    func authorized(
        _ request: HTTPRequest,
        for operation: StoreOperation,
        atSecondsSince1970 seconds: Int64
    ) async throws -> HTTPRequest {
        request
    }

    func refusal(_ head: HTTPResponseHead, _ body: [UInt8]) -> any StoreRefusal {
        TokenRefusal(head, body, secrets: secrets)
    }
}

/// Why there is no token.
struct TokenRefusal: StoreRefusal {
    private let status: Int
    private let code: String?
    private let text: String?

    private struct Answer: Decodable {
        let error: String?
        let description: String?

        private enum CodingKeys: String, CodingKey {
            case error
            case description = "error_description"
        }
    }

    init(_ head: HTTPResponseHead, _ body: [UInt8], secrets: [String]) {
        status = head.status
        let answer = try? JSONDecoder().decode(Answer.self, from: Data(body))
        code = AzureError.quotable(answer?.error, secrets: secrets)
        // Trace and correlation ids follow, each on a line of its own.
        let line = answer?.description?.split(whereSeparator: \.isNewline).first.map(String.init)
        text = AzureError.quotable(
            line?.firstRange(of: " Trace ID:").map { String((line ?? "")[..<$0.lowerBound]) } ?? line,
            secrets: secrets
        )
    }

    var isPassing: Bool { [408, 410, 429].contains(status) || status >= 500 }
    var isStoreMissing: Bool { false }
    var isAboutClock: Bool { false }
    var areCredentialsStale: Bool { false }

    func failure(of operation: StoreOperation) -> Failure {
        let said = "\(status)" + (code.map { " \($0)" } ?? "") + (text.map { " (\($0))" } ?? "")
        return Failure(
            isPassing ? .storeUnavailable : .authenticationFailed,
            "\(operation.attempt): the answer was \(said)",
            hint: isPassing ? nil : hint
        )
    }

    private var hint: String {
        let hints = [
            (
                "AADSTS70021",
                "The application trusts no such service account: its federated credential must name the issuer of this "
                    + "cluster and system:serviceaccount:NAMESPACE:NAME."
            ),
            (
                "AADSTS700213",
                "The federated credential of the application names another subject than "
                    + "system:serviceaccount:NAMESPACE:NAME of this pod."
            ),
            ("AADSTS700016", "There is no such application in this tenant: check AZURE_CLIENT_ID and AZURE_TENANT_ID."),
            ("AADSTS90002", "There is no such tenant: check AZURE_TENANT_ID and AZURE_AUTHORITY_HOST."),
            ("AADSTS7000215", "The secret is wrong: check AZURE_CLIENT_SECRET; it is the value, not the id."),
            ("AADSTS7000222", "The secret has expired: make another one, and set AZURE_CLIENT_SECRET."),
            ("AADSTS700024", "The token of the pod has ended: is AZURE_FEDERATED_TOKEN_FILE renewed?"),
        ]
        return hints.first { (text ?? "").contains($0.0 + ":") }?.1
            ?? "Check AZURE_CLIENT_ID, AZURE_TENANT_ID and what the identity may do."
    }
}
