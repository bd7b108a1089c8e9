// SPDX-License-Identifier: Apache-2.0

import Compression
import Failures

/// Bytes that compress a little: words of a small vocabulary among noise. A shorter sample begins a longer one.
func sample(_ size: Int) -> [UInt8] {
    Array(longSample.prefix(size))
}

private let longSample: [UInt8] = {
    let words = Array("user:session:cart:price:".utf8)
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    var bytes: [UInt8] = []
    while bytes.count < 5_000_003 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        if state & 3 == 0 {
            withUnsafeBytes(of: state) { bytes += $0 }
        } else {
            bytes += words.dropFirst(Int(state >> 60))
        }
    }
    return bytes
}()

func compress(_ content: [UInt8], _ format: CompressionFormat, level: Int = 1) throws -> [UInt8] {
    switch format {
    case .none: return content
    case .zstd:
        let compressor = try ZstdCompressor(level: level)
        return try compressor.compress(content) + compressor.finish()
    case .gzip:
        if content.isEmpty { return try GzipMember.compress([], level: level) }
        return try stride(from: 0, to: content.count, by: GzipMember.blockBytes).flatMap {
            try GzipMember.compress(Array(content[$0..<min($0 + GzipMember.blockBytes, content.count)]), level: level)
        }
    }
}

func decompress(_ chunks: [[UInt8]], _ format: CompressionFormat, bytesMax: Int = 1 << 30) throws -> [UInt8] {
    let decompressor = try Decompressor(format, bytesMax: Int64(bytesMax))
    var content: [UInt8] = []
    for chunk in chunks {
        decompressor.feed(chunk)
        while let piece = try decompressor.drain() { content += piece }
    }
    try decompressor.finish()
    return content
}

func decompress(_ stored: [UInt8], _ format: CompressionFormat, bytesMax: Int = 1 << 30) throws -> [UInt8] {
    try decompress([stored], format, bytesMax: bytesMax)
}

/// The code of the failure that `body` throws; `nil` when it throws none.
func failure<Value>(_ body: () throws -> Value) -> Failure.Code? {
    do {
        _ = try body()
        return nil
    } catch {
        return (error as? Failure)?.code
    }
}
