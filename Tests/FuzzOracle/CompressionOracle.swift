// SPDX-License-Identifier: Apache-2.0

import Compression
import Failures

/// A compressed stream gives the same bytes at every split, or is refused; and what is compressed comes back.
struct CompressionOracle {
    /// More than the inputs of a run can hold but for bombs, which end here.
    private static let bytesMax: Int64 = 1 << 16

    let seed: FuzzSeed
    let data: [UInt8]

    private var format: CompressionFormat { seed.variant & 1 == 0 ? .zstd : .gzip }

    func check() throws(Contradiction) {
        if seed.variant & 2 == 0 {
            let whole = decompressed([data])
            let inChunks = decompressed(seed.chunks(of: data))
            guard whole == inChunks else {
                throw Contradiction("\(format): as a whole \(summary(whole)), in chunks \(summary(inChunks))")
            }
        } else {
            let compressed = try compressed()
            guard decompressed(seed.chunks(of: compressed)) == data else {
                throw Contradiction("\(format): what was compressed does not come back")
            }
        }
    }

    /// What comes out, or `nil` if the stream is refused. Why it is refused may differ: a decoder that has the whole
    /// frame at hand finds another flaw first.
    private func decompressed(_ chunks: [[UInt8]]) -> [UInt8]? {
        do {
            let decompressor = try Decompressor(format, bytesMax: Self.bytesMax)
            var output: [UInt8] = []
            for chunk in chunks {
                decompressor.feed(chunk)
                while let piece = try decompressor.drain() { output += piece }
            }
            try decompressor.finish()
            return output
        } catch {
            return nil
        }
    }

    private func compressed() throws(Contradiction) -> [UInt8] {
        let level = 1 + Int(seed.variant >> 2)
        do {
            guard format == .zstd else { return try GzipMember.compress(data, level: level) }
            let compressor = try ZstdCompressor(level: level)
            var output: [UInt8] = []
            for chunk in seed.chunks(of: data) { output += try compressor.compress(chunk) }
            return try output + compressor.finish()
        } catch {
            throw Contradiction("\(format): \(data.count) bytes are not compressed: \(error)")
        }
    }

    private func summary(_ output: [UInt8]?) -> String { output.map { "\($0.count) bytes" } ?? "refused" }
}
