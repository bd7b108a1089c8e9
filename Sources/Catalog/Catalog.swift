// SPDX-License-Identifier: Apache-2.0

import Age
import ByteStreams
import Failures
import Logging
import ObjectStorage

/// The backup sets of a store. Needs nothing but the store: a set exists if and only if its manifest does.
///
///     <name>/<id>/<member>.rdb[.zst|.gz][.age]
///     <name>/<id>/manifest.json             written last
///     .locks/<name>.json                    the lease of a run that is under way
///     .pins/<name>/<id>.json                says that a set is to stay
///     .removed/<name>/<id>.json             says that a set was removed by a rule
package struct Catalog: Sendable {
    package let store: any ObjectStore
    /// What opens the snapshots that are encrypted.
    package let keyring: AgeKeyring

    package init(store: any ObjectStore, keyring: AgeKeyring = AgeKeyring()) {
        self.store = store
        self.keyring = keyring
    }

    /// The name of the object that makes a set exist.
    package static let manifestFileName = "manifest.json"
    /// How many manifests are read at once.
    private static let readsAtOnce = 8

    /// One entry of the listing.
    package enum Entry: Sendable {
        /// A complete set.
        case complete(Manifest)
        /// A manifest is there, and it cannot be read as one. Never left out of a listing in silence.
        case damaged(name: String, id: BackupID, Failure)

        package var name: String {
            switch self {
            case .complete(let manifest): manifest.name
            case .damaged(let name, _, _): name
            }
        }

        package var id: BackupID {
            switch self {
            case .complete(let manifest): manifest.id
            case .damaged(_, let id, _): id
            }
        }
    }

    /// Every set of a subject, or of all subjects, oldest first. Complete, or it throws.
    /// - Parameter name: the subject; `nil` for all.
    package func entries(of name: String?) async throws -> [Entry] {
        try await entries(among: keys(of: name))
    }

    /// Every key of a subject; of all: every key of the store, also of what is not among the sets.
    package func keys(of name: String?) async throws -> [ObjectKey] {
        try await store.list(under: name.map { try KeyFolder([$0]) } ?? .root).map(\.key)
    }

    /// The sets whose manifests are among these keys, oldest first; without those that are gone by now.
    package func entries(among keys: [ObjectKey]) async throws -> [Entry] {
        try await withThrowingTaskGroup(of: Entry?.self) { group in
            var waiting = keys.lazy.filter(Self.isManifest).makeIterator()
            var entries: [Entry] = []
            func startNext() {
                guard let key = waiting.next() else { return }
                group.addTask { try await entry(at: key) }
            }
            for _ in 0..<Self.readsAtOnce { startNext() }
            while let entry = try await group.next() {
                if let entry { entries.append(entry) }
                startNext()
            }
            return entries.sorted { ($0.name, $0.id) < ($1.name, $1.id) }
        }
    }

    /// The set of a subject with that id.
    /// - Throws: `.noSuchBackup`, `.corruptManifest`.
    package func manifest(name: String, id: BackupID) async throws -> Manifest {
        try await storedManifest(name: name, id: id).manifest
    }

    /// As `manifest`, together with the bytes that the store holds of it.
    /// - Throws: `.noSuchBackup`, `.corruptManifest`.
    package func storedManifest(
        name: String,
        id: BackupID
    ) async throws -> (manifest: Manifest, bytes: [UInt8]) {
        let key = try Self.manifestKey(name: name, id: id)
        let bytes: [UInt8]
        do {
            bytes = try await store.read(key, bytesMax: Manifest.sizeBytesMax).bytes
        } catch let failure as Failure where failure.code == .noSuchObject {
            throw Failure(
                .noSuchBackup,
                "read backup \(id) of \(name) in \(store.location): there is no such backup",
                hint: "`redoubt list --from \(store.location)` shows the backups that are there."
            )
        }
        let manifest: Manifest
        do {
            manifest = try Manifest(decoding: bytes)
        } catch let failure as Failure {
            let attempt = "read \(key) in \(store.location)"
            throw Failure(failure.code, attempt, cause: failure, hint: failure.hint ?? Self.unreadableHint)
        }
        guard manifest.name == name, manifest.id == id else {
            throw Failure(
                .corruptManifest,
                "read \(key) in \(store.location): it says that it is \(manifest.name)/\(manifest.id)",
                hint: Self.unreadableHint
            )
        }
        return (manifest, bytes)
    }

    /// What there is to say of a set whose manifest cannot be read.
    package static let unreadableHint =
        "Nothing is restored from a set whose manifest cannot be read. No other set depends on it: `redoubt verify` "
        + "says whether one is whole."

    /// The key of a set's manifest.
    package static func manifestKey(name: String, id: BackupID) throws -> ObjectKey {
        try ObjectKey([name, id.text, manifestFileName])
    }

    package static func isManifest(_ key: ObjectKey) -> Bool {
        key.components.count == 3 && key.components[2] == manifestFileName && BackupID(key.components[1]) != nil
            && !key.components[0].hasPrefix(".")
    }

    /// `nil` when the set was removed after it was listed.
    private func entry(at key: ObjectKey) async throws -> Entry? {
        guard let id = BackupID(key.components[1]) else {
            preconditionFailure("only keys of manifests are asked for")
        }
        do {
            return .complete(try await manifest(name: key.components[0], id: id))
        } catch let failure as Failure where [.corruptManifest, .unsupported].contains(failure.code) {
            return .damaged(name: key.components[0], id: id, failure)
        } catch let failure as Failure where failure.code == .noSuchBackup {
            return nil
        }
    }
}

extension Catalog {
    /// So far apart are clocks that are kept in order, in seconds.
    private static let clockSecondsQuiet: Int64 = 5

    /// An id that is newer than all of these.
    package static func newID(after existing: [BackupID], logger: Logger) -> BackupID {
        let now = Timestamp.now()
        let id = BackupID.next(after: existing, now: now, suffix: .random(in: .min ... .max))
        // Two runs of one second are no news, nor are clocks a little apart.
        if id.time.secondsSince1970 > now.secondsSince1970 + clockSecondsQuiet {
            logger.warning("the newest backup is from \(id.time), which this clock (\(now)) has not reached yet")
        }
        return id
    }
}
