// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// How fast bytes may move, as people write it: `10M`, `512k`, `1.5M:20M` (up and down), `off:5M`; a number alone is
/// bytes a second, and a letter is a power of 1024.
package struct BandwidthLimit: ExpressibleByArgument, Sendable, Hashable {
    /// Bytes a second; `nil`: as fast as it goes.
    package let up: Int?
    package let down: Int?
    private let text: String

    private static let factors: [Character: Double] = ["b": 1, "k": 0x1p10, "m": 0x1p20, "g": 0x1p30, "t": 0x1p40]
    /// Less than this moves nothing before a server gives up.
    private static let rateMin = 1024.0
    private static let rateMax = Double(1 << 50)

    package init?(argument: String) {
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let first = parts.first, let last = parts.last,
            case .some(let up) = Self.rate(first), case .some(let down) = Self.rate(last)
        else { return nil }
        self.up = up
        self.down = down
        text = argument
    }

    package var defaultValueDescription: String { text }

    /// As it was typed.
    var argument: String { text }

    private static func rate(_ text: Substring) -> Int?? {
        if text.lowercased() == "off" { return .some(nil) }
        var number = text
        var factor = 1.0
        if let unit = text.last?.lowercased().first, let known = factors[unit] {
            factor = known
            number = text.dropLast()
        }
        guard number.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2E }), let value = Double(number) else {
            return nil
        }
        let rate = value * factor
        return (rateMin...rateMax).contains(rate) ? .some(Int(rate)) : nil
    }
}
