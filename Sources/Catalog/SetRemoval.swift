// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import FoundationEssentials
import ObjectStorage

/// That a set was removed by a rule, and not lost: the object `.removed/<name>/<id>.json`, written before the set goes.
/// Format 1, specified in docs/backup-format.md; later versions only add fields.
///
/// It says nothing about a set that is there: then its removal did not come to that point.
package struct SetRemoval: Sendable, Hashable, Codable {
    package static let formatNumber = 1

    package var format: Int
    package var name: String
    package var backup: BackupID
    package var removedAt: Timestamp
    /// The rules that were given, and why none of them kept the set.
    package var policy: String
    package var reason: String
    package var tool: Manifest.Tool
    /// Of the manifest, byte for byte as the store held it.
    package var manifestSha256: String

    package init(
        of backup: BackupID,
        name: String,
        policy: String,
        reason: String,
        tool: Manifest.Tool,
        manifest: [UInt8]
    ) {
        format = Self.formatNumber
        self.name = name
        self.backup = backup
        removedAt = .now()
        self.policy = policy
        self.reason = reason
        self.tool = tool
        manifestSha256 = SHA256Digest.hex(of: manifest)
    }

    package static let folderName = ".removed"
    fileprivate static let suffix = ".json"
    /// The largest record that is read, in bytes.
    fileprivate static let sizeBytesMax = 64 << 10

    fileprivate func key(_ mark: String = "") throws -> ObjectKey {
        try ObjectKey([Self.folderName, name, backup.text + mark + Self.suffix])
    }

    /// As JSON: sorted keys, two-space indentation, a final newline.
    package func encoded() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
    }

    /// - Throws: `.corruptManifest`, `.unsupported`.
    package init(decoding bytes: [UInt8]) throws {
        struct FormatOnly: Decodable { let format: Int }
        let decoder = JSONDecoder()
        do {
            let format = try decoder.decode(FormatOnly.self, from: Data(bytes)).format
            guard format == Self.formatNumber else {
                throw Failure(.unsupported, "read the record of a removal: it is of format \(format)")
            }
            self = try decoder.decode(SetRemoval.self, from: Data(bytes))
        } catch let error as DecodingError {
            throw Failure(.corruptManifest, "read the record of a removal: it is none", cause: error)
        }
        guard manifestSha256.utf8.count == 64, manifestSha256.allSatisfy(\.isHexDigit) else {
            throw Failure(.corruptManifest, "read the record of a removal: its digest cannot be one")
        }
    }
}

extension Catalog {
    /// Writes that a set is removed, unless that is on record already.
    ///
    /// A set that was removed, brought back by a copy and is removed again with another manifest gets another record:
    /// none is ever overwritten.
    /// - Returns: the key, where the record is new.
    package func write(_ removal: SetRemoval) async throws -> ObjectKey? {
        for key in [try removal.key(), try removal.key("-" + removal.manifestSha256.prefix(16))] {
            do {
                try await store.create(key, try removal.encoded())
                return key
            } catch let failure as Failure where failure.code == .alreadyExists {
                let other = try await store.read(key, bytesMax: SetRemoval.sizeBytesMax).bytes
                let recorded = try? SetRemoval(decoding: other)
                if recorded?.manifestSha256 == removal.manifestSha256 { return nil }
            }
        }
        throw Failure(
            .corruptManifest,
            "record the removal of \(removal.name)/\(removal.backup) in \(store.location): "
                + "what is there cannot be read",
            hint: "Look at what is in \(SetRemoval.folderName)/\(removal.name)/ and remove what is damaged."
        )
    }

    /// Every removal of a subject that is on record, in the order of its sets. One that cannot be read is left out: it
    /// proves nothing.
    /// - Throws: what the store answers to the listing.
    package func removals(of name: String) async throws -> [SetRemoval] {
        let folder = try KeyFolder([SetRemoval.folderName, name])
        var found: [SetRemoval] = []
        for key in try await store.list(under: folder).map(\.key) where key.components.count == 3 {
            do {
                let bytes = try await store.read(key, bytesMax: SetRemoval.sizeBytesMax).bytes
                let removal = try SetRemoval(decoding: bytes)
                if removal.name == name, key.components[2].hasPrefix(removal.backup.text) { found.append(removal) }
            } catch let failure as Failure
                where [.corruptManifest, .unsupported, .noSuchObject].contains(failure.code)
            {
                continue
            }
        }
        return found.sorted { ($0.backup, $0.removedAt) < ($1.backup, $1.removedAt) }
    }
}
