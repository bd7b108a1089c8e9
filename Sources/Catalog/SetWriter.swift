// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Logging
import ObjectStorage

/// Makes one backup set: stages the members, then commits all of them and writes the manifest last (F32).
///
/// Staged members are not visible in the store. Until `commit`, a run that ends in any way leaves no visible object;
/// the commit itself makes the members visible one by one and then, with the manifest, the set.
package struct SetWriter: Sendable {
    package let name: String
    package let id: BackupID
    private let store: any ObjectStore
    /// Whether other attempts at the same members may be there.
    private let isShared: Bool
    /// What the manifest is signed with.
    private let signingKey: SigningKey?
    private let logger: Logger

    package init(
        name: String,
        id: BackupID,
        store: any ObjectStore,
        isShared: Bool = false,
        signingKey: SigningKey? = nil,
        logger: Logger
    ) {
        self.name = name
        self.id = id
        self.store = store
        self.isShared = isShared
        self.signingKey = signingKey
        self.logger = logger
    }

    /// Streams a member's bytes into the store, not yet visible.
    /// - Parameters:
    ///   - suffix: what follows the name of the member: `.rdb.zst`.
    ///   - estimatedBytes: about how many bytes will come.
    package func stage(
        member: String,
        suffix: String,
        estimatedBytes: Int64?,
        from chunks: ByteStream
    ) async throws -> any StagedObject {
        // Two attempts at one member never meet under one key, whether one of them is dead or still at work.
        let attempt = isShared ? "-" + String(UInt64.random(in: .min ... .max), radix: 16) : ""
        let key = try ObjectKey([name, id.text, member + attempt + suffix])
        return try await store.stage(key, estimatedBytes: estimatedBytes, from: chunks)
    }

    /// Makes every staged member visible, holds what the store then says against the manifest, and writes the
    /// manifest.
    ///
    /// When it throws, the set does not exist, and what was staged or made visible is taken back. One case is left to
    /// the next run: where the reply to the manifest was lost, nothing is removed, because the set may exist.
    package func commit(_ manifest: Manifest, staged: [any StagedObject], under leases: [HeldLease]) async throws {
        let sizes = Dictionary(
            manifest.members.compactMap { member in member.stored.map { ($0.key, $0.bytes) } },
            uniquingKeysWith: { first, _ in first }
        )
        guard Set(staged.map(\.key.description)) == Set(sizes.keys), staged.count == sizes.count else {
            throw Failure(.unclassified, "commit \(name)/\(id): the manifest does not name exactly the staged members")
        }
        var visible: [ObjectKey] = []
        do {
            for lease in leases { try await lease.confirm() }
            for object in staged {
                visible.append(object.key)
                let stored = try await commit(object, takenBy: &visible)
                guard stored.bytes == sizes[object.key.description] else {
                    throw Failure(
                        .digestMismatch,
                        "commit \(object.key) in \(store.location): "
                            + "the store holds \(stored.bytes) bytes of \(object.bytes)"
                    )
                }
                logger.debug("committed \(object.key)", metadata: ["bytes": "\(stored.bytes)"])
            }
            for lease in leases { try await lease.confirm() }
        } catch {
            await takeBack(staged, visible: visible)
            throw error
        }
        try await write(manifest, over: visible)
    }

    /// Writes the manifest of members that are visible already, each committed by the pod that took it, or by the run
    /// that copies the set.
    ///
    /// - Parameter bytes: the manifest as another store holds it; encoded anew when there are none.
    /// - Returns: `false` when the set exists already: another pod was faster.
    /// - Throws: `.locked` when a member is gone, or is not what its record says. Nothing is taken back: what is
    ///   there
    ///   belongs to the pods of the run, and to the next run when they are all dead.
    package func conclude(
        _ manifest: Manifest,
        as bytes: [UInt8]? = nil,
        under leases: [HeldLease]
    ) async throws -> Bool {
        for member in manifest.storedMembers {
            guard let stored = member.stored, let key = ObjectKey(parsing: stored.key),
                try await store.stat(key)?.bytes == stored.bytes
            else {
                throw Failure(
                    .locked,
                    "commit \(name)/\(id) in \(store.location): the snapshot of \(member.member) is not there any more",
                    hint: "Another run took over and removed it. Run again when that run has ended."
                )
            }
        }
        for lease in leases { try await lease.confirm() }
        do {
            let visible = manifest.storedMembers.compactMap { $0.stored.flatMap { ObjectKey(parsing: $0.key) } }
            try await write(manifest, as: bytes, over: visible, takesBack: false)
            return true
        } catch let failure as Failure where failure.code == .alreadyExists {
            return false
        }
    }

    /// Takes one visible object away again: another attempt at the same member was faster.
    package func takeBack(_ object: any StagedObject) async {
        await takeBack([], visible: [object.key])
    }

    /// An object of that key that is somebody else's is not ours to take back.
    private func commit(_ object: any StagedObject, takenBy visible: inout [ObjectKey]) async throws -> StoredObject {
        do {
            return try await object.commit()
        } catch let failure as Failure where failure.code == .alreadyExists {
            visible.removeAll { $0 == object.key }
            throw failure
        }
    }

    private func write(
        _ manifest: Manifest,
        as given: [UInt8]? = nil,
        over members: [ObjectKey],
        takesBack: Bool = true
    ) async throws {
        let key = try Catalog.manifestKey(name: name, id: id)
        let bytes: [UInt8]
        var visible = members
        do {
            bytes = try given ?? manifest.encoded()
            _ = try Manifest(decoding: bytes)
            // A signature is there before what it signs, so that no reader finds a set without it.
            if let signature = try signingKey?.signature(ofManifest: bytes, name: name, id: id) {
                visible.append(signature.key)
                try await Catalog(store: store).write(signature)
            }
        } catch {
            // Nothing of the manifest was sent.
            if takesBack { await takeBackUnlessCommitted(key, visible) }
            throw Failure(wrapping: error, attempting: "sign \(key) in \(store.location)")
        }
        do {
            try await store.create(key, bytes)
        } catch {
            let failure = Failure(wrapping: error, attempting: "write \(key) in \(store.location)")
            if failure.code.meansNothingWasWritten {
                if takesBack { await takeBackUnlessCommitted(key, visible) }
            } else {
                await removeUnlessWhole(key, members)
            }
            throw failure
        }
        // A run that was held up here may have lost its lease, and its members, while the manifest was on its way.
        guard await removeUnlessWhole(key, members) else {
            throw Failure(
                .locked,
                "commit \(name)/\(id) in \(store.location): another run took over and removed its members",
                hint: "Run again when the other run has ended."
            )
        }
    }

    /// A set that is listed has its members: a manifest whose members are gone is removed.
    /// - Returns: whether the members are there, as far as the store can be asked.
    @discardableResult
    private func removeUnlessWhole(_ manifest: ObjectKey, _ visible: [ObjectKey]) async -> Bool {
        await withCancellationShield { [store, logger] in
            do {
                for key in visible where try await store.stat(key) == nil {
                    logger.error("\(key) is gone: the manifest is removed")
                    try await store.remove(manifest)
                    return false
                }
            } catch {
                logger.warning("could not look after the members of \(manifest): \(error)")
            }
            return true
        }
    }

    /// A listed backup must keep its members: they go only when the store says that there is no manifest.
    package func takeBackUnlessCommitted(_ manifest: ObjectKey, _ visible: [ObjectKey]) async {
        let isAbsent = await withCancellationShield { [store] in
            do {
                return try await store.stat(manifest) == nil
            } catch {
                return false
            }
        }
        if isAbsent { await takeBack([], visible: visible) }
    }

    /// Discards what is staged and removes what became visible; what cannot be removed is left to the next run.
    package func takeBack(_ staged: [any StagedObject], visible: [ObjectKey] = []) async {
        await withCancellationShield { [store, logger] in
            for object in staged { await object.discard() }
            for key in visible {
                do {
                    try await store.remove(key)
                } catch {
                    logger.warning("could not take back \(key): \(error)")
                    CleanUpTrouble.note()
                }
            }
        }
    }
}

extension Failure.Code {
    /// Whether a refused request cannot have been carried out. Interrupted or unanswered, it may have been; and an
    /// object that is there already may be the very one that was sent.
    fileprivate var meansNothingWasWritten: Bool {
        switch self {
        case .permissionDenied, .authenticationFailed, .noSpace, .noSuchStore, .corruptManifest, .configuration: true
        default: false
        }
    }
}
