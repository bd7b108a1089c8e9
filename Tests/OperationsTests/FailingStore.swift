// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import ObjectStorage
import Synchronization

/// A store in front of another one that fails at a chosen call.
final class FailingStore: ObjectStore {
    enum Fault: Sendable {
        /// The run that uses the store dies before that call: neither it nor any later one is carried out.
        case deathBefore
        /// The run dies when the call was carried out, before it hears of it.
        case deathAfter
        /// That one call is refused.
        case refusal(Failure.Code)
        /// Unfinished uploads can never be listed.
        case noListOfUploads
    }

    let inner: any ObjectStore
    private let fault: Fault
    private let number: Int
    private let calls = Mutex(0)

    init(_ inner: any ObjectStore, _ fault: Fault, atCall number: Int = 0) {
        self.inner = inner
        self.fault = fault
        self.number = number
    }

    var location: String { inner.location }
    /// Whether the chosen call was reached.
    var hasFailed: Bool { calls.withLock { $0 > number } }

    private static let death = Failure(.storeUnavailable, "the run is dead")

    fileprivate func attempt<Result>(_ call: () async throws -> Result) async throws -> Result {
        let index = calls.withLock { count in
            defer { count += 1 }
            return count
        }
        switch fault {
        case .deathBefore where index >= number, .deathAfter where index > number: throw Self.death
        case .deathAfter where index == number:
            _ = try? await call()
            throw Self.death
        case .refusal(let code) where index == number: throw Failure(code, "call \(index) is refused")
        default: return try await call()
        }
    }

    func stage(_ key: ObjectKey, estimatedBytes: Int64?, from chunks: ByteStream) async throws -> any StagedObject {
        try await attempt {
            let staged = try await inner.stage(key, estimatedBytes: estimatedBytes, from: chunks)
            return FailingObject(inner: staged, store: self)
        }
    }

    @discardableResult
    func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject {
        try await attempt { try await inner.create(key, bytes) }
    }

    func replace(_ key: ObjectKey, version: ObjectVersion, with bytes: [UInt8]) async throws -> StoredObject {
        try await attempt { try await inner.replace(key, version: version, with: bytes) }
    }

    func stat(_ key: ObjectKey) async throws -> StoredObject? {
        try await attempt { try await inner.stat(key) }
    }

    func withObject<Result: Sendable>(
        _ key: ObjectKey,
        _ body: (StoredObject, ByteStream) async throws -> Result
    ) async throws -> Result {
        try await attempt { try await inner.withObject(key, body) }
    }

    func list(under folder: KeyFolder) async throws -> [StoredObject] {
        try await attempt { try await inner.list(under: folder) }
    }

    func remove(_ key: ObjectKey) async throws -> Removal {
        try await attempt { try await inner.remove(key) }
    }

    func leftovers(under folder: KeyFolder) async throws -> [Leftover] {
        if case .noListOfUploads = fault { throw Failure(.unsupported, "there is no such request here") }
        return try await attempt { try await inner.leftovers(under: folder) }
    }

    func remove(_ leftover: Leftover) async throws {
        try await attempt { try await inner.remove(leftover) }
    }
}

private struct FailingObject: StagedObject {
    let inner: any StagedObject
    let store: FailingStore

    var key: ObjectKey { inner.key }
    var bytes: Int64 { inner.bytes }

    func commit() async throws -> StoredObject {
        try await store.attempt { try await inner.commit() }
    }

    func discard() async {
        try? await store.attempt { await inner.discard() }
    }
}
