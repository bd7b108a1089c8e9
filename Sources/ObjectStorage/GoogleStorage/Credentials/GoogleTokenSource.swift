// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials
import HTTPTransport

/// Gets tokens for a credential.
struct GoogleTokenSource: Sendable {
    private let credential: GoogleCredential
    private let exchange: StoreExchange
    private let dialect = GoogleTokenDialect()

    /// What a backup needs, and no more.
    private static let scope = "https://www.googleapis.com/auth/devstorage.read_write"
    /// What a token needs that another token is got with.
    private static let scopeToImpersonate = "https://www.googleapis.com/auth/cloud-platform"
    /// Fewer than for the store: the metadata server answers at once or never.
    private static let attemptsMax = 5
    private static let deadlines = HTTPDeadlines(connectSeconds: 5, noProgressSeconds: 15)
    private static let subjectTokenBytesMax = 64 << 10

    typealias Fetched = RefreshedCredential<GoogleToken>.Fetched

    /// - Parameter client: verifies certificates, whatever the store is believed without; not through a proxy where
    ///   the metadata server is asked.
    init(_ credential: GoogleCredential, client: HTTPClient, configuration: StoreConfiguration) {
        self.credential = credential
        exchange = StoreExchange(
            dialect,
            attemptsMax: min(configuration.attemptsMax ?? Self.attemptsMax, Self.attemptsMax),
            client: client,
            configuration: configuration
        )
    }

    func fetch() async throws -> Fetched {
        try await token(credential.kind, scope: Self.scope)
    }

    private func token(_ kind: GoogleCredential.Kind, scope: String) async throws -> Fetched {
        switch kind {
        case .token(let text): fetched(text, lifetimeSeconds: nil)
        case .serviceAccount(let key): try await token(of: key, scope)
        case .user(let grant): try await token(of: grant)
        case .federated(let identity): try await token(of: identity, scope)
        case .impersonated(let impersonation, let source):
            try await token(of: impersonation, by: try await token(source, scope: Self.scopeToImpersonate))
        case .metadata(let host): try await tokenOfMachine(host)
        }
    }

    private func token(of key: ServiceAccountKey, _ scope: String) async throws -> Fetched {
        let now = exchange.clock.secondsSince1970()
        let assertion = try ServiceAccountAssertion.text(key, scope: scope, atSecondsSince1970: now)
        dialect.hide(assertion)
        return try await granted(
            key.tokenURL,
            [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion)]
        )
    }

    private func token(of grant: UserGrant) async throws -> Fetched {
        for secret in [grant.refreshToken, grant.clientSecret] { dialect.hide(secret) }
        return try await granted(
            grant.tokenURL,
            [
                ("grant_type", "refresh_token"), ("client_id", grant.clientID), ("client_secret", grant.clientSecret),
                ("refresh_token", grant.refreshToken),
            ]
        )
    }

    private func token(of identity: FederatedIdentity, _ scope: String) async throws -> Fetched {
        let subject = try await subjectToken(identity)
        dialect.hide(subject)
        var form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"), ("audience", identity.audience),
            ("scope", scope), ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("subject_token", subject), ("subject_token_type", identity.subjectTokenType),
        ]
        if let project = identity.workforceProject, identity.client == nil {
            form.append(
                ("options", String(decoding: try JSONEncoder().encode(["userProject": project]), as: UTF8.self))
            )
        }
        var headers: [(name: String, value: String)] = []
        if let client = identity.client {
            dialect.hide(client.secret)
            headers.append(("Authorization", "Basic \(Base64.text(Array("\(client.id):\(client.secret)".utf8)))"))
        }
        return try await granted(identity.tokenURL, form, headers: headers)
    }

    private func token(of impersonation: Impersonation, by source: Fetched) async throws -> Fetched {
        struct Wish: Encodable {
            let scope: [String]
            let lifetime: String
            let delegates: [String]?
        }
        struct Answer: Decodable {
            let accessToken: String
            let expireTime: String
        }
        dialect.hide(source.value.text)
        var operation = operation("impersonate the service account for", "POST", impersonation.url)
        operation.headers = [
            ("Authorization", "Bearer \(source.value.text)"), ("Content-Type", "application/json"),
        ]
        let delegates = impersonation.delegates.isEmpty ? nil : impersonation.delegates
        let wish = Wish(scope: [Self.scope], lifetime: "\(impersonation.lifetimeSeconds)s", delegates: delegates)
        operation.body = Array(try JSONEncoder().encode(wish))
        let (text, end) = try await exchange.perform(operation) { response throws(StoreMalformed) in
            let answer = try GoogleAnswer.decode(Answer.self, response)
            guard let end = CivilTime(iso8601: answer.expireTime), Self.isToken(answer.accessToken) else {
                throw StoreMalformed(reason: "the answer has no token, or does not say when it ends")
            }
            return (answer.accessToken, end.secondsSince1970)
        }
        return fetched(text, lifetimeSeconds: end - exchange.clock.secondsSince1970())
    }

    private func tokenOfMachine(_ host: String) async throws -> Fetched {
        var operation = operation(
            "get a token from",
            "GET",
            "http://\(host)/computeMetadata/v1/instance/service-accounts/default/token"
        )
        operation.headers = [("Metadata-Flavor", "Google")]
        do {
            return try await granted(operation) { response throws(StoreMalformed) in
                // Anything else that answers at that name is no metadata server.
                guard response.head["metadata-flavor"] == "Google" else {
                    throw StoreMalformed(reason: "what answered is no metadata server of Google")
                }
            }
        } catch let failure as Failure where failure.hint == nil {
            throw Failure(
                failure.code,
                failure.message,
                cause: failure.cause,
                hint: "No other credentials were found. Outside of Google Cloud, name a file with "
                    + "GOOGLE_APPLICATION_CREDENTIALS; in a cluster, let the NetworkPolicy allow the metadata server."
            )
        }
    }
}

// MARK: Requests

extension GoogleTokenSource {
    private struct Grant: Decodable {
        let accessToken: String
        let expiresIn: Int64
    }

    private func operation(_ attempt: String, _ method: String, _ url: String) -> StoreOperation {
        var operation = StoreOperation("\(attempt) \(credential.shown)", action: "a token", method)
        operation.url = url
        operation.deadlines = Self.deadlines
        return operation
    }

    private func granted(
        _ url: String,
        _ form: [(name: String, value: String)],
        headers: [(name: String, value: String)] = []
    ) async throws -> Fetched {
        var operation = operation("get a token for", "POST", url)
        operation.headers = headers + [("Content-Type", "application/x-www-form-urlencoded")]
        let fields = form.map { "\($0.name)=\(PercentEncoding.component($0.value))" }
        operation.body = Array(fields.joined(separator: "&").utf8)
        return try await granted(operation) { _ in }
    }

    private func granted(
        _ operation: StoreOperation,
        check: (HTTPResponse) throws(StoreMalformed) -> Void
    ) async throws -> Fetched {
        let grant = try await exchange.perform(operation) { response throws(StoreMalformed) in
            try check(response)
            let grant = try GoogleAnswer.decode(Grant.self, response)
            guard Self.isToken(grant.accessToken), grant.expiresIn > 0 else {
                throw StoreMalformed(reason: "the answer has no token, or one that has ended")
            }
            return grant
        }
        return fetched(grant.accessToken, lifetimeSeconds: grant.expiresIn)
    }

    /// Whether it can stand in a header.
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    private func fetched(_ text: String, lifetimeSeconds: Int64?) -> Fetched {
        let token = GoogleToken(text: text, quotaProject: credential.quotaProject)
        guard let lifetimeSeconds else { return Fetched(token, endsAtSeconds: nil) }
        let now = exchange.clock.secondsSince1970()
        return Fetched(token, endsAtSeconds: now + lifetimeSeconds)
    }

    private func subjectToken(_ identity: FederatedIdentity) async throws -> String {
        let bytes: [UInt8]
        let place: String
        switch identity.place {
        case .file(let path):
            place = path
            // Read anew each time: whoever wrote it replaces it before it ends.
            let found = try await onBlockingThread { try SmallFile.read(path, bytesMax: Self.subjectTokenBytesMax) }
            guard let found else {
                throw Failure(
                    .configuration,
                    "read the token in \(path) for \(credential.shown): there is no such file"
                )
            }
            bytes = found
        case .url(let url, let headers):
            place = "the credential_source.url"
            var operation = operation("get the token to exchange for", "GET", url)
            operation.headers = headers
            bytes = try await exchange.perform(operation).body
        }
        var text: String? = String(decoding: bytes, as: UTF8.self)
        if let field = identity.field {
            text = (try? JSONDecoder().decode([String: LooseText].self, from: Data(bytes)))?[field]?.text
        }
        let token = (text ?? "").filter { !$0.isNewline && $0 != " " }
        guard Self.isToken(token) else {
            throw Failure(.configuration, "read the token in \(place) for \(credential.shown): there is none in it")
        }
        return token
    }

    /// A field of a document whose other fields may be anything.
    private struct LooseText: Decodable {
        let text: String?

        init(from decoder: any Decoder) throws {
            text = try? decoder.singleValueContainer().decode(String.self)
        }
    }
}
