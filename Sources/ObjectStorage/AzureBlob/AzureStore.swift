// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Logging

/// A container of Azure Blob Storage with a prefix as a store. Objects are block blobs.
///
/// - Staged bytes are blocks that no list of blocks names yet. Azure knows no uploads, only the blocks of a blob, so
///   that the id of each block carries the identity of its upload: two uploads to one key cannot mix.
/// - Each object carries the same identity in its metadata, so that after a lost reply it is known whose it is.
/// - `If-None-Match` and `If-Match` make `create`, `commit` and `replace` safe against a racing writer.
/// - Blocks cannot be removed; Azure forgets them a week after the last one. What is given up is written over with an
///   empty blob, which is removed at once and which no look and no list of ours shows.
/// - Uploads use memory for `partsInFlight` blocks together, and for one more block each.
/// - Every read of a broken connection goes on where it broke, with `If-Match`.
package struct AzureStore: PrefixedStore {
    let exchange: StoreExchange
    let dialect: AzureDialect
    let configuration: StoreConfiguration
    let blocks: PartBlocks

    /// The rights that operations need, as the roles of Azure name them.
    enum Right {
        static let read = "blobs/read"
        static let write = "blobs/write"
        static let delete = "blobs/delete"
    }

    init(
        settings: AzureSettings,
        token: RefreshedCredential<String>?,
        client: HTTPClient,
        configuration: StoreConfiguration
    ) {
        dialect = AzureDialect(settings: settings, token: token, clock: configuration.clock)
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

    var prefix: String { dialect.settings.location.prefix }

    package func stat(_ key: ObjectKey) async throws -> StoredObject? {
        try await look(at: key)?.object
    }

    @discardableResult
    package func remove(_ key: ObjectKey) async throws -> Removal {
        var operation = StoreOperation("remove \(shown(key))", action: Right.delete, "DELETE", key: fullKey(key))
        operation.answers = [202, 404]
        _ = try await exchange.perform(operation)
        return .gone
    }
}

/// Gives `body` the store of a container; asks nothing of it yet, and gets no token before it is needed.
func withAzureStore<Result>(
    _ location: ContainerLocation,
    _ configuration: StoreConfiguration,
    _ body: (any ObjectStore) async throws -> Result
) async throws -> Result {
    let settings = try AzureSettings(location, configuration)
    let http = configuration.http(to: settings.endpoint.host)
    return try await withHTTPClient(http) { client in
        func open(token source: AzureTokenSource?) async throws -> Result {
            let token = source.map { source in
                RefreshedCredential<String>(
                    "\(settings.identity)",
                    clock: configuration.clock,
                    logger: configuration.logger
                ) { try await source.fetch() }
            }
            return try await body(
                AzureStore(settings: settings, token: token, client: client, configuration: configuration)
            )
        }
        switch settings.identity {
        case .sharedKey, .sas: return try await open(token: nil)
        case .application, .workload:
            // Whom the store is believed without proof gets the token; who gives the tokens has to prove itself.
            var tokens = HTTPClientConfiguration()
            tokens.caFile = configuration.caBundle
            tokens.proxy = http.proxy
            return try await withHTTPClient(tokens) { client in
                let source = AzureTokenSource(settings.identity, client: client, configuration: configuration)
                return try await open(token: source)
            }
        case .managed:
            // The metadata service answers the machine alone: no proxy may stand in between.
            var direct = HTTPClientConfiguration()
            direct.proxy = .off
            return try await withHTTPClient(direct) { client in
                let source = AzureTokenSource(settings.identity, client: client, configuration: configuration)
                return try await open(token: source)
            }
        }
    }
}
