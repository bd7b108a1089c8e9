// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage

/// What the removal of a set is made of. Called under the lease of the subject.
extension Catalog {
    /// The manifest of a set as the store holds it, also one that cannot be read; `nil` when there is none.
    package func manifestBytes(name: String, id: BackupID) async throws -> [UInt8]? {
        do {
            let key = try Self.manifestKey(name: name, id: id)
            return try await store.read(key, bytesMax: Manifest.sizeBytesMax).bytes
        } catch let failure as Failure where failure.code == .noSuchObject {
            return nil
        }
    }

    /// Removes a manifest, and asks the store whether it is gone: only then does the set not exist any more.
    package func removeManifest(name: String, id: BackupID) async throws {
        let key = try Self.manifestKey(name: name, id: id)
        try await store.remove(key)
        guard try await store.stat(key) == nil else {
            throw Failure(
                .retained,
                "remove \(key) in \(store.location): the store took it, and still shows the object",
                hint: "Look for a lock, or a rule of the bucket, that keeps it."
            )
        }
    }

    /// The earlier of the clock of this machine and that of the store, as far as it told when the lease of the subject
    /// was written: what is young by either is young.
    package func clock(atLeaseOf name: String) async -> Timestamp {
        let now = Timestamp.now()
        guard let key = try? Lease.key(of: name), let lease = try? await store.stat(key), lease.modifiedAtSeconds > 0
        else { return now }
        return min(now, Timestamp(secondsSince1970: lease.modifiedAtSeconds))
    }

    /// What went of a set.
    package struct RemovedBytes: Sendable, Hashable {
        package var all: Int64 = 0
        /// Of these, what the store keeps out of sight.
        package var hidden: Int64 = 0

        mutating func add(_ bytes: Int64, _ removal: Removal) {
            all += bytes
            if removal == .hidden { hidden += bytes }
        }
    }

    /// Removes the members of a set that has no manifest any more, all that can be. The manifest is asked for before
    /// each: whoever stood still for long may find that a copy brought the set back.
    /// - Throws: the first failure, when the others were tried too; `.locked` where there is a manifest again.
    package func removeMembers(name: String, id: BackupID) async throws -> RemovedBytes {
        var bytes = RemovedBytes()
        var first: Failure?
        let manifest = try Self.manifestKey(name: name, id: id)
        for object in try await store.list(under: KeyFolder([name, id.text])) where object.key.isPartOfSet {
            do {
                guard try await store.stat(manifest) == nil else {
                    throw Failure(.locked, "remove \(object.key) in \(store.location): its backup was written again")
                }
                bytes.add(object.bytes, try await store.remove(object.key))
            } catch let failure as Failure where ![.interrupted, .locked].contains(failure.code) {
                first = first ?? failure
            }
        }
        if let first { throw first }
        return bytes
    }
}
