// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage

extension Catalog {
    /// How many records of a set are kept, besides the newest of each depth, the newest attempt that looked further
    /// than at the stored bytes, and those that say that it is different.
    private static let proofsKept = 3
    /// How many are removed at a time at the most: where nothing can be removed they pile up.
    private static let proofsRemovedMax = 16

    /// Writes what a verify found, beside the sets, and thins out older records of that set: the newest three
    /// stay, the newest proof of each depth, the newest attempt that looked further than at the stored bytes, and all
    /// that say that it is different.
    /// - Parameter notes: what is on record of that set, where the caller has listed it; otherwise it is listed here.
    /// - Throws: what the store answers; `.permissionDenied` or `.inputOutput` where it may only be read. That an older
    ///   record could not be removed is no failure.
    @discardableResult
    package func write(_ record: ProofRecord, beside notes: [ProofNote]? = nil) async throws -> ObjectKey {
        let key = try record.note.key
        try await store.create(key, try record.encoded())
        if let notes {
            await thin(notes + [record.note])
        } else if let notes = try? await proofNotes(of: record.name, set: record.backup) {
            await thin(notes)
        }
        return key
    }

    /// The right to remove belongs to another identity in many buckets, so nothing depends on it.
    /// What is dated later than now is not believed, and takes the place of nothing.
    private func thin(_ notes: [ProofNote]) async {
        let now = Timestamp.now()
        let newest = notes.filter { $0.time.isReached(by: now) }.sorted { $0.id > $1.id }
        let proofs = [ProofRecord.Verdict.proven, .stored].map { depth in newest.first { $0.verdict == depth } }
        let kept = Set(proofs + [newest.first { !$0.isShallow }])
        let spare = newest.dropFirst(Self.proofsKept).filter { $0.verdict != .different && !kept.contains($0) }
        for note in spare.prefix(Self.proofsRemovedMax) {
            guard let key = try? note.key else { return }
            do { try await store.remove(key) } catch { return }
        }
    }

    /// What the keys of all records of a subject, or of all subjects, tell: one listing, and nothing is read.
    /// - Parameters:
    ///   - name: the subject; `nil` for all.
    ///   - set: one of its sets; `nil` for all.
    /// - Throws: what the store answers to the listing.
    package func proofNotes(of name: String?, set: BackupID? = nil) async throws -> [ProofNote] {
        let path = (name.map { [$0] } ?? []) + (name != nil ? set.map { [$0.text] } ?? [] : [])
        let folder = try KeyFolder([ProofRecord.folderName] + path)
        return try await store.list(under: folder).map(\.key).compactMap(ProofNote.init)
    }

    /// Which set was examined when; one listing.
    /// - Throws: what the store answers to the listing.
    package func proofLedger(of name: String?) async throws -> ProofLedger {
        ProofLedger(try await proofNotes(of: name))
    }

    /// The newest records of a subject, or of one of its sets, oldest first.
    ///
    /// One that cannot be read is left out: it proves nothing.
    /// - Parameter limit: how many are read at the most.
    /// - Throws: what the store answers to the listing.
    package func proofs(of name: String, set: BackupID? = nil, limit: Int) async throws -> [ProofRecord] {
        let notes = try await proofNotes(of: name, set: set)
        var records: [ProofRecord] = []
        for note in notes.sorted(by: { $0.id < $1.id }).suffix(limit) {
            do {
                records.append(try await proof(note))
            } catch let failure as Failure
                where [.corruptManifest, .unsupported, .noSuchObject].contains(failure.code)
            {
                continue
            }
        }
        return records
    }

    /// One record.
    /// - Throws: `.noSuchObject`; `.corruptManifest` and `.unsupported` where it cannot be read, or is not what its key
    ///   says; what the store answers.
    package func proof(_ note: ProofNote) async throws -> ProofRecord {
        let key = try note.key
        let record = try ProofRecord(decoding: try await store.read(key, bytesMax: ProofRecord.sizeBytesMax).bytes)
        guard note.fits(record) else {
            throw Failure(.corruptManifest, "read \(key) in \(store.location): it is the record of another proof")
        }
        return record
    }

    /// Removes the records of a set that is gone, for whoever removed it. What cannot be removed does no harm.
    /// - Returns: how many were removed.
    @discardableResult
    package func removeProofs(of name: String, set: BackupID) async -> Int {
        guard let folder = try? KeyFolder([ProofRecord.folderName, name, set.text]),
            let keys = try? await store.list(under: folder).map(\.key)
        else { return 0 }
        var removed = 0
        for key in keys where ProofNote(key) != nil {
            do { try await store.remove(key) } catch { return removed }
            removed += 1
        }
        return removed
    }
}
