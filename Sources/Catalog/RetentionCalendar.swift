// SPDX-License-Identifier: Apache-2.0

import ObjectStorage

/// The hours, days, weeks, months and years of a place, for the rules that keep one backup of each.
package struct RetentionCalendar: Sendable, Hashable {
    package let zone: TimeZoneRules

    package init(zone: TimeZoneRules = .utc) {
        self.zone = zone
    }

    /// A stretch of the calendar, of which a rule keeps one backup.
    package enum Period: String, Sendable, CaseIterable {
        case hourly
        case daily
        case weekly
        case monthly
        case yearly
    }

    /// A number that moments of one stretch share, and those of no other; a later stretch has a larger one.
    package func stretch(of moment: Timestamp, _ period: Period) -> Int64 {
        let seconds = moment.secondsSince1970
        let local = seconds + zone.offset(at: seconds)
        let day = CivilDay(containing: local)
        switch period {
        // The moment at which it began: an hour that comes twice, when clocks are put back, is two.
        case .hourly: return seconds - (local - CivilDay.floor(local, by: 3600) * 3600)
        case .daily: return day.number
        // Weeks begin on Monday (ISO 8601), and 1970 began on a Thursday; none ends with a year.
        case .weekly: return CivilDay.floor(day.number + 3, by: 7)
        case .monthly: return day.year * 12 + day.month
        case .yearly: return day.year
        }
    }

    /// The moment that lies a span before another. Days and months are those of the calendar: the clock there shows
    /// the same time, whether it was put forward or back in between; a day that a month does not have is its last one.
    package func moment(_ span: RetentionSpan, before moment: Timestamp) -> Timestamp {
        let seconds = moment.secondsSince1970
        guard span.months != 0 || span.days != 0 else {
            return Timestamp(secondsSince1970: seconds - span.hours * 3600)
        }
        let local = seconds + zone.offset(at: seconds)
        let day = CivilDay(containing: local)
        let months = day.year * 12 + day.month - 1 - span.months
        let year = CivilDay.floor(months, by: 12)
        let target = CivilDay(year: year, month: months - year * 12 + 1, day: day.day)
        let then = (target.number - span.days) * 86_400 + (local - day.number * 86_400)
        return Timestamp(secondsSince1970: zone.moment(ofLocal: then) - span.hours * 3600)
    }
}

/// A span of time by the calendar, as `30d` or `1y6mo`.
package struct RetentionSpan: Sendable, Hashable, CustomStringConvertible {
    package var months: Int64 = 0
    package var days: Int64 = 0
    package var hours: Int64 = 0

    private static let units: [(name: String, unit: WritableKeyPath<RetentionSpan, Int64> & Sendable, factor: Int64)] =
        [
            ("y", \.months, 12), ("mo", \.months, 1), ("w", \.days, 7), ("d", \.days, 1), ("h", \.hours, 1),
        ]
    /// More than any history has; nothing overflows.
    private static let numberMax: Int64 = 100_000

    /// Reads a span, or `nil`: numbers with `h`, `d`, `w`, `mo` and `y`.
    package init?(_ text: String) {
        guard let parts = UnitCounts.parts(of: text) else { return nil }
        for (number, name) in parts {
            guard number <= Self.numberMax, let unit = Self.units.first(where: { $0.name == name }) else { return nil }
            self[keyPath: unit.unit] += number * unit.factor
        }
        guard months + days + hours > 0, months <= 12 * Self.numberMax, days <= 7 * Self.numberMax else { return nil }
    }

    package var description: String {
        let parts = [(months / 12, "y"), (months % 12, "mo"), (days, "d"), (hours, "h")]
        return parts.filter { $0.0 > 0 }.map { "\($0.0)\($0.1)" }.joined()
    }
}
