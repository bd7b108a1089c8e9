// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Testing

/// Rules by hand: which sets stay, and what is said of each.
struct RetentionPlanTests {
    private static func policy(_ change: (inout RetentionPolicy) -> Void) -> RetentionPolicy {
        var policy = RetentionPolicy()
        change(&policy)
        return policy
    }

    private static func sets(_ times: String...) throws -> [RetainableSet] {
        try times.map { try RetentionParts.set($0) }
    }

    private static let now = Timestamp(secondsSince1970: 4_000_000_000)

    private static func plan(
        _ history: [RetainableSet],
        zone: String = "UTC",
        limits: RetentionPlan.Limits = .init(graceSeconds: 0),
        _ change: (inout RetentionPolicy) -> Void
    ) throws -> RetentionPlan {
        let calendar = try RetentionCalendarTests.calendar(zone)
        return RetentionParts.plan(history, policy(change), in: calendar, limits: limits, now: now)
    }

    private static func times(_ plan: RetentionPlan) -> [String] { plan.kept.map(\.time.description) }

    @Test func theNewestOfEachDayStaysAndTheOldestWhileDaysAreMissing() throws {
        let history = try Self.sets(
            "2026-01-01T01:00:00Z",
            "2026-01-01T02:00:00Z",
            "2026-01-02T01:00:00Z",
            "2026-01-02T23:59:59Z",
            "2026-01-03T00:00:00Z"
        )
        let two = try Self.plan(history) { $0.periods = [.daily: 2] }
        #expect(Self.times(two) == ["2026-01-02T23:59:59Z", "2026-01-03T00:00:00Z"])
        #expect(two.reasons(history[3]) == ["daily"] && two.reasons(history[0]) == ["no rule keeps it"])
        #expect(two.reasons(history[4]) == ["daily", "newest proven", "newest whole"])
        // Three days are there; asked for nine, the history may grow from its very beginning.
        let nine = try Self.plan(history) { $0.periods = [.daily: 9] }
        #expect(
            Self.times(nine) == [
                "2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z", "2026-01-02T23:59:59Z", "2026-01-03T00:00:00Z",
            ]
        )
        #expect(nine.reasons(history[0]) == ["oldest daily"])
    }

    /// 23:30 in New York is the next day in UTC.
    @Test func whoseDayItIsDecides() throws {
        let history = try Self.sets("2026-06-01T12:00:00Z", "2026-06-02T03:30:00Z", "2026-06-02T12:00:00Z")
        let utc = try Self.plan(history) { $0.periods = [.daily: 2] }
        #expect(Self.times(utc) == ["2026-06-01T12:00:00Z", "2026-06-02T12:00:00Z"])
        let newYork = try Self.plan(history, zone: "America/New_York") { $0.periods = [.daily: 2] }
        #expect(Self.times(newYork) == ["2026-06-02T03:30:00Z", "2026-06-02T12:00:00Z"])
    }

    /// The last week of 2020 is its 53rd, and has the first days of 2021 in it.
    @Test func aWeekIsOneOverTheTurnOfAYear() throws {
        let history = try Self.sets(
            "2020-12-27T12:00:00Z",
            "2020-12-28T12:00:00Z",
            "2020-12-31T12:00:00Z",
            "2021-01-03T12:00:00Z",
            "2021-01-04T12:00:00Z"
        )
        let weekly = try Self.plan(history) { $0.periods = [.weekly: 3] }
        #expect(Self.times(weekly) == ["2020-12-27T12:00:00Z", "2021-01-03T12:00:00Z", "2021-01-04T12:00:00Z"])
    }

    @Test func leapDaysAreDaysOfTheirMonth() throws {
        let history = try Self.sets(
            "2024-02-28T12:00:00Z",
            "2024-02-29T12:00:00Z",
            "2024-03-01T12:00:00Z",
            "2025-02-28T12:00:00Z"
        )
        let monthly = try Self.plan(history) { $0.periods = [.monthly: 3] }
        #expect(Self.times(monthly) == ["2024-02-29T12:00:00Z", "2024-03-01T12:00:00Z", "2025-02-28T12:00:00Z"])
        let yearly = try Self.plan(history) { $0.periods = [.yearly: 2] }
        #expect(Self.times(yearly) == ["2024-03-01T12:00:00Z", "2025-02-28T12:00:00Z"])
    }

    /// Both ends of a span belong to it, and it counts from the newest set, not from now.
    @Test func whatIsExactlyAsOldAsTheSpanStays() throws {
        let history = try Self.sets("2026-01-01T11:59:59Z", "2026-01-01T12:00:00Z", "2026-01-31T12:00:00Z")
        let plan = try Self.plan(history) { $0.within = RetentionSpan("30d") }
        #expect(Self.times(plan) == ["2026-01-01T12:00:00Z", "2026-01-31T12:00:00Z"])
        #expect(plan.reasons(history[1]) == ["within 30d"])
    }

    @Test func tagsAreAllOfOneListOrAllOfAnother() throws {
        var history = try Self.sets("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z")
        history += try Self.sets("2026-01-04T00:00:00Z")
        history[0].tags = ["release"]
        history[1].tags = ["a"]
        history[2].tags = ["a", "b", "c"]
        let plan = try Self.plan(history) { $0.tags = [["release"], ["a", "b"]] }
        #expect(Self.times(plan) == ["2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z"])
        #expect(plan.reasons(history[2]) == ["tag a,b"])
    }

    @Test func rulesAreAlternatives() throws {
        let history = try Self.sets("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
        let plan = try Self.plan(history) {
            $0.last = 1
            $0.periods = [.yearly: 2]
        }
        #expect(Self.times(plan) == ["2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"])
        #expect(plan.reasons(history[2]) == ["last", "yearly", "newest proven", "newest whole"])
    }

    /// A replica was down for three nights: the partial sets push no whole one out, and are kept like any other.
    @Test func partialSetsCountForThemselves() throws {
        var history = try Self.sets(
            "2026-01-01T00:00:00Z",
            "2026-01-02T00:00:00Z",
            "2026-01-03T00:00:00Z",
            "2026-01-04T00:00:00Z",
            "2026-01-05T00:00:00Z"
        )
        for index in 2...4 { history[index].isPartial = true }
        let plan = try Self.plan(history) { $0.last = 2 }
        #expect(
            Self.times(plan) == [
                "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-05T00:00:00Z",
            ]
        )
        #expect(
            plan.reasons(history[1]) == ["last", "newest whole"]
                && plan.reasons(history[4]) == ["last", "newest proven"]
        )
    }

    @Test func aDisprovenSetCountsForNothingAndStaysUntilSomebodySaysSo() throws {
        var history = try Self.sets("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z")
        history[2].isDisproven = true
        let plan = try Self.plan(history) { $0.last = 1 }
        #expect(Self.times(plan) == ["2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"])
        #expect(plan.reasons(history[2]) == ["disproven"])
        var limits = RetentionPlan.Limits(graceSeconds: 0)
        limits.removesDisproven = true
        let strict = try Self.plan(history, limits: limits) { $0.last = 1 }
        #expect(Self.times(strict) == ["2026-01-02T00:00:00Z"] && strict.reasons(history[2]) == ["disproven"])
        // Where nothing else is left, it is better than nothing.
        let alone = try Self.plan([history[2]], limits: limits) { $0.last = 1 }
        #expect(Self.times(alone) == ["2026-01-03T00:00:00Z"])
    }

    @Test func aDamagedManifestStopsTheSubjectUntilSomebodySaysSo() throws {
        var history = try Self.sets("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z")
        history[0].damage = .damaged
        let plan = try Self.plan(history) { $0.last = 1 }
        #expect(plan.due.isEmpty && plan.refusal?.code == .guardRefused)
        #expect(plan.refusal?.message.contains("1 of its sets is damaged (\(history[0].id.text))") == true)
        for flag in ["--ignore-damaged", "--remove-damaged"] { #expect(plan.refusal?.hint?.contains(flag) == true) }
        var limits = RetentionPlan.Limits(graceSeconds: 0)
        limits.ignoresDamaged = true
        let ignoring = try Self.plan(history, limits: limits) { $0.last = 1 }
        #expect(ignoring.refusal == nil && ignoring.due.map(\.id) == [history[1].id])
        limits = .init(graceSeconds: 0)
        limits.removesDamaged = true
        let removing = try Self.plan(history, limits: limits) { $0.last = 1 }
        #expect(removing.due.map(\.id) == [history[0].id, history[1].id])
        // What a later program wrote is not ours to call damaged.
        history[0].damage = .unreadable
        let later = try Self.plan(history, limits: limits) { $0.last = 1 }
        #expect(later.due.map(\.id) == [history[1].id] && later.reasons(history[0]) == ["unreadable"])
        // Where nothing is due, nothing is doubtful.
        let idle = try Self.plan(history) { $0.last = 9 }
        #expect(idle.refusal == nil && idle.due.isEmpty)
    }

    /// Its other members may restore: what allows to remove unreadable manifests does not touch it.
    @Test func anIncompleteSetIsNoDamagedOne() throws {
        var history = try Self.sets("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z")
        history[0].damage = .incomplete
        history[0].missing = "redis-1.rdb.zst"
        let reason = "incomplete: redis-1.rdb.zst"
        var limits = RetentionPlan.Limits(graceSeconds: 0)
        limits.removesDamaged = true
        let refused = try Self.plan(history, limits: limits) { $0.last = 1 }
        #expect(refused.refusal?.code == .guardRefused && refused.due.isEmpty)
        #expect(refused.reasons(history[0]) == [reason])
        #expect(refused.refusal?.hint?.contains("--remove-incomplete") == true)
        #expect(refused.refusal?.hint?.contains("--remove-damaged") == false)
        limits.ignoresDamaged = true
        let ignoring = try Self.plan(history, limits: limits) { $0.last = 1 }
        #expect(ignoring.due.map(\.id) == [history[1].id])
        limits = .init(graceSeconds: 0)
        limits.removesDisproven = true
        let others = try Self.plan(history, limits: limits) { $0.last = 1 }
        #expect(others.refusal?.code == .guardRefused && others.due.isEmpty)
        limits = .init(graceSeconds: 0)
        limits.removesIncomplete = true
        let removing = try Self.plan(history, limits: limits) { $0.last = 1 }
        #expect(removing.due.map(\.id) == [history[0].id, history[1].id] && removing.reasons(history[0]) == [reason])
        // Beside a damaged one, each flag speaks for its own.
        history[1].damage = .damaged
        let both = try Self.plan(history) { $0.last = 1 }
        #expect(both.refusal == nil, "nothing is due")
        let half = try Self.plan(history, limits: limits) { $0.last = 1 }
        #expect(half.refusal?.message.contains(history[1].id.text) == true)
        #expect(half.refusal?.message.contains(history[0].id.text) == false)
        // Where nothing else is left, it is better than a manifest that cannot be read.
        let alone = try Self.plan(Array(history[..<2]), limits: limits) { $0.last = 1 }
        #expect(alone.reasons(history[0]) == ["newest proven"])
    }

    @Test func anEmptyPolicyRemovesNothing() throws {
        let history = try Self.sets("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
        let plan = try Self.plan(history) { _ in }
        #expect(plan.due.isEmpty && plan.kept.count == 2)
        #expect(RetentionPolicy().isEmpty && Self.policy { $0.periods = [.daily: 0] }.isEmpty)
    }

    // MARK: Clocks

    /// Young by the id or by the clock of the store: either is enough. An id of the future is no age.
    @Test(arguments: [
        (-3601, -3601, true), (-3600, -3600, true), (-3599, -7200, false), (-7200, -3599, false), (90_000, -7200, true),
        (90_000, -10, false), (-7200, 90_000, false),
    ])
    func whatIsYoungStays(id: Int64, written: Int64, isRemoved: Bool) throws {
        let now = RetentionParts.now.secondsSince1970
        var old = RetentionParts.set(now + id)
        old.writtenAt = Timestamp(secondsSince1970: now + written)
        old.takenAt = Timestamp(secondsSince1970: now - 7200)
        var newest = RetentionParts.set(now + 100_000)
        newest.takenAt = RetentionParts.now
        let limits = RetentionPlan.Limits(graceSeconds: 3600)
        let plan = RetentionParts.plan([old, newest], Self.policy { $0.last = 1 }, limits: limits)
        #expect(plan.gone.contains(old.id) == isRemoved)
    }

    /// One run had a clock that was a year ahead; its id, and those of all runs since, are of next year (F22).
    @Test func oneClockThatWasAheadDoesNotMakeOneDayOfAllThatFollows() throws {
        var manifest = try ManifestTests.sample()
        let day: Int64 = 86_400
        let start = RetentionParts.now.secondsSince1970 - 10 * day
        var history: [RetainableSet] = []
        for index in 0..<10 {
            let time = Timestamp(secondsSince1970: start + Int64(index) * day)
            let ahead = Timestamp(secondsSince1970: start + 365 * day + Int64(index))
            manifest.id = BackupID(time: index < 3 ? time : ahead, suffix: 0)
            manifest.startedAt = index == 3 ? ahead : time
            history.append(RetainableSet(manifest, writtenAt: time, now: RetentionParts.now))
        }
        let plan = RetentionParts.plan(history, Self.policy { $0.periods = [.daily: 5] })
        #expect(plan.gone == history.prefix(5).map(\.id))
        #expect(history.map(\.takenAt.secondsSince1970) == (0..<10).map { start + $0 * day })
    }

    @Test(arguments: [
        // id, start, written by the store's clock, now: when it was taken.
        (100, 100, 160, 1000, 100),
        // Copied later.
        (100, 100, 900, 1000, 100),
        // The clock of this run was behind: its id is newer than the one before.
        (100, 5, 160, 1000, 100),
        // The clock was ahead, and still is.
        (2000, 2000, 160, 1000, 160),
        // After a run whose clock was ahead.
        (2001, 150, 160, 1000, 150),
        // The clock of the store was behind.
        (500, 500, 3, 1000, 500),
    ])
    func theTimeOfASetIsTheLikeliest(id: Int64, start: Int64, written: Int64, now: Int64, taken: Int64) throws {
        let base: Int64 = 1_700_000_000
        func time(_ seconds: Int64) -> Timestamp { Timestamp(secondsSince1970: base + seconds) }
        var manifest = try ManifestTests.sample()
        manifest.id = BackupID(time: time(id), suffix: 0)
        manifest.startedAt = time(start)
        let set = RetainableSet(manifest, writtenAt: time(written), now: time(now))
        #expect(set.takenAt == time(taken))
    }
}
