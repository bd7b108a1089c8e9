// SPDX-License-Identifier: Apache-2.0

/// A day of the Gregorian calendar.
struct CivilDay: Sendable, Hashable {
    let year: Int64
    /// 1 to 12.
    let month: Int64
    /// 1 to 31.
    let day: Int64
    /// Days since the first of January 1970.
    let number: Int64

    /// The day of a moment, in seconds since 1970 by the clock that is meant.
    init(containing seconds: Int64) {
        self.init(number: Self.floor(seconds, by: 86_400))
    }

    /// Years are counted here from the first of March, so that leap days come last; 400 of them have the same number
    /// of days always.
    init(number: Int64) {
        let days = number + 719_468
        let era = Self.floor(days, by: 146_097)
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        self.number = number
        self.month = month
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// - Parameter day: one that the month does not have is its last one.
    init(year: Int64, month: Int64, day: Int64) {
        let day = min(day, Self.days(of: month, in: year))
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = Self.floor(shiftedYear, by: 400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        self.year = year
        self.month = month
        self.day = day
        number = era * 146_097 + dayOfEra - 719_468
    }

    static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    static func days(of month: Int64, in year: Int64) -> Int64 {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    static func floor(_ value: Int64, by divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }
}
