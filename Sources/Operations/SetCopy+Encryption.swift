// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import ObjectStorage
import Synchronization

extension SetCopy {
    /// The key of a member that is encrypted: as in the source, with `.age` where that has none, and another one at
    /// each attempt. Two attempts hold other bytes: what a dead run still has on its way must not meet this one.
    func encryptedKey(of stored: Manifest.Stored) throws -> ObjectKey {
        let suffix = stored.encryption == nil ? EncryptionChoice.fileSuffix : ""
        guard var parts = ObjectKey(parsing: stored.key)?.components, let file = parts.popLast(),
            // The name of a member may hold the same letters.
            let end = file.ranges(of: ".rdb").last?.lowerBound
        else { throw Failure(.corruptManifest, "copy \(stored.key): its key cannot be one") }
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        let attempt = "-" + String(repeating: "0", count: Self.attemptDigits - digits.count) + digits
        let rest = attempt + file[end...] + suffix
        let room = ObjectKey.componentLengthMax - rest.utf8.count
        guard room > 0 else {
            throw Failure(.corruptManifest, "copy \(stored.key): its key leaves no room for that of another attempt")
        }
        return try ObjectKey(parts + [Self.withoutAttempt(file[..<end]).prefix(room) + rest])
    }

    private static let attemptDigits = 16

    /// The copy of a copy does not get longer and longer keys.
    private static func withoutAttempt(_ name: Substring) -> Substring {
        let end = name.suffix(attemptDigits + 1)
        let isAttempt =
            end.count == attemptDigits + 1 && end.first == "-"
            && end.dropFirst().allSatisfy { "0123456789abcdef".contains($0) }
        return isAttempt ? name.dropLast(end.count) : name
    }

    /// Removes the members of earlier attempts: they are encrypted with keys that nobody has here.
    func removeEarlierAttempts(among held: [String: StoredObject]) async throws {
        for key in held.values.map(\.key).sorted() where key.isMember {
            try await lease.confirm()
            do {
                try await target.store.remove(key)
                copy.logger.notice("removed what an earlier run left behind: \(key)")
            } catch let failure as Failure
                where [.permissionDenied, .retained, .unsupported].contains(failure.code)
            {
                // The right to remove may be somebody else's; nothing depends on it, for this attempt has its own keys.
                copy.logger.warning("could not remove what an earlier run left behind, \(key): \(failure)")
            }
        }
    }

    /// A manifest was there before ours: of an earlier attempt, by way of a lost answer or a request that was held up.
    /// - Throws: `.storeUnavailable` where it names members that are gone: it is removed, and the next run begins anew.
    func requireWhole(besides manifest: Manifest) async throws {
        let there = try await target.manifest(name: manifest.name, id: manifest.id)
        guard there.members.map(\.stored) != manifest.members.map(\.stored) else { return }
        await target.removeManifests(ofSwept: Sweep(ids: [manifest.id]), name: manifest.name, logger: copy.logger)
        guard try await target.store.stat(Catalog.manifestKey(name: manifest.name, id: manifest.id)) != nil else {
            throw Failure(
                .storeUnavailable,
                "copy \(original.title): the manifest of an earlier attempt arrived, and its members are gone: "
                    + "it was removed",
                hint: "Run again: nothing is listed."
            )
        }
        await target.removeUnnamed(by: there, logger: copy.logger)
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
