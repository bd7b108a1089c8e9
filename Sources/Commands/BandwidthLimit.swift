// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// How fast bytes may move, as people write it: `10M`, `512Ki`, `1.5M:20M` (up and down), `off:5M`: a size for each
/// second.
package struct BandwidthLimit: Sendable, Hashable {
    /// Bytes a second; `nil`: as fast as it goes.
    package let up: Int?
    package let down: Int?
    private let text: String

    /// Less than this moves nothing before a server gives up: it is bits, or a unit that was forgotten.
    private static let rateMin: Int64 = 1000
    private static let rateMax: Int64 = 1 << 50

    /// - Throws: `ByteSize.Refusal`.
    package static func reading(_ text: String) throws -> BandwidthLimit {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let first = parts.first, let last = parts.last else {
            throw ByteSize.Refusal(description: "one rate, or UP:DOWN, as 10M, 10M:off or 512Ki:5Mi")
        }
        return BandwidthLimit(up: try rate(first), down: try rate(last), text: text)
    }

    /// As it was typed.
    var argument: String { text }

    private static func rate(_ text: Substring) throws -> Int? {
        if text.lowercased() == "off" { return nil }
        let rate = try ByteSize(reading: String(text)).bytes
        guard (rateMin...rateMax).contains(rate) else {
            throw ByteSize.Refusal(
                description: "\(text) a second is too little, or too much: bytes are meant, as 10M or 512Ki"
            )
        }
        return Int(rate)
    }
}
