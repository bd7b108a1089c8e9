// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import ObjectStorage

/// What is asked of a run that prunes.
package struct PruneRequest: Sendable {
    package var policy: RetentionPolicy
    package var calendar: RetentionCalendar
    package var limits: RetentionPlan.Limits
    package var tool: Manifest.Tool
    /// Random, new for each run.
    package var runID: String
    /// What the records of removals are signed with.
    package var signingKey: SigningKey?

    package init(
        policy: RetentionPolicy,
        calendar: RetentionCalendar,
        limits: RetentionPlan.Limits,
        tool: Manifest.Tool,
        runID: String
    ) {
        self.policy = policy
        self.calendar = calendar
        self.limits = limits
        self.tool = tool
        self.runID = runID
    }

    /// - Throws: `.usage` when no rule keeps anything.
    func requirePolicy() throws {
        guard policy.isEmpty else { return }
        throw Failure(
            .usage,
            "prune backups: no rule keeps any, and an empty policy removes nothing",
            hint: "Say what is kept, as with --keep-last 3 --keep-daily 7 --keep-weekly 5 (docs/retention.md)."
        )
    }

    func removal(of due: RetentionPlan.Verdict, manifest: [UInt8]) -> SetRemoval {
        SetRemoval(
            of: due.set.id,
            name: due.set.name,
            policy: "\(policy) (\(calendar.zone.name))",
            reason: due.reasons.joined(separator: ", "),
            tool: tool,
            manifest: manifest
        )
    }
}

/// What would become of every set of one subject.
package struct PrunePlan: Sendable {
    package let name: String
    private let retention: RetentionPlan
    /// Members of sets that have no manifest any more, and are older than the grace period.
    package let halfRemoved: [Remnant]

    init(_ name: String, _ history: [RetainableSet], _ remnants: [Remnant], for request: PruneRequest, now: Timestamp) {
        self.name = name
        retention = RetentionPlan(
            of: name,
            history: history,
            by: request.policy,
            in: request.calendar,
            limits: request.limits,
            now: now
        )
        let limit = now.secondsSince1970 - request.limits.graceSeconds
        halfRemoved = remnants.filter { $0.kind == .memberWithoutManifest && $0.writtenAtSeconds <= limit }
    }

    /// Oldest first.
    package var verdicts: [RetentionPlan.Verdict] { retention.verdicts }

    /// Why nothing of the subject is removed, although something is due.
    package var refusal: Failure? { retention.refusal }

    /// What goes, oldest first.
    package var due: [RetentionPlan.Verdict] { refusal == nil ? verdicts.filter { !$0.isKept } : [] }

    /// Whether there is nothing to do.
    package var isIdle: Bool { due.isEmpty && halfRemoved.isEmpty }
}

/// What became of one set that was due.
package struct PruneFinding: Sendable {
    package enum Outcome: Sendable {
        case removed(Catalog.RemovedBytes)
        /// The backup is gone; some of its members are still there, and are swept by a later run.
        case halfRemoved(Failure)
        /// A lock of the store, or a rule of retention of it, keeps it.
        case retained(Failure)
        /// It was pinned meanwhile.
        case pinned
        /// It is not what it was when the plan was made, or is kept by now.
        case changed
        /// Another run works on the subject.
        case locked(Failure)
        case failed(Failure)
    }

    package let verdict: RetentionPlan.Verdict
    package let outcome: Outcome

    /// Whether the backup is gone.
    var isRemoved: Bool {
        switch outcome {
        case .removed, .halfRemoved: true
        case .retained, .pinned, .changed, .locked, .failed: false
        }
    }

    init(_ verdict: RetentionPlan.Verdict, _ outcome: Outcome) {
        self.verdict = verdict
        self.outcome = outcome
    }
}

/// What became of what the plans say.
package struct PruneOutcome: Sendable {
    /// Of the sets that were due.
    package private(set) var findings: [PruneFinding] = []
    /// How many members were removed of sets that had no manifest any more.
    package private(set) var sweptMembers = 0
    /// Why others of them are still there.
    package private(set) var sweepFailures: [Failure] = []
    /// The sets whose members went, or may have gone.
    private(set) var swept = Sweep()

    /// Nothing was done.
    package init() {}

    mutating func add(_ finding: PruneFinding) { findings.append(finding) }

    /// Members of the set may go from now on, whatever becomes of the run.
    mutating func mayBeSwept(_ id: BackupID) { swept.ids.insert(id) }

    mutating func add(swept remnant: Remnant) {
        sweptMembers += 1
        note(remnant)
    }

    mutating func add(swept remnant: Remnant, failure: Failure?) {
        if let failure { sweepFailures.append(failure) }
        note(remnant)
    }

    private mutating func note(_ remnant: Remnant) {
        if let id = BackupID(remnant.key.components[1]) { swept.ids.insert(id) }
    }

    /// The rest of a plan was not tried.
    mutating func end(_ plan: PrunePlan, with failure: Failure) {
        let outcome = failure.code == .locked ? PruneFinding.Outcome.locked(failure) : .failed(failure)
        findings += plan.due.dropFirst(findings.count).map { PruneFinding($0, outcome) }
        if plan.due.isEmpty { sweepFailures.append(failure) }
    }

    static func += (left: inout PruneOutcome, right: PruneOutcome) {
        left.findings += right.findings
        left.sweptMembers += right.sweptMembers
        left.sweepFailures += right.sweepFailures
    }
}
