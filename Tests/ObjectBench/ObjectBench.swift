// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import CLinux
import Foundation
import ObjectStorage

/// Pushes a made object into a store and fetches it again, for `make bench-objects`:
///
///     redoubt-object up STORE KEY BYTES       redoubt-object down STORE KEY BYTES       redoubt-object make BYTES
///
/// `make` writes the same bytes to standard output, for other tools. What comes down is compared with what was made.
@main struct ObjectBench {
    static func main() async throws { try await Bench.run() }
}

/// Beside the main type, which is bound to the main actor.
enum Bench {
    static let partSizeBytes = 8 << 20

    static func run() async throws {
        // As the program does it (Sources/Commands/LargeBlocks.swift).
        linux_give_back_blocks_of(1 << 20)
        let words = Array(CommandLine.arguments.dropFirst())
        guard let verb = words.first, let bytes = words.last.flatMap({ Int($0) }), words.count == 4 || words.count == 2
        else { throw Ending("redoubt-object up|down STORE KEY BYTES, or make BYTES") }
        if verb == "make" { return try write(MadeBytes(count: bytes)) }
        guard let key = ObjectKey(parsing: words[2]) else { throw Ending("\(words[2]) is no key") }
        var configuration = StoreConfiguration(environment: ProcessInfo.processInfo.environment)
        configuration.partSizeBytes = partSizeBytes
        try await withObjectStore(StoreLocation(parsing: words[1]), configuration: configuration) { store in
            if verb == "up" {
                let made = MadeBytes(count: bytes)
                let stream = ByteStream { made.next() }
                _ = try await store.stage(key, estimatedBytes: Int64(bytes), from: stream).commit()
            } else {
                let found = try await store.withObject(key) { _, chunks in try await check(chunks, against: bytes) }
                guard found == bytes else { throw Ending("\(found) of \(bytes) bytes came back") }
            }
        }
    }

    private static func check(_ chunks: ByteStream, against count: Int) async throws -> Int {
        let made = MadeBytes(count: count)
        var expected: ArraySlice<UInt8> = []
        var found = 0
        for try await chunk in chunks {
            var rest = chunk[...]
            while !rest.isEmpty {
                if expected.isEmpty { expected = made.next().map { $0[...] } ?? [] }
                let length = min(rest.count, expected.count)
                guard length > 0, rest.prefix(length) == expected.prefix(length) else {
                    throw Ending("other bytes than were sent come back after \(found)")
                }
                found += length
                rest = rest.dropFirst(length)
                expected = expected.dropFirst(length)
            }
        }
        return found
    }

    private static func write(_ made: MadeBytes) throws {
        while let chunk = made.next() { try FileHandle.standardOutput.write(contentsOf: chunk) }
    }
}

/// Bytes that do not compress, the same in every run.
///
/// Unchecked: a stream is read by one reader, who waits for each chunk.
final class MadeBytes: @unchecked Sendable {
    private var left: Int
    private var number: UInt64 = 0
    private var block: [UInt8]

    private static let blockSizeBytes = 256 << 10

    init(count: Int) {
        left = count
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        block = (0..<Self.blockSizeBytes).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return UInt8(truncatingIfNeeded: state)
        }
    }

    func next() -> [UInt8]? {
        guard left > 0 else { return nil }
        number += 1
        for index in 0..<8 { block[index] = UInt8(truncatingIfNeeded: number >> (8 * UInt64(index))) }
        let chunk = left < block.count ? Array(block.prefix(left)) : block
        left -= chunk.count
        return chunk
    }
}

struct Ending: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
