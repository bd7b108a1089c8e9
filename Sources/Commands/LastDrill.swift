// SPDX-License-Identifier: Apache-2.0

import Catalog

/// The newest drill of a set that is on record, for whoever looks at the set.
struct LastDrill {
    private let record: DrillRecord

    /// A store that does not let us look for drills still shows its sets.
    static func find(_ manifest: Manifest, in catalog: Catalog, _ session: Session) async -> LastDrill? {
        // The document for programs is the manifest itself.
        guard session.output == .text else { return nil }
        do {
            let drills = try await catalog.drills(of: manifest.name, set: manifest.id, limit: 1)
            return drills.last.map(LastDrill.init(record:))
        } catch {
            session.logger.warning("could not look for drills of \(manifest.name)/\(manifest.id): \(error)")
            return nil
        }
    }

    var line: String {
        let server = record.server.map { " into \($0.product) \($0.version)" } ?? ""
        let took = record.secondsToRestore.map { ", restored in \(Quantity.duration($0))" } ?? ""
        return "drilled   \(record.startedAt)\(server): \(record.verdict.rawValue)\(took)"
    }
}
