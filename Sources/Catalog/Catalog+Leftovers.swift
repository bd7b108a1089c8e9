// SPDX-License-Identifier: Apache-2.0

import Failures
import Logging
import ObjectStorage

extension Catalog {
    /// Removes what dead runs of a subject left behind: staged bytes, and members of sets that have no manifest.
    ///
    /// Called under the lease of the subject, so that no live run can be the owner. It never touches a set that has a
    /// manifest, nor an object that this program could not have written. A store that does not allow removals (the
    /// rights to remove belong to the pruning identity) is not an error of a backup: it is logged.
    /// - Parameter id: a set that other runs under the same lease are making, and which is left alone.
    /// - Returns: what was removed.
    @discardableResult
    package func removeLeftovers(of name: String, sparing id: BackupID? = nil, logger: Logger) async throws -> Sweep {
        try await removeLeftovers(of: name, logger) { key, _ in key.components[1] == id?.text }
    }

    /// As above; the members that became visible of some sets stay, because the caller goes on with them. What is
    /// staged of them nobody can go on with, and it is removed.
    package func removeLeftovers(
        of name: String,
        keepingMembersOf ids: Set<BackupID>,
        logger: Logger
    ) async throws -> Sweep {
        let kept = Set(ids.map(\.text))
        return try await removeLeftovers(of: name, logger) { key, isStaged in
            !isStaged && kept.contains(key.components[1])
        }
    }

    /// - Parameter isSpared: asked for each key in a set, and whether it is of something staged.
    private func removeLeftovers(
        of name: String,
        _ logger: Logger,
        unless isSpared: (_ key: ObjectKey, _ isStaged: Bool) -> Bool
    ) async throws -> Sweep {
        let folder = try KeyFolder([name])
        var sweep = Sweep()
        for leftover in try await staged(under: folder, logger)
        where leftover.isOfSet && !isSpared(leftover.key, true) {
            sweep.removed += await attempt("unfinished upload of \(leftover.key)", logger) {
                try await store.remove(leftover)
            }
        }
        for key in try await uncommitted(under: folder).map(\.key) where !isSpared(key, false) {
            let removed = await attempt("uncommitted object \(key)", logger) { try await store.remove(key) }
            sweep.removed += removed
            if removed > 0, let id = BackupID(key.components[1]) { sweep.ids.insert(id) }
        }
        for leftover in try await staleLeases(of: name, logger) {
            sweep.removed += await attempt("unfinished \(leftover.key)", logger) { try await store.remove(leftover) }
        }
        for key in try await oldRuns(of: name).map(\.key) {
            sweep.removed += await attempt("record of an old Job \(key)", logger) { try await store.remove(key) }
        }
        return sweep
    }

    /// How long what the pods of a Job agreed on is kept, in seconds: a pod that is started again after the set was
    /// committed must find out that there is nothing left to do.
    static let runSecondsMax: Int64 = 7 * 86400

    /// How long a lease that is being written is left alone, in seconds: the holder renews it, and others try to take
    /// it, while this run looks.
    private static let leaseWriteSecondsMax: Int64 = 60

    /// Leases that a run was killed over while it wrote them.
    private func staleLeases(of name: String, _ logger: Logger) async throws -> [Leftover] {
        let key = try Lease.key(of: name)
        let limit = Timestamp.now().secondsSince1970 - Self.leaseWriteSecondsMax
        return try await staged(under: KeyFolder(Array(key.components.dropLast())), logger)
            .filter { $0.key == key && $0.startedAtSeconds < limit }
    }

    /// - Parameter name: the subject; `nil` for all.
    func oldRuns(of name: String?) async throws -> [StoredObject] {
        do {
            let limit = Timestamp.now().secondsSince1970 - Self.runSecondsMax
            return try await store.list(under: KeyFolder([IndexedRunStore.folderName] + (name.map { [$0] } ?? [])))
                .filter { $0.modifiedAtSeconds < limit }
        } catch let failure as Failure where failure.code == .noSuchStore {
            return []
        }
    }

    /// Looks once more after sets whose members were removed: the manifest of a run that was held up for long, and
    /// came back to life, may have arrived meanwhile. Without its members it is no backup, and must not be listed.
    ///
    /// The set of this run is committed by then: what goes wrong here is the next run's to find.
    package func removeManifests(ofSwept sweep: Sweep, name: String, logger: Logger) async {
        for id in sweep.ids {
            do {
                let key = try Self.manifestKey(name: name, id: id)
                guard try await store.stat(key) != nil else { continue }
                guard try await !isWhole(name: name, id: id) else { continue }
                logger.warning("\(key) arrived after its members were removed: it is removed too")
                try await store.remove(key)
            } catch {
                logger.warning("could not look after the set \(name)/\(id), whose members were removed: \(error)")
            }
        }
    }

    /// Whether all that a manifest names is there: not all members may have been removed. What cannot be asked, or was
    /// written by a later version, is not judged.
    private func isWhole(name: String, id: BackupID) async throws -> Bool {
        do {
            return try await missingMember(of: manifest(name: name, id: id), takesAnySize: true) == nil
        } catch let failure as Failure where failure.code == .corruptManifest {
            return false
        }
    }

    /// The first member that is not there, or has another size, by the word of the store: a set that has one may
    /// restore others, and counts for nothing.
    /// - Parameters:
    ///   - sizes: what a listing shows; what it does not show so is asked for by its own key.
    ///   - takesAnySize: whether it is enough that something is there.
    package func missingMember(
        of manifest: Manifest,
        besides sizes: [String: Int64] = [:],
        takesAnySize: Bool = false
    ) async throws -> String? {
        for stored in manifest.members.compactMap(\.stored) where sizes[stored.key] != stored.bytes {
            guard let key = ObjectKey(parsing: stored.key), let found = try await store.stat(key),
                takesAnySize || found.bytes == stored.bytes
            else { return stored.key }
        }
        return nil
    }

    /// Removes members in the folder of a set that its manifest does not name: attempts of pods that died before they
    /// could say so. Called by the one who committed the set.
    package func removeUnnamed(by manifest: Manifest, logger: Logger) async {
        do {
            let named = Set(manifest.members.compactMap(\.stored?.key))
            let folder = try KeyFolder([manifest.name, manifest.id.text])
            for key in try await store.list(under: folder).map(\.key)
            where key.isMember && !named.contains(key.description) {
                _ = await attempt("attempt that nobody spoke for, \(key)", logger) { try await store.remove(key) }
            }
        } catch {
            logger.warning("could not look for attempts that died in \(manifest.name)/\(manifest.id): \(error)")
        }
    }

    /// A provider that cannot list unfinished uploads has none that could be cleaned.
    private func staged(under folder: KeyFolder, _ logger: Logger) async throws -> [Leftover] {
        do {
            return try await store.leftovers(under: folder)
        } catch let failure as Failure where [.unsupported, .permissionDenied].contains(failure.code) {
            // Where the provider cannot, nobody needs to do anything about it, every night.
            let level: Logger.Level = failure.code == .unsupported ? .info : .warning
            logger.log(level: level, "cannot look for unfinished uploads of earlier runs: \(failure)")
            return []
        }
    }

    /// Members of sets whose manifest is not there. The manifest is asked for once more, by its own key, before a set
    /// is called dead: a listing alone decides nothing that cannot be undone.
    func uncommitted(under folder: KeyFolder) async throws -> [StoredObject] {
        let objects: [StoredObject]
        do {
            objects = try await store.list(under: folder)
        } catch let failure as Failure where failure.code == .noSuchStore {
            return []
        }
        let committed = Set(objects.map(\.key).filter(Self.isManifest).map { $0.components.dropLast() })
        let members = Dictionary(grouping: objects.filter(\.key.isPartOfSet)) { $0.key.components.dropLast() }
        var dead: [StoredObject] = []
        for (set, members) in members where !committed.contains(set) {
            let manifest = try ObjectKey(Array(set) + [Self.manifestFileName])
            if try await store.stat(manifest) == nil { dead += members }
        }
        return dead.sorted { $0.key < $1.key }
    }

    private func attempt(_ what: String, _ logger: Logger, _ removal: () async throws -> Void) async -> Int {
        do {
            try await removal()
            logger.notice("removed what an earlier run left behind: \(what)")
            return 1
        } catch {
            logger.warning("could not remove what an earlier run left behind, \(what): \(error)")
            return 0
        }
    }
}

/// What was removed of dead runs.
package struct Sweep: Sendable, Hashable {
    /// How many uploads, temporary files and objects.
    package var removed: Int
    /// The sets whose members were removed.
    package var ids: Set<BackupID>

    package init(removed: Int = 0, ids: Set<BackupID> = []) {
        self.removed = removed
        self.ids = ids
    }
}

extension Leftover {
    fileprivate var isOfSet: Bool {
        key.components.count == 3 && BackupID(key.components[1]) != nil
    }
}

extension ObjectKey {
    /// Whether this program writes members under such a key.
    package var isMember: Bool {
        isInSet && components[2].contains(".rdb")
    }

    /// Whether it goes with a set that is dead: its members, and signatures of manifests that were never written.
    var isPartOfSet: Bool { isMember || isSignature }

    /// Whether it is the signature of a manifest.
    var isSignature: Bool { isInSet && SignatureName(components[2])?.stem == SignatureName.manifestStem }

    private var isInSet: Bool {
        components.count == 3 && !components[0].hasPrefix(".") && BackupID(components[1]) != nil
    }
}
