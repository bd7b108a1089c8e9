// SPDX-License-Identifier: Apache-2.0

import Catalog
import DataDirectory
import Failures
import RDB
import RedisClient
import RedisProtocol

/// What a restore into running servers would do, and whether it may. Pure.
package struct RestoreServersPlan: Sendable {
    /// One server.
    package struct Target: Sendable {
        package let look: TargetSurvey.Look
        package let state: TargetState
        /// Whether the snapshot is sent to it.
        package let needsSnapshot: Bool
        /// Whether it becomes the primary.
        package let isPrimary: Bool
        /// Whether it can load the snapshot.
        package let plan: RestorePlan

        var name: String { look.server.name }

        /// Whether the server drops what it holds before the snapshot is whole (`repl-diskless-load` of 8.0).
        var losesDataAtFirstByte: Bool {
            // What is not known is taken for the worst.
            look.info.keyCount > 0
                && !["disabled", "on-empty-db", "swapdb"].contains(look.settings?["repl-diskless-load"] ?? "")
        }
    }

    /// What keeps the set as a whole from being restored.
    package struct Obstacle: Sendable, Hashable {
        package let server: String
        package let detail: String
        /// The flag that restores all the same.
        package let override: String?
    }

    package let manifest: Manifest
    package let member: Manifest.Member
    /// The point in history at which the snapshot stands.
    package let header: SeedHeader
    /// What is changed in it on the way; `nil` where nothing is.
    package let rewriting: RDBRewriting?
    package let targets: [Target]
    /// The primary outside of the targets that they rejoin.
    package let rejoined: TargetSurvey.Look?
    /// Whether what rejoins it may continue from the snapshot; `nil` without such a primary.
    package let rejoinIsPartial: Bool?
    package let obstacles: [Obstacle]

    /// The target that becomes the primary; `nil` when they rejoin another one.
    package var primary: Target? { targets.first(where: \.isPrimary) }

    init(
        _ manifest: Manifest,
        _ member: Manifest.Member,
        _ survey: TargetSurvey,
        _ rejoined: TargetSurvey.Look?,
        for request: RestoreServersRequest
    ) throws {
        guard let snapshot = member.rdb else {
            throw Failure(.noSuchBackup, "restore \(member.member): the set holds no snapshot of it")
        }
        let identity = try SeedIdentity(
            member,
            snapshot,
            of: manifest,
            expiries: request.expiries,
            found: request.replaces ? [] : survey.looks.map(\.info),
            now: .now()
        )
        let header = identity.header
        let continued = survey.looks.map(\.info) + (rejoined.map { [$0.info] } ?? [])
        let histories = Set(continued.filter { TargetState.continues(header, $0) }.compactMap(\.replicationID))
        let promoted = survey.looks.filter { TargetState.continues(header, $0.info) }
        let states = survey.looks.map { look in
            TargetState(
                look.info,
                snapshot: header,
                keys: snapshot.keyCount,
                continued: histories,
                followsPromoted: look.info.formerPrimary.map { Self.isAmong($0, promoted) } ?? false
            )
        }
        let primary =
            rejoined == nil ? try Self.primary(survey, states, named: request.primary) : nil
        self.manifest = manifest
        self.member = member
        self.header = header
        rewriting = identity.rewriting
        self.rejoined = rejoined
        rejoinIsPartial = rejoined.map { look in
            look.info.canContinue(from: DatasetHistory(id: header.replicationID, offset: header.offset))
        }
        targets = zip(survey.looks, states).map { look, state in
            let isPrimary = look.server.name == primary
            let needsSnapshot = state.needsSnapshot(isPrimary: isPrimary, replaces: request.replaces)
            var facts = look.facts
            // What is there already is the snapshot itself, or what went on from it.
            if !needsSnapshot || state == .promoted(ahead: 0) { facts.keysHeld = 0 }
            return Target(
                look: look,
                state: state,
                needsSnapshot: needsSnapshot,
                isPrimary: isPrimary,
                plan: RestorePlan.assess(
                    member,
                    of: manifest,
                    for: facts,
                    expiries: request.expiries,
                    allowing: .init(
                        ignoresCompatibility: request.ignoresObstacles,
                        replacesData: request.replaces
                    ),
                    now: .now()
                )
            )
        }
        obstacles = Self.obstacles(survey, states, rejoined, snapshot, request)
    }

    /// The one that was named; or that was promoted already; or that the others follow; or the first one.
    private static func primary(_ survey: TargetSurvey, _ states: [TargetState], named name: String?) throws -> String {
        let names = survey.looks.map(\.server.name)
        if let name {
            guard names.contains(name) else {
                throw Failure(
                    .usage,
                    "make \(name) the primary: it is not among the servers that are restored",
                    hint: "Give one of these with --primary: \(names.joined(separator: ", "))."
                )
            }
            return name
        }
        let promoted = zip(survey.looks, states).compactMap { look, state -> (String, Int64, Int64)? in
            guard case .promoted(let ahead) = state else { return nil }
            return (look.server.name, ahead, look.info.connectedReplicaCount ?? 0)
        }
        .max { ($0.1, $0.2) < ($1.1, $1.2) }?.0
        let followed = survey.looks.first { $0.info.role == .primary && ($0.info.connectedReplicaCount ?? 0) > 0 }
        guard let first = promoted ?? followed?.server.name ?? names.first else {
            throw Failure(.usage, "restore into running servers: none is named")
        }
        return first
    }
}

extension RestoreServersPlan {
    /// Whether nothing keeps it from being done.
    package var isGo: Bool {
        obstacles.isEmpty && targets.allSatisfy { !$0.needsSnapshot || $0.plan.isGo }
    }

    /// - Throws: `.guardRefused` with everything that keeps it from being done, and the flags that override it.
    package func requireGo() throws {
        let refused = targets.filter { $0.needsSnapshot && !$0.plan.isGo }
        let rows = refused.flatMap { target in
            target.plan.rows(.noGo).map { Obstacle(server: target.name, detail: $0.detail, override: $0.override) }
        }
        let all = obstacles + rows
        guard !all.isEmpty else { return }
        let flags = Set(all.compactMap(\.override)).sorted()
        throw Failure(
            .guardRefused,
            "restore \(manifest.name)/\(manifest.id): nothing was touched: "
                + all.map { "\($0.server): \($0.detail)" }.joined(separator: "; "),
            hint: all.allSatisfy { $0.override != nil }
                ? "\(flags.joined(separator: " ")) \(flags.count == 1 ? "restores" : "together restore") all the same."
                : "Change what is named; --dry-run shows the whole table without touching anything."
        )
    }

    /// What will be done, one line a server.
    package var lines: [String] {
        let outlook =
            rejoinIsPartial == false
            ? "\(rejoined?.server.name ?? "the primary") cannot go on from the snapshot: "
                + "whoever follows it is sent everything that it holds"
            : nil
        return targets.map { target in
            let what =
                switch target.state {
                case .fresh: "is fresh"
                case .seeded: "holds the snapshot already"
                case .promoted(let ahead):
                    "goes on from the snapshot already, \(ahead) bytes ahead"
                        + (target.needsSnapshot && ahead > 0 ? ", which are lost" : "")
                case .rejoined: "follows the restored primary already"
                case .holdsData(let keys): "holds \(keys) keys\(target.needsSnapshot ? ", which are lost" : "")"
                }
            let end =
                target.isPrimary ? "becomes the primary" : "follows \(rejoined?.server.name ?? primary?.name ?? "")"
            return "\(target.name) \(what), \(target.needsSnapshot ? "takes the snapshot, " : "")\(end)"
        } + (outlook.map { [$0] } ?? [])
    }
}
