// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Operations

/// What becomes of each set, or became of it, and why.
struct SetsReport {
    struct Row: Encodable {
        let name: String
        let id: String
        let takenAt: Timestamp
        let storedBytes: Int64?
        let keep: Bool
        let reasons: [String]
        /// `kept`; `removed`, `half-removed`, `locked-by-store`, `pinned`, `changed`, `locked` or `failed`; `refused`;
        /// `would-remove` where nothing was done yet.
        let outcome: String
        /// Of what was removed, what the store keeps as versions that are not current.
        let hiddenBytes: Int64?
        let error: Manifest.Problem?
    }

    /// What is left of sets that had no manifest any more: how many of their members are due, or went.
    let sweptMembers: Int
    let rows: [Row]
    /// Why nothing of a subject is removed.
    private let refusals: [Failure]
    private let failures: [Failure]
    private let isDone: Bool

    /// - Parameter done: `nil` where nothing was done.
    init(_ plans: [PrunePlan], _ done: PruneOutcome?) {
        let findings = done?.findings ?? []
        let outcomes = Dictionary(
            findings.map { (Self.title($0.verdict.set), $0.outcome) },
            uniquingKeysWith: { first, _ in first }
        )
        rows = plans.flatMap { plan in
            plan.verdicts.map { verdict in
                let outcome = outcomes[Self.title(verdict.set)]
                let word =
                    if verdict.isKept {
                        "kept"
                    } else if plan.refusal != nil {
                        "refused"
                    } else {
                        outcome?.word ?? "would-remove"
                    }
                return Row(verdict, word, outcome)
            }
        }
        sweptMembers = done?.sweptMembers ?? plans.reduce(0) { $0 + $1.halfRemoved.count }
        refusals = plans.compactMap(\.refusal)
        let ofSets = findings.compactMap { finding -> Failure? in
            // A lock of the store is its owner's wish, and no failure of this run.
            if case .retained = finding.outcome { nil } else { finding.outcome.failure }
        }
        failures = ofSets + (done?.sweepFailures ?? [])
        isDone = done != nil
    }

    private static func title(_ set: RetainableSet) -> String { "\(set.name)/\(set.id)" }

    private func count(_ outcomes: String...) -> Int { rows.count { outcomes.contains($0.outcome) } }

    /// What the store keeps of the sets that are removed.
    private var hiddenBytes: Int64 { rows.reduce(0) { $0 + ($1.hiddenBytes ?? 0) } }

    /// How many sets go.
    var due: Int { count("would-remove") }

    var lines: [String] {
        guard !rows.isEmpty else { return [] }
        var table = TextTable([
            ("NAME", .left), ("ID", .left), ("TAKEN", .left), ("STORED", .right), ("OUTCOME", .left), ("REASON", .left),
        ])
        for row in rows {
            table.append([
                row.name, row.id, row.takenAt.description, row.storedBytes.map(Quantity.bytes) ?? "?", row.outcome,
                row.reasons.joined(separator: ", "),
            ])
        }
        var lines = [table.text, ""]
        var messages: [String] = []
        for row in rows where row.error != nil {
            let message = "\(row.outcome)".padded(to: 10) + "\(row.name)/\(row.id): \(row.error?.message ?? "")"
            messages.append(message)
        }
        lines += messages
        if hiddenBytes > 0 {
            lines += [
                "hidden    \(Quantity.bytes(hiddenBytes)) stay in the bucket, which keeps versions of what is removed",
                "          A lifecycle rule ends that: NoncurrentVersionExpiration. What is locked waits for its lock.",
            ]
        }
        for refusal in refusals {
            lines.append("refused   \(refusal.message)")
            if let hint = refusal.hint { lines.append("          \(hint)") }
        }
        return lines
    }

    func verdict(at store: String) -> String {
        guard !rows.isEmpty else { return "no backups in \(store)" }
        var parts: [String] = []
        if isDone {
            parts = ["\(backups(count("removed", "half-removed"))) removed", "\(count("kept")) kept"]
        } else {
            parts = ["\(backups(due)) to remove", "\(count("kept")) to keep"]
        }
        for (outcome, words) in [
            ("locked-by-store", "locked by the store"), ("pinned", "pinned meanwhile"),
            ("changed", "changed meanwhile"),
            ("locked", "locked by another run"), ("failed", "failed"), ("refused", "refused"),
        ] where count(outcome) > 0 { parts.append("\(count(outcome)) \(words)") }
        if hiddenBytes > 0 { parts.append("\(Quantity.bytes(hiddenBytes)) kept as versions") }
        return parts.joined(separator: ", ") + " in \(store)"
    }

    private func backups(_ number: Int) -> String { number == 1 ? "1 backup" : "\(number) backups" }

    private var hasRemoved: Bool { count("removed", "half-removed") > 0 || (isDone && sweptMembers > 0) }

    var ending: PruneEnding {
        PruneEnding(failures: refusals + failures, hasRemoved: hasRemoved)
    }
}

extension SetsReport.Row {
    fileprivate init(_ verdict: RetentionPlan.Verdict, _ word: String, _ outcome: PruneFinding.Outcome?) {
        name = verdict.set.name
        id = verdict.set.id.text
        takenAt = verdict.set.takenAt
        storedBytes = verdict.set.storedBytes
        keep = verdict.isKept
        reasons = verdict.reasons
        self.outcome = word
        hiddenBytes = outcome?.hiddenBytes
        error = outcome?.failure.map { .init(code: $0.code.rawValue, message: $0.description) }
    }
}

extension PruneFinding.Outcome {
    fileprivate var word: String {
        switch self {
        case .removed: "removed"
        case .halfRemoved: "half-removed"
        case .retained: "locked-by-store"
        case .pinned: "pinned"
        case .changed: "changed"
        case .locked: "locked"
        case .failed: "failed"
        }
    }

    fileprivate var hiddenBytes: Int64? {
        guard case .removed(let bytes) = self, bytes.hidden > 0 else { return nil }
        return bytes.hidden
    }

    fileprivate var failure: Failure? {
        switch self {
        case .halfRemoved(let failure), .retained(let failure), .locked(let failure), .failed(let failure): failure
        case .removed, .pinned, .changed: nil
        }
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(1, width - count))
    }
}
