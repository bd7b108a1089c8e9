// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Logging
import ObjectStorage

/// That a set was removed by a rule, and not lost: the object `.removed/<name>/<id>.json`, written before the set goes.
/// Format 1, specified in docs/backup-format.md; later versions only add fields.
///
/// It says nothing about a set that is there: then its removal did not come to that point.
package struct SetRemoval: Sendable, Hashable, NumberedRecord {
    package static let formatNumber = 1
    package static let title = "the record of a removal"

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
    /// What that manifest said of the set before: the chain goes on there.
    package var previous: Manifest.Link?

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
        previous = (try? Manifest(decoding: manifest))?.previous
    }

    /// What the manifest of the next set says of this one.
    package var link: Manifest.Link { Manifest.Link(id: backup, manifestSha256: manifestSha256) }

    package static let folderName = ".removed"
    /// Behind the id in the key of a record that a copy brought: it tells what became of a set in another store, and
    /// nothing of a loss in this one.
    static let elsewhereMark = "-elsewhere"
    static let suffix = ".json"
    /// The largest record that is read, in bytes.
    static let sizeBytesMax = 64 << 10

    func key(_ mark: String = "") throws -> ObjectKey {
        try ObjectKey([Self.folderName, name, backup.text + mark + Self.suffix])
    }

    package func validate() throws {
        guard manifestSha256.utf8.count == 64, manifestSha256.allSatisfy(\.isHexDigit) else {
            throw Self.broken("its digest cannot be one")
        }
        // A chain goes back, or it would never end.
        if let previous, previous.id >= backup || previous.manifestSha256.utf8.count != 64 {
            throw Self.broken("what it says of the set before cannot be")
        }
    }
}

extension Catalog {
    /// Writes that a set is removed, unless that is on record already.
    ///
    /// A set that was removed, brought back by a copy and is removed again with another manifest gets another record:
    /// none is ever overwritten.
    /// - Returns: the key, where the record is new.
    package func write(_ removal: SetRemoval, signedWith signer: SigningKey? = nil) async throws -> ObjectKey? {
        let bytes = try removal.encoded()
        let marks = ["", "-" + removal.manifestSha256.prefix(16), "-" + SHA256Digest.hex(of: bytes).prefix(16)]
        for key in try marks.map(removal.key) {
            do {
                if let signer { try await write(signer.signature(ofRemoval: bytes, under: key)) }
                try await store.create(key, bytes)
                return key
            } catch let failure as Failure where failure.code == .alreadyExists {
                let other = try await store.read(key, bytesMax: SetRemoval.sizeBytesMax).bytes
                let recorded = try? SetRemoval(decoding: other)
                guard let recorded, recorded.link == removal.link, recorded.previous == removal.previous else {
                    continue
                }
                // Somebody else's record of it, or one from before there was a key, is not ours.
                guard let signer else { return nil }
                let found = try await signatures(ofRemoval: other, under: key)
                if !found.signers(of: other, among: [signer.verificationKey]).isEmpty { return nil }
            }
        }
        throw Failure(
            .corruptManifest,
            "record the removal of \(removal.name)/\(removal.backup) in \(store.location): "
                + "what is there cannot be read",
            hint: "Look at what is in \(SetRemoval.folderName)/\(removal.name)/ and remove what is damaged."
        )
    }

    /// Takes back what is on record of the removal of a set that is there again: it would excuse a later loss.
    /// Records that a copy brought stay: they say that the set was removed elsewhere. What cannot go is told.
    package func takeBackRemovals(of link: Manifest.Link, name: String, logger: Logger) async {
        let folder = [SetRemoval.folderName, name]
        for mark in ["", "-" + link.manifestSha256.prefix(16)] {
            do {
                let key = try ObjectKey(folder + [link.id.text + mark + SetRemoval.suffix])
                guard try await store.stat(key) != nil else { continue }
                let bytes = try await store.read(key, bytesMax: SetRemoval.sizeBytesMax).bytes
                guard (try? SetRemoval(decoding: bytes))?.link == link else { continue }
                await takeBack(key, name: name, id: link.id)
                guard try await store.stat(key) == nil else {
                    throw Failure(.retained, "remove \(key) in \(store.location): it is still there")
                }
                logger.notice("\(name)/\(link.id) is there again: the record of its removal was taken back")
            } catch {
                logger.warning(
                    """
                    \(name)/\(link.id) is there again, and a record still says that it was pruned, which would excuse \
                    a later loss: \(error)
                    """
                )
            }
        }
    }

    /// Takes the record of a removal back that did not happen, as far as that can be, and its signatures.
    package func takeBack(_ record: ObjectKey?, name: String, id: BackupID) async {
        guard let record, let key = try? Self.manifestKey(name: name, id: id),
            let manifest = try? await store.stat(key), manifest.key == key
        else { return }
        let bytes = try? await store.read(record, bytesMax: SetRemoval.sizeBytesMax).bytes
        _ = try? await store.remove(record)
        guard let bytes, let signatures = try? await signatures(ofRemoval: bytes, under: record) else { return }
        for signature in signatures { _ = try? await store.remove(signature.key) }
    }
}
