// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials

/// A moment, in whole seconds since 1970; written as RFC 3339 in UTC (`2026-11-22T15:30:00Z`).
package struct Timestamp: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    package let secondsSince1970: Int64

    package init(secondsSince1970: Int64) {
        self.secondsSince1970 = secondsSince1970
    }

    /// The time by the clock of this machine.
    package static func now() -> Timestamp {
        Timestamp(secondsSince1970: Int64(Date().timeIntervalSince1970))
    }

    /// The same in milliseconds since 1970, which expiries are measured in.
    package static func millisecondsNow() -> Int64 { Int64(Date().timeIntervalSince1970 * 1000) }

    /// Reads `2026-11-22T15:30:00Z`, or `nil`.
    package init?(_ text: String) {
        guard let date = try? Date.ISO8601FormatStyle().parse(text) else { return nil }
        self.init(secondsSince1970: Int64(date.timeIntervalSince1970))
    }

    package var description: String {
        Date(timeIntervalSince1970: Double(secondsSince1970)).formatted(.iso8601)
    }

    /// Clocks of two machines may be so far apart, in seconds.
    private static let clockSecondsMax: Int64 = 600

    /// Whether a clock that says `now` can have come so far: what is dated later than that is not believed.
    package func isReached(by now: Timestamp) -> Bool {
        secondsSince1970 <= now.secondsSince1970 + Self.clockSecondsMax
    }

    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.secondsSince1970 < right.secondsSince1970
    }

    package init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let timestamp = Timestamp(text) else {
            throw Failure(.corruptManifest, "read a time: \(String(reflecting: text)) is not RFC 3339 in UTC")
        }
        self = timestamp
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
