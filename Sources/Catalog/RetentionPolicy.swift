// SPDX-License-Identifier: Apache-2.0

/// Which sets of one subject are kept: rules of which one is enough, with the meaning that restic gave them.
///
/// Pure: it knows no store and no clock.
package struct RetentionPolicy: Sendable, Hashable {
    /// Keeps the newest sets, so many of them.
    package var last = 0
    /// Keeps the newest set of each hour, day, week, month or year that has one, for so many of these.
    package var periods: [RetentionCalendar.Period: Int] = [:]
    /// Keeps what was taken in that span before the newest set.
    package var within: RetentionSpan?
    /// Keeps what has all tags of one of these.
    package var tags: [Set<String>] = []

    /// As many as there are.
    package static let unlimited = Int.max

    package init() {}

    /// Whether no rule keeps anything: then nothing at all may be removed.
    package var isEmpty: Bool {
        last == 0 && !periods.values.contains { $0 > 0 } && within == nil && tags.isEmpty
    }

    /// The rules that keep each set of a history; what no rule keeps is not in the answer.
    /// - Parameter now: a set that was taken later does not say up to when a span counts.
    func reasons(
        in history: [RetainableSet],
        _ calendar: RetentionCalendar,
        now: Timestamp
    ) -> [BackupID: [String]] {
        let newestFirst = history.sorted { ($0.takenAt, $0.id) > ($1.takenAt, $1.id) }
        var reasons: [BackupID: [String]] = [:]
        // Ids are in the order of the runs, whatever their clocks said.
        for set in history.sorted(by: { $0.id > $1.id }).prefix(last) { reasons[set.id, default: []].append("last") }
        for period in RetentionCalendar.Period.allCases {
            for (id, reason) in Self.newestOfEach(period, in: newestFirst, upTo: periods[period] ?? 0, calendar) {
                reasons[id, default: []].append(reason)
            }
        }
        if let within, let newest = newestFirst.first(where: { $0.takenAt <= now }) {
            let limit = calendar.moment(within, before: newest.takenAt)
            for set in newestFirst where set.takenAt >= limit {
                reasons[set.id, default: []].append("within \(within)")
            }
        }
        for wanted in tags {
            for set in newestFirst where wanted.isSubset(of: set.tags) {
                reasons[set.id, default: []].append("tag \(wanted.sorted().joined(separator: ","))")
            }
        }
        return reasons
    }

    /// The newest set of each stretch. While fewer stretches have a set than are asked for, the oldest set of all is
    /// kept too, so that the history grows to its length from what is there.
    private static func newestOfEach(
        _ period: RetentionCalendar.Period,
        in newestFirst: [RetainableSet],
        upTo count: Int,
        _ calendar: RetentionCalendar
    ) -> [(BackupID, String)] {
        var kept: [(BackupID, String)] = []
        var latest: Int64?
        for (index, set) in newestFirst.enumerated() where kept.count < count {
            let stretch = calendar.stretch(of: set.takenAt, period)
            if stretch != latest {
                kept.append((set.id, period.rawValue))
            } else if index == newestFirst.count - 1 {
                kept.append((set.id, "oldest \(period.rawValue)"))
            }
            latest = stretch
        }
        return kept
    }
}

extension RetentionPolicy: CustomStringConvertible {
    /// As the options would be written: `keep-daily 7, keep-within 30d`.
    package var description: String {
        func number(_ count: Int) -> String { count == Self.unlimited ? "unlimited" : "\(count)" }
        var rules = last > 0 ? ["keep-last \(number(last))"] : []
        for period in RetentionCalendar.Period.allCases {
            if let count = periods[period], count > 0 { rules.append("keep-\(period.rawValue) \(number(count))") }
        }
        if let within { rules.append("keep-within \(within)") }
        rules += tags.map { "keep-tag \($0.sorted().joined(separator: ","))" }
        return rules.joined(separator: ", ")
    }
}
