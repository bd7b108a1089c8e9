// SPDX-License-Identifier: Apache-2.0

import Failures
import Operations

/// How a restore into running servers ended, for people and for programs.
struct RestoreServersReport: Encodable {
    struct Server: Encodable {
        let name: String
        /// `primary` or `replica`.
        let role: String
        /// How it was found: `fresh`, `seeded`, `promoted`, `rejoined` or `holds-data`.
        let found: String
        /// `restored`, `was-restored` or `failed`; before a dry run `would-restore`, `would-keep` or `would-refuse`.
        let outcome: String
        let streamSeconds: Double?
        let loadSeconds: Double?
        /// How it came back to the primary: `partial` or `full`.
        let rejoin: String?
        let rejoinBytes: Int64?
        let error: Problem?
        let plan: RestorePlan
    }

    struct Problem: Encodable {
        let code: String
        let message: String
        let hint: String?
    }

    /// `restored`, `partly-restored`, `nothing-to-do` or `would-restore`.
    let outcome: String
    let backup: String
    let member: String
    let keys: UInt64
    let bytes: Int64
    /// How many keys have an expiry in the backup; by how much those were moved, or whether they were removed.
    let expires: UInt64
    private(set) var shiftSeconds: Double?
    let removesExpiries: Bool
    let primary: String
    /// How far the primary went on from the backup before this run, in bytes of its stream.
    let aheadBytes: Int64
    let servers: [Server]
    let fullSyncs: Int64
    let partialSyncs: Int64
    let warnings: [String]
    let sentinelAgrees: Bool?
    let seconds: Double

    init(_ outcome: RestoreServersOutcome, isDryRun: Bool) {
        let plan = outcome.plan
        backup = "\(plan.manifest.name)/\(plan.manifest.id)"
        member = plan.member.member
        keys = plan.member.rdb?.keyCount ?? 0
        bytes = plan.member.rdb?.bytes ?? 0
        expires = plan.member.rdb?.expires ?? 0
        if case .shift(let milliseconds) = plan.rewriting?.expiries { shiftSeconds = Double(milliseconds) / 1000 }
        removesExpiries = plan.rewriting?.expiries == .persist
        primary = plan.rejoined?.server.name ?? plan.primary?.look.server.name ?? ""
        aheadBytes = if case .promoted(let ahead) = plan.primary?.state { ahead } else { 0 }
        fullSyncs = outcome.fullSyncs
        partialSyncs = outcome.partialSyncs
        warnings = outcome.warnings
        sentinelAgrees = outcome.sentinelAgrees
        seconds = outcome.seconds
        servers = zip(plan.targets, outcome.servers).map { target, server in
            Server(
                name: server.name,
                role: target.isPrimary ? "primary" : "replica",
                found: Self.word(server.state),
                outcome: Self.outcome(target, server, isDryRun: isDryRun),
                streamSeconds: server.streamSeconds,
                loadSeconds: server.loadSeconds,
                rejoin: server.rejoin?.kind,
                rejoinBytes: server.rejoin?.bytes,
                error: server.failure.map {
                    Problem(code: $0.code.rawValue, message: $0.description, hint: $0.hint)
                },
                plan: target.plan
            )
        }
        let isIdle =
            servers.allSatisfy { $0.outcome == "was-restored" && $0.rejoin == nil }
            && !servers.contains { $0.role == "primary" && $0.found != "promoted" }
        self.outcome =
            isDryRun
            ? outcome.plan.isGo ? "would-restore" : "would-refuse"
            : outcome.isPartial ? "partly-restored" : isIdle ? "nothing-to-do" : "restored"
    }

    private static func word(_ state: TargetState) -> String {
        switch state {
        case .fresh: "fresh"
        case .seeded: "seeded"
        case .promoted: "promoted"
        case .rejoined: "rejoined"
        case .holdsData: "holds-data"
        }
    }

    private static func outcome(
        _ target: RestoreServersPlan.Target,
        _ server: RestoreServersOutcome.Server,
        isDryRun: Bool
    ) -> String {
        if isDryRun {
            return !target.needsSnapshot ? "would-keep" : target.plan.isGo ? "would-restore" : "would-refuse"
        }
        if server.failure != nil { return "failed" }
        return server.streamSeconds == nil ? "was-restored" : "restored"
    }

    var sentence: String {
        let size = "\(Quantity.count(keys)) keys, \(Quantity.bytes(bytes))"
        let syncs = "\(partialSyncs) partial and \(fullSyncs) full synchronizations"
        let failed = servers.filter { $0.outcome == "failed" }.map(\.name)
        let end =
            switch outcome {
            case "would-restore", "would-refuse": "nothing was done (--dry-run)"
            case "nothing-to-do":
                "every server goes on from it already, \(aheadBytes) bytes ahead; --replace goes back to the backup"
            case "partly-restored":
                "failed: \(failed.joined(separator: ", ")); restoring again goes on from here; \(syncs)"
            default: "primary \(primary), \(syncs), \(Quantity.seconds(seconds))"
            }
        return "\(outcome): \(backup), member \(member), \(size): \(end)"
    }

    func text(_ outcome: RestoreServersOutcome) -> String {
        var table = TextTable([
            (heading: "SERVER", alignment: .left), (heading: "ROLE", alignment: .left),
            (heading: "FOUND", alignment: .left), (heading: "OUTCOME", alignment: .left),
            (heading: "SENT", alignment: .right), (heading: "LOADED", alignment: .right),
            (heading: "REJOINED", alignment: .left),
        ])
        for server in servers {
            table.append([
                server.name, server.role, server.found, server.outcome,
                server.streamSeconds.map(Quantity.seconds) ?? "-", server.loadSeconds.map(Quantity.seconds) ?? "-",
                server.rejoin.map { kind in kind + (server.rejoinBytes.map { ", \(Quantity.bytes($0))" } ?? "") }
                    ?? "-",
            ])
        }
        var parts = [sentence, "", table.text] + (expiries.map { [$0] } ?? [])
        parts += warnings.map { "warning: \($0)" }
        if self.outcome.hasPrefix("would-") {
            parts += outcome.plan.obstacles.map { "\(RestorePlanText.word(.noGo)) \($0.server): \($0.detail)" }
            parts += tables(outcome.plan)
        }
        return parts.joined(separator: "\n")
    }

    private var expiries: String? {
        guard expires > 0 else { return nil }
        let which = "\(Quantity.count(expires)) keys have an expiry"
        if let shiftSeconds { return "\(which), moved by \(Quantity.seconds(shiftSeconds)) (--ttl shift)" }
        return removesExpiries ? "\(which) in the backup, and none here (--ttl persist)" : which
    }

    /// One table for all the servers for which it is the same.
    private func tables(_ plan: RestoreServersPlan) -> [String] {
        let waiting = plan.targets.filter(\.needsSnapshot)
        var seen: Set<RestorePlan> = []
        return waiting.filter { seen.insert($0.plan).inserted }.flatMap { first in
            let names = waiting.filter { $0.plan == first.plan }.map(\.look.server.name)
            return ["", "\(names.joined(separator: ", ")):", RestorePlanText.text(first.plan)]
        }
    }
}
