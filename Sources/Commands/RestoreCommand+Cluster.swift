// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Operations
import RedisProtocol

extension RestoreCommand {
    /// Makes a cluster of servers that run.
    func formingCluster(_ session: Session) async throws -> ExitCode {
        try await servers.withServers(session) { found in
            let nodes = found.servers.map { ClusterFormingNode(name: $0.name, endpoint: $0.endpoint, pod: $0.pod) }
            var request = ClusterFormingRequest(reference: try BackupReference(backup), nodes: nodes)
            request.name = source.name ?? (servers.set.statefulset == nil ? nil : found.subjectName)
            request.settleSeconds = serving.settleTimeout.inSeconds
            request.overrides = clustering.overrides
            request.isDryRun = dryRun
            let outcome = try await source.store.withStore(at: source.from, session) { [request] store in
                let forming = ClusterForming(
                    request,
                    from: Catalog(store: store),
                    meter: session.meter,
                    logger: session.logger
                )
                return try await session.progress.show { try await forming.run() }
            }
            RunFacts.note { $0.restored(outcome) }
            let report = ClusterFormingReport(outcome)
            try session.result(report.text, report, verdict: report.verdict)
            return .done
        }
    }
}

/// How the forming of a cluster ended, for people and for programs.
private struct ClusterFormingReport: Encodable {
    struct Node: Encodable {
        let name: String
        let id: String
        /// `primary` or `replica`.
        let role: String
        let slots: String
        let keys: Int64
        /// What loading the snapshot leaves: fewer than the most where keys have expired.
        let snapshotKeysLeast: Int64?
        let snapshotKeysMost: Int64?
        let offset: Int64
        let primary: String?
    }

    /// `formed`, `already-formed` or `would-form`.
    let outcome: String
    let backup: String
    /// What was done, or would be, in its order.
    let steps: [String]
    let remarks: [String]
    let nodes: [Node]

    init(_ outcome: ClusterFormingOutcome) {
        switch outcome {
        case .formed(let manifest, let reports, let changes):
            self.outcome = changes.isEmpty ? "already-formed" : "formed"
            backup = "\(manifest.name)/\(manifest.id)"
            steps = changes.map(\.description)
            remarks = []
            nodes = reports.map { report in
                Node(
                    name: report.name,
                    id: report.nodeID,
                    role: report.role.rawValue,
                    slots: report.slots.description,
                    keys: report.keys,
                    snapshotKeysLeast: report.snapshotKeys?.lowerBound,
                    snapshotKeysMost: report.snapshotKeys?.upperBound,
                    offset: report.offset,
                    primary: report.primary
                )
            }
        case .wouldForm(let manifest, let plan):
            self.outcome = "would-form"
            backup = "\(manifest.name)/\(manifest.id)"
            steps = plan.steps.map(\.description)
            remarks = plan.remarks
            nodes = []
        }
    }

    var verdict: String {
        switch outcome {
        case "would-form": "would form the cluster of \(backup): nothing was done (--dry-run)"
        case "already-formed": "the cluster of \(backup) is formed already: \(shape)"
        default: "formed the cluster of \(backup): \(shape), and every replica is in sync"
        }
    }

    private var shape: String {
        let primaries = nodes.filter { $0.role == "primary" }
        return "\(primaries.count) shards, \(nodes.count - primaries.count) replicas"
    }

    var text: String {
        guard !nodes.isEmpty else { return (steps + remarks.map { "note: \($0)" } + [verdict]).joined(separator: "\n") }
        var table = TextTable([
            ("NODE", .left), ("ROLE", .left), ("SLOTS", .left), ("KEYS", .right), ("SNAPSHOT", .right),
            ("OFFSET", .right), ("FOLLOWS", .left),
        ])
        for node in nodes {
            let most = node.snapshotKeysMost.map { Quantity.count(UInt64(clamping: $0)) } ?? "?"
            table.append([
                node.name, node.role, node.slots, Quantity.count(UInt64(clamping: node.keys)), most, "\(node.offset)",
                node.primary ?? "",
            ])
        }
        return table.text + "\n" + verdict
    }
}
