// SPDX-License-Identifier: Apache-2.0

import Compression
import Foundation
import TestParts
import Testing

/// What the tools of everybody read of ours, and we of theirs.
@Suite(.timeLimit(.minutes(3))) struct ForeignToolTests {
    private static let sizes = [0, 1, 1000, 1 << 20, 3_000_001]

    @Test(arguments: sizes)
    func zstdReadsOurs(size: Int) async throws {
        for level in [1, 3, 9] {
            let stored = try compress(sample(size), .zstd, level: level)
            try await run(Parts.zstd(), ["-t"], input: .bytes(stored))
            let content = try await run(Parts.zstd(), ["-dc"], input: .bytes(stored))
            #expect(content == sample(size))
        }
    }

    @Test func oursHasAChecksum() async throws {
        try await withTemporaryFolder { folder in
            let file = folder.appendingPathComponent("one.zst")
            try Data(compress(sample(1000), .zstd)).write(to: file)
            let listing = try await run(Parts.zstd(), ["-lv", file.path])
            #expect(String(decoding: listing, as: UTF8.self).contains("Check: XXH64"))
        }
    }

    @Test(arguments: sizes)
    func gzipReadsOurs(size: Int) async throws {
        for level in [1, 6, 9] {
            let stored = try compress(sample(size), .gzip, level: level)
            try await run(Parts.gzip(), ["-t"], input: .bytes(stored))
            let content = try await run(Parts.gzip(), ["-dc"], input: .bytes(stored))
            #expect(content == sample(size))
        }
    }

    @Test(arguments: [
        ["-1"], ["-3", "--long=27"], ["-19", "--long=27"], ["--fast=5", "--no-check"], ["-T2", "-B64KiB"],
    ])
    func weReadWhatZstdWrites(options: [String]) async throws {
        for size in Self.sizes {
            let stored = try await run(Parts.zstd(), options + ["-c"], input: .bytes(sample(size)))
            #expect(try decompress(stored, .zstd) == sample(size))
            #expect(try decompress(stored + stored, .zstd) == sample(size) + sample(size))
        }
    }

    @Test(arguments: ["-1", "-6", "-9"])
    func weReadWhatGzipWrites(level: String) async throws {
        try await withTemporaryFolder { folder in
            // With its name and time in the header.
            let file = folder.appendingPathComponent("some name")
            for size in Self.sizes {
                try Data(sample(size)).write(to: file)
                let stored = try await run(Parts.gzip(), [level, "-c", "-N", file.path])
                #expect(try decompress(stored, .gzip) == sample(size))
                #expect(try decompress(stored + stored, .gzip) == sample(size) + sample(size))
            }
        }
    }
}
