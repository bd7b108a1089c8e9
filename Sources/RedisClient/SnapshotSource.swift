// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import RDB

/// A member that can give a snapshot of its dataset: by its replication stream, or by a `BGSAVE` and the file.
///
/// The contract, which one conformance suite runs against both implementations:
/// - The bytes are one RDB, from its magic to its checksum, as the server wrote them.
/// - The stream ends only at the end of the snapshot; when the connection, the server or the save breaks off before, it
///   throws.
/// - Whatever was sampled before is sampled again after; `SnapshotStream.accept` says whether the snapshot is the one
///   asked for.
/// - Nothing is left at the server when the scope ends, however it ends: no connection, no client in `INFO
///   replication`.
package protocol SnapshotSource: Sendable {
    /// `replication` or `volume`, as in the manifest.
    var method: String { get }

    /// Asks for a snapshot and hands its stream to `body`.
    /// - Throws: `.saveFailed`, `.replicaLinkDown`, `.memberLoading`, `.memberChanged`, `.snapshotNotFresh`,
    ///   `.permissionDenied` with the ACL right that is missing, `.timeout`, `.unreachable`, and what `body` throws.
    func withSnapshot<Result: Sendable>(
        _ body: (SnapshotStream) async throws -> Result
    ) async throws -> Result
}

/// A snapshot on its way.
package struct SnapshotStream: Sendable {
    /// The RDB, as the server wrote it.
    package let bytes: ByteStream
    /// How many bytes will come, where the server says so beforehand (`$len`, or the size of the file).
    package let announcedBytes: Int64?
    /// How many bytes may come, where nothing is announced: the server's `used_memory`.
    package let estimatedBytes: Int64?
    /// The point in the history of the replication that the snapshot stands at, where the server has one.
    package let replication: ReplicationPoint?
    /// From the request to the first byte, in seconds.
    package let saveSeconds: Double
    /// Called after the last byte with what the scanner found: throws if this is not the snapshot that was asked for.
    package let accept: @Sendable (RDBSummary) async throws -> Void

    package init(
        bytes: ByteStream,
        announcedBytes: Int64?,
        estimatedBytes: Int64?,
        replication: ReplicationPoint?,
        saveSeconds: Double,
        accept: @escaping @Sendable (RDBSummary) async throws -> Void
    ) {
        self.bytes = bytes
        self.announcedBytes = announcedBytes
        self.estimatedBytes = estimatedBytes
        self.replication = replication
        self.saveSeconds = saveSeconds
        self.accept = accept
    }
}

/// A point in the history of a replication: its 40 hexadecimal digits of identity, and the offset in bytes.
package struct ReplicationPoint: Sendable, Hashable, Codable {
    package let id: String
    package let offset: Int64

    package init(id: String, offset: Int64) {
        self.id = id
        self.offset = offset
    }
}
