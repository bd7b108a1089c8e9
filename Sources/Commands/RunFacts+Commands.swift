// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Operations
import Telemetry

// What each command says of itself to those who watch.

extension RunFacts.Value {
    fileprivate static func phase(_ command: String, _ phase: String, _ seconds: Double) -> RunFacts.Value {
        RunFacts.Value(
            "\(command)_duration_seconds",
            "How long the last \(command) took, by phase.",
            labels: [MetricLabel("phase", phase)],
            seconds
        )
    }
}

extension RunFacts {
    /// A set was committed.
    mutating func backedUp(_ manifest: Manifest, isWhole: Bool) {
        let extent = DatasetExtent(of: manifest)
        let members = manifest.members
        subjects[manifest.name] = Subject(
            succeeded: isWhole,
            backup: manifest.id.text,
            values: [
                Value("backup_keys", "Keys in the last backup, replicas not counted.", Double(extent.keys)),
                Value(
                    "backup_raw_bytes",
                    "Bytes of its snapshots, without compression, replicas not counted.",
                    Double(extent.rawBytes)
                ),
                Value(
                    "backup_stored_bytes",
                    "Bytes that the last backup takes up in the store.",
                    Double(manifest.storedBytes)
                ),
                Value(
                    "backup_members",
                    "Members whose snapshot is in the last backup.",
                    Double(manifest.storedMembers.count)
                ),
                Value(
                    "backup_failed_members",
                    "Members that are missing from it.",
                    Double(members.count { $0.error != nil })
                ),
                .phase("backup", "save", members.reduce(0) { $0 + ($1.seconds?.save ?? 0) }),
                .phase("backup", "stream", members.reduce(0) { $0 + ($1.seconds?.stream ?? 0) }),
            ]
        )
    }

    /// One set was read again.
    /// - Parameter refutation: what a closer look found, or why that is not known.
    mutating func verified(_ manifest: Manifest, _ findings: [Verify.Finding], refutedBy refutation: Failure?) {
        let isProven = refutation == nil && findings.allSatisfy { $0.failure == nil }
        let isDifferent = refutation?.code.isOfContent == true || findings.contains { $0.verdict == .different }
        subjects[manifest.name] = Subject(
            succeeded: isProven,
            backup: manifest.id.text,
            values: Self.verdicts { $0 == (isProven ? .proven : isDifferent ? .different : .failed) ? 1 : 0 }
                + [Self.readBytes(manifest.storedBytes)]
        )
    }

    /// Many were.
    /// - Parameter isHistoryWhole: whether their history was looked at, too, and found whole; `nil` where nobody asked.
    mutating func verified(_ outcome: VerifyRoundOutcome, isHistoryWhole: Bool? = nil) {
        let before = Set(outcome.differentBefore.map(\.name))
        for (name, sets) in Dictionary(grouping: outcome.examined, by: \.set.name) {
            subjects[name] = Subject(
                succeeded: sets.allSatisfy { $0.verdict == .proven } && !before.contains(name)
                    && isHistoryWhole != false,
                values: Self.verdicts { verdict in sets.count { $0.verdict == verdict } }
                    + [Self.readBytes(sets.reduce(0) { $0 + $1.set.storedBytes })]
            )
        }
        if let runs = outcome.runsOfARound {
            values.append(Value("verify_round_runs", "Runs like the last one that a whole round takes.", Double(runs)))
        }
    }

    private static func verdicts(_ count: (ProofRecord.Verdict) -> Int) -> [Value] {
        // What looks at the stored bytes alone changes no metric.
        ProofRecord.Verdict.allCases.filter { $0 != .stored }.map { verdict in
            Value(
                "verify_backups",
                "Backups that the last verify read, by what it found.",
                labels: [MetricLabel("verdict", verdict.rawValue)],
                Double(count(verdict))
            )
        }
    }

    private static func readBytes(_ bytes: Int64) -> Value {
        Value("verify_read_bytes", "Bytes that the last verify read from the store.", Double(bytes))
    }

    mutating func drilled(_ record: DrillRecord) {
        var values: [Value] = []
        if let seconds = record.secondsToRestore {
            values.append(
                Value("drill_restore_seconds", "From nothing to a server that answers, in the last drill.", seconds)
            )
        }
        values.append(Value("drill_raw_bytes", "Bytes of the snapshots that were restored.", Double(record.bytes)))
        subjects[record.name] = Subject(
            succeeded: record.verdict == .proven,
            backup: record.backup.text,
            values: values
        )
    }

    mutating func copied(_ report: CopyReport) {
        for (name, sets) in Dictionary(grouping: report.sets, by: \.name) {
            let outcomes = ["copied", "present", "failed", "not-tried"]
            subjects[name] = Subject(
                succeeded: sets.allSatisfy { ["copied", "present"].contains($0.outcome) },
                values: outcomes.map { outcome in
                    Value(
                        "copy_backups",
                        "Backups of the last copy, by what became of them.",
                        labels: [MetricLabel("outcome", outcome)],
                        Double(sets.count { $0.outcome == outcome })
                    )
                } + [
                    Value(
                        "copy_sent_bytes",
                        "Bytes that the last copy sent.",
                        Double(sets.reduce(0) { $0 + $1.sentBytes })
                    )
                ]
            )
        }
    }

    mutating func pruned(_ report: SetsReport) {
        for (name, sets) in Dictionary(grouping: report.rows, by: \.name) {
            func value(_ outcome: String, _ words: Set<String>) -> Value {
                Value(
                    "prune_backups",
                    "Backups of the last prune, by what became of them.",
                    labels: [MetricLabel("outcome", outcome)],
                    Double(sets.count { words.contains($0.outcome) })
                )
            }
            let failures: Set = ["half-removed", "locked", "failed", "refused"]
            subjects[name] = Subject(
                succeeded: !sets.contains { failures.contains($0.outcome) },
                values: [
                    value("kept", ["kept", "pinned", "changed", "locked-by-store"]), value("removed", ["removed"]),
                    value("failed", failures),
                ]
            )
        }
    }

    /// What the store itself says, whoever made the backups.
    mutating func looked(at statuses: [SubjectStatus]) {
        for status in statuses {
            var values = [
                Value("backups", "Backups in the store.", Double(status.sets)),
                Value("backups_corrupt", "Backups that are known to be corrupt.", Double(status.corruptSets.count)),
                Value("status_problems", "What is not as it should be.", Double(status.problems.count)),
            ]
            func time(_ name: String, _ help: String, _ time: Timestamp?) {
                guard let time else { return }
                values.append(Value("backups_\(name)_timestamp_seconds", help, Double(time.secondsSince1970)))
            }
            time("newest", "When the newest backup that counts was begun.", status.counted?.startedAt)
            time("oldest", "When the oldest backup was begun.", status.oldest?.time)
            time("verified", "When a backup that is still there was proven for the last time.", status.verified?.time)
            time("drilled", "When a drill proved a backup for the last time.", status.drilled?.startedAt)
            if let counted = status.counted {
                values.append(Value("backups_keys", "Keys in the newest backup.", Double(counted.extent.keys)))
                values.append(Value("backups_raw_bytes", "Bytes of its snapshots.", Double(counted.extent.rawBytes)))
            }
            subjects[status.name] = Subject(
                succeeded: status.problems.isEmpty,
                backup: status.counted?.id.text,
                values: values
            )
        }
    }
}
