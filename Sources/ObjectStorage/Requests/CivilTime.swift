// SPDX-License-Identifier: Apache-2.0

/// A moment of UTC as the signatures and the answers of S3 write it. Full Foundation would be needed for less.
package struct CivilTime: Sendable, Hashable {
    package let secondsSince1970: Int64
    private let year: Int64
    private let month: Int64
    private let day: Int64

    private static let secondsOfDay: Int64 = 86_400
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]

    /// Days are counted in eras of 400 years that begin on the first of March, so that leap days come last.
    package init(secondsSince1970 seconds: Int64) {
        secondsSince1970 = seconds
        let days = Self.floor(seconds, by: Self.secondsOfDay) + 719_468
        let era = Self.floor(days, by: 146_097)
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    private init?(_ year: Int64, _ month: Int64, _ day: Int64, _ hour: Int64, _ minute: Int64, _ second: Int64) {
        guard (1...9999).contains(year), (1...12).contains(month), (1...31).contains(day), (0...23).contains(hour),
            (0...59).contains(minute), (0...60).contains(second)
        else { return nil }
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = Self.floor(shiftedYear, by: 400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * 146_097 + dayOfEra - 719_468
        self.init(secondsSince1970: days * Self.secondsOfDay + hour * 3600 + minute * 60 + second)
        // A 31st of a month of 30 days has become the 1st of the next.
        guard self.month == month, self.day == day else { return nil }
    }

    /// `2013-05-24T00:00:00.000Z`, as in listings; fractions of a second are dropped.
    package init?(iso8601 text: String) {
        let halves = text.split(separator: "T", omittingEmptySubsequences: false)
        guard halves.count == 2, halves[1].hasSuffix("Z") else { return nil }
        let date = halves[0].split(separator: "-", omittingEmptySubsequences: false).map(Self.number)
        let clock = halves[1].dropLast().split(separator: ".", omittingEmptySubsequences: false)
        let time = (clock.first ?? "").split(separator: ":", omittingEmptySubsequences: false).map(Self.number)
        guard date.count == 3, time.count == 3, clock.count <= 2, let year = date[0], let month = date[1],
            let day = date[2], let hour = time[0], let minute = time[1], let second = time[2]
        else { return nil }
        self.init(year, month, day, hour, minute, second)
    }

    /// `Fri, 24 May 2013 00:00:00 GMT`, as in headers (RFC 9110 §5.6.7, the preferred form alone).
    package init?(httpDate text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 6, words[0].hasSuffix(","), words[5] == "GMT",
            let month = Self.months.firstIndex(of: String(words[2])), let day = Self.number(words[1]),
            let year = Self.number(words[3])
        else { return nil }
        let time = words[4].split(separator: ":", omittingEmptySubsequences: false).map(Self.number)
        guard time.count == 3, let hour = time[0], let minute = time[1], let second = time[2] else { return nil }
        self.init(year, Int64(month + 1), day, hour, minute, second)
    }

    /// `20130524`
    package var basicDate: String { Self.padded(year, 4) + Self.padded(month, 2) + Self.padded(day, 2) }

    /// `20130524T000000Z`
    package var basicDateTime: String { basicDate + "T" + clock.joined() + "Z" }

    /// `2013-05-24T00:00:00Z`
    package var iso8601: String {
        let date = [Self.padded(year, 4), Self.padded(month, 2), Self.padded(day, 2)]
        return date.joined(separator: "-") + "T" + clock.joined(separator: ":") + "Z"
    }

    /// Hours, minutes and seconds, of two digits each.
    private var clock: [String] {
        let seconds = secondsSince1970 - Self.floor(secondsSince1970, by: Self.secondsOfDay) * Self.secondsOfDay
        return [seconds / 3600, seconds / 60 % 60, seconds % 60].map { Self.padded($0, 2) }
    }

    /// `Fri, 24 May 2013 00:00:00 GMT`
    package var httpDate: String {
        let days = Self.floor(secondsSince1970, by: Self.secondsOfDay)
        let seconds = secondsSince1970 - days * Self.secondsOfDay
        // The first of January 1970 was a Thursday.
        let weekday = Self.weekdays[Int(days + 4 - Self.floor(days + 4, by: 7) * 7)]
        let clock = [seconds / 3600, seconds / 60 % 60, seconds % 60].map { Self.padded($0, 2) }
        return "\(weekday), \(Self.padded(day, 2)) \(Self.months[Int(month) - 1]) \(Self.padded(year, 4)) "
            + "\(clock.joined(separator: ":")) GMT"
    }

    private static func floor(_ value: Int64, by divisor: Int64) -> Int64 {
        (value >= 0 ? value : value - divisor + 1) / divisor
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// Digits alone, at most four of them.
    private static func number(_ text: Substring) -> Int64? {
        guard (1...4).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int64(text)
    }
}
