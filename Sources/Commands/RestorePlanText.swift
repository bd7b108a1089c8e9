// SPDX-License-Identifier: Apache-2.0

import Operations

/// The plan of a restore for people: a table, and below it what is worth a word.
enum RestorePlanText {
    static func text(_ plan: RestorePlan) -> String {
        var table = TextTable([
            (heading: "CHECK", alignment: .left), (heading: "VERDICT", alignment: .left),
            (heading: "SNAPSHOT", alignment: .left), (heading: "TARGET", alignment: .left),
        ])
        for row in plan.rows {
            table.append([row.check.rawValue, word(row.verdict), row.snapshot, row.target])
        }
        let remarks = plan.rows.filter { $0.verdict != .go }.map { row in
            "\(word(row.verdict)) \(row.check.rawValue): \(row.detail)"
                + (row.override.map { row.verdict == .noGo ? "; \($0) restores all the same" : "" } ?? "")
        }
        return ([table.text] + (remarks.isEmpty ? [] : [""]) + remarks).joined(separator: "\n")
    }

    static func word(_ verdict: RestorePlan.Verdict) -> String {
        switch verdict {
        case .go: "GO"
        case .warning: "WARN"
        case .noGo: "NO-GO"
        }
    }
}
