// SPDX-License-Identifier: Apache-2.0

import CZlib
import Failures

/// A block of bytes as a gzip member of its own (RFC 1952, section 2.2).
///
/// Members one after another are a gzip file, so that blocks can be compressed on all cores at a time; every gunzip
/// reads them. The same block gives the same member: no time and no name stand in it. A file needs at least one
/// member: of nothing, if it has nothing.
package enum GzipMember {
    /// The size of block to cut a stream into: blocks this large cost hardly anything of the ratio.
    package static let blockBytes = 1024 * 1024
    /// A block must not be larger.
    package static let blockBytesMax = 64 * 1024 * 1024

    /// 15 bits of window, 16 for gzip around it.
    static let windowBits: Int32 = 15 + 16
    private static let memoryLevel: Int32 = 8

    /// - Throws: `.configuration` as `CompressionFormat.level`; `.unclassified` when there is no memory for it.
    package static func compress(_ block: [UInt8], level: Int) throws -> [UInt8] {
        precondition(block.count <= blockBytesMax, "a block is at most \(blockBytesMax) bytes")
        let level = try CompressionFormat.gzip.level(level)
        var stream = z_stream()
        let started = deflateInit2_(
            &stream,
            Int32(level),
            Z_DEFLATED,
            windowBits,
            memoryLevel,
            Z_DEFAULT_STRATEGY,
            ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size)
        )
        guard started == Z_OK else { throw Failure(.unclassified, "start to compress: zlib gives code \(started)") }
        defer { deflateEnd(&stream) }
        let room = Int(deflateBound(&stream, UInt(block.count)))
        return try [UInt8](unsafeUninitializedCapacity: room) { output, count in
            let code = block.withUnsafeBufferPointer { input in
                stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                stream.avail_in = UInt32(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(room)
                return deflate(&stream, Z_FINISH)
            }
            // All fits: zlib promises it for the bound.
            guard code == Z_STREAM_END else { throw Failure(.unclassified, "compress: zlib gives code \(code)") }
            count = room - Int(stream.avail_out)
        }
    }
}
