// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import ObjectStorage

/// A store in which nothing may be written.
struct ReadOnlyStore: ObjectStore {
    let inner: any ObjectStore
    private static let refusal = Failure(.permissionDenied, "nothing may be written here")

    var location: String { inner.location }
    func stage(_ key: ObjectKey, estimatedBytes: Int64?, from chunks: ByteStream) async throws -> any StagedObject {
        throw Self.refusal
    }
    func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject { throw Self.refusal }
    func replace(_ key: ObjectKey, version: ObjectVersion, with bytes: [UInt8]) async throws -> StoredObject {
        throw Self.refusal
    }
    func stat(_ key: ObjectKey) async throws -> StoredObject? { try await inner.stat(key) }
    func withObject<Result: Sendable>(
        _ key: ObjectKey,
        _ body: (StoredObject, ByteStream) async throws -> Result
    ) async throws -> Result { try await inner.withObject(key, body) }
    func list(under folder: KeyFolder) async throws -> [StoredObject] { try await inner.list(under: folder) }
    func remove(_ key: ObjectKey) async throws -> Removal { throw Self.refusal }
    func leftovers(under folder: KeyFolder) async throws -> [Leftover] { try await inner.leftovers(under: folder) }
    func remove(_ leftover: Leftover) async throws { throw Self.refusal }
}
