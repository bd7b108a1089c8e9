// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import RDB
import Synchronization

/// What is known of a snapshot whose every byte was read to its proven end.
package struct SnapshotProof: Sendable, Hashable {
    /// What the scanner found.
    package let summary: RDBSummary
    /// The SHA-256 of the uncompressed bytes, as 64 hexadecimal digits.
    package let sha256: String
}

/// Sees every uncompressed byte of a snapshot on its way: scans it as an RDB and takes its SHA-256.
final class SnapshotProver: Sendable {
    private struct State {
        var scanner: RDBScanner
        var digest = SHA256Digest()
        var proof: SnapshotProof?
    }

    private let state = Mutex(State(scanner: RDBScanner(level: .deep)))
    private let subject: String

    /// - Parameter subject: whose snapshot it is, for messages: `the snapshot of redis-1`.
    init(_ subject: String) {
        self.subject = subject
    }

    /// - Throws: `.corruptSnapshot`, `.trailingBytes`.
    func observe(_ chunk: [UInt8]) throws {
        try state.withLock { state in
            try chunk.withUnsafeBytes { bytes in
                try failing { () throws(RDBError) in try state.scanner.consume(bytes) }
                state.digest.update(bytes)
            }
        }
    }

    /// Called once, after the last byte.
    /// - Throws: `.truncated` when the RDB is not at its end.
    @discardableResult
    func finish() throws -> SnapshotProof {
        try state.withLock { state in
            let summary = try failing { () throws(RDBError) in try state.scanner.finish() }
            let proof = SnapshotProof(summary: summary, sha256: state.digest.hex)
            state.proof = proof
            return proof
        }
    }

    /// The proof, once `finish` gave it.
    var proof: SnapshotProof? { state.withLock { $0.proof } }

    private func failing<Value>(_ scan: () throws(RDBError) -> Value) throws -> Value {
        do {
            return try scan()
        } catch {
            throw Failure(error.failureCode, "prove \(subject): \(error)")
        }
    }
}

extension Manifest.Snapshot {
    /// What a manifest says of a snapshot that is proven.
    package init(_ proof: SnapshotProof) {
        let summary = proof.summary
        let digits = String(summary.crc64, radix: 16)
        self.init(
            version: summary.version,
            bytes: summary.bytes,
            sha256: proof.sha256,
            crc64: String(repeating: "0", count: 16 - digits.count) + digits,
            createdAt: summary.createdAtSeconds.map(Timestamp.init(secondsSince1970:)),
            keys: Dictionary(uniqueKeysWithValues: summary.keys.map { ("\($0.key)", $0.value) }),
            expires: summary.expires,
            types: summary.types,
            usedMemory: summary.usedMemoryBytes,
            modules: summary.modules,
            functions: summary.functions
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
        return nil
    }
}

extension RDBError {
    /// What a broken rule means for the exit code.
    fileprivate var failureCode: Failure.Code {
        switch rule {
        case .truncated: .truncated
        case .trailingBytes: .trailingBytes
        case .version: .unsupported
        default: .corruptSnapshot
        }
    }
}
