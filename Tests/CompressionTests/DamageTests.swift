// SPDX-License-Identifier: Apache-2.0

import Compression
import Failures
import Testing

@Suite struct DamageTests {
    @Test(arguments: [CompressionFormat.zstd, .gzip])
    func everyTruncationIsRefused(format: CompressionFormat) throws {
        let stored = try compress(sample(3000), format)
        for count in 0..<stored.count {
            #expect(failure { try decompress(Array(stored[..<count]), format) } == .truncated)
            let second = stored + stored[..<count]
            let code = failure { try decompress(second, format) }
            // Cut at the end of the first, it is whole.
            #expect(code == (count == 0 ? nil : .truncated))
        }
    }

    @Test(arguments: [CompressionFormat.zstd, .gzip])
    func everyBitThatTurnsOverIsNoticedOrHarmless(format: CompressionFormat) throws {
        let content = sample(400)
        let stored = try compress(content, format)
        var harmless = 0
        for bit in 0..<(stored.count * 8) {
            var damaged = stored
            damaged[bit / 8] ^= 1 << (bit % 8)
            guard let read = try? decompress(damaged, format, bytesMax: content.count) else { continue }
            harmless += 1
            #expect(read == content, "bit \(bit)")
        }
        // Time, system and the like in the header of gzip; the unused bit and the window in that of zstd.
        #expect(harmless < 80)
    }

    @Test(
        arguments: [CompressionFormat.zstd, .gzip],
        [[0], [0, 0, 0, 0], [10], [0x28], [0x1f], Array("garbage".utf8)] as [[UInt8]]
    )
    func whatFollowsAStreamIsRefused(format: CompressionFormat, garbage: [UInt8]) throws {
        let stored = try compress(sample(1000), format)
        // What may become another frame or member, and stops there, is one that is cut off.
        let begins = garbage == [format == .zstd ? 0x28 : 0x1f]
        let expected: Failure.Code = begins ? .truncated : .trailingBytes
        #expect(failure { try decompress(stored + garbage, format) } == expected)
        #expect(failure { try decompress([stored, garbage], format) } == expected)
        #expect(failure { try decompress([stored] + garbage.map { [$0] }, format) } == expected)
    }

    @Test func whatIsNotOfTheFormatIsRefused() throws {
        let zstd = try compress(sample(100), .zstd)
        let gzip = try compress(sample(100), .gzip)
        for (stored, format) in [
            (zstd, CompressionFormat.gzip), (gzip, .zstd), (sample(100), .gzip), (sample(100), .zstd),
        ] {
            #expect(failure { try decompress(stored, format) } == .corruptCompression)
            #expect(failure { try decompress(stored.map { [$0] }, format) } == .corruptCompression)
        }
        #expect(failure { try decompress(zstd + gzip, .zstd) } == .trailingBytes)
        #expect(failure { try decompress(gzip + zstd, .gzip) } == .trailingBytes)
        // The magic number of zstd 0.7.
        #expect(failure { try decompress([0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0], .zstd) } == .corruptCompression)
    }

    @Test(arguments: [CompressionFormat.zstd, .gzip])
    func moreThanExpectedStopsAtTheCap(format: CompressionFormat) throws {
        let bomb = try compress([UInt8](repeating: 0, count: 256 << 20), format)
        #expect(bomb.count < 2 << 20)
        let bytesMax = 1 << 20
        let decompressor = try Decompressor(format, bytesMax: Int64(bytesMax))
        decompressor.feed(bomb)
        var bytes = 0
        let code = failure {
            while let piece = try decompressor.drain() { bytes += piece.count }
        }
        #expect(code == .digestMismatch)
        #expect(bytes <= bytesMax)
        let content = sample(1000)
        let stored = try compress(content, format)
        #expect(try decompress(stored, format, bytesMax: 1000) == content)
        #expect(failure { try decompress(stored, format, bytesMax: 999) } == .digestMismatch)
    }

    /// Frames without content: a window of 2^27 bytes, then of 2^28 (RFC 8878, section 3.1.1.1.2).
    @Test func aFrameThatNeedsTooMuchMemoryIsRefused() throws {
        let magic: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd]
        #expect(try decompress(magic + [0x00, 17 << 3, 0x01, 0x00, 0x00], .zstd) == [])
        #expect(failure { try decompress(magic + [0x00, 18 << 3, 0x01, 0x00, 0x00], .zstd) } == .unsupported)
        #expect(failure { try decompress(magic + [0x01, 0x00, 7, 0x01, 0x00, 0x00], .zstd) } == .unsupported)
    }

    @Test func framesToSkipAreSkipped() throws {
        let skipped: [UInt8] = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]
        let stored = try compress(sample(100), .zstd)
        #expect(try decompress(skipped + stored + skipped + stored, .zstd) == sample(100) + sample(100))
        #expect(try decompress((skipped + stored + skipped).map { [$0] }, .zstd) == sample(100))
        #expect(failure { try decompress(stored + skipped.dropLast(), .zstd) } == .truncated)
    }
}
