// SPDX-License-Identifier: Apache-2.0

import CZstd
import Failures

/// Makes one zstd frame, with a checksum of its content, from bytes that arrive in pieces.
///
/// Used by one task at a time. `compress` may give nothing for a long time: libzstd collects blocks of 128 KiB.
package final class ZstdCompressor {
    private let context: OpaquePointer
    private let scratch: UnsafeMutableRawBufferPointer

    /// - Throws: `.configuration` as `CompressionFormat.level`; `.unclassified` when there is no memory for it.
    package init(level: Int) throws {
        let level = try CompressionFormat.zstd.level(level)
        guard let context = ZSTD_createCCtx() else {
            throw Failure(.unclassified, "start to compress: libzstd has no memory")
        }
        self.context = context
        scratch = .allocate(byteCount: ZSTD_CStreamOutSize(), alignment: 16)
        try check(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(level)), "set the level")
        try check(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1), "turn checksums on")
    }

    deinit {
        ZSTD_freeCCtx(context)
        scratch.deallocate()
    }

    /// Takes the next bytes and gives what of the frame is ready: often nothing.
    /// - Throws: `.unclassified` when libzstd fails, which takes a lack of memory.
    package func compress(_ bytes: UnsafeRawBufferPointer) throws -> [UInt8] {
        try write(bytes, ZSTD_e_continue)
    }

    /// Takes the next bytes and gives what of the frame is ready: often nothing.
    /// - Throws: `.unclassified` when libzstd fails, which takes a lack of memory.
    package func compress(_ bytes: [UInt8]) throws -> [UInt8] {
        try bytes.withUnsafeBytes { try compress($0) }
    }

    /// Ends the frame and gives the rest of it; without any bytes before it is a frame of nothing.
    /// - Throws: `.unclassified` when libzstd fails, which takes a lack of memory.
    package func finish() throws -> [UInt8] {
        try write(UnsafeRawBufferPointer(start: nil, count: 0), ZSTD_e_end)
    }

    private func write(_ bytes: UnsafeRawBufferPointer, _ directive: ZSTD_EndDirective) throws -> [UInt8] {
        var written: [UInt8] = []
        var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        while true {
            var output = ZSTD_outBuffer(dst: scratch.baseAddress, size: scratch.count, pos: 0)
            let left = ZSTD_compressStream2(context, &output, &input, directive)
            try check(left, "compress")
            written.append(contentsOf: scratch[..<output.pos])
            if directive == ZSTD_e_end ? left == 0 : input.pos == input.size { return written }
        }
    }

    private func check(_ code: Int, _ attempt: String) throws {
        guard ZSTD_isError(code) == 0 else {
            throw Failure(.unclassified, "\(attempt): libzstd says \(String(cString: ZSTD_getErrorName(code)))")
        }
    }
}
