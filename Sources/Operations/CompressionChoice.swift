// SPDX-License-Identifier: Apache-2.0

import Age
import ByteStreams
import Compression
import Failures
import FoundationEssentials
import Synchronization

/// How snapshots are compressed.
package struct CompressionChoice: Sendable, Hashable {
    package let format: CompressionFormat
    package let level: Int

    /// - Parameter level: the usual one of the format when `nil`.
    /// - Throws: `.configuration` for a level that the format does not have, or that cannot be trusted here.
    package init(_ format: CompressionFormat, level: Int? = nil) throws {
        self.format = format
        self.level = try format.level(level)
    }

    /// `zstd`, `gzip` or `none`, as in the manifest.
    var name: String { format.rawValue }
    /// `.zst`, `.gz` or nothing.
    var fileSuffix: String { format.fileSuffix }

    /// Gives `body` the compressed bytes. gzip is compressed on all cores, in members of one block each.
    func compressed<Result: Sendable>(
        _ raw: ByteStream,
        _ body: (ByteStream) async throws -> Result
    ) async throws -> Result {
        switch format {
        case .none:
            return try await body(raw)
        case .zstd:
            let compressor = Mutex(try ZstdCompressor(level: level))
            return try await body(
                raw.transformed(
                    { chunk in try compressor.withLock { try $0.compress(chunk) } },
                    finish: { try compressor.withLock { try $0.finish() } }
                )
            )
        case .gzip:
            let cores = ProcessInfo.processInfo.activeProcessorCount
            return try await raw.rechunked(to: GzipMember.blockBytes).mappedConcurrently(
                width: cores,
                transform: { block in try GzipMember.compress(block, level: level) },
                reading: body
            )
        }
    }
}

extension SnapshotPipeline {
    /// The bytes behind a stored stream.
    /// - Parameters:
    ///   - name: as in the manifest.
    ///   - bytesMax: how many bytes may come out; more is refused before they are made (F53).
    /// - Throws: `.unsupported` for a compression that is not known here.
    static func decompressed(_ stored: ByteStream, _ name: String, bytesMax: Int64) throws -> ByteStream {
        guard let format = CompressionFormat(rawValue: name) else {
            throw Failure(
                .unsupported,
                "decompress with \(String(reflecting: name)): that is not known here",
                hint: "Use a newer redoubt."
            )
        }
        return try decompressed(stored, format, bytesMax: bytesMax)
    }

    fileprivate static func decompressed(
        _ stored: ByteStream,
        _ format: CompressionFormat,
        bytesMax: Int64
    ) throws -> ByteStream {
        let decompressor = Mutex(try Decompressor(format, bytesMax: bytesMax))
        return stored.expanded(
            feed: { chunk in decompressor.withLock { $0.feed(chunk) } },
            drain: { try decompressor.withLock { try $0.drain() } },
            finish: { try decompressor.withLock { try $0.finish() } }
        )
    }
}

extension ByteStream {
    /// Gives `body` the RDB that a file holds, by the suffixes of its name. It has no manifest that could bound it;
    /// nothing of it is kept.
    func withContent<Result>(
        ofFile path: String,
        with keyring: AgeKeyring,
        _ body: (ByteStream) async throws -> Result
    ) async throws -> Result {
        let isEncrypted = path.hasSuffix(EncryptionChoice.fileSuffix)
        let inner = isEncrypted ? String(path.dropLast(EncryptionChoice.fileSuffix.count)) : path
        func decompressed(_ stored: ByteStream) throws -> ByteStream {
            try SnapshotPipeline.decompressed(stored, CompressionFormat(fileName: inner), bytesMax: .max)
        }
        guard isEncrypted else {
            return try await withOverlap(depth: SnapshotPipeline.chunksAhead) { try await body(try decompressed($0)) }
        }
        do {
            return try await withDecrypted(by: keyring) { try await body(try decompressed($0)) }
        } catch let failure as Failures.Failure where failure.code == .cannotDecrypt {
            throw failure.during("read \(path)")
        }
    }
}
