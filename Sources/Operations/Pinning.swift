// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import ObjectStorage

/// Pins a set, so that nothing removes it, and takes that back.
package struct Pinning: Sendable {
    package struct Outcome: Sendable {
        package let name: String
        package let id: BackupID
        /// `false` when it was so already.
        package let hasChanged: Bool
    }

    private let catalog: Catalog
    private let tool: Manifest.Tool
    private let timing: LeaseTiming

    package init(_ catalog: Catalog, tool: Manifest.Tool, timing: LeaseTiming = LeaseTiming()) {
        self.catalog = catalog
        self.tool = tool
        self.timing = timing
    }

    /// From when this returns, no run of `prune` removes the set.
    ///
    /// The pin is written first. A run that begins later sees it; one that is under way may have looked before, so its
    /// end is waited for. If the set is there then, it stays.
    /// - Throws: `.noSuchBackup`, also when the set went meanwhile; `.corruptManifest`; `.locked` when a run that
    ///   prunes has not ended for long.
    package func pin(_ reference: BackupReference, name: String?, reason: String?) async throws -> Outcome {
        let manifest = try await catalog.require(reference, name: name)
        let (name, id) = (manifest.name, manifest.id)
        let isNew = try await catalog.write(Pin(of: id, name: name, reason: reason, tool: tool))
        try await waitForPrune(of: name, id)
        do {
            _ = try await catalog.manifest(name: name, id: id)
        } catch let failure as Failure where failure.code == .noSuchBackup {
            try await catalog.removePin(name: name, id: id)
            throw failure
        }
        return Outcome(name: name, id: id, hasChanged: isNew)
    }

    /// - Throws: `.noSuchBackup` when there is neither such a set nor a pin of it.
    package func unpin(_ reference: BackupReference, name: String?) async throws -> Outcome {
        let (name, id) = try await place(of: reference, name: name)
        let isPinned = try await catalog.isPinned(name: name, id: id)
        if isPinned { try await catalog.removePin(name: name, id: id) }
        return Outcome(name: name, id: id, hasChanged: isPinned)
    }

    /// A set that is gone, or damaged, may have a pin all the same.
    private func place(of reference: BackupReference, name: String?) async throws -> (String, BackupID) {
        switch (reference, name) {
        case (.named(let name, let id), _), (.id(let id), .some(let name)):
            if try await catalog.isPinned(name: name, id: id) { return (name, id) }
        case (.id, nil), (.latest, _): break
        }
        let manifest = try await catalog.require(reference, name: name)
        return (manifest.name, manifest.id)
    }

    /// A lease that nobody renews for its lifetime is that of a dead run.
    private func waitForPrune(of name: String, _ id: BackupID) async throws {
        let deadline = ContinuousClock.now + timing.lifetime * 5
        var seen: (version: ObjectVersion, at: ContinuousClock.Instant)?
        while let seated = try await catalog.holder(of: name), seated.lease?.purpose == Prune.purpose {
            if seen?.version != seated.version { seen = (seated.version, .now) }
            if let seen, ContinuousClock.now - seen.at > timing.lifetime { return }
            guard ContinuousClock.now < deadline else {
                throw Failure(
                    .locked,
                    "pin \(name)/\(id): it is pinned, but a run that prunes has not ended, and may have looked before",
                    hint: "Pin it again when that run has ended: then it is certain."
                )
            }
            try await Task.sleep(for: min(timing.interval, .seconds(1)))
        }
    }
}
