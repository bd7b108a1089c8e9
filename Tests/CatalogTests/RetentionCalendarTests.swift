// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Foundation
import TestParts
import Testing

/// Hours, days, weeks, months and years of a place. Tests/oracles/timezones.py says what they are.
struct RetentionCalendarTests {
    static let database = URL(fileURLWithPath: "/usr/share/zoneinfo")

    static func zone(_ name: String) throws -> TimeZoneRules {
        let file = [UInt8](try Data(contentsOf: database.appendingPathComponent(name)))
        return try TimeZoneRules(name: name, file: file)
    }

    static func calendar(_ zone: String) throws -> RetentionCalendar {
        RetentionCalendar(zone: try Self.zone(zone))
    }

    static func time(_ text: String) throws -> Timestamp { try #require(Timestamp(text)) }

    @Test func clocksShowWhatPythonSaysOfThem() async throws {
        let seed = Int.random(in: 0...1_000_000)
        let script = Parts.testsFolder.appendingPathComponent("oracles/timezones.py").path
        let output = try await run(try Parts.python(), [script, Self.database.path, "\(seed)"], withinSeconds: 60)
        let zones = try JSONDecoder().decode([String: [[Int64]]].self, from: Data(output))
        #expect(zones.count > 60)
        for (name, moments) in zones {
            let calendar = try Self.calendar(name)
            #expect(moments.count == 100)
            for row in moments {
                let moment = Timestamp(secondsSince1970: row[0])
                let found = [
                    calendar.zone.offset(at: row[0]), calendar.stretch(of: moment, .daily),
                    // Monday the 5th of January 1970 began the second week that is counted.
                    calendar.stretch(of: moment, .weekly) * 7 - 3, calendar.stretch(of: moment, .monthly),
                ]
                #expect(found == Array(row.dropFirst()), "\(name) at \(moment), seed \(seed)")
            }
        }
    }

    @Test(arguments: ["Europe/Zurich", "America/New_York", "UTC"])
    func everyTruncationOfAFileIsRefused(name: String) throws {
        let file = [UInt8](try Data(contentsOf: Self.database.appendingPathComponent(name)))
        for length in file.indices {
            #expect(throws: Failure.self) { try TimeZoneRules(name: name, file: Array(file[..<length])) }
        }
    }

    /// Whatever a byte of a file says, it is refused or has an offset: nothing is read outside of it.
    @Test func noByteOfAFileIsTrusted() throws {
        let file = [UInt8](try Data(contentsOf: Self.database.appendingPathComponent("Europe/Zurich")))
        for index in file.indices {
            for value: UInt8 in [0, 1, 0x7F, 0x80, 0xFF, UInt8(ascii: "/")] {
                var damaged = file
                damaged[index] = value
                guard let zone = try? TimeZoneRules(name: "x", file: damaged) else { continue }
                for moment: Int64 in [.min / 4, 0, 1_800_000_000, 7_000_000_000] {
                    #expect(abs(zone.offset(at: moment)) <= 7 * 86_400)
                }
            }
        }
    }

    @Test(arguments: ["", "/etc/passwd", "../zoneinfo/UTC", "Europe//Zurich", "Europe/Zur ich", ".", "a\u{0}"])
    func aNameIsNoWayOutOfTheDatabase(name: String) {
        #expect(!TimeZoneRules.isName(name))
    }

    /// 2026-10-25, 02:30 comes twice in Zurich, an hour apart: two hours, one day of 25 hours.
    @Test func anHourThatComesTwiceIsTwoHoursOfOneDay() throws {
        let calendar = try Self.calendar("Europe/Zurich")
        let (summer, winter) = (try Self.time("2026-10-25T00:30:00Z"), try Self.time("2026-10-25T01:30:00Z"))
        #expect(calendar.stretch(of: summer, .hourly) < calendar.stretch(of: winter, .hourly))
        #expect(calendar.stretch(of: summer, .daily) == calendar.stretch(of: winter, .daily))
        let first = try Self.time("2026-10-24T22:00:00Z")
        let last = try Self.time("2026-10-25T22:59:59Z")
        #expect(calendar.stretch(of: first, .daily) == calendar.stretch(of: last, .daily))
        let next = try Self.time("2026-10-25T23:00:00Z")
        #expect(calendar.stretch(of: next, .daily) == calendar.stretch(of: last, .daily) + 1)
    }

    /// Half-hour zones have hours of their own.
    @Test func hoursBeginWhenTheClockThereSaysSo() throws {
        let calendar = try Self.calendar("Asia/Kolkata")
        let (early, late) = (try Self.time("2026-01-01T00:29:59Z"), try Self.time("2026-01-01T00:30:00Z"))
        #expect(calendar.stretch(of: early, .hourly) < calendar.stretch(of: late, .hourly))
    }

    /// 2020 has a week 53, which ends on Sunday the 3rd of January 2021.
    @Test(arguments: [
        ("2020-12-28T00:00:00Z", "2021-01-03T23:59:59Z", true), ("2021-01-03T23:59:59Z", "2021-01-04T00:00:00Z", false),
        ("2024-12-30T00:00:00Z", "2025-01-05T12:00:00Z", true), ("2016-12-31T12:00:00Z", "2017-01-01T12:00:00Z", true),
    ])
    func weeksReachOverTheYears(first: String, second: String, isOne: Bool) throws {
        let calendar = RetentionCalendar()
        let (first, second) = (try Self.time(first), try Self.time(second))
        #expect((calendar.stretch(of: first, .weekly) == calendar.stretch(of: second, .weekly)) == isOne)
        #expect(calendar.stretch(of: first, .yearly) <= calendar.stretch(of: second, .yearly))
    }

    @Test(arguments: [
        ("UTC", "1d", "2026-03-30T10:00:00Z", "2026-03-29T10:00:00Z"),
        // The night in which clocks were put forward: a day is one of the calendar, hours are hours.
        ("Europe/Zurich", "1d", "2026-03-30T10:00:00Z", "2026-03-29T10:00:00Z"),
        ("Europe/Zurich", "2d", "2026-03-30T10:00:00Z", "2026-03-28T11:00:00Z"),
        ("Europe/Zurich", "48h", "2026-03-30T10:00:00Z", "2026-03-28T10:00:00Z"),
        // 02:30 is not there on the 29th: the moment that would have been.
        ("Europe/Zurich", "1d", "2026-03-30T00:30:00Z", "2026-03-29T00:30:00Z"),
        // 02:30 is there twice on the 25th: the first, which keeps more.
        ("Europe/Zurich", "1d", "2026-10-26T01:30:00Z", "2026-10-25T00:30:00Z"),
        ("UTC", "1mo", "2026-03-31T00:00:00Z", "2026-02-28T00:00:00Z"),
        ("UTC", "1y", "2024-02-29T12:00:00Z", "2023-02-28T12:00:00Z"),
        ("UTC", "4y", "2028-02-29T12:00:00Z", "2024-02-29T12:00:00Z"),
        ("UTC", "1y2mo3d4h", "2026-01-02T03:00:00Z", "2024-10-29T23:00:00Z"),
        ("UTC", "1w", "2026-01-01T00:00:00Z", "2025-12-25T00:00:00Z"),
    ])
    func spansAreThoseOfTheCalendar(zone: String, span: String, from: String, to: String) throws {
        let calendar = try Self.calendar(zone)
        let span = try #require(RetentionSpan(span))
        #expect(calendar.moment(span, before: try Self.time(from)) == (try Self.time(to)))
    }

    @Test func spansAreReadAndWritten() throws {
        for text in ["30d", "12h", "1y", "1y6mo14d12h", "11mo"] {
            #expect(try #require(RetentionSpan(text)).description == text)
        }
        #expect(RetentionSpan("2w") == RetentionSpan("14d"))
        #expect(RetentionSpan("18mo") == RetentionSpan("1y6mo"))
        // `m` is a month for some and a minute for others.
        for text in ["", "30", "1m", "1m2d", "d", "-1d", "1 d", "1.5d", "0d", "99999999999d", "1s", "1D"] {
            #expect(RetentionSpan(text) == nil, "\(text)")
        }
    }
}
