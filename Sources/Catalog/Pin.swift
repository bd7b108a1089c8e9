// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage

/// Says of a set that nothing may remove it: the object `.pins/<name>/<id>.json`. Format 1, specified in
/// docs/backup-format.md; later versions only add fields.
///
/// That it is there is what counts. One that cannot be read is a pin all the same.
package struct Pin: Sendable, Hashable, NumberedRecord {
    package static let formatNumber = 1
    package static let title = "a pin"

    package var format: Int
    package var name: String
    package var backup: BackupID
    package var pinnedAt: Timestamp
    /// For people: why.
    package var reason: String?
    package var tool: Manifest.Tool

    package init(of backup: BackupID, name: String, reason: String?, tool: Manifest.Tool) {
        format = Self.formatNumber
        self.name = name
        self.backup = backup
        pinnedAt = .now()
        self.reason = reason
        self.tool = tool
    }

    package func validate() {}

    package static let folderName = ".pins"
    fileprivate static let suffix = ".json"
    /// The largest pin that is read, in bytes.
    fileprivate static let sizeBytesMax = 64 << 10

    fileprivate static func key(name: String, id: BackupID) throws -> ObjectKey {
        try ObjectKey([folderName, name, id.text + suffix])
    }
}

extension Catalog {
    /// The sets that are pinned, of a subject or of all, by subject.
    /// - Throws: what the store answers to the listing.
    package func pins(of name: String?) async throws -> [String: Set<BackupID>] {
        let folder = try KeyFolder([Pin.folderName] + (name.map { [$0] } ?? []))
        return Self.pins(among: try await store.list(under: folder).map(\.key))
    }

    /// The same, of what a listing of the whole store shows.
    package static func pins(among keys: [ObjectKey]) -> [String: Set<BackupID>] {
        var pins: [String: Set<BackupID>] = [:]
        for key in keys where key.components[0] == Pin.folderName {
            guard key.components.count == 3, key.components[2].hasSuffix(Pin.suffix),
                let id = BackupID(String(key.components[2].dropLast(Pin.suffix.count)))
            else { continue }
            pins[key.components[1], default: []].insert(id)
        }
        return pins
    }

    /// Whether a set is pinned right now.
    package func isPinned(name: String, id: BackupID) async throws -> Bool {
        try await store.stat(try Pin.key(name: name, id: id)) != nil
    }

    /// What a pin says; `nil` where there is none, or none that can be read.
    package func pin(name: String, id: BackupID) async throws -> Pin? {
        do {
            let bytes = try await store.read(try Pin.key(name: name, id: id), bytesMax: Pin.sizeBytesMax).bytes
            return try? Pin(decoding: bytes)
        } catch let failure as Failure where [.noSuchObject, .unsupported].contains(failure.code) {
            return nil
        }
    }

    /// - Returns: `false` when the set is pinned already: that pin stays as it is.
    package func write(_ pin: Pin) async throws -> Bool {
        do {
            try await store.create(try Pin.key(name: pin.name, id: pin.backup), pin.encoded())
            return true
        } catch let failure as Failure where failure.code == .alreadyExists {
            return false
        }
    }

    /// Removes a pin; it is no error if there is none.
    package func removePin(name: String, id: BackupID) async throws {
        try await store.remove(try Pin.key(name: name, id: id))
    }
}
