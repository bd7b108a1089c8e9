// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials
import ObjectStorage

extension StoreOptions {
    /// How many stores one run writes to, at most.
    static let countMax = 8

    /// Looks at the URLs before anything is asked of anybody.
    /// - Throws: `.usage` when one is none of a store, or two are the same one.
    func requireDistinct(_ urls: [String]) throws {
        var seen: [String: String] = [:]
        for url in urls {
            let location = try StoreLocation(parsing: url)
            if let other = seen.updateValue(location.description, forKey: identity(location)) {
                throw Failure(
                    .usage,
                    "write to \(other) and \(location): that is one and the same store",
                    hint: "Name each store once."
                )
            }
        }
        guard urls.count <= Self.countMax else {
            throw Failure(.usage, "write to \(urls.count) stores: \(Self.countMax) is the most")
        }
    }

    /// What two URLs of one store have in common. Links to a folder are followed.
    private func identity(_ location: StoreLocation) -> String {
        if case .folder(let path) = location {
            return "file " + URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        }
        if case .bucket(let bucket) = location {
            return "s3 \(bucket.endpointURL ?? endpointURL ?? "") \(bucket.bucket)/\(bucket.prefix)"
        }
        if case .container(let container) = location {
            let place = container.endpointURL ?? container.endpointSuffix ?? ""
            return "azblob \(place) \(container.account ?? "") \(container)"
        }
        if case .googleBucket(let bucket) = location { return "gs \(bucket.endpointURL ?? "") \(bucket)" }
        return location.description
    }

    /// Opens the stores at several locations for the time of `body`, in their order.
    func withStores<Result: Sendable>(
        at urls: [String],
        _ session: Session,
        _ body: @Sendable ([any ObjectStore]) async throws -> Result
    ) async throws -> Result {
        try requireDistinct(urls)
        return try await withStores(at: urls[...], among: urls.count, opened: [], session, body)
    }

    private func withStores<Result: Sendable>(
        at urls: ArraySlice<String>,
        among count: Int,
        opened: [any ObjectStore],
        _ session: Session,
        _ body: @Sendable ([any ObjectStore]) async throws -> Result
    ) async throws -> Result {
        guard let url = urls.first else { return try await body(opened) }
        return try await withStore(at: url, asTarget: true, sharingMemory: count > 1, session) { store in
            try await withStores(at: urls.dropFirst(), among: count, opened: opened + [store], session, body)
        }
    }
}
