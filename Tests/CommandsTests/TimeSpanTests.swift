// SPDX-License-Identifier: Apache-2.0

import Catalog
import Commands
import TestParts
import Testing

/// Spans of time on the command line: one grammar, whatever takes one.
struct TimeSpanTests {
    @Test(arguments: [
        ("90s", 90), ("15m", 900), ("1h30m", 5400), ("26h", 93_600), ("2d", 172_800), ("1w", 604_800),
        ("1d12h", 129_600), ("1w1d1h1m1s", 694_861), ("0", 0), ("0s", 0), ("36500d", 3_153_600_000),
    ])
    func whatPeopleWriteIsRead(text: String, seconds: Int64) throws {
        #expect(try TimeSpan.withUnit(text).seconds == seconds)
        #expect(try TimeSpan.orSeconds(text).seconds == seconds)
    }

    /// How long something may be waited for is seconds where nothing is said.
    @Test(arguments: [("45", 45.0), ("0.5", 0.5), ("60.0", 60), ("1m", 60)])
    func aWaitMayBeANumberOfSeconds(text: String, seconds: Double) throws {
        #expect(try TimeSpan.orSeconds(text).inSeconds == seconds)
    }

    private static let unread = [
        "", "m", "10x", "-1s", "1.5h", "1m30", "10 m", "1H", "1s ", "99999999999999999999d", "9000000000000d", "36501d",
        "1mo", "1y", "nan", "inf", "1e3",
    ]

    @Test(arguments: unread)
    func whatIsNoneIsRefused(text: String) {
        #expect(throws: TimeSpan.Refusal.self) { try TimeSpan.withUnit(text) }
        #expect(throws: TimeSpan.Refusal.self) { try TimeSpan.orSeconds(text) }
    }

    /// 26 is 26 hours for whoever forgot to say so, and was 26 seconds for the program.
    @Test(arguments: ["26", "1", "3600"])
    func aNumberAloneIsAskedBack(text: String) {
        let refusal = #expect(throws: TimeSpan.Refusal.self) { try TimeSpan.withUnit(text) }
        #expect(refusal?.description.contains("\(text)h") == true && refusal?.description.contains("of what") == true)
        let span = #expect(throws: TimeSpan.Refusal.self) { try RetentionSpan.reading(text) }
        #expect(span?.description.contains("\(text)d") == true)
    }

    @Test func whatIsMeantByTheCalendarSaysSo() throws {
        #expect(try RetentionSpan.reading("1y6mo").months == 18)
        #expect(try RetentionSpan.reading("1d12h") == RetentionSpan("1d12h"))
        let minute = #expect(throws: TimeSpan.Refusal.self) { try RetentionSpan.reading("1m") }
        #expect(minute?.description.contains("mo") == true)
        #expect(throws: TimeSpan.Refusal.self) { try RetentionSpan.reading("0d") }
        let month = #expect(throws: TimeSpan.Refusal.self) { try TimeSpan.withUnit("1mo") }
        #expect(month?.description.contains("30d") == true)
    }

    /// Only an age is asked back. What was a number of seconds in the manifest of a pod stays one.
    @Test(arguments: [
        ["restore", "--from", "file:///x", "--data-dir", "/x", "--guard", "--guard-deadline", "600"],
        ["verify", "--from", "file:///x", "--all", "--max-time", "3600"],
        ["backup", "--to", "file:///x", "--endpoint", "redis://x", "--store-timeout", "60"],
    ])
    func aTimeThatIsNoAgeMayBeANumberOfSeconds(line: [String]) throws {
        #expect(Entry.understands(line))
    }

    @Test(arguments: ["--max-age", "--max-verify-age", "--max-drill-age"])
    func anAgeIsAskedBackOnTheLine(flag: String) {
        #expect(!Entry.understands(["status", "--from", "file:///x", flag, "26"]))
        #expect(Entry.understands(["status", "--from", "file:///x", flag, "26h"]))
    }

    /// A backup that is younger than the grace is not removed: `24` could be hours.
    @Test func aGraceIsAskedBack() {
        let prune = ["prune", "--from", "file:///x", "--keep-last", "1", "--grace"]
        #expect(!Entry.understands(prune + ["24"]) && Entry.understands(prune + ["24h"]))
        #expect(Entry.understands(prune + ["0"]))
    }

    /// What a run hands on to others is what was said to it.
    @Test func whateverIsShownIsReadAgain() throws {
        var random = SeededRandom(seed: 7)
        let whole = (0..<200).map { _ in "\(UInt32.random(in: 0...3_000_000_000, using: &random))" }
        let broken = (0..<200).map { _ in
            "\(UInt32.random(in: 0...700_000, using: &random)).\(UInt16.random(in: 1...999, using: &random))"
        }
        for text in whole + broken + ["90.5", "0.001", "0.25", "604800.5", "0.0004"] {
            let span = try TimeSpan.orSeconds(text)
            #expect(try TimeSpan.orSeconds("\(span)") == span, "\(text) is shown as \(span)")
        }
    }

    @Test(arguments: [(0, "0s"), (90, "90s"), (120, "2m"), (7200, "2h"), (604_800, "7d")])
    func whatIsShownIsReadAgain(seconds: Int64, text: String) throws {
        #expect("\(TimeSpan(seconds: seconds))" == text)
        #expect(try TimeSpan.withUnit(text).seconds == seconds)
    }
}
