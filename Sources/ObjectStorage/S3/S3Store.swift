// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// A bucket with a prefix as a store.
///
/// - Staged bytes are a multipart upload that is not completed; `leftovers` finds those that a dead run left.
/// - Each object carries an identity of its own in its metadata, so that after a lost reply it is known whose it is.
/// - `If-None-Match` and `If-Match` make `create`, `commit` and `replace` safe against a racing writer where the
///   provider knows them. Where it does not, what is there is looked at before and after, which leaves a window of one
///   request.
/// - Uploads use memory for `partsInFlight` parts together, and for one more part each.
/// - Every read of a broken connection goes on where it broke, with `If-Match`.
package struct S3Store: PrefixedStore {
    let exchange: StoreExchange
    let dialect: S3Dialect
    let configuration: StoreConfiguration
    let findings: S3Findings
    let blocks: PartBlocks

    init(settings: S3Settings, client: HTTPClient, configuration: StoreConfiguration) {
        dialect = S3Dialect(settings: settings, configuration: configuration)
        exchange = StoreExchange(
            dialect,
            attemptsMax: settings.attemptsMax,
            client: client,
            configuration: configuration
        )
        self.configuration = configuration
        let facts = settings.provider.facts
        findings = S3Findings(facts)
        blocks = PartBlocks(places: min(configuration.partsInFlight, facts.partsInFlightMax ?? .max))
    }

    package var location: String { dialect.settings.location.description }

    var prefix: String { dialect.settings.location.prefix }

    package func stat(_ key: ObjectKey) async throws -> StoredObject? {
        try await look(at: key)?.object
    }
}
