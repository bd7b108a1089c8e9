// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Compression
import Operations

extension CompressionFormat: ExpressibleByArgument {}

/// How snapshots are compressed.
struct CompressionOptions: ParsableArguments, Sendable {
    @Option(help: "How the snapshots are compressed.")
    var compression: CompressionFormat = .zstd

    @Option(help: "Level of the compression: zstd 1 to 9, gzip 1 to 9. Otherwise 1 for zstd, 6 for gzip.")
    var level: Int?

    func choice() throws -> CompressionChoice {
        try CompressionChoice(compression, level: level)
    }
}
