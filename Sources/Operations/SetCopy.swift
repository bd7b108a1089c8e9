// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import ObjectStorage
import RDB
import Synchronization

/// Brings one set into the target: each member becomes visible when it is proven, and the manifest comes last.
///
/// Until then no reader sees anything of the set. When the run dies, or a store is away, the members that are there
/// stay for the next run, which proves them and sends only the others.
struct SetCopy: Sendable {
    let original: StoredSet
    let copy: Copy
    /// What is beside the set; absent where the copy has other manifests.
    private let history: CopiedHistory?
    let lease: HeldLease
    private let writer: SetWriter

    var manifest: Manifest { original.manifest }
    var source: Catalog { copy.source }
    var target: Catalog { copy.target }

    init(_ set: StoredSet, _ copy: Copy, beside history: CopiedHistory?, under lease: HeldLease) {
        original = set
        self.copy = copy
        self.history = history
        self.lease = lease
        writer = SetWriter(
            name: set.manifest.name,
            id: set.manifest.id,
            store: copy.target.store,
            signingKey: copy.encryption.isAsked ? copy.signingKey : nil,
            logger: copy.logger
        )
    }

    /// - Throws: `.digestMismatch`, `.corruptSnapshot` … when the source does not hold what its manifest says;
    ///   `.noSuchBackup` when the set was removed there meanwhile; what the stores answer.
    func run() async throws -> CopiedSet.Amount {
        var amount = CopiedSet.Amount()
        var visible: [ObjectKey] = []
        var manifest = manifest
        do {
            let held = try await target.members(of: manifest)
            if copy.encryption.isAsked { try await removeEarlierAttempts(among: held) }
            for (index, member) in manifest.members.enumerated() {
                guard let stored = member.stored, let key = ObjectKey(parsing: stored.key) else { continue }
                if copy.encryption.isAsked {
                    let new = try await encryptAnew(member, stored, &visible)
                    manifest.members[index].stored = new
                    amount.sentBytes += new.bytes
                } else if let object = held[stored.key], try await isProven(object, member) {
                    visible.append(key)
                    amount.reusedMembers += 1
                    amount.reusedBytes += stored.bytes
                } else {
                    let staged = try await stage(member, stored, under: key)
                    try await commit(staged, stored, &visible)
                    amount.sentBytes += stored.bytes
                }
            }
            let bytes = try await prepare(&manifest)
            guard try await writer.conclude(manifest, as: bytes, under: [lease]) else {
                // The answer to an earlier attempt was lost, or somebody else wrote one.
                if copy.encryption.isAsked { try await requireWhole(besides: manifest) }
                guard try await target.holds(original, as: copy.encryption) else {
                    throw Failure(.storeUnavailable, "copy \(original.title): its manifest came and went")
                }
                await history?.forgetRemoval(of: original)
                return amount
            }
        } catch {
            throw await giveUp(error, visible)
        }
        await target.removeUnnamed(by: manifest, logger: copy.logger)
        await history?.forgetRemoval(of: original)
        return amount
    }

    /// What is written at the end: the manifest of the source, after its signatures and what it leads to; or where the
    /// objects are others, another one, in the history of its own store.
    /// - Returns: nothing where the manifest is encoded anew.
    private func prepare(_ manifest: inout Manifest) async throws -> [UInt8]? {
        if let history {
            // Signatures are there before what they sign, so that no reader finds a set without them.
            try await lease.confirm()
            try await history.bring(beside: original, isNew: true)
            return original.bytes
        }
        let signed = try await source.signatures(name: manifest.name, id: manifest.id, manifest: original.bytes)
        if !signed.isEmpty, copy.signingKey == nil {
            copy.logger.warning("\(original.title) is signed, and its copy is not (--sign-key signs it anew)")
        }
        manifest.previous = try await target.newestLink(of: manifest.name, before: manifest.id, logger: copy.logger)
        return nil
    }

    /// Makes a member visible that is encrypted for others than in the source.
    /// - Returns: what is stored of it.
    private func encryptAnew(
        _ member: Manifest.Member,
        _ stored: Manifest.Stored,
        _ visible: inout [ObjectKey]
    ) async throws -> Manifest.Stored {
        let key = try encryptedKey(of: stored)
        let (staged, new) = try await stageEncrypted(member, stored, under: key)
        try await commit(staged, new, &visible)
        return new
    }

    /// Whether a member that a dead run left in the target is what the manifest says; removes it if it is not.
    private func isProven(_ object: StoredObject, _ member: Manifest.Member) async throws -> Bool {
        if object.bytes == member.stored?.bytes {
            let step = copy.meter.begin("prove \(title(member)) in the target", expectedBytes: member.rdb?.bytes)
            defer { step.end() }
            do {
                try await target.withStoredBytes(of: member) { try await prove($0, of: member, step) }
                copy.logger.info("\(object.key) is there from an earlier run, and proven")
                return true
            } catch let failure as Failure where failure.code.meansDamage {
                copy.logger.warning("\(object.key) of an earlier run is not whole: \(failure)")
            }
        }
        try await lease.confirm()
        try await target.store.remove(object.key)
        return false
    }

    /// Streams a member from store to store; the same bytes are proven beside it, read once.
    private func stage(
        _ member: Manifest.Member,
        _ stored: Manifest.Stored,
        under key: ObjectKey
    ) async throws -> any StagedObject {
        let step = copy.meter.begin("copy \(title(member))", expectedBytes: member.rdb?.bytes)
        defer { step.end() }
        let staged = Mutex<(any StagedObject)?>(nil)
        let store = target.store
        do {
            try await source.withStoredBytes(of: member) { chunks in
                try await chunks.withTwin(depth: SnapshotPipeline.chunksAhead) { mine in
                    let object = try await store.stage(key, estimatedBytes: stored.bytes, from: mine)
                    staged.withLock { $0 = object }
                } reading: { twin in
                    try await prove(twin, of: member, step)
                }
            }
            // The second stream ends when the store has taken everything.
            guard let object = staged.withLock(\.self) else {
                throw Failure(.truncated, "copy \(title(member)): the store stopped reading before its end")
            }
            return object
        } catch {
            await staged.withLock(\.self)?.discard()
            throw error
        }
    }

    /// Proves what is stored of a member: all of it, or where no key opens it, that it is what was stored.
    private func prove(_ stored: ByteStream, of member: Manifest.Member, _ step: ProgressMeter.Step) async throws {
        guard let object = member.stored, source.keyring.canOpen(object) else {
            try await SnapshotPipeline.requireSound(stored, of: member, progress: step)
            copy.logger.info("\(title(member)): encrypted, and proven to be what was stored")
            return
        }
        let scanner = scanner(member)
        _ = try await SnapshotPipeline.replay(
            stored,
            of: member,
            with: source.keyring,
            by: scanner,
            progress: step
        ) {
            for try await _ in $0 {}
        }
    }

    private func commit(
        _ staged: any StagedObject,
        _ stored: Manifest.Stored,
        _ visible: inout [ObjectKey]
    ) async throws {
        do {
            try await lease.confirm()
            visible.append(staged.key)
            let object = try await staged.commit()
            guard object.bytes == stored.bytes else {
                throw Failure(
                    .digestMismatch,
                    "commit \(object.key) in \(target.store.location): "
                        + "the store holds \(object.bytes) bytes of \(stored.bytes)"
                )
            }
        } catch {
            // An object of that key that is somebody else's is not ours to take back.
            if (error as? Failure)?.code == .alreadyExists { visible.removeAll { $0 == staged.key } }
            await staged.discard()
            throw error
        }
    }

    /// What is said when the set is not copied. Members that are there stay where another run may come to another end.
    private func giveUp(_ error: any Error, _ visible: [ObjectKey]) async -> Failure {
        let failure = Failure(wrapping: error, attempting: "copy \(original.title)")
        guard failure.code.isTransient || [.interrupted, .locked].contains(failure.code) else {
            // The manifest may be there although its writing failed: then its members stay.
            if !visible.isEmpty, let key = try? Catalog.manifestKey(name: manifest.name, id: manifest.id),
                (try? await lease.confirm()) != nil
            {
                await writer.takeBackUnlessCommitted(key, visible)
            }
            return await explained(failure)
        }
        guard !visible.isEmpty else { return failure }
        let count = "\(visible.count) of \(manifest.storedMembers.count) members"
        let message = "copy \(original.title): \(count) are in \(target.store.location), and no backup is listed yet"
        let next = copy.encryption.isAsked ? "begins anew: it is encrypted with new keys" : "goes on from there"
        return Failure(failure.code, message, cause: failure, hint: "The next copy of it \(next).")
    }

    /// A set that was removed while it was read is not a damaged one.
    private func explained(_ failure: Failure) async -> Failure {
        guard failure.code.meansDamage else { return failure }
        do {
            let key = try Catalog.manifestKey(name: manifest.name, id: manifest.id)
            guard try await source.store.stat(key) == nil else { return failure }
        } catch {
            return failure
        }
        return Failure(
            .noSuchBackup,
            "copy \(original.title) from \(source.store.location): it was removed there meanwhile",
            cause: failure
        )
    }

    func scanner(_ member: Manifest.Member) -> RDBScanner {
        RDBScanner(level: copy.level ?? member.provenLevel)
    }

    func title(_ member: Manifest.Member) -> String { "\(member.member) of \(original.title)" }
}
