// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Compression
import Failures

/// How snapshots are compressed.
package struct CompressionChoice: Sendable, Hashable {
    package let format: CompressionFormat
    package let level: Int

    /// `zstd`, `gzip` or `none`, as in the manifest.
    var name: String { format.rawValue }
    /// `.zst`, `.gz` or nothing.
    var fileSuffix: String { format.fileSuffix }

    func compressed<R: Sendable>(_ raw: ByteStream, _ body: (ByteStream) async throws -> R) async throws -> R {
        try await body(raw)
    }
}

extension SnapshotPipeline {
    static func decompressed(_ stored: ByteStream, _ name: String, bytesMax: Int64) throws -> ByteStream {
        stored
    }
    static func decompressed(_ stored: ByteStream, fileName: String) throws -> ByteStream {
        stored
    }
}
extension CompressionChoice { package init(_ f: CompressionFormat, level: Int?) throws { format = f; self.level = level ?? 1 } }
