// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import RDB
import Synchronization

/// What is known of a snapshot whose every byte was read to its proven end.
package struct SnapshotProof: Sendable, Hashable {
    /// How closely the scanner looked.
    package let level: RDBLevel
    /// What the scanner found.
    package let summary: RDBSummary
    /// The SHA-256 of the uncompressed bytes, as 64 hexadecimal digits.
    package let sha256: String
}

/// Sees every uncompressed byte of a snapshot on its way: scans it as an RDB and takes its SHA-256.
///
/// Neither waits for the other: the digest is a chain of dependent instructions that nothing but another core can
/// overlap, and takes about as long as the scanner.
package final class SnapshotProver: Sendable {
    private let digest = Mutex(SHA256Digest())
    private let scanner: Mutex<RDBScanner>
    private let proven = Mutex<SnapshotProof?>(nil)
    private let subject: String

    /// - Parameters:
    ///   - subject: whose snapshot it is, for messages: `the snapshot of redis-1`.
    ///   - scanner: one that has read nothing yet; its level says how closely it looks.
    package init(_ subject: String, scanner: RDBScanner) {
        self.subject = subject
        self.scanner = Mutex(scanner)
    }

    package convenience init(_ subject: String, level: RDBLevel = .deep) {
        self.init(subject, scanner: RDBScanner(level: level))
    }

    /// Gives `body` the same chunks, which are digested in a task of their own, a few chunks ahead, and scanned when
    /// they are read. Called once.
    ///
    /// The stream comes to its end only when the snapshot is proven. Before, it throws what `raw` throws, after the
    /// chunks before it; `.corruptSnapshot`, `.trailingBytes`, `.unsupported` at the first chunk that breaks a rule;
    /// `.truncated` when the RDB is not at its end, and what `accept` throws.
    /// - Parameter accept: called once, with the proof, before the stream ends.
    package func proving<Result: Sendable>(
        _ raw: ByteStream,
        accept: @escaping @Sendable (SnapshotProof) throws -> Void = { _ in },
        _ body: (ByteStream) async throws -> Result
    ) async throws -> Result {
        let digested = raw.observed { chunk in self.digest.withLock { $0.update(chunk) } }
        return try await digested.withOverlap(depth: SnapshotPipeline.chunksAhead) { digested in
            try await body(
                digested.transformed(
                    { chunk in
                        try self.scan(chunk)
                        return chunk
                    },
                    finish: {
                        try accept(try self.finish())
                        return []
                    }
                )
            )
        }
    }

    /// The proof, once the stream has come to its end.
    package var proof: SnapshotProof? { proven.withLock { $0 } }

    /// What the scanner took note of, if it was made to, and the time of the snapshot in milliseconds since 1970.
    var notes: (census: RDBCensus?, snapshotTime: Int64?) { scanner.withLock { ($0.census, $0.snapshotTime) } }

    private func scan(_ chunk: [UInt8]) throws {
        try scanner.withLock { scanner in
            try chunk.withUnsafeBytes { bytes in
                try failing { () throws(RDBError) in try scanner.consume(bytes) }
            }
        }
    }

    /// Every chunk has been digested: the reader came to the end of what the digest let through.
    private func finish() throws -> SnapshotProof {
        let (level, summary) = try scanner.withLock { scanner in
            (scanner.level, try failing { () throws(RDBError) in try scanner.finish() })
        }
        let proof = SnapshotProof(level: level, summary: summary, sha256: digest.withLock { $0.hex })
        proven.withLock { $0 = proof }
        return proof
    }

    private func failing<Value>(_ scan: () throws(RDBError) -> Value) throws -> Value {
        do {
            return try scan()
        } catch {
            throw Failure(error.failureCode, "prove \(subject): \(error)")
        }
    }
}

extension Manifest.Member {
    /// How closely to read a snapshot that was proven before: as then, and no closer than deep. What a later program
    /// would refuse was good enough to be committed, and its digests tell that it is still the same.
    var provenLevel: RDBLevel {
        rdb?.proof.flatMap(RDBLevel.init(rawValue:)) == .framing ? .framing : .deep
    }
}

extension Manifest.Snapshot {
    /// What a manifest says of a snapshot that is proven.
    package init(_ proof: SnapshotProof) {
        let summary = proof.summary
        self.init(
            version: summary.version,
            bytes: summary.bytes,
            sha256: proof.sha256,
            crc64: summary.crc64Text,
            createdAt: summary.createdAtSeconds.map(Timestamp.init(secondsSince1970:)),
            keys: Dictionary(uniqueKeysWithValues: summary.keys.map { ("\($0.key)", $0.value) }),
            expires: summary.expires,
            types: summary.types,
            usedMemory: summary.usedMemoryBytes,
            modules: summary.modules,
            functions: summary.functions,
            proof: proof.level.rawValue,
            contentDigest: summary.content?.description
        )
    }

    /// The first thing in which a proof differs from what the manifest says, or `nil` if it is the same snapshot.
    func difference(from proof: SnapshotProof) -> String? {
        let found = Manifest.Snapshot(proof)
        if found.bytes != bytes { return "it has \(found.bytes) bytes, the manifest says \(bytes)" }
        if found.sha256 != sha256 { return "its SHA-256 is \(found.sha256), the manifest says \(sha256)" }
        if found.crc64 != crc64 { return "its CRC-64 is \(found.crc64), the manifest says \(crc64)" }
        if found.version != version { return "its RDB version is \(found.version), the manifest says \(version)" }
        if found.keys != keys { return "its keys a database are \(found.keys), the manifest says \(keys)" }
        if found.expires != expires { return "it has \(found.expires) expiries, the manifest says \(expires)" }
        if found.types != types { return "its keys a type are \(found.types), the manifest says \(types)" }
        if let digest = proof.summary.content, let contentDigest, digest.isComparable(with: contentDigest),
            digest.description != contentDigest
        {
            return "its content digest is \(digest), the manifest says \(contentDigest)"
        }
        return nil
    }
}

extension RDBError {
    /// What a broken rule means for the exit code.
    var failureCode: Failure.Code {
        switch rule {
        case .truncated: .truncated
        case .trailingBytes: .trailingBytes
        case .version, .rewriting: .unsupported
        default: .corruptSnapshot
        }
    }
}
