// SPDX-License-Identifier: Apache-2.0

import Compression
import Failures
import Testing

@Suite struct RoundTripTests {
    @Test(arguments: [CompressionFormat.zstd, .gzip])
    func everySizeComesBack(format: CompressionFormat) throws {
        for size in 0...1025 {
            let content = sample(size)
            #expect(try decompress(compress(content, format), format) == content)
        }
        for size in [131_071, 131_072, 131_073, 1 << 20, 5_000_003] {
            let content = sample(size)
            #expect(try decompress(compress(content, format), format, bytesMax: size) == content)
        }
    }

    @Test(arguments: [CompressionFormat.zstd, .gzip])
    func everyLevelComesBack(format: CompressionFormat) throws {
        let content = sample(300_000)
        for level in 1...9 {
            #expect(try decompress(compress(content, format, level: level), format) == content)
        }
    }

    @Test func theSplitsOfTheInputDoNotChangeAFrame() throws {
        let content = sample(700)
        let whole = try compress(content, .zstd)
        for split in 0...content.count {
            let compressor = try ZstdCompressor(level: 1)
            var frame = try compressor.compress(Array(content[..<split]))
            frame += try compressor.compress(Array(content[split...]))
            frame += try compressor.finish()
            #expect(frame == whole)
        }
    }

    @Test(arguments: [CompressionFormat.zstd, .gzip])
    func everySplitOfTheStreamGivesTheSame(format: CompressionFormat) throws {
        let content = sample(2000)
        let stored = try compress(content, format) + compress(sample(40), format)
        for split in 0...stored.count {
            let chunks = [Array(stored[..<split]), Array(stored[split...])]
            #expect(try decompress(chunks, format) == content + sample(40))
        }
        for size in [1, 2, 3, 7] {
            let chunks = stride(from: 0, to: stored.count, by: size).map {
                Array(stored[$0..<min($0 + size, stored.count)])
            }
            #expect(try decompress(chunks, format) == content + sample(40))
        }
    }

    @Test(arguments: [CompressionFormat.zstd, .gzip])
    func piecesAreSmallHoweverFarAChunkExpands(format: CompressionFormat) throws {
        let content = [UInt8](repeating: 0, count: 40 << 20)
        let decompressor = try Decompressor(format, bytesMax: Int64(content.count))
        decompressor.feed(try compress(content, format))
        var bytes = 0
        while let piece = try decompressor.drain() {
            #expect((1...Decompressor.pieceBytes).contains(piece.count))
            bytes += piece.count
        }
        try decompressor.finish()
        #expect(bytes == content.count)
    }

    @Test func withoutCompressionBytesPassAsTheyAre() throws {
        #expect(try decompress([[1, 2], [], [3]], .none, bytesMax: 3) == [1, 2, 3])
        #expect(try decompress([[]], .none, bytesMax: 0) == [])
        #expect(failure { try decompress([[1, 2], [3]], .none, bytesMax: 2) } == .digestMismatch)
    }

    @Test func aMemberIsAlwaysTheSame() throws {
        let member = try GzipMember.compress(sample(1000), level: 6)
        #expect(try GzipMember.compress(sample(1000), level: 6) == member)
        // No flags, no time (RFC 1952, section 2.3).
        #expect(Array(member[3..<8]) == [0, 0, 0, 0, 0])
    }
}

@Suite struct FormatTests {
    @Test func namesAndSuffixesAreTheOnesOfTheManifest() {
        #expect(CompressionFormat.allCases.map(\.rawValue) == ["zstd", "gzip", "none"])
        #expect(CompressionFormat.allCases.map(\.fileSuffix) == [".zst", ".gz", ""])
        #expect(CompressionFormat(fileName: "redis-0.rdb.zst") == .zstd)
        #expect(CompressionFormat(fileName: "redis-0.rdb.gz") == .gzip)
        #expect(CompressionFormat(fileName: "dump.rdb") == CompressionFormat.none)
    }

    @Test func levelsAreThoseOfTheFormat() throws {
        #expect(try CompressionFormat.allCases.map { try $0.level(nil) } == [1, 6, 0])
        for format in [CompressionFormat.zstd, .gzip] {
            for level in 1...9 { #expect(try format.level(level) == level) }
            for level in [-7, 0, 20, Int.max] { #expect(failure { try format.level(level) } == .configuration) }
        }
        #expect(failure { try CompressionFormat.gzip.level(10) } == .configuration)
        #expect(failure { try CompressionFormat.none.level(1) } == .configuration)
        #expect(failure { _ = try ZstdCompressor(level: 0) } == .configuration)
        #expect(failure { try GzipMember.compress([], level: 0) } == .configuration)
    }

    @Test(arguments: [
        (CompressionFormat.zstd, 40, "--level "), (.gzip, 19, "--level 9,"), (.none, 1, "Leave out --level"),
    ])
    func aLevelThatDoesNotExistIsHelpedWith(format: CompressionFormat, level: Int, hint: String) {
        let failure = #expect(throws: Failure.self) { try format.level(level) }
        #expect(failure?.hint?.contains(hint) == true)
    }
}
