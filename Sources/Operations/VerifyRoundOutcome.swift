// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures

/// What a run over the sets of a store found.
package struct VerifyRoundOutcome: Sendable {
    /// Why it ended before all sets had their turn.
    package enum Stop: String, Sendable {
        case bytes = "max-bytes"
        case time = "max-time"
        /// Several sets in a row could not be read.
        case store
    }

    /// One set that had its turn.
    package struct Examined: Sendable {
        package let set: ListedSet
        package let findings: [Verify.Finding]
        package private(set) var verdict: ProofRecord.Verdict
        /// The worst that was found; `nil` when it is proven as far as was asked for.
        package private(set) var failure: Failure?
        package let seconds: Double

        init(set: ListedSet, findings: [Verify.Finding]) {
            self.set = set
            self.findings = findings
            let failures = findings.compactMap(\.failure)
            let worst = failures.first(where: \.code.isOfContent) ?? failures.first
            let empty = Failure(.noSuchBackup, "verify \(set.title): the set holds no snapshot")
            failure = worst ?? (findings.isEmpty ? empty : nil)
            let isStoredOnly = findings.contains { $0.verdict == .stored }
            verdict = failure.map { $0.code.isOfContent ? .different : .failed } ?? (isStoredOnly ? .stored : .proven)
            seconds = findings.reduce(0) { $0 + $1.seconds }
        }

        /// What a closer look found stands, or it is not known what it found.
        mutating func refute(_ refutation: Failure) {
            (verdict, failure) = (refutation.code.isOfContent ? .different : .failed, refutation)
        }

        init(set: ListedSet, unreadable failure: Failure) {
            self.set = set
            findings = []
            self.failure = failure
            verdict = failure.code == .corruptManifest ? .different : .failed
            seconds = 0
        }
    }

    package var examined: [Examined] = []
    package var stop: Stop?
    package var seconds = 0.0
    /// Sets that are still there, had no turn now or could not be read, and were found different when they could.
    package var differentBefore: [ListedSet] = []
    /// All sets, and their bytes.
    package let totalSets: Int
    package let totalBytes: Int64
    private let turns: [VerifyQueue.Turn]

    init(_ queue: VerifyQueue) {
        turns = queue.turns
        totalSets = queue.turns.count
        totalBytes = queue.turns.reduce(0) { $0 + $1.set.storedBytes }
    }

    /// Bytes of the sets that had their turn.
    package var bytes: Int64 { examined.reduce(0) { $0 + ($1.findings.isEmpty ? 0 : $1.set.storedBytes) } }

    /// The set that has the next turn, with the time at which it was looked at.
    package var next: VerifyQueue.Turn? {
        let done = Set(examined.map(\.set))
        return turns.first { !done.contains($0.set) }
    }

    /// How many runs like this one a whole round takes; `nil` when this one read nothing.
    package var runsOfARound: Int? {
        guard bytes > 0 else { return nil }
        return max(1, Int((Double(totalBytes) / Double(bytes)).rounded(.up)))
    }

    /// How long reading all of it would take at the pace of this run.
    package var secondsOfARound: Double? {
        guard bytes > 0 else { return nil }
        return seconds * Double(totalBytes) / Double(bytes)
    }

    func known(differentIn ledger: ProofLedger, among sets: [ListedSet]) -> [ListedSet] {
        // One that could not be read now takes nothing back.
        let done = Set(examined.lazy.filter { $0.verdict != .failed }.map(\.set))
        return sets.filter { !done.contains($0) && ledger[$0.name, $0.id]?.isDifferent == true }
    }

    /// What is said when a signal ends the run.
    func interrupted(in set: ListedSet) -> Failure {
        Failure(
            .interrupted,
            "verify \(set.title): it was not read to its end, and \(examined.count) other sets were",
            hint: "The next run begins with it: what was found of the others is on record."
        )
    }
}
