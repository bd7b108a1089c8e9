// SPDX-License-Identifier: Apache-2.0

import Age
import ByteStreams
import Catalog
import Failures
import Logging
import ObjectStorage
import RDB

/// Reads a backup set again, all of it, and proves it: stored digest, decompression, RDB, and the counts of the
/// manifest.
package struct Verify: Sendable {
    private let catalog: Catalog
    private let level: RDBLevel
    private let isStoredOnly: Bool
    private let meter: ProgressMeter
    private let logger: Logger

    /// - Parameters:
    ///   - level: how closely each snapshot is read.
    ///   - isStoredOnly: whether only the stored bytes are proven, by their SHA-256: what can be done without a key.
    package init(
        _ catalog: Catalog,
        at level: RDBLevel = .deep,
        isStoredOnly: Bool = false,
        meter: ProgressMeter,
        logger: Logger
    ) {
        self.catalog = catalog
        self.level = level
        self.isStoredOnly = isStoredOnly
        self.meter = meter
        self.logger = logger
    }

    /// What was found out about one member.
    package struct Finding: Sendable {
        package let member: Manifest.Member
        /// What the dataset says, where it was read at level content.
        package let contentDigest: String?
        /// Whether the object that is stored is the one that was written.
        package let isStoredProven: Bool
        /// Whether all of the snapshot was read, and is what the manifest says.
        package let isProven: Bool
        /// `nil` when the member is proven as far as was asked for.
        package let failure: Failure?
        /// How long reading took, in seconds.
        package let seconds: Double

        /// What came of it, as a record says it.
        package var verdict: ProofRecord.Verdict {
            guard let failure else { return isProven ? .proven : .stored }
            return failure.code.isOfContent ? .different : .failed
        }

        fileprivate var recorded: ProofRecord.Member {
            ProofRecord.Member(
                of: member,
                verdict: verdict,
                seconds: seconds,
                contentDigest: contentDigest,
                error: failure.map { .init(code: $0.code.rawValue, message: $0.description) }
            )
        }
    }

    /// Verifies every member that is stored. One that fails does not keep the others from being read.
    /// - Throws: `.noSuchBackup` when the set was removed meanwhile; otherwise only when the run is cancelled.
    package func run(_ manifest: Manifest) async throws -> [Finding] {
        var findings: [Finding] = []
        for member in manifest.storedMembers {
            let begun = ContinuousClock.now
            var failure: Failure?
            var proof: SnapshotProof?
            var isStoredProven = false
            do {
                proof = isStoredOnly ? nil : try await verify(member)
                if isStoredOnly { try await verifyStored(member) }
                isStoredProven = true
                logger.info("\(member.member): \(isStoredOnly ? "the stored bytes are proven" : "proven")")
            } catch let lack as Failure where lack.code == .cannotDecrypt {
                failure = try await verifyStored(member, lacking: lack)
                isStoredProven = failure?.code == .cannotDecrypt
                logger.error("\(member.member): \(failure?.description ?? "")")
            } catch {
                try Task.checkCancellation()
                failure = Failure(wrapping: error, attempting: "verify \(member.member)")
                logger.error("\(member.member): \(failure?.description ?? "")")
            }
            let seconds = (ContinuousClock.now - begun) / .seconds(1)
            findings.append(
                Finding(
                    member: member,
                    contentDigest: proof?.summary.content?.description,
                    isStoredProven: isStoredProven,
                    isProven: failure == nil && !isStoredOnly,
                    failure: failure,
                    seconds: seconds
                )
            )
        }
        if findings.contains(where: { $0.verdict == .different }) { try await requireThere(manifest) }
        return findings
    }

    /// A set that was removed while it was read is not a damaged one.
    /// - Throws: `.noSuchBackup`.
    private func requireThere(_ manifest: Manifest) async throws {
        let key = try Catalog.manifestKey(name: manifest.name, id: manifest.id)
        do {
            guard try await catalog.store.stat(key) == nil else { return }
        } catch {
            // Then what was found stands.
            return
        }
        throw Failure(.noSuchBackup, "verify \(manifest.name)/\(manifest.id): it was removed meanwhile")
    }

    private func verify(_ member: Manifest.Member) async throws -> SnapshotProof? {
        let step = meter.begin("verify \(member.member)", expectedBytes: member.rdb?.bytes)
        defer { step.end() }
        return try await catalog.proven(member, by: RDBScanner(level: level), progress: step)
    }

    /// Keeps what was found beside the sets. A set is as proven without its record: a store that may only be read is no
    /// reason to call it failed.
    /// - Parameter writes: whether a record is written; otherwise it is only asked what a closer look found.
    package func keep(
        _ findings: [Finding],
        of manifest: Manifest,
        begunAt begun: Timestamp,
        by tool: Manifest.Tool,
        writes: Bool = true
    ) async -> Kept {
        await keep(
            ProofRecord(
                id: BackupID(time: begun, suffix: .random(in: .min ... .max)),
                of: manifest,
                tool: tool,
                store: catalog.store.location,
                host: ProcessIdentity.current().host,
                level: depth,
                finishedAt: .now(),
                members: findings.map(\.recorded)
            ),
            writes: writes
        )
    }

    /// The same for a set whose manifest cannot be read.
    func keep(_ failure: Failure, of set: ListedSet, begunAt begun: Timestamp, by tool: Manifest.Tool) async {
        _ = await keep(
            ProofRecord(
                id: BackupID(time: begun, suffix: .random(in: .min ... .max)),
                ofUnreadable: set.id,
                name: set.name,
                tool: tool,
                store: catalog.store.location,
                host: ProcessIdentity.current().host,
                level: depth,
                verdict: failure.code == .corruptManifest ? .different : .failed,
                error: .init(code: failure.code.rawValue, message: failure.description)
            )
        )
    }

    /// What became of a record.
    package struct Kept: Sendable {
        /// Where it rests; `nil` where it could not be written, or says nothing.
        package var key: String?
        /// What a closer look found, and this one does not take back.
        package var refutation: Failure?
    }

    private func keep(_ record: ProofRecord, writes: Bool = true) async -> Kept {
        var record = record
        var notes: [ProofNote]?
        if [.proven, .stored].contains(record.verdict) {
            do {
                notes = try await catalog.proofNotes(of: record.name, set: record.backup)
            } catch {
                return unlisted(error, of: record)
            }
        }
        let refutation: Failure?
        switch await standing(before: record, among: notes ?? []) {
        case .unknown(let failure):
            logger.warning("\(failure)")
            return Kept(refutation: failure)
        case .disproof(let failure):
            logger.warning("\(failure)")
            // It had its turn all the same.
            record.verdict = .failed
            record.error = .init(code: failure.code.rawValue, message: failure.description)
            refutation = failure
        case .nothing: refutation = nil
        }
        // A disproof stands, whatever becomes of this record.
        var kept = Kept(refutation: refutation)
        guard writes else { return kept }
        do {
            let key = try await catalog.write(record, beside: notes).description
            if refutation == nil { kept.key = key }
        } catch {
            logger.warning("could not keep the record of this proof in the store (--no-record asks for none): \(error)")
        }
        return kept
    }

    /// How closely it reads, as a record says it.
    private var depth: String { isStoredOnly ? ProofRecord.storedLevel : level.rawValue }

    /// From a glance to the closest look.
    private static let depths = [ProofRecord.storedLevel] + [RDBLevel.framing, .deep, .content].map(\.rawValue)

    /// What stands against a set that a look did not find different.
    private enum Standing {
        case nothing
        /// A closer look found it corrupt.
        case disproof(Failure)
        /// One found it corrupt, and how closely it looked cannot be read now.
        case unknown(Failure)
    }

    /// What a closer look found is not taken back by one that looked less closely. Of a record that is damaged it is
    /// not known how closely it looked: only the closest look takes that back.
    private func standing(before record: ProofRecord, among notes: [ProofNote]) async -> Standing {
        var closest: (note: ProofNote, depth: Int, reading: Failure?)?
        for note in disproofs(among: notes) {
            var (depth, reading) = (Self.depths.count - 1, Failure?.none)
            do {
                let level = try await catalog.proof(note).level
                depth = Self.depths.firstIndex(of: level) ?? depth
            } catch {
                let failure = Failure(wrapping: error, attempting: "read the record of \(note.time)")
                // The set is gone, and its records with it.
                if failure.code == .noSuchObject { continue }
                guard [.corruptManifest, .unsupported].contains(failure.code) else {
                    return .unknown(unknown(failure, of: record))
                }
                reading = failure
            }
            if depth > closest?.depth ?? -1 { closest = (note, depth, reading) }
        }
        guard let closest, closest.depth > Self.depths.firstIndex(of: record.level) ?? 0 else { return .nothing }
        let level = Self.depths[closest.depth]
        let look = closest.reading == nil ? "a look at level \(level)" : "a look of which the record cannot be read"
        return .disproof(
            Failure(
                .digestMismatch,
                "verify \(record.name)/\(record.backup): \(look) found it corrupt "
                    + "on \(closest.note.time), and one at level \(record.level) does not take that back",
                cause: closest.reading,
                hint: "`redoubt verify \(record.name)/\(record.backup) --proof \(level)` looks as closely again."
            )
        )
    }

    private func unknown(_ cause: Failure, of record: ProofRecord) -> Failure {
        Failure(
            cause.code,
            "verify \(record.name)/\(record.backup): whether a closer look found it corrupt before cannot be read",
            cause: cause,
            hint: "Run again: nothing was put on record."
        )
    }

    /// The records that say that the set is different and that no later one takes back. As in the ledger, what is
    /// dated later than now is not believed, and takes nothing back.
    private func disproofs(among notes: [ProofNote]) -> [ProofNote] {
        let now = Timestamp.now()
        let notes = notes.filter { $0.time.isReached(by: now) }
        let good = notes.filter { [.proven, .stored].contains($0.verdict) }.map(\.id).max()
        return notes.filter { note in note.verdict == .different && good.map { note.id > $0 } ?? true }
    }

    /// Where the records cannot be listed, nothing is put on record; and what a closer look may have found stands,
    /// unless none is closer, or who reads may never look for records.
    private func unlisted(_ error: any Error, of record: ProofRecord) -> Kept {
        let failure = Failure(wrapping: error, attempting: "look for the records of \(record.name)/\(record.backup)")
        logger.warning(
            "nothing is put on record: what was found before is not known, the records cannot be listed: \(failure)"
        )
        let isForbidden = [.permissionDenied, .unsupported].contains(failure.code)
        let isClosest = record.level == Self.depths.last
        return Kept(refutation: isForbidden || isClosest ? nil : unknown(failure, of: record))
    }

    private func verifyStored(_ member: Manifest.Member) async throws {
        let step = meter.begin("verify \(member.member)", expectedBytes: member.stored?.bytes)
        defer { step.end() }
        try await catalog.requireSound(member, progress: step)
    }

    /// What cannot be opened is proven as far as it can be.
    /// - Returns: what is to be said: that it is damaged, or that its content is not proven.
    /// - Throws: only when the run is cancelled.
    private func verifyStored(_ member: Manifest.Member, lacking lack: Failure) async throws -> Failure {
        do {
            try await verifyStored(member)
        } catch {
            try Task.checkCancellation()
            return Failure(wrapping: error, attempting: "verify \(member.member)")
        }
        return Failure(
            .cannotDecrypt,
            "verify \(member.member): the object is the one that was stored, and its content is not proven",
            cause: lack,
            hint: (lack.hint.map { $0 + " " } ?? "") + "--stored-only says that no more is wanted."
        )
    }

    /// Verifies a file that is in no store: a plain RDB, or one compressed and encrypted by its suffixes.
    /// - Throws: `.corruptSnapshot`, `.truncated`, `.trailingBytes`, `.corruptCompression`, `.corruptEncryption`,
    ///   `.cannotDecrypt`, `.inputOutput`.
    package static func run(
        file path: String,
        with keyring: AgeKeyring = AgeKeyring(),
        at level: RDBLevel = .deep,
        meter: ProgressMeter
    ) async throws -> SnapshotProof {
        try await withSnapshotFile(path) { sizeBytes, chunks in
            let step = meter.begin("verify \(path)", expectedBytes: sizeBytes)
            defer { step.end() }
            let counted = chunks.observed { step.advance(by: $0.count) }
            let prover = SnapshotProver(path, level: level)
            try await counted.withContent(ofFile: path, with: keyring) { raw in
                try await prover.proving(raw) { proven in
                    for try await _ in proven {}
                }
            }
            guard let proof = prover.proof else { preconditionFailure("a stream that ended is proven") }
            return proof
        }
    }
}

extension Catalog {
    /// Reads the snapshot of a member to its end, and holds all of it against the manifest.
    /// - Throws: what `withStoredBytes` and `SnapshotPipeline.replay` throw.
    func proven(
        _ member: Manifest.Member,
        by scanner: RDBScanner,
        progress: ProgressMeter.Step
    ) async throws -> SnapshotProof? {
        try await withStoredBytes(of: member) { stored in
            try await SnapshotPipeline.replay(stored, of: member, with: keyring, by: scanner, progress: progress) {
                chunks in
                for try await _ in chunks {}
            }.prover.proof
        }
    }

    /// Reads a member's object as it is stored.
    /// - Throws: `.digestMismatch` when the object of a set that is listed is not there.
    func withStoredBytes<Result: Sendable>(
        of member: Manifest.Member,
        _ body: (ByteStream) async throws -> Result
    ) async throws -> Result {
        guard let stored = member.stored, let key = ObjectKey(parsing: stored.key) else {
            throw Failure(.noSuchBackup, "read \(member.member): the set holds no snapshot of it")
        }
        do {
            return try await store.withObject(key) { _, chunks in try await body(chunks) }
        } catch let failure as Failure where failure.code == .noSuchObject {
            throw Failure(
                .digestMismatch,
                "read \(key) in \(store.location): the manifest names it, and it is not there",
                hint: "Something else removed it. Choose another member or another backup."
            )
        }
    }
}
