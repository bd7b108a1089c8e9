// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage

/// A slip in the URL of a store looks like a store without backups: what there is instead says which it is.
extension Catalog {
    /// What a store holds where a subject has no backup in it.
    package struct Instead: Sendable {
        /// The subjects that have backups.
        package let subjects: [String]
        /// Whether nothing at all is there that this program could have written.
        package let isBare: Bool
    }

    /// - Throws: `.configuration` when the location is the folder of a subject; what the store answers.
    package func instead(among keys: [ObjectKey]) throws -> Instead {
        try requireStore(among: keys)
        return Instead(
            subjects: Set(keys.filter(Self.isManifest).map { $0.components[0] }).sorted(),
            isBare: !keys.contains { $0.isPartOfSet || Self.isManifest($0) || $0.components[0].hasPrefix(".") }
        )
    }

    /// As above, by a listing of the whole store.
    package func instead() async throws -> Instead { try instead(among: try await keys(of: nil)) }

    /// - Throws: `.configuration` when the sets of a subject lie at the root: then it is a folder of another store.
    package func requireStore(among keys: [ObjectKey]) throws {
        let stray = keys.first { key in
            key.components.count == 2 && key.components[1] == Self.manifestFileName
                && BackupID(key.components[0]) != nil
        }
        guard let stray else { return }
        throw Failure(
            .configuration,
            "look for backups in \(store.location): it holds \(stray) itself, so it is the folder of a subject, and no "
                + "store",
            hint: Self.parent(of: store.location).map { parent in
                "Did you mean \(parent.location)? There the subject is called \(parent.name)."
            } ?? "A store holds <name>/<id>/manifest.json: give the folder that holds the folder of the subject."
        )
    }

    /// As above, by a listing of the whole store. What else lies there may be a lot, or not be readable: that is no
    /// reason to refuse anything, nor to wait for long.
    package func requireStore() async throws {
        let keys: [ObjectKey]
        do {
            keys = try await withTimeLimit(Self.lookPatience, to: "look for other subjects in \(store.location)") {
                try await self.keys(of: nil)
            }
        } catch {
            try Task.checkCancellation()
            return
        }
        try requireStore(among: keys)
    }

    private static let lookPatience: Duration = .seconds(10)

    /// What a location lies in, and how it is called there; `nil` where that is no place for a store.
    static func parent(of location: String) -> (location: String, name: String)? {
        guard let scheme = location.firstRange(of: "://"),
            let slash = location[scheme.upperBound...].lastIndex(of: "/"), slash > scheme.upperBound
        else { return nil }
        return (String(location[..<slash]), String(location[location.index(after: slash)...]))
    }
}
