// SPDX-License-Identifier: Apache-2.0

import Catalog
import TestParts
import Testing

/// What holds of every history and every policy; a seed that breaks it is named.
struct RetentionPropertyTests {
    private static let zones = ["UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]
    private static let rounds: UInt64 = 400

    private struct Case {
        let seed: UInt64
        let history: [RetainableSet]
        var policy: RetentionPolicy
        let calendar: RetentionCalendar
        var limits = RetentionPlan.Limits(graceSeconds: 0)
        var random: SeededRandom

        init(_ seed: UInt64) throws {
            self.seed = seed
            random = SeededRandom(seed: seed)
            history = RetentionParts.history(&random)
            policy = RetentionParts.policy(&random)
            let zone = RetentionPropertyTests.zones.randomElement(using: &random) ?? "UTC"
            calendar = try RetentionCalendarTests.calendar(zone)
            limits.graceSeconds = [0, 3600, 86_400].randomElement(using: &random) ?? 0
            limits.removesDisproven = Bool.random(using: &random)
            limits.removesIncomplete = Bool.random(using: &random)
            limits.removesDamaged = Bool.random(using: &random)
            limits.ignoresDamaged = Bool.random(using: &random)
        }

        func plan(_ history: [RetainableSet]? = nil) -> RetentionPlan {
            RetentionParts.plan(history ?? self.history, policy, in: calendar, limits: limits)
        }
    }

    private func forEachCase(_ body: (inout Case) throws -> Void) throws {
        for seed in 0..<Self.rounds {
            var one = try Case(seed)
            try body(&one)
        }
    }

    @Test func theNewestProvenTheNewestWholeAndWhatIsPinnedAlwaysStay() throws {
        var removed = 0
        try forEachCase { one in
            let plan = one.plan()
            let (kept, gone) = (Set(plan.kept), Set(plan.gone))
            #expect(kept.isDisjoint(with: gone) && kept.count + gone.count == one.history.count)
            let proven = one.history.filter { $0.damage == nil && !$0.isDisproven }
            for id in [proven.map(\.id).max(), proven.filter { !$0.isPartial }.map(\.id).max()].compactMap({ $0 }) {
                #expect(kept.contains(id), "seed \(one.seed)")
            }
            #expect(one.history.isEmpty == kept.isEmpty, "seed \(one.seed): one set always stays")
            for set in one.history where set.isPinned { #expect(kept.contains(set.id), "seed \(one.seed)") }
            for set in one.history {
                let isEvidence = set.isDisproven && set.damage == nil && !one.limits.removesDisproven
                let isIncomplete = set.damage == .incomplete && !one.limits.removesIncomplete
                if isEvidence || isIncomplete { #expect(kept.contains(set.id), "seed \(one.seed)") }
            }
            for set in one.history where set.damage == .unreadable { #expect(kept.contains(set.id)) }
            #expect(plan.verdicts.allSatisfy { !$0.reasons.isEmpty })
            removed += plan.due.count
        }
        // The property is not empty.
        #expect(removed > 1000)
    }

    /// Asked for more, it keeps more; and what was kept before is kept still.
    @Test func keepingMoreOfAnythingKeepsAllThatWasKept() throws {
        try forEachCase { one in
            let before = Set(one.plan().kept)
            var more = one
            let extra = Int.random(in: 1...5, using: &more.random)
            func raised(_ count: Int) -> Int { count == RetentionPolicy.unlimited ? count : count + extra }
            switch Int.random(in: 0..<4, using: &more.random) {
            case 0: more.policy.last = raised(more.policy.last)
            case 1: more.policy.within = RetentionSpan("2y")
            case 2: more.policy.tags.append(["b"])
            default:
                let period = RetentionCalendar.Period.allCases.randomElement(using: &more.random) ?? .daily
                more.policy.periods[period] = raised(more.policy.periods[period] ?? 0)
            }
            #expect(before.isSubset(of: more.plan().kept), "seed \(one.seed)")
        }
    }

    /// What is kept would be kept again: a second run removes nothing.
    @Test func pruningWhatIsKeptRemovesNothing() throws {
        try forEachCase { one in
            let kept = Set(one.plan().kept)
            let again = one.plan(one.history.filter { kept.contains($0.id) })
            #expect(again.gone.isEmpty, "seed \(one.seed): \(again.gone)")
        }
    }

    @Test func theOrderOfAListingDoesNotMatter() throws {
        try forEachCase { one in
            let plan = one.plan()
            let shuffled = one.plan(one.history.shuffled(using: &one.random))
            #expect(plan.verdicts == shuffled.verdicts, "seed \(one.seed)")
        }
    }

    /// N whole sets are kept however many partial, disproven and damaged ones are newer.
    @Test func whatIsNotWholeTakesNoPlaceOfWhatIs() throws {
        try forEachCase { one in
            one.policy = RetentionPolicy()
            one.policy.last = 5
            let whole = one.history.filter { $0.damage == nil && !$0.isDisproven && !$0.isPartial }.map(\.id).sorted()
            #expect(Set(whole.suffix(5)).isSubset(of: one.plan().kept), "seed \(one.seed)")
        }
    }
}
