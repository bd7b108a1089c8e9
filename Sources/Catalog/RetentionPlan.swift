// SPDX-License-Identifier: Apache-2.0

import Failures

/// What becomes of each set of one subject, and why: the rules, and above them what no rule may remove. Pure.
///
/// - A set that is damaged, incomplete or disproven counts for no rule, and goes only when a person says so.
/// - A partial set takes the place of no whole one: the rules are asked about the whole sets, and about all together,
///   and what either keeps is kept.
/// - The newest proven set stays, the newest whole one, what is pinned, and what is young. So one set of a subject
///   always stays.
package struct RetentionPlan: Sendable {
    /// What a person may allow beyond the rules, and how young is too young.
    package struct Limits: Sendable, Hashable {
        package var graceSeconds: Int64
        /// Whether sets go that were found to hold something else than they should.
        package var removesDisproven = false
        /// Whether sets go of which a member is not there, or not of its size.
        package var removesIncomplete = false
        /// Whether sets go whose manifest is damaged.
        package var removesDamaged = false
        /// Whether the history is judged although some of its manifests cannot be read, or members are missing.
        package var ignoresDamaged = false

        package init(graceSeconds: Int64) {
            self.graceSeconds = graceSeconds
        }
    }

    package struct Verdict: Sendable, Hashable {
        package let set: RetainableSet
        package let isKept: Bool
        /// Why it is kept, every reason; or why it goes.
        package let reasons: [String]
    }

    package let name: String
    /// Oldest first.
    package let verdicts: [Verdict]
    /// Why nothing of this subject is removed, although something is due.
    package let refusal: Failure?

    /// What goes, oldest first.
    package var due: [RetainableSet] { refusal == nil ? verdicts.filter { !$0.isKept }.map(\.set) : [] }

    /// - Parameter history: every set of the subject, in any order.
    package init(
        of name: String,
        history: [RetainableSet],
        by policy: RetentionPolicy,
        in calendar: RetentionCalendar,
        limits: Limits,
        now: Timestamp
    ) {
        let judgement = Judgement(history, policy, calendar, limits, now)
        self.name = name
        verdicts = history.sorted { $0.id < $1.id }.map { set in
            let kept = judgement.reasonsToKeep(set)
            return Verdict(
                set: set,
                isKept: !kept.isEmpty || policy.isEmpty,
                reasons: kept.isEmpty ? [judgement.reasonToRemove(set)] : kept
            )
        }
        let doubtful = history.filter(limits.leavesInDoubt).sorted { $0.id < $1.id }
        let isDoubtful = !doubtful.isEmpty && verdicts.contains { !$0.isKept }
        refusal = isDoubtful ? Self.doubt(about: name, doubtful) : nil
    }

    private static func doubt(about name: String, _ sets: [RetainableSet]) -> Failure {
        let shown = sets.prefix(5).map(\.id.text).joined(separator: ", ") + (sets.count > 5 ? ", …" : "")
        let incomplete = sets.count { $0.damage == .incomplete }
        let (words, flags) =
            switch incomplete {
            case 0: ("damaged", "--remove-damaged removes these too")
            case sets.count: ("incomplete", "--remove-incomplete removes these too")
            default:
                (
                    "damaged or incomplete",
                    "--remove-damaged removes those whose manifest is damaged, --remove-incomplete those that are "
                        + "incomplete"
                )
            }
        return Failure(
            .guardRefused,
            "prune \(name): \(sets.count) of its sets \(sets.count == 1 ? "is" : "are") \(words) (\(shown)), so what "
                + "is left of its history is not certain, and nothing of it was removed",
            hint: "Look at them with `redoubt list` and `redoubt verify`. --ignore-damaged prunes the others and "
                + "leaves these; \(flags)."
        )
    }

    /// The history of one subject, looked at as a whole.
    private struct Judgement {
        private let rules: [BackupID: [String]]
        private let newest: [BackupID: [String]]
        private let limits: Limits
        private let now: Timestamp

        init(
            _ history: [RetainableSet],
            _ policy: RetentionPolicy,
            _ calendar: RetentionCalendar,
            _ limits: Limits,
            _ now: Timestamp
        ) {
            self.limits = limits
            self.now = now
            let counted = history.filter(\.counts)
            let ofAll = policy.reasons(in: counted, calendar, now: now)
            let ofWhole = policy.reasons(in: counted.filter { !$0.isPartial }, calendar, now: now)
            rules = ofAll.merging(ofWhole) { all, whole in all + whole.filter { !all.contains($0) } }
            newest = Self.newest(of: history)
        }

        /// Where there is no proven set, or no whole one, what comes nearest to it stands in its place.
        private static func newest(of history: [RetainableSet]) -> [BackupID: [String]] {
            func newest(_ ranks: [(RetainableSet) -> Bool]) -> BackupID? {
                ranks.lazy.compactMap { rank in history.filter(rank).map(\.id).max() }.first
            }
            var reasons: [BackupID: [String]] = [:]
            if let proven = newest([
                \.counts, { $0.damage == nil }, { $0.damage == .incomplete }, { _ in true },
            ]) {
                reasons[proven, default: []].append("newest proven")
            }
            if let whole = newest([{ $0.counts && !$0.isPartial }, { $0.damage == nil && !$0.isPartial }]) {
                reasons[whole, default: []].append("newest whole")
            }
            return reasons
        }

        func reasonsToKeep(_ set: RetainableSet) -> [String] {
            var reasons = (rules[set.id] ?? []) + (newest[set.id] ?? [])
            if set.isPinned { reasons.append("pinned") }
            if set.isYoung(graceSeconds: limits.graceSeconds, now: now) { reasons.append("young") }
            if set.damage == .unreadable { reasons.append("unreadable") }
            if set.damage == .damaged, !limits.removesDamaged { reasons.append("damaged") }
            if set.damage == .incomplete, !limits.removesIncomplete { reasons.append(Self.incomplete(set)) }
            if set.damage == nil, set.isDisproven, !limits.removesDisproven { reasons.append("disproven") }
            return reasons
        }

        func reasonToRemove(_ set: RetainableSet) -> String {
            if set.damage == .incomplete { return Self.incomplete(set) }
            if set.damage != nil { return "damaged" }
            return set.isDisproven ? "disproven" : "no rule keeps it"
        }

        private static func incomplete(_ set: RetainableSet) -> String {
            "incomplete" + (set.missing.map { ": \($0)" } ?? "")
        }
    }
}

extension RetentionPlan.Limits {
    /// Whether a set says that something happened to the history, and nobody said what is to be done about it.
    fileprivate func leavesInDoubt(_ set: RetainableSet) -> Bool {
        switch set.damage {
        case nil: false
        case .damaged, .unreadable: !ignoresDamaged && !removesDamaged
        case .incomplete: !ignoresDamaged && !removesIncomplete
        }
    }
}
