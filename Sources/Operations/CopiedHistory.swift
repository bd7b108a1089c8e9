// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage
import Synchronization

/// What two stores hold beside the sets of a subject: signatures, and records of what was removed.
///
/// A set that is copied names the one before it. Where prune removed that one in the source, the target never gets it,
/// and would look as if it had been lost; so the records of the removals go along, as far back as they lead.
///
/// They are kept apart from the records of the target: they say that a set was removed elsewhere, and no more. Whether
/// the target had it once, nobody can tell from them; so they never excuse the loss of a set that is known to have been
/// there (`VerifyChain`).
///
/// Nothing that lies beside a set keeps it from being copied: only what passes by itself, or ends the run, is thrown.
final class CopiedHistory: Sendable {
    private let name: String
    private let source: Catalog
    private let target: Catalog
    private let signatures: (there: SignatureIndex, here: SignatureIndex)
    /// Sets that the target had when the run began.
    private let setsHere: Set<BackupID>
    /// Records of removals, as they were listed the last time.
    private let removals = Mutex<Removals?>(nil)

    /// What is on record in both stores.
    private struct Removals: Sendable {
        let there: RemovalIndex
        let here: RemovalIndex
        /// Whether all that is there is here, too.
        let isComplete: Bool
    }
    /// Those of the target as they were when the run began: nobody prunes there meanwhile.
    private let removalsHere = Mutex<RemovalIndex?>(nil)
    private let logger: Logger

    /// - Throws: what the stores answer to the listings.
    init(of name: String, from source: Catalog, to target: Catalog, logger: Logger) async throws {
        self.name = name
        self.source = source
        self.target = target
        self.logger = logger
        let folder = try KeyFolder([name])
        let here = try await target.store.list(under: folder).map(\.key)
        signatures = (try await source.signatures(in: folder), SignatureIndex(here))
        setsHere = Set(here.filter(Catalog.isManifest).compactMap { BackupID($0.components[1]) })
    }

    /// Brings everything over that belongs beside a set: before its manifest is written, or when it is there already
    /// and has got more in the source.
    /// - Parameter isNew: whether it is just being copied. Then the records are listed anew: prune may have been at
    ///   work since the copy began.
    /// - Throws: only what another try may change, and what ends the run.
    func bring(beside set: StoredSet, isNew: Bool) async throws {
        if isNew { removals.withLock { $0 = nil } }
        try await forgiving("records of removals before \(set.title)") { try await bringRemovals(before: set) }
        try await forgiving("signatures of \(set.title)") { try await bringSignatures(of: set) }
    }

    /// A set that is in the target again is not pruned there: the record of that would excuse a later loss. Called when
    /// its manifest is there; the records are listed once.
    func forgetRemoval(of set: StoredSet) async {
        do {
            let index: RemovalIndex
            if let listed = removalsHere.withLock(\.self) {
                index = listed
            } else {
                index = try await target.removalIndex(of: name)
                removalsHere.withLock { $0 = index }
            }
            guard index.holds(set.manifest.id) else { return }
        } catch {
            logger.warning("could not look whether \(set.title) was pruned in \(target.store.location): \(error)")
            return
        }
        let link = Manifest.Link(to: set.manifest.id, manifest: set.bytes)
        await target.takeBackRemovals(of: link, name: name, logger: logger)
    }

    private func forgiving(_ what: String, _ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let failure as Failure where !failure.code.isTransient && failure.code != .interrupted {
            logger.warning("\(what) are not copied: \(failure)")
        }
    }

    private func bringSignatures(of set: StoredSet) async throws {
        let id = set.manifest.id
        let here = signatures.here.keys(ofManifest: set.bytes, name: name, id: id)
        let keys = signatures.there.keys(ofManifest: set.bytes, name: name, id: id)
        guard !Set(keys).isSubset(of: here) else { return }
        let found = try await source.signatures(name: name, id: id, manifest: set.bytes, among: signatures.there)
        for signature in found where !here.contains(signature.key) {
            guard signature.isUsable else {
                logger.warning("\(signature.key) in \(source.store.location) is no signature: it is not copied")
                continue
            }
            try await forgiving("the signature \(signature.key)") {
                try await target.write(signature)
                logger.info("the signature \(signature.key) is copied")
            }
        }
    }

    /// Brings the records over that lead from a set back to one that the target has, or of which it has the records.
    /// The oldest comes first: what is there leads all the way back.
    private func bringRemovals(before set: StoredSet) async throws {
        guard let previous = set.manifest.previous, try await !isInTarget(previous) else { return }
        let path = try await removals(from: previous)
        for removal in path.reversed() { try await target.keep(removal) }
        if !path.isEmpty { logger.info("\(path.count) records of removals before \(set.title) are copied") }
    }

    private func isInTarget(_ link: Manifest.Link) async throws -> Bool {
        if setsHere.contains(link.id) { return true }
        return try await isListed(link, in: target)
    }

    private func isListed(_ link: Manifest.Link, in catalog: Catalog) async throws -> Bool {
        try await catalog.store.stat(Catalog.manifestKey(name: name, id: link.id)) != nil
    }

    /// Newest first.
    private func removals(from link: Manifest.Link) async throws -> [ChainedRemoval] {
        let listed = try await listedRemovals()
        var path: [ChainedRemoval] = []
        var waiting = [link]
        var seen: Set<Manifest.Link> = []
        while let link = waiting.popLast() {
            // Behind a record that is there already, one may be missing: its set was still listed when that one came.
            let isCovered = listed.here.covers(listed.there, link.id)
            guard seen.insert(link).inserted, !(isCovered && listed.isComplete) else { continue }
            // What the source lists is not removed, whatever a record says.
            if try await isInTarget(link) { continue }
            if try await isListed(link, in: source) { continue }
            let found = try await source.removals(of: link, among: listed.there)
            if !isCovered { path += found }
            waiting += found.compactMap(\.record.previous)
        }
        return path
    }

    private func listedRemovals() async throws -> Removals {
        if let listed = removals.withLock(\.self) { return listed }
        let (there, here) = (try await source.removalIndex(of: name), try await target.removalIndex(of: name))
        let listed = Removals(there: there, here: here, isComplete: here.coversAll(there))
        removals.withLock { $0 = listed }
        return listed
    }
}
