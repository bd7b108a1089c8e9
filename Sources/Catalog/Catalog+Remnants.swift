// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage

/// Something in a store that belongs to no backup: a run that did not come to its end left it, or a set of which the
/// manifest was removed.
package struct Remnant: Sendable, Hashable {
    package enum Kind: String, Sendable, CaseIterable {
        /// A multipart upload that was neither completed nor aborted, or a temporary file.
        case unfinished
        /// A member of a set that has no manifest: its run died, or its removal did.
        case memberWithoutManifest = "member-without-manifest"
        /// A lease that a run was killed over while it wrote it.
        case unfinishedLease = "unfinished-lease"
        /// What the pods of an Indexed Job agreed on, more than a week ago.
        case jobRecord = "job-record"
    }

    package let kind: Kind
    /// The subject whose lease guards it.
    package let name: String
    package let key: ObjectKey
    /// Where the store says so.
    package let bytes: Int64?
    /// Seconds since 1970 by the clock of the store.
    package let writtenAtSeconds: Int64
    /// Where nothing is visible under the key.
    let leftover: Leftover?

    init(_ kind: Kind, of name: String, _ object: StoredObject) {
        self.kind = kind
        self.name = name
        key = object.key
        bytes = object.bytes
        writtenAtSeconds = object.modifiedAtSeconds
        leftover = nil
    }

    /// `nil` when this program could not have left it.
    init?(_ leftover: Leftover) {
        guard let name = leftover.key.subject else { return nil }
        kind = leftover.key.isLease ? .unfinishedLease : .unfinished
        self.name = name
        key = leftover.key
        bytes = leftover.bytes
        writtenAtSeconds = leftover.startedAtSeconds
        self.leftover = leftover
    }
}

/// What a look for remnants found.
package struct Remnants: Sendable {
    package var found: [Remnant]
    /// Why unfinished uploads could not be looked for.
    package var unlistable: Failure?
}

extension Catalog {
    /// Everything of a subject, or of all, that belongs to no backup; also what runs that are under way have written so
    /// far. In the order of keys.
    /// - Parameter looksForUnfinished: whether uploads and temporary files are looked for.
    /// - Throws: `.noSuchStore`.
    package func remnants(of name: String?, looksForUnfinished: Bool = true) async throws -> Remnants {
        var remnants = Remnants(found: [])
        let sets = try name.map { try KeyFolder([$0]) } ?? .root
        // A listing of a store that is not there must not pass for one of a store that is clean.
        _ = try await store.list(under: KeyFolder([Lease.folderName]))
        remnants.found += try await uncommitted(under: sets).map {
            Remnant(.memberWithoutManifest, of: $0.key.components[0], $0)
        }
        remnants.found += try await oldRuns(of: name).compactMap { object in
            object.key.subject.map { Remnant(.jobRecord, of: $0, object) }
        }
        if looksForUnfinished {
            do {
                for folder in try Self.foldersOfUnfinished(of: name) {
                    remnants.found += try await store.leftovers(under: folder).compactMap(Remnant.init)
                        .filter { name == nil || $0.name == name }
                }
            } catch let failure as Failure where [.unsupported, .permissionDenied].contains(failure.code) {
                remnants.unlistable = failure
            }
        }
        remnants.found.sort { ($0.key, $0.writtenAtSeconds) < ($1.key, $1.writtenAtSeconds) }
        return remnants
    }

    private static func foldersOfUnfinished(of name: String?) throws -> [KeyFolder] {
        guard let name else { return [.root] }
        let folders = [IndexedRunStore.folderName, DrillRecord.folderName, ProofRecord.folderName]
        let shared = [[Lease.folderName]] + folders.map { [$0, name] }
        return try ([[name]] + shared).map { try KeyFolder($0) }
    }

    /// Removes a remnant. Called under the lease of its subject, so that no live run can be its owner.
    /// - Returns: `false` when it belongs to a backup by now: the manifest is asked for once more, by its own key.
    package func remove(_ remnant: Remnant) async throws -> Bool {
        if let leftover = remnant.leftover {
            try await store.remove(leftover)
            return true
        }
        if remnant.key.isPartOfSet {
            let manifest = try ObjectKey(remnant.key.components.dropLast() + [Self.manifestFileName])
            guard try await store.stat(manifest) == nil else { return false }
        }
        try await store.remove(remnant.key)
        return true
    }

    /// Who holds the lease of a subject; `nil` when nobody does, or when it was a process of this machine that is gone.
    package func holder(of name: String) async throws -> SeatedLease? {
        guard let seated = try await StoreLeaseSeat(name: name, in: store).read() else { return nil }
        return seated.lease?.process.isAliveOnThisMachine() == false ? nil : seated
    }
}

extension ObjectKey {
    fileprivate var isLease: Bool { components.first == Lease.folderName }

    /// The subject of a key that this program writes under: `.locks/<name>.json`, `.runs/<name>/…`, `.drills/<name>/…`,
    /// `.proofs/<name>/…` and `<name>/<id>/…`.
    fileprivate var subject: String? {
        switch components[0] {
        case Lease.folderName:
            guard components.count == 2, components[1].hasSuffix(Lease.suffix) else { return nil }
            return String(components[1].dropLast(Lease.suffix.count))
        case IndexedRunStore.folderName, DrillRecord.folderName, ProofRecord.folderName:
            return components.count >= 4 && components[components.count - 1].hasSuffix(".json") ? components[1] : nil
        default:
            return isMember || Catalog.isManifest(self) ? components[0] : nil
        }
    }
}
