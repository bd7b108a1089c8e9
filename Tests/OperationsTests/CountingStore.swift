// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import ObjectStorage
import Synchronization

/// A store in front of another one that remembers what it was asked.
final class CountingStore: ObjectStore {
    let inner: any ObjectStore
    private let asked = Mutex<[String]>([])

    init(_ inner: any ObjectStore) {
        self.inner = inner
    }

    /// As `list demo/` and `read demo/20261122T153000Z-7f3a/manifest.json`, in the order in which they came.
    var calls: [String] { asked.withLock(\.self) }

    func count(_ kind: String, _ isMeant: (String) -> Bool = { _ in true }) -> Int {
        calls.count { $0.hasPrefix(kind + " ") && isMeant($0) }
    }

    private func note(_ kind: String, _ what: Any) { asked.withLock { $0.append("\(kind) \(what)") } }

    var location: String { inner.location }

    func stage(_ key: ObjectKey, estimatedBytes: Int64?, from chunks: ByteStream) async throws -> any StagedObject {
        note("stage", key)
        return try await inner.stage(key, estimatedBytes: estimatedBytes, from: chunks)
    }

    @discardableResult
    func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject {
        note("create", key)
        return try await inner.create(key, bytes)
    }

    func replace(_ key: ObjectKey, version: ObjectVersion, with bytes: [UInt8]) async throws -> StoredObject {
        note("replace", key)
        return try await inner.replace(key, version: version, with: bytes)
    }

    func stat(_ key: ObjectKey) async throws -> StoredObject? {
        note("stat", key)
        return try await inner.stat(key)
    }

    func withObject<Result: Sendable>(
        _ key: ObjectKey,
        _ body: (StoredObject, ByteStream) async throws -> Result
    ) async throws -> Result {
        note("read", key)
        return try await inner.withObject(key, body)
    }

    func list(under folder: KeyFolder) async throws -> [StoredObject] {
        note("list", folder)
        return try await inner.list(under: folder)
    }

    func remove(_ key: ObjectKey) async throws -> Removal {
        note("remove", key)
        return try await inner.remove(key)
    }

    func leftovers(under folder: KeyFolder) async throws -> [Leftover] { try await inner.leftovers(under: folder) }
    func remove(_ leftover: Leftover) async throws { try await inner.remove(leftover) }
}
