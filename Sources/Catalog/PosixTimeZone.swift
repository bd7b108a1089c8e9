// SPDX-License-Identifier: Apache-2.0

/// A rule for every year, as `CET-1CEST,M3.5.0,M10.5.0/3` (POSIX, with the wider hours of RFC 9636 §3.3.1).
struct PosixTimeZone: Sendable, Hashable {
    private let standardOffset: Int64
    private let summer: Summer?

    private struct Summer: Sendable, Hashable {
        let offset: Int64
        let begins: DayRule
        let ends: DayRule
    }

    /// Which day of a year, and when on it by the clock that is changed.
    fileprivate struct DayRule: Sendable, Hashable {
        enum Day: Sendable, Hashable {
            /// The n-th day, from 1, where the 29th of February is never counted.
            case julian(Int64)
            /// The n-th day, from 0.
            case ordinal(Int64)
            /// The n-th of a weekday in a month, 5 for its last; 0 is a Sunday.
            case weekday(month: Int64, week: Int64, day: Int64)
        }

        let day: Day
        let seconds: Int64
    }

    /// `nil` when the text is none.
    init?(_ text: String) {
        var parser = Parser(rest: text.utf8[...])
        guard parser.skipName(), let west = parser.time(hoursMax: 24) else { return nil }
        standardOffset = -west
        guard !parser.isAtEnd else {
            summer = nil
            return
        }
        guard parser.skipName() else { return nil }
        var offset = standardOffset + 3600
        if parser.peek != UInt8(ascii: ",") {
            guard let west = parser.time(hoursMax: 24) else { return nil }
            offset = -west
        }
        guard let begins = parser.dayRule(), let ends = parser.dayRule(), parser.isAtEnd else { return nil }
        summer = Summer(offset: offset, begins: begins, ends: ends)
    }

    /// Seconds east of Greenwich at a moment.
    func offset(at seconds: Int64) -> Int64 {
        guard let summer else { return standardOffset }
        let year = CivilDay(containing: seconds + standardOffset).year
        // Of three years, because a rule may reach over the turn of one.
        let changes = (year - 1...year + 1).flatMap { year in
            [
                (at: summer.begins.local(in: year) - standardOffset, offset: summer.offset),
                (at: summer.ends.local(in: year) - summer.offset, offset: standardOffset),
            ]
        }
        // One that begins as another ends is summer all year.
        let past = changes.filter { $0.at <= seconds }
        guard let last = past.map(\.at).max() else { return standardOffset }
        let offsets = past.filter { $0.at == last }.map(\.offset)
        return offsets.contains(summer.offset) ? summer.offset : standardOffset
    }

    private struct Parser {
        var rest: Substring.UTF8View

        var isAtEnd: Bool { rest.isEmpty }
        var peek: UInt8? { rest.first }

        mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: character) else { return false }
            rest = rest.dropFirst()
            return true
        }

        /// At least three letters, or anything between angle brackets.
        mutating func skipName() -> Bool {
            if skip("<") {
                guard let end = rest.firstIndex(of: UInt8(ascii: ">")) else { return false }
                rest = rest[rest.index(after: end)...]
                return true
            }
            let name = rest.prefix { byte in
                UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
            }
            rest = rest[name.endIndex...]
            return name.count >= 3
        }

        mutating func number(_ range: ClosedRange<Int64>) -> Int64? {
            let digits = rest.prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
            guard digits.count <= 3, let value = Int64(String(Substring(digits))), range.contains(value) else {
                return nil
            }
            rest = rest[digits.endIndex...]
            return value
        }

        /// `[+-]hh[:mm[:ss]]` in seconds.
        mutating func time(hoursMax: Int64) -> Int64? {
            let sign: Int64 = skip("-") ? -1 : 1
            if sign == 1 { _ = skip("+") }
            guard let hours = number(0...hoursMax) else { return nil }
            var seconds = hours * 3600
            for unit: Int64 in [60, 1] where skip(":") {
                guard let part = number(0...59) else { return nil }
                seconds += part * unit
            }
            return sign * seconds
        }

        /// `,Mm.w.d[/time]`, `,Jn[/time]` or `,n[/time]`.
        mutating func dayRule() -> DayRule? {
            guard skip(","), let day = day() else { return nil }
            guard skip("/") else { return DayRule(day: day, seconds: 7200) }
            return time(hoursMax: 167).map { DayRule(day: day, seconds: $0) }
        }

        private mutating func day() -> DayRule.Day? {
            if skip("J") { return number(1...365).map { .julian($0) } }
            guard skip("M") else { return number(0...365).map { .ordinal($0) } }
            guard let month = number(1...12), skip("."), let week = number(1...5), skip("."), let day = number(0...6)
            else { return nil }
            return .weekday(month: month, week: week, day: day)
        }
    }
}

extension PosixTimeZone.DayRule {
    /// In seconds since 1970 as if the clock there were UTC.
    fileprivate func local(in year: Int64) -> Int64 {
        let first = CivilDay(year: year, month: 1, day: 1).number
        let number: Int64
        switch day {
        case .ordinal(let days): number = first + days
        case .julian(let days):
            let isAfterLeapDay = CivilDay.isLeap(year) && days >= 60
            number = first + days - 1 + (isAfterLeapDay ? 1 : 0)
        case .weekday(let month, let week, let day):
            let first = CivilDay(year: year, month: month, day: 1).number
            // The first of January 1970 was a Thursday.
            let firstWeekday = (((first + 4) % 7) + 7) % 7
            var candidate = first + (day - firstWeekday + 7) % 7 + (week - 1) * 7
            if candidate >= first + CivilDay.days(of: month, in: year) { candidate -= 7 }
            number = candidate
        }
        return number * 86_400 + seconds
    }
}
