// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import ObjectStorage
import Synchronization

extension SetCopy {
    /// The key of a member that is encrypted: as in the source, with `.age` where that has none.
    func encryptedKey(of stored: Manifest.Stored) throws -> ObjectKey {
        let suffix = stored.encryption == nil ? EncryptionChoice.fileSuffix : ""
        guard let key = ObjectKey(parsing: stored.key + suffix) else {
            throw Failure(.corruptManifest, "copy \(stored.key): its key cannot be one")
        }
        return key
    }

    /// Streams a member from store to store, decrypted and encrypted on its way. What is between the two is proven
    /// beside it, read once: it is what the manifest says.
    func stageEncrypted(
        _ member: Manifest.Member,
        _ stored: Manifest.Stored,
        under key: ObjectKey
    ) async throws -> (any StagedObject, Manifest.Stored) {
        let step = copy.meter.begin("copy \(title(member))", expectedBytes: member.rdb?.bytes)
        defer { step.end() }
        let result = Mutex<(any StagedObject)?>(nil)
        let digest = Mutex(SHA256Digest())
        let (store, encryption, scanner) = (target.store, copy.encryption, scanner(member))
        do {
            try await source.withStoredBytes(of: member) { chunks in
                let held = chunks.held(against: stored, of: member.subject)
                try await held.withOpened(stored, of: member.subject, by: source.keyring) { compressed in
                    try await compressed.withTwin(depth: SnapshotPipeline.chunksAhead) { mine in
                        let staged = try await encryption.encrypted(mine) { encrypted in
                            let seen = encrypted.observed { chunk in digest.withLock { $0.update(chunk) } }
                            return try await store.stage(key, estimatedBytes: stored.bytes, from: seen)
                        }
                        result.withLock { $0 = staged }
                    } reading: { twin in
                        _ = try await SnapshotPipeline.replay(opened: twin, of: member, by: scanner, progress: step) {
                            for try await _ in $0 {}
                        }
                    }
                }
            }
            guard let staged = result.withLock(\.self) else {
                throw Failure(.truncated, "copy \(title(member)): the store stopped reading before its end")
            }
            return (staged, new(stored, staged, sha256: digest.withLock { $0.hex }))
        } catch {
            await result.withLock(\.self)?.discard()
            throw error
        }
    }

    private func new(_ stored: Manifest.Stored, _ staged: any StagedObject, sha256: String) -> Manifest.Stored {
        Manifest.Stored(
            key: staged.key.description,
            bytes: staged.bytes,
            sha256: sha256,
            compression: stored.compression,
            encryption: copy.encryption.name,
            recipients: copy.encryption.recipients
        )
    }
}

extension Manifest {
    /// Whether it says the same of everything but the objects that are stored, which are encrypted for those.
    func isSame(as other: Manifest, encrypted encryption: EncryptionChoice) -> Bool {
        withoutObjects == other.withoutObjects
            && storedMembers.allSatisfy { Set($0.stored?.recipients ?? []) == Set(encryption.recipients ?? []) }
    }

    /// What it says of the set, and nothing of how that is stored, or after which other set.
    var withoutObjects: Manifest {
        var manifest = self
        manifest.previous = nil
        for index in members.indices where members[index].stored != nil {
            manifest.members[index].stored = Stored(key: "", bytes: 0, sha256: "", compression: "")
        }
        return manifest
    }
}
