// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// A span of time as people write it: `90s`, `10m`, `1h30m`, `2d`; a number alone is seconds.
package struct TimeSpan: ExpressibleByArgument, Sendable, Hashable {
    package let seconds: Int64

    private static let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
    /// A hundred years.
    private static let secondsMax: Int64 = 3_153_600_000

    init(seconds: Int64) {
        self.seconds = seconds
    }

    package init?(argument: String) {
        var total: Int64 = 0
        var rest = argument[...]
        repeat {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            guard let number = Int64(digits), number <= Self.secondsMax else { return nil }
            rest = rest[digits.endIndex...]
            let unit = rest.popFirst()
            // A number without a unit is one of seconds, and stands alone.
            guard let factor = unit.map({ Self.units[$0] }) ?? (digits.count == argument.count ? 1 : nil) else {
                return nil
            }
            total += number * factor
            guard total <= Self.secondsMax else { return nil }
        } while !rest.isEmpty
        seconds = total
    }

    var duration: Duration { .seconds(seconds) }

    package var defaultValueDescription: String {
        switch seconds {
        case 0: "0s"
        case let all where all % 3600 == 0: "\(all / 3600)h"
        case let all where all % 60 == 0: "\(all / 60)m"
        default: "\(seconds)s"
        }
    }
}
