// SPDX-License-Identifier: Apache-2.0

import Age
import ByteStreams
import Catalog
import Compression
import Failures
import ObjectStorage
import RDB
import RedisClient
import Synchronization

/// The one line that every snapshot runs through, in either direction; every byte is seen by all of its stages.
///
///     record    server ─▶ SHA-256 ═▶ scanner ═▶ compression ═▶ encryption ─▶ SHA-256 ─▶ every store (staged)
///     replay    store ─▶ SHA-256 ─▶ decryption ═▶ decompression ─▶ SHA-256 ═▶ scanner ─▶ reader
///
/// The stages at either side of a ═▶ run in tasks of their own, a few chunks apart: memory is bounded by constants.
/// Where nothing is encrypted, compression and what follows it are one task.
package enum SnapshotPipeline {
    /// How many chunks a task may be ahead of the next one.
    package static let chunksAhead = 4

    /// A snapshot that is staged, and proven.
    struct Recorded: Sendable {
        let proof: SnapshotProof
        let staged: StagedCopies
        /// The SHA-256 of the stored bytes.
        let storedSHA256: String
    }

    /// Streams a snapshot into one store or several. Nothing of it is visible there yet.
    ///
    /// - Parameters:
    ///   - subject: whose snapshot it is, for messages: `the snapshot of redis-1`.
    ///   - level: how closely the snapshot is read.
    ///   - encryption: for whom, if at all.
    ///   - stage: takes the compressed, and encrypted, bytes to where they rest.
    /// - Throws: what any stage throws. What was staged is discarded then, also when the snapshot turns out to be
    ///   whole
    ///   but not the one that was asked for.
    static func record(
        _ snapshot: SnapshotStream,
        of subject: String,
        at level: RDBLevel,
        with compression: CompressionChoice,
        _ encryption: EncryptionChoice,
        progress: ProgressMeter.Step,
        stage: @Sendable (ByteStream) async throws -> StagedCopies
    ) async throws -> Recorded {
        let prover = SnapshotProver(subject, level: level)
        let storedDigest = Mutex(SHA256Digest())
        let staged = try await prover.proving(snapshot.bytes) { proven in
            let counted = proven.observed { progress.advance(by: $0.count) }
            return try await counted.withOverlap(depth: chunksAhead) { raw in
                try await compression.compressed(raw) { compressed in
                    try await encryption.encrypted(compressed) { stored in
                        try await stage(stored.observed { chunk in storedDigest.withLock { $0.update(chunk) } })
                    }
                }
            }
        }
        do {
            guard let proof = prover.proof else {
                throw Failure(.truncated, "prove \(subject): the store stopped reading before its end")
            }
            try await check(proof, against: snapshot, of: subject)
            return Recorded(proof: proof, staged: staged, storedSHA256: storedDigest.withLock { $0.hex })
        } catch {
            await staged.discard()
            throw error
        }
    }

    private static func check(_ proof: SnapshotProof, against snapshot: SnapshotStream, of subject: String) async throws
    {
        if let announced = snapshot.announcedBytes, announced != proof.summary.bytes {
            throw Failure(
                .truncated,
                "prove \(subject): \(proof.summary.bytes) bytes came, the server announced \(announced)"
            )
        }
        try await snapshot.accept(proof.summary)
    }

    /// Streams a stored snapshot to `reader`, decrypted and uncompressed, and holds all of it against the manifest.
    ///
    /// `reader` may see bytes before they are proven; the stream throws at its end, at the latest, when they are not
    /// what the manifest says. So a reader that came to the end of its stream has the snapshot.
    /// - Parameters:
    ///   - keyring: what opens it, if it is encrypted.
    ///   - scanner: how the snapshot is read; by default at level deep.
    /// - Throws: `.cannotDecrypt`, before anything is read where the manifest tells; `.digestMismatch`, `.truncated`,
    ///   `.corruptEncryption`, `.corruptCompression`, `.corruptSnapshot`, and what `reader` throws.
    static func replay<Result: Sendable>(
        _ stored: ByteStream,
        of member: Manifest.Member,
        with keyring: AgeKeyring,
        by scanner: RDBScanner = RDBScanner(level: .deep),
        progress: ProgressMeter.Step,
        to reader: @Sendable (ByteStream) async throws -> Result
    ) async throws -> (result: Result, prover: SnapshotProver) {
        let subject = member.subject
        guard let object = member.stored else {
            throw Failure(.noSuchBackup, "read \(subject): the set holds none, \(member.error?.message ?? "")")
        }
        let held = stored.held(against: object, of: subject)
        return try await held.withOpened(object, of: subject, by: keyring) { compressed in
            try await replay(opened: compressed, of: member, by: scanner, progress: progress, to: reader)
        }
    }

    /// The same for bytes that are decrypted already, and that somebody else holds against the manifest.
    static func replay<Result: Sendable>(
        opened compressed: ByteStream,
        of member: Manifest.Member,
        by scanner: RDBScanner,
        progress: ProgressMeter.Step,
        to reader: @Sendable (ByteStream) async throws -> Result
    ) async throws -> (result: Result, prover: SnapshotProver) {
        let subject = member.subject
        guard let expected = member.rdb, let object = member.stored else {
            throw Failure(.noSuchBackup, "read \(subject): the set holds none, \(member.error?.message ?? "")")
        }
        let prover = SnapshotProver(subject, scanner: scanner)
        let raw = try decompressed(compressed, object.compression, bytesMax: expected.bytes)
        let result = try await prover.proving(
            raw,
            accept: { proof in
                guard let difference = expected.difference(from: proof) else { return }
                throw Failure(.digestMismatch, "verify \(subject): \(difference)")
            }
        ) { proven in
            try await reader(proven.observed { progress.advance(by: $0.count) })
        }
        return (result, prover)
    }
}

extension Manifest.Member {
    /// Whose snapshot it is, for messages.
    var subject: String { "the snapshot of \(member)" }
}
