// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import ObjectStorage

/// Which sets are copied.
package enum CopyChoice: Sendable {
    case one(BackupReference)
    /// Those that were begun at that time or later.
    case since(Timestamp)
    case all

    /// The sets that are meant, of each subject oldest first; one whose manifest cannot be read is among them.
    /// - Throws: `.noSuchBackup` when none is meant; `.corruptManifest` and `.usage` as `Catalog.resolve`.
    func entries(in catalog: Catalog, name: String?) async throws -> [Catalog.Entry] {
        let entries: [Catalog.Entry]
        switch self {
        case .one(let reference): entries = [.complete(try await catalog.require(reference, name: name))]
        case .since(let time): entries = try await catalog.entries(of: name).filter { $0.id.time >= time }
        case .all: entries = try await catalog.entries(of: name)
        }
        guard entries.isEmpty else { return entries }
        var which = name.map { " of \($0)" } ?? ""
        if case .since(let time) = self { which += " since \(time)" }
        throw Failure(
            .noSuchBackup,
            "find the backups\(which) in \(catalog.store.location): there is none to copy",
            hint: "`redoubt list --from \(catalog.store.location)` shows every backup of the store."
        )
    }
}

/// What became of one set.
package struct CopiedSet: Sendable {
    package enum Outcome: Sendable {
        case copied(Amount)
        /// The target holds it already.
        case present
        /// Before a dry run: it is not in the target yet.
        case wouldCopy
        case failed(Failure)
        /// What stopped another set would have stopped this one too.
        case notTried
    }

    /// How much went where.
    package struct Amount: Sendable {
        /// Bytes that went from store to store.
        package var sentBytes: Int64 = 0
        /// Members that a run which died had brought to the target, and which were proven there.
        package var reusedMembers = 0
        package var reusedBytes: Int64 = 0
    }

    package let name: String
    package let id: BackupID
    /// `nil` when the manifest cannot be read.
    package let manifest: Manifest?
    package let outcome: Outcome
    /// How long copying took, in seconds.
    package let seconds: Double

    init(_ entry: Catalog.Entry, _ outcome: Outcome, seconds: Double = 0) {
        name = entry.name
        id = entry.id
        manifest = if case .complete(let manifest) = entry { manifest } else { nil }
        self.outcome = outcome
        self.seconds = seconds
    }

    package var failure: Failure? {
        if case .failed(let failure) = outcome { failure } else { nil }
    }
}

/// A set as a store holds it.
struct StoredSet: Sendable {
    let manifest: Manifest
    /// The manifest, byte for byte.
    let bytes: [UInt8]

    /// `demo/20261122T153000Z-7f3a`
    var title: String { "\(manifest.name)/\(manifest.id)" }

    /// - Throws: `.noSuchBackup`, `.corruptManifest`.
    init(_ entry: Catalog.Entry, in catalog: Catalog) async throws {
        (manifest, bytes) = try await catalog.storedManifest(name: entry.name, id: entry.id)
    }
}

extension Catalog.Entry {
    var title: String { "\(name)/\(id)" }
}

extension Catalog {
    /// Whether the store holds the very same set; where it is to be encrypted anew, the same but for its objects.
    /// - Throws: `.guardRefused` when it holds another one under that name and id; `.corruptManifest`, and
    ///   `.digestMismatch` when it lists the set and lacks a member of it.
    func holds(_ set: StoredSet, as encryption: EncryptionChoice = .none) async throws -> Bool {
        let (name, id) = (set.manifest.name, set.manifest.id)
        let held: [UInt8]
        do {
            let key = try Self.manifestKey(name: name, id: id)
            held = try await store.read(key, bytesMax: Manifest.sizeBytesMax).bytes
        } catch let failure as Failure where [.noSuchObject, .noSuchStore].contains(failure.code) {
            return false
        }
        let found = held == set.bytes ? set.manifest : try await manifest(name: name, id: id)
        let isSame = encryption.isAsked ? found.isSame(as: set.manifest, encrypted: encryption) : held == set.bytes
        guard isSame else {
            let isOnlyForOthers = encryption.isAsked && found.withoutObjects == set.manifest.withoutObjects
            throw Failure(
                .guardRefused,
                "copy \(set.title) to \(store.location): it holds "
                    + (isOnlyForOthers
                        ? "that backup already, encrypted for others or not at all"
                        : "another backup of that name and id"),
                hint: "Nothing is ever overwritten. Copy to another prefix, or look at both with `redoubt show`."
            )
        }
        let objects = try await members(of: found)
        for member in found.storedMembers {
            guard let stored = member.stored, objects[stored.key]?.bytes == stored.bytes else {
                throw Failure(
                    .digestMismatch,
                    "copy \(set.title) to \(store.location): it lists the backup, but \(member.stored?.key ?? "") is "
                        + "not there, or not of the size that the manifest says",
                    hint: "What is listed there does not restore. Remove its manifest.json by hand, then copy again."
                )
            }
        }
        return true
    }

    /// What is visible in the folder of a set, by key.
    func members(of manifest: Manifest) async throws -> [String: StoredObject] {
        do {
            let objects = try await store.list(under: KeyFolder([manifest.name, manifest.id.text]))
            return Dictionary(objects.map { ($0.key.description, $0) }, uniquingKeysWith: { first, _ in first })
        } catch let failure as Failure where failure.code == .noSuchStore {
            return [:]
        }
    }
}
