// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage

/// What two stores hold beside the sets of a subject: signatures, and records of what was removed.
///
/// A set that is copied names the one before it. Where prune removed that one in the source, the target never gets it,
/// and would look as if it had been lost; so the records of the removals go along, as far back as they lead.
///
/// Only for a set that is just being copied: what the target had, and has no more, is lost there, whatever a rule of
/// the source removed. Otherwise each copy would excuse what somebody removed from the target.
struct CopiedHistory: Sendable {
    private let name: String
    private let source: Catalog
    private let target: Catalog
    private let signatures: (there: SignatureIndex, here: SignatureIndex)
    private let logger: Logger

    /// - Throws: what the stores answer to the listings.
    init(of name: String, from source: Catalog, to target: Catalog, logger: Logger) async throws {
        self.name = name
        self.source = source
        self.target = target
        self.logger = logger
        let folder = try KeyFolder([name])
        signatures = (try await source.signatures(in: folder), try await target.signatures(in: folder))
    }

    /// The signatures of a manifest in the source.
    func signatures(of set: StoredSet) async throws -> [StoredSignature] {
        try await source.signatures(name: name, id: set.manifest.id, manifest: set.bytes, among: signatures.there)
    }

    /// Brings signatures over that a set of the target has got in the source since it was copied.
    func bringSignatures(of set: StoredSet) async throws {
        let id = set.manifest.id
        let here = signatures.here.keys(ofManifest: set.bytes, name: name, id: id)
        let keys = signatures.there.keys(ofManifest: set.bytes, name: name, id: id)
        guard !Set(keys).isSubset(of: here) else { return }
        for signature in try await signatures(of: set) where !here.contains(signature.key) {
            try await target.write(signature)
            logger.info("the signature \(signature.key) is copied")
        }
    }

    /// Brings the records over that lead from a set which is about to be copied back to one that the target has, or of
    /// which it has a record. The oldest comes first: what is there leads all the way back.
    func bringRemovals(before set: StoredSet) async throws {
        guard let previous = set.manifest.previous, try await !isInTarget(previous) else { return }
        let path: [ChainedRemoval]
        do {
            path = try await removals(from: previous)
        } catch let failure as Failure where failure.code == .permissionDenied {
            logger.warning("records of removals are not copied, because they may not be listed: \(failure)")
            return
        }
        for removal in path.reversed() { try await target.keep(removal) }
        if !path.isEmpty { logger.info("\(path.count) records of removals before \(set.title) are copied") }
    }

    private func isInTarget(_ link: Manifest.Link) async throws -> Bool {
        try await target.store.stat(Catalog.manifestKey(name: name, id: link.id)) != nil
    }

    /// Newest first.
    private func removals(from link: Manifest.Link) async throws -> [ChainedRemoval] {
        // Listed only now: prune may have been at work since the copy began.
        let (there, here) = (try await source.removalIndex(of: name), try await target.removalIndex(of: name))
        var path: [ChainedRemoval] = []
        var next: Manifest.Link? = link
        while let link = next {
            if try await target.removal(of: link, among: here) != nil { break }
            if !path.isEmpty, try await isInTarget(link) { break }
            guard let removal = try await source.removal(of: link, among: there) else { break }
            path.append(removal)
            next = removal.record.previous
        }
        return path
    }
}
