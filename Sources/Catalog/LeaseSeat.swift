// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage

/// Where a lease rests: an object of the store, or a Lease of Kubernetes.
///
/// The contract: of two who create or replace at once, one succeeds; each write makes another version.
package protocol LeaseSeat: Sendable {
    /// For people: `the lease .locks/demo.json in file:///backups`.
    var place: String { get }

    /// Whether a lease here only tells others, and another one guards: then nothing but another holder ends a run,
    /// and neither a seat that cannot be asked nor a lease that somebody removed.
    var isAdvisory: Bool { get }

    /// Takes the lease if nobody holds it.
    /// - Throws: `.alreadyExists` when somebody does.
    func create(_ lease: Lease) async throws -> ObjectVersion

    /// What is there; `nil` when nobody holds the lease.
    func read() async throws -> SeatedLease?

    /// Replaces the lease if it is still that version.
    /// - Throws: `.alreadyExists` when it changed or is gone.
    func replace(_ version: ObjectVersion, with lease: Lease) async throws -> ObjectVersion

    /// Gives the lease up, if it is still that version.
    func release(_ version: ObjectVersion) async throws
}

/// A lease as it was found.
package struct SeatedLease: Sendable {
    /// `nil` when what is there cannot be read as a lease.
    package let lease: Lease?
    package let version: ObjectVersion

    package init(lease: Lease?, version: ObjectVersion) {
        self.lease = lease
        self.version = version
    }
}

/// The lease of a subject as an object of the store: `.locks/<name>.json`.
package struct StoreLeaseSeat: LeaseSeat {
    private let key: ObjectKey
    private let store: any ObjectStore

    /// - Throws: `.configuration` when the name cannot be part of a key.
    package init(name: String, in store: any ObjectStore) throws {
        key = try Lease.key(of: name)
        self.store = store
    }

    package var place: String { "the lease \(key) in \(store.location)" }
    package var isAdvisory: Bool { false }

    package func create(_ lease: Lease) async throws -> ObjectVersion {
        try await store.create(key, try lease.encoded()).version
    }

    package func read() async throws -> SeatedLease? {
        do {
            let (object, bytes) = try await store.read(key, bytesMax: Lease.sizeBytesMax)
            return SeatedLease(lease: Lease(decoding: bytes), version: object.version)
        } catch let failure as Failure where failure.code == .noSuchObject {
            return nil
        }
    }

    package func replace(_ version: ObjectVersion, with lease: Lease) async throws -> ObjectVersion {
        try await store.replace(key, version: version, with: try lease.encoded()).version
    }

    package func release(_ version: ObjectVersion) async throws {
        guard let object = try await store.stat(key), object.version == version else { return }
        try await store.remove(key)
    }
}

extension LeaseSeat {
    /// Reads a lease that should be there: a store without conditional writes (SFTP) replaces it by taking it away,
    /// and its own renewal must not look like its end.
    func readAgainIfAbsent() async throws -> SeatedLease? {
        for _ in 0..<3 {
            if let seated = try await read() { return seated }
            try await Task.sleep(for: .milliseconds(300))
        }
        return try await read()
    }
}
