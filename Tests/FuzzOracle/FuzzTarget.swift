// SPDX-License-Identifier: Apache-2.0

/// What reads bytes that nobody vouches for, each with the truths that must hold whatever the bytes are.
///
/// The first two bytes of an input are no part of the data: they say how the data is cut and which variant is tried.
package enum FuzzTarget: String, Sendable, CaseIterable {
    /// The RDB scanner, at every level.
    case rdb
    /// Decompression, of zstd and of gzip.
    case compression
    /// Files of the age format, in armor or without, and there and back.
    case age
    /// Replies of a server.
    case resp
    /// The answer to a PSYNC, with a snapshot in it.
    case replication

    /// How many bytes of an input precede its data.
    package static let seedBytes = 2

    /// Reads an input, and what of it may not be.
    /// - Throws: `Contradiction` if a truth does not hold. It does not return where the reader crashes or hangs.
    package func check(_ input: [UInt8]) throws(Contradiction) {
        guard input.count >= Self.seedBytes else { return }
        let seed = FuzzSeed(first: input[0], second: input[1])
        let data = Array(input[Self.seedBytes...])
        switch self {
        case .rdb: try RDBOracle(seed: seed, data: data).check()
        case .compression: try CompressionOracle(seed: seed, data: data).check()
        case .age: try AgeOracle(seed: seed, data: data).check()
        case .resp: try RESPOracle(seed: seed, data: data).check()
        case .replication: try ReplicationOracle(seed: seed, data: data).check()
        }
    }
}

/// Two answers about the same bytes that cannot both be right.
package struct Contradiction: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

/// What the first bytes of an input choose.
struct FuzzSeed: Sendable {
    /// Four bits for the variant of the target.
    let variant: UInt8
    /// The longest chunk.
    private let longest: Int
    /// Zero: all chunks are of that length.
    private let randomness: UInt64

    init(first: UInt8, second: UInt8) {
        variant = first >> 4
        longest = [1, 2, 3, 7, 16, 61, 300, 4096][Int(first & 7)]
        randomness = UInt64(second)
    }

    /// The data in chunks of their own, so that a read beyond one is a read beyond its allocation.
    func chunks(of data: [UInt8]) -> [[UInt8]] {
        var state = randomness
        var rest = data[...]
        var chunks: [[UInt8]] = []
        while !rest.isEmpty {
            state = state &* 6_364_136_223_846_793_005 &+ (randomness == 0 ? 0 : 1_442_695_040_888_963_407)
            let length = randomness == 0 ? longest : 1 + Int(state >> 33) % longest
            chunks.append(Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        return chunks
    }
}
