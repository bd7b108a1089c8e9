// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// A bucket of Google Cloud Storage with a prefix as a store, by the JSON API.
///
/// - Staged bytes are a resumable upload whose last piece was not sent: the object appears with it.
/// - `ifGenerationMatch` makes `create`, `commit` and `replace` safe against a racing writer, always. The version of an
///   object is its generation.
/// - Each object carries an identity of its own in its metadata, so that after a lost reply it is known whose it is.
/// - What was sent, and what is read to its end, is compared with the CRC-32C that Google keeps.
/// - An upload has one piece on its way and fills the next; `partsInFlight` bounds the pieces of all uploads together.
/// - Uploads that nobody finished cannot be listed. Google drops them after a week and charges nothing for them.
package struct GoogleStore: PrefixedStore {
    let exchange: StoreExchange
    let dialect: GoogleDialect
    let configuration: StoreConfiguration
    let blocks: PartBlocks
    /// Whether the bucket has answered something that it could only answer if it exists.
    let hasSeenBucket = SharedValue(false)

    init(
        settings: GoogleSettings,
        token: RefreshedCredential<GoogleToken>?,
        client: HTTPClient,
        configuration: StoreConfiguration
    ) {
        dialect = GoogleDialect(settings: settings, token: token)
        exchange = StoreExchange(
            dialect,
            attemptsMax: settings.attemptsMax,
            client: client,
            configuration: configuration
        )
        self.configuration = configuration
        blocks = PartBlocks(places: configuration.partsInFlight)
    }

    package var location: String { dialect.settings.location.description }

    var endpoint: GoogleEndpoint { dialect.settings.endpoint }

    var prefix: String { dialect.settings.location.prefix }

    /// An identity that no other write has.
    static func newIdentity() -> String {
        Hexadecimal.text((0..<16).map { _ in UInt8.random(in: 0...255) })
    }

    package func stat(_ key: ObjectKey) async throws -> StoredObject? {
        try await look(at: key)?.object
    }

    @discardableResult
    package func remove(_ key: ObjectKey) async throws -> Removal {
        try await remove(key, query: [])
        return .gone
    }

    /// Removes an object if it is still this version; it is no error if it is not.
    func remove(_ key: ObjectKey, version: ObjectVersion) async throws {
        try await remove(key, query: [("ifGenerationMatch", version.tag)])
    }

    private func remove(_ key: ObjectKey, query: [(name: String, value: String)]) async throws {
        var operation = StoreOperation(
            "remove \(shown(key))",
            action: "storage.objects.delete",
            "DELETE",
            key: fullKey(key)
        )
        operation.query = query
        operation.answers = query.isEmpty ? [204, 404] : [204, 404, 412]
        _ = try await exchange.perform(operation)
    }
}

/// Gives `body` the store of a bucket, and closes its connections when the scope is left.
func withGoogleStore<Result>(
    _ location: GoogleBucketLocation,
    configuration: StoreConfiguration,
    _ body: (any ObjectStore) async throws -> Result
) async throws -> Result {
    let settings = try await onBlockingThread { try GoogleSettings(location, configuration) }
    let http = configuration.http(to: settings.endpoint.origin, caFile: settings.caFile)
    var tokens = HTTPClientConfiguration()
    tokens.caFile = settings.caFile
    tokens.proxy = http.proxy
    guard let credential = settings.credential else {
        return try await withHTTPClient(http) { client in
            try await body(GoogleStore(settings: settings, token: nil, client: client, configuration: configuration))
        }
    }
    // Whom the store is believed without proof gets the token; who gives the tokens has to prove itself.
    if credential.isOfMachine { tokens.proxy = .off }
    return try await withHTTPClient(tokens) { tokenClient in
        let source = GoogleTokenSource(credential, client: tokenClient, configuration: configuration)
        let token = RefreshedCredential(
            "the token for \(credential.shown)",
            clock: configuration.clock,
            logger: configuration.logger
        ) {
            try await source.fetch()
        }
        return try await withHTTPClient(http) { client in
            try await body(GoogleStore(settings: settings, token: token, client: client, configuration: configuration))
        }
    }
}
