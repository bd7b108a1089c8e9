// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import ObjectStorage

/// A store in front of another one that tells of each removal before it happens, and may refuse it, and after; that may
/// be slow to take what is staged, refuse to read, or tell of objects otherwise than they are.
struct HookedStore: ObjectStore {
    let inner: any ObjectStore
    let beforeRemoving: @Sendable (ObjectKey) async throws -> Void
    let afterRemoving: @Sendable (ObjectKey) async throws -> Void
    let staging: @Sendable (ByteStream) -> ByteStream
    let beforeReading: @Sendable (ObjectKey) throws -> Void
    let listing: @Sendable (KeyFolder, [StoredObject]) throws -> [StoredObject]
    let telling: @Sendable (StoredObject) -> StoredObject

    init(
        _ inner: any ObjectStore,
        beforeRemoving: @escaping @Sendable (ObjectKey) async throws -> Void = { _ in },
        afterRemoving: @escaping @Sendable (ObjectKey) async throws -> Void = { _ in },
        staging: @escaping @Sendable (ByteStream) -> ByteStream = { $0 },
        beforeReading: @escaping @Sendable (ObjectKey) throws -> Void = { _ in },
        listing: @escaping @Sendable (KeyFolder, [StoredObject]) throws -> [StoredObject] = { $1 },
        telling: @escaping @Sendable (StoredObject) -> StoredObject = { $0 }
    ) {
        self.inner = inner
        self.beforeRemoving = beforeRemoving
        self.afterRemoving = afterRemoving
        self.staging = staging
        self.beforeReading = beforeReading
        self.listing = listing
        self.telling = telling
    }

    var location: String { inner.location }

    func stage(_ key: ObjectKey, estimatedBytes: Int64?, from chunks: ByteStream) async throws -> any StagedObject {
        try await inner.stage(key, estimatedBytes: estimatedBytes, from: staging(chunks))
    }

    @discardableResult
    func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject {
        try await inner.create(key, bytes)
    }

    func replace(_ key: ObjectKey, version: ObjectVersion, with bytes: [UInt8]) async throws -> StoredObject {
        try await inner.replace(key, version: version, with: bytes)
    }

    func stat(_ key: ObjectKey) async throws -> StoredObject? { try await inner.stat(key).map(telling) }

    func withObject<Result: Sendable>(
        _ key: ObjectKey,
        _ body: (StoredObject, ByteStream) async throws -> Result
    ) async throws -> Result {
        try beforeReading(key)
        return try await inner.withObject(key, body)
    }

    func list(under folder: KeyFolder) async throws -> [StoredObject] {
        try listing(folder, try await inner.list(under: folder)).map(telling)
    }

    func remove(_ key: ObjectKey) async throws -> Removal {
        try await beforeRemoving(key)
        let removal = try await inner.remove(key)
        try await afterRemoving(key)
        return removal
    }

    func leftovers(under folder: KeyFolder) async throws -> [Leftover] { try await inner.leftovers(under: folder) }

    func remove(_ leftover: Leftover) async throws { try await inner.remove(leftover) }
}
