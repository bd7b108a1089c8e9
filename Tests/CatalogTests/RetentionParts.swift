// SPDX-License-Identifier: Apache-2.0

import Catalog
import TestParts
import Testing

/// Sets of a subject, made of times alone.
enum RetentionParts {
    static let now = Timestamp(secondsSince1970: 1_800_000_000)

    static func set(_ seconds: Int64, _ suffix: UInt16 = 0) -> RetainableSet {
        let time = Timestamp(secondsSince1970: seconds)
        return RetainableSet(name: "demo", id: BackupID(time: time, suffix: suffix), takenAt: time, writtenAt: time)
    }

    static func set(_ text: String) throws -> RetainableSet {
        set(try #require(Timestamp(text)).secondsSince1970)
    }

    static func plan(
        _ history: [RetainableSet],
        _ policy: RetentionPolicy,
        in calendar: RetentionCalendar = RetentionCalendar(),
        limits: RetentionPlan.Limits = .init(graceSeconds: 0),
        now: Timestamp = now
    ) -> RetentionPlan {
        RetentionPlan(of: "demo", history: history, by: policy, in: calendar, limits: limits, now: now)
    }

    /// A history of up to 60 sets, some of them partial, disproven, damaged, incomplete, pinned or tagged.
    static func history(_ random: inout SeededRandom) -> [RetainableSet] {
        let step: Int64 = [600, 3600, 21_600, 86_400, 400_000].randomElement(using: &random) ?? 3600
        var seconds = now.secondsSince1970 - Int64.random(in: -2000...step, using: &random)
        return (0..<Int.random(in: 0...60, using: &random)).map { index in
            var set = set(seconds, UInt16(index))
            seconds -= Int64.random(in: 0...(2 * step), using: &random)
            func happens(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
            set.isPartial = happens(15)
            set.isDisproven = happens(8)
            if happens(6) { set.damage = [.damaged, .unreadable, .incomplete].randomElement(using: &random) }
            set.isPinned = happens(4)
            if happens(20) { set.tags.insert("a") }
            if happens(20) { set.tags.insert("b") }
            return set
        }
    }

    static func policy(_ random: inout SeededRandom) -> RetentionPolicy {
        var policy = RetentionPolicy()
        func count() -> Int { [0, 0, 1, 2, 5, 30, RetentionPolicy.unlimited].randomElement(using: &random) ?? 0 }
        policy.last = count()
        for period in RetentionCalendar.Period.allCases { policy.periods[period] = count() }
        policy.within = ["12h", "3d", "2w", "1mo", "1y"].randomElement(using: &random).flatMap {
            Bool.random(using: &random) ? RetentionSpan($0) : nil
        }
        if Bool.random(using: &random) { policy.tags = [["a"], ["a", "b"]].shuffled(using: &random).dropLast() }
        if policy.isEmpty { policy.last = 1 }
        return policy
    }
}

extension RetentionPlan {
    var kept: [BackupID] { verdicts.filter(\.isKept).map(\.set.id) }
    var gone: [BackupID] { verdicts.filter { !$0.isKept }.map(\.set.id) }

    /// The reasons of one set.
    func reasons(_ set: RetainableSet) -> [String] { verdicts.first { $0.set.id == set.id }?.reasons ?? [] }
}
