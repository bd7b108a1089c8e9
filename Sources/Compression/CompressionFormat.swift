// SPDX-License-Identifier: Apache-2.0

import CZstd
import Failures

/// How stored bytes are compressed. The raw values stand in manifests and on the command line and never change.
package enum CompressionFormat: String, Sendable, Codable, CaseIterable {
    /// Zstandard frames (RFC 8878) with checksums of their content.
    case zstd
    /// Members of gzip (RFC 1952), one after another.
    case gzip
    /// The bytes as they are.
    case none

    /// What the name of a file of this format ends with.
    package var fileSuffix: String {
        switch self {
        case .zstd: ".zst"
        case .gzip: ".gz"
        case .none: ""
        }
    }

    /// The format of a file by its name; what has no known ending is not compressed.
    package init(fileName: String) {
        self = Self.allCases.first { $0 != .none && fileName.hasSuffix($0.fileSuffix) } ?? .none
    }

    /// The level when none is asked for. A snapshot's longer strings are compressed already: more effort gains little.
    package var defaultLevel: Int {
        switch self {
        case .zstd: 1
        case .gzip: 6
        case .none: 0
        }
    }

    /// The level to use when `asked` was asked for, or nothing.
    /// - Throws: `.configuration` when the format has no such level, or the library of this machine is unsafe with it.
    package func level(_ asked: Int?) throws -> Int {
        guard let asked else { return defaultLevel }
        guard self != .none else {
            throw Failure(
                .configuration,
                "compress at level \(asked): without compression there is no level",
                hint: "Leave out --level, or write --compression zstd."
            )
        }
        guard levels.contains(asked) else {
            throw Failure(
                .configuration,
                "compress with \(rawValue) at level \(asked): its levels are \(levels.lowerBound)-\(levels.upperBound)"
                    + (self == .zstd && Self.zstdLosesBytes ? Self.reason : ""),
                hint:
                    "Write --level \(min(max(asked, levels.lowerBound), levels.upperBound)), or leave it out: then it "
                    + "is \(defaultLevel)."
            )
        }
        return asked
    }

    private var levels: ClosedRange<Int> {
        switch self {
        case .zstd: Self.zstdLosesBytes ? 1...9 : 1...19
        case .gzip: 1...9
        case .none: 0...0
        }
    }

    /// Before 1.5.5 the slow strategies of the high levels could, rarely, write frames that decompress to other bytes
    /// (facebook/zstd#3517). Debian 12 has 1.5.4.
    private static let zstdLosesBytes = ZSTD_versionNumber() < 10_505

    private static var reason: String {
        ", because zstd \(String(cString: ZSTD_versionString())) may write corrupt data above"
    }
}
