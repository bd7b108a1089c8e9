// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import ObjectStorage

/// The record of a set that prune removed, as a store holds it.
package struct ChainedRemoval: Sendable {
    package let record: SetRemoval
    package let key: ObjectKey
    package let bytes: [UInt8]
    package let signatures: [StoredSignature]

    /// Whether a copy brought it: the set was removed from another store.
    package var isFromElsewhere: Bool {
        key.components[2].dropFirst(BackupID.textLength).hasPrefix(SetRemoval.elsewhereMark)
    }

    /// Those of the keys that signed it.
    package func signers(among keys: [VerificationKey]) -> [VerificationKey] {
        signatures.signers(of: bytes, among: keys)
    }
}

/// The records of removals that a listing shows; nothing of them was read.
package struct RemovalIndex: Sendable {
    fileprivate let name: String
    fileprivate let keys: [BackupID: [ObjectKey]]
    fileprivate let signatures: SignatureIndex
    /// The names of all signatures of records of a set.
    private let signatureNames: [BackupID: Set<String>]

    fileprivate init(name: String, _ listed: [ObjectKey]) {
        self.name = name
        let records = listed.filter { $0.components.count == 3 && $0.components[2].hasSuffix(SetRemoval.suffix) }
        keys = Dictionary(grouping: records) { BackupID(String($0.components[2].prefix(BackupID.textLength))) }
            .reduce(into: [:]) { keys, entry in if let id = entry.key { keys[id] = entry.value } }
        signatures = SignatureIndex(listed)
        signatureNames = listed.reduce(into: [:]) { names, key in
            guard let file = key.components.last, SignatureName(file) != nil,
                let id = BackupID(String(file.prefix(BackupID.textLength)))
            else { return }
            names[id, default: []].insert(file)
        }
    }

    /// Whether there is any record of that set.
    package func holds(_ id: BackupID) -> Bool { keys[id] != nil }

    /// Whether that is so of every set.
    package func coversAll(_ other: RemovalIndex) -> Bool {
        other.keys.keys.allSatisfy { covers(other, $0) }
    }

    /// Whether there is nothing of a set in the other store that is not here, as far as names tell: a record, and
    /// every signature that one has there.
    package func covers(_ other: RemovalIndex, _ id: BackupID) -> Bool {
        guard other.keys[id] != nil else { return true }
        return keys[id] != nil && (other.signatureNames[id] ?? []).isSubset(of: signatureNames[id] ?? [])
    }
}

extension Catalog {
    /// How many records are read at once.
    private static let removalsReadAtOnce = 8

    /// What is on record of a subject; one listing.
    /// - Throws: what the store answers to the listing.
    package func removalIndex(of name: String) async throws -> RemovalIndex {
        let keys = try await store.list(under: KeyFolder([SetRemoval.folderName, name])).map(\.key)
        return RemovalIndex(name: name, keys)
    }

    /// The records of the removal of that very set, as far as they can be read.
    package func removals(of link: Manifest.Link, among index: RemovalIndex) async throws -> [ChainedRemoval] {
        var found: [ChainedRemoval] = []
        for key in index.keys[link.id] ?? [] {
            guard let removal = try await removal(at: key, index), removal.record.link == link else { continue }
            found.append(removal)
        }
        return found
    }

    /// Every removal of a subject that is on record, in the order of its sets. One that cannot be read is left out: it
    /// proves nothing.
    /// - Throws: what the store answers to the listing.
    package func removals(of name: String) async throws -> [SetRemoval] {
        try await removalRecords(of: name).map(\.record)
    }

    /// The same, with what the store holds of each, and its signatures.
    /// - Parameter isMeant: which sets are asked for: records of others are not read.
    package func removalRecords(
        of name: String,
        where isMeant: (BackupID) -> Bool = { _ in true }
    ) async throws -> [ChainedRemoval] {
        let index = try await removalIndex(of: name)
        var waiting = index.keys.filter { isMeant($0.key) }.values.joined().makeIterator()
        let found = try await withThrowingTaskGroup(of: ChainedRemoval?.self) { group in
            var found: [ChainedRemoval] = []
            func startNext() {
                guard let key = waiting.next() else { return }
                group.addTask { try await removal(at: key, index) }
            }
            for _ in 0..<Self.removalsReadAtOnce { startNext() }
            while let removal = try await group.next() {
                if let removal { found.append(removal) }
                startNext()
            }
            return found
        }
        return found.sorted { ($0.record.backup, $0.record.removedAt) < ($1.record.backup, $1.record.removedAt) }
    }

    /// `nil` where it is none.
    private func removal(at key: ObjectKey, _ index: RemovalIndex) async throws -> ChainedRemoval? {
        do {
            let bytes = try await store.read(key, bytesMax: SetRemoval.sizeBytesMax).bytes
            let record = try SetRemoval(decoding: bytes)
            guard record.name == index.name, key.components[2].hasPrefix(record.backup.text) else { return nil }
            let signatures = try await signatures(ofRemoval: bytes, under: key, among: index.signatures)
            return ChainedRemoval(record: record, key: key, bytes: bytes, signatures: signatures)
        } catch let failure as Failure where [.corruptManifest, .unsupported, .noSuchObject].contains(failure.code) {
            return nil
        }
    }

    func signatures(
        ofRemoval record: [UInt8],
        under key: ObjectKey,
        among index: SignatureIndex? = nil
    ) async throws -> [StoredSignature] {
        let folder = Array(key.components.dropLast())
        let index = if let index { index } else { try await signatures(in: KeyFolder(folder)) }
        let stem = String(key.components[2].prefix(BackupID.textLength))
        return try await signatures(of: record, stem: stem, in: folder, among: index)
    }

    /// Signs a record that is there.
    package func sign(_ removal: ChainedRemoval, with signer: SigningKey) async throws {
        try await write(signer.signature(ofRemoval: removal.bytes, under: removal.key))
    }

    /// Keeps the record of another store, byte for byte, beside what is there and apart from the records of this one;
    /// with its signatures, as far as they can be such and nothing else lies in their place.
    package func keep(_ removal: ChainedRemoval) async throws {
        for signature in removal.signatures where signature.isUsable {
            // Then it is told as forged; the records behind it do not have to wait for that.
            do { try await write(signature) } catch let failure as Failure where failure.code == .digestMismatch {}
        }
        let mark = SetRemoval.elsewhereMark
        for end in ["", "-" + SHA256Digest.hex(of: removal.bytes).prefix(16)] {
            let key = try removal.record.key(mark + end)
            do {
                try await store.create(key, removal.bytes)
                return
            } catch let failure as Failure where failure.code == .alreadyExists {
                // Another record of a set of that id; or the same, of an earlier try.
                if try await store.read(key, bytesMax: SetRemoval.sizeBytesMax).bytes == removal.bytes { return }
            }
        }
    }
}
