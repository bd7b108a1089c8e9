// SPDX-License-Identifier: Apache-2.0

import ObjectStorage

/// A set as a listing shows it: nothing of it was read, not even its manifest.
package struct ListedSet: Sendable, Hashable {
    package let name: String
    package let id: BackupID
    /// Bytes of the members in its folder.
    package let storedBytes: Int64

    package init(name: String, id: BackupID, storedBytes: Int64) {
        self.name = name
        self.id = id
        self.storedBytes = storedBytes
    }

    package var title: String { "\(name)/\(id)" }
}

extension Catalog {
    /// Every set of a subject, or of all, by name and id: one listing, whatever their number.
    /// - Parameter name: the subject; `nil` for all.
    /// - Throws: `.noSuchStore`, and what the store answers.
    package func listedSets(of name: String?) async throws -> [ListedSet] {
        let folder = try name.map { try KeyFolder([$0]) } ?? .root
        let objects = try await store.list(under: folder)
        var bytes: [ArraySlice<String>: Int64] = [:]
        for object in objects where object.key.isMember {
            bytes[object.key.components.dropLast(), default: 0] += object.bytes
        }
        return objects.map(\.key).filter(Self.isManifest).compactMap { key in
            BackupID(key.components[1]).map { id in
                ListedSet(name: key.components[0], id: id, storedBytes: bytes[key.components.dropLast()] ?? 0)
            }
        }
        .sorted { ($0.name, $0.id) < ($1.name, $1.id) }
    }
}
