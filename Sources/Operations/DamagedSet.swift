// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures

/// What there is to say when a set that is listed turns out to be damaged while it is restored.
enum DamagedSet {
    /// Runs `body`, which reads a member; names the set and the way out where what it reads is damaged.
    ///
    /// - Parameter place: what is restored into.
    static func explaining<Result: Sendable>(
        _ manifest: Manifest,
        _ member: Manifest.Member,
        into place: String,
        from catalog: Catalog,
        _ body: () async throws -> Result
    ) async throws -> Result {
        do {
            return try await body()
        } catch let failure as Failure where failure.code.meansDamage {
            throw Failure(
                failure.code,
                "restore \(member.member) of \(manifest.name)/\(manifest.id) into \(place): what the store gave is not "
                    + "what the manifest says",
                cause: failure,
                hint: await hint(manifest, member, catalog)
            )
        }
    }

    private static func hint(_ manifest: Manifest, _ member: Manifest.Member, _ catalog: Catalog) async -> String {
        let location = catalog.store.location
        let set = "\(manifest.name)/\(manifest.id)"
        var ways = ["`redoubt verify \(set) --from \(location)` tells which of its members are sound."]
        let others = manifest.storedMembers.filter { $0.member != member.member && $0.shares(historyOf: member) }
        if !others.isEmpty {
            ways.append("Another member of it: --member \(others.map(\.member).joined(separator: ", or ")).")
        }
        if let older = await older(than: manifest, catalog) {
            ways.append("An older set: `redoubt restore \(manifest.name)/\(older) --from \(location) …`.")
        }
        return ways.joined(separator: " ")
    }

    private static func older(than manifest: Manifest, _ catalog: Catalog) async -> BackupID? {
        guard let entries = try? await catalog.entries(of: manifest.name) else { return nil }
        return entries.last { entry in
            if case .complete = entry { return entry.id < manifest.id }
            return false
        }?.id
    }
}

extension Manifest.Member {
    /// Whether two members hold the same data, but for how far they are in it.
    fileprivate func shares(historyOf other: Manifest.Member) -> Bool {
        replication != nil && replication?.id == other.replication?.id
    }
}

extension Failure.Code {
    /// Whether bytes that rest in a store are not what they were.
    var meansDamage: Bool {
        switch self {
        case .corruptSnapshot, .truncated, .trailingBytes, .digestMismatch, .corruptCompression, .corruptEncryption:
            true
        default: false
        }
    }
}
