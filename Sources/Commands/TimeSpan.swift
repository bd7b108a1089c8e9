// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import ObjectStorage

/// A span of time as people write it: `90s`, `15m`, `26h`, `30d`, `1w`, `1d12h`.
///
/// Every option that takes a time reads it in one of two ways. How long something may be waited for, or may take, has
/// always been a number of seconds, and may be one. The age of a backup wants a unit: `26` is 26 hours for whoever
/// forgot it, and 26 seconds for a program.
package struct TimeSpan: Sendable, Hashable, CustomStringConvertible {
    private let milliseconds: Int64

    private static let units: [String: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400]
    /// A hundred years.
    private static let secondsMax: Int64 = 3_153_600_000

    package init(seconds: Int64) {
        milliseconds = seconds * 1000
    }

    /// Whole seconds.
    package var seconds: Int64 { milliseconds / 1000 }

    /// Seconds with their fraction, which only a wait has.
    package var inSeconds: Double { Double(milliseconds) / 1000 }

    var duration: Duration { .milliseconds(milliseconds) }

    /// As it is read again: what has a fraction has no unit, because none may follow a point.
    package var description: String {
        switch seconds {
        case _ where milliseconds % 1000 != 0: "\(inSeconds)"
        case 0: "0s"
        case let all where all % 86_400 == 0: "\(all / 86_400)d"
        case let all where all % 3600 == 0: "\(all / 3600)h"
        case let all where all % 60 == 0: "\(all / 60)m"
        default: "\(seconds)s"
        }
    }
}

extension TimeSpan {
    /// Why a text is no span of time, and what to write instead.
    package struct Refusal: Error, CustomStringConvertible {
        package let description: String

        fileprivate init(_ description: String) { self.description = description }
    }

    /// A span with a unit; 0 needs none.
    /// - Throws: `Refusal`.
    package static func withUnit(_ text: String) throws -> TimeSpan {
        if let number = Int64(text), number > 0 {
            throw Refusal("\(number) of what? Write \(number)s, \(number)m, \(number)h or \(number)d")
        }
        return try TimeSpan(reading: text)
    }

    /// A span; a number alone is seconds, and may have a fraction.
    /// - Throws: `Refusal`.
    package static func orSeconds(_ text: String) throws -> TimeSpan {
        guard let seconds = Double(text), text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2E }) else {
            return try TimeSpan(reading: text)
        }
        guard seconds <= Double(secondsMax) else { throw tooLong }
        return TimeSpan(milliseconds: Int64((seconds * 1000).rounded()))
    }

    private static let week = TimeSpan(seconds: 7 * 86_400)

    /// - Throws: `ValidationError` when the span is none that the flag can have.
    func require(_ flag: String, from least: TimeSpan = TimeSpan(milliseconds: 1), to most: TimeSpan = week) throws {
        guard (least.milliseconds...most.milliseconds).contains(milliseconds) else {
            throw ValidationError("\(flag) is \(least) to \(most), and not \(self)")
        }
    }

    private init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    private init(reading text: String) throws {
        guard let parts = UnitCounts.parts(of: text) else { throw Self.notUnderstood }
        if parts.count == 1, parts[0] == (0, "") {
            self.init(milliseconds: 0)
            return
        }
        var total: Int64 = 0
        for (count, unit) in parts {
            guard let seconds = Self.units[unit] else { throw Self.refusal(ofUnit: unit) }
            guard count <= Self.secondsMax / seconds, total <= Self.secondsMax - count * seconds else {
                throw Self.tooLong
            }
            total += count * seconds
        }
        self.init(seconds: total)
    }

    private static func refusal(ofUnit unit: String) -> Refusal {
        switch unit {
        case "mo", "y": Refusal("months and years have no fixed length here: write days, as 30d or 365d")
        case "": notUnderstood
        default: Refusal("the units are s, m, h, d and w, as in 90s, 15m, 26h, 30d, 1w or 1d12h")
        }
    }

    private static let notUnderstood = Refusal("whole numbers with s, m, h, d or w, as 90s, 15m, 26h, 30d, 1w or 1d12h")
    private static let tooLong = Refusal("more than a hundred years")
}

extension RetentionSpan {
    /// A span by the calendar.
    /// - Throws: `TimeSpan.Refusal`.
    package static func reading(_ text: String) throws -> RetentionSpan {
        if let span = RetentionSpan(text) { return span }
        let units = UnitCounts.parts(of: text)?.map(\.unit) ?? []
        if units == [""] {
            throw TimeSpan.Refusal("\(text) of what? Write \(text)h, \(text)d, \(text)w, \(text)mo or \(text)y")
        }
        if units.contains("m") {
            throw TimeSpan.Refusal("m is a month for some and a minute for others: write mo for months, and hours as h")
        }
        throw TimeSpan.Refusal("numbers with h, d, w, mo (months) and y, as 36h, 30d or 1y6mo, and more than nothing")
    }
}
