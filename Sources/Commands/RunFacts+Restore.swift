// SPDX-License-Identifier: Apache-2.0

import Catalog
import Operations
import Telemetry

// What a restore says of itself to those who watch.

extension RunFacts {
    /// What became of a folder, a volume or a server.
    private enum TargetEnding: String, CaseIterable {
        case restored
        /// It was left as it is: it holds data, or there is nothing to restore.
        case unchanged
        case failed
    }

    /// A data directory.
    /// - Parameter name: the subject that was asked for, where nothing was restored that tells it.
    mutating func restored(_ outcome: DataDirectoryOutcome, named name: String?) {
        switch outcome {
        case .restored(let manifest, let member, _, _, _):
            restored(manifest.name, manifest.id, [.restored: 1], member.rdb)
        case .alreadyRestored, .leftAlone, .nothingToRestore, .wouldRestore:
            if let name { restored(name, nil, [.unchanged: 1], nil) }
        }
    }

    /// A server starts empty although nobody knows whether it should: no success, whatever the exit code.
    mutating func startsUnproven(named name: String?) {
        guard let name else { return }
        restored(name, nil, [.failed: 1], nil)
        subjects[name]?.succeeded = false
    }

    /// Servers that run.
    mutating func restored(_ outcome: RestoreServersOutcome) {
        let failed = outcome.servers.count { $0.failure != nil }
        let kept = zip(outcome.plan.targets, outcome.servers).count { $0.1.failure == nil && !$0.0.needsSnapshot }
        restored(
            outcome.plan.manifest.name,
            outcome.plan.manifest.id,
            [.restored: outcome.servers.count - failed - kept, .unchanged: kept, .failed: failed],
            outcome.plan.member.rdb
        )
    }

    /// The volumes of a StatefulSet.
    mutating func restored(_ outcome: VolumeRestoreOutcome) {
        let plan = outcome.plan
        restored(plan.manifest.name, plan.manifest.id, [.restored: outcome.volumes.count], plan.member.rdb)
    }

    /// A cluster that was made of nodes.
    mutating func restored(_ outcome: ClusterFormingOutcome) {
        guard case .formed(let manifest, let nodes, let changes) = outcome else { return }
        let count = nodes.count
        restored(manifest.name, manifest.id, changes.isEmpty ? [.unchanged: count] : [.restored: count], nil)
    }

    /// Some keys.
    mutating func restored(_ outcome: KeysOutcome) {
        let name = outcome.manifest.name
        restored(name, outcome.manifest.id, outcome.written.keys > 0 ? [.restored: 1] : [.unchanged: 1], nil)
        subjects[name]?.values += Self.extent(outcome.written.keys, outcome.written.bytes)
    }

    private mutating func restored(
        _ name: String,
        _ backup: BackupID?,
        _ targets: [TargetEnding: Int],
        _ snapshot: Manifest.Snapshot?
    ) {
        let counts = TargetEnding.allCases.map { ending in
            Value(
                "restore_targets",
                "Folders, volumes or servers of the last restore, by what became of them.",
                labels: [MetricLabel("outcome", ending.rawValue)],
                Double(targets[ending] ?? 0)
            )
        }
        let extent = targets[.restored] ?? 0 > 0 ? snapshot.map { Self.extent($0.keyCount, $0.bytes) } : nil
        subjects[name] = Subject(backup: backup?.text, values: counts + (extent ?? []))
    }

    private static func extent(_ keys: UInt64, _ bytes: Int64) -> [Value] {
        [
            Value("restore_keys", "Keys that the last restore put back, in each place.", Double(keys)),
            Value("restore_raw_bytes", "Bytes of them, without compression.", Double(bytes)),
        ]
    }
}
