// SPDX-License-Identifier: Apache-2.0

import Catalog
import RedisClient
import RedisProtocol

/// What keeps a restore into running servers from being done, beside what each of them could not load.
extension RestoreServersPlan {
    static func obstacles(
        _ survey: TargetSurvey,
        _ states: [TargetState],
        _ rejoined: TargetSurvey.Look?,
        _ snapshot: Manifest.Snapshot,
        _ request: RestoreServersRequest
    ) -> [Obstacle] {
        zip(survey.looks, states).flatMap { look, state in
            obstacles(of: look, state, among: survey.looks, rejoined, request)
        } + obstacles(ofTheSet: survey, states, request) + obstacles(ofRejoined: rejoined, survey, snapshot, request)
    }

    private static func obstacles(
        of look: TargetSurvey.Look,
        _ state: TargetState,
        among looks: [TargetSurvey.Look],
        _ rejoined: TargetSurvey.Look?,
        _ request: RestoreServersRequest
    ) -> [Obstacle] {
        var obstacles: [Obstacle] = []
        func add(_ detail: String, _ override: String?) {
            obstacles.append(Obstacle(server: look.server.name, detail: detail, override: override))
        }
        if look.info.mode == .cluster {
            add(
                "it is a node of a cluster, and those replicate nobody but each other; restore with --data-dir",
                nil
            )
        }
        if look.isWatchedBySentinel == true, !request.ignoresSentinel,
            state != .rejoined
        {
            add(
                "Sentinel watches it, and would fail over in the middle; stop the Sentinels",
                "--ignore-sentinel"
            )
        }
        let isHeld =
            look.info.role == .replica
            && (look.info.primaryLinkIsUp == true || look.info.primarySyncInProgress == true)
        if isHeld, !request.detaches, state != .rejoined, let followed = look.info.formerPrimary,
            !follows(look, among: looks + (rejoined.map { [$0] } ?? []))
        {
            add("it follows \(followed), which is not restored; --rejoin lets it go on so", "--detach")
        }
        return obstacles
    }

    private static func obstacles(
        ofTheSet survey: TargetSurvey,
        _ states: [TargetState],
        _ request: RestoreServersRequest
    ) -> [Obstacle] {
        let runIDs = Set(survey.looks.compactMap(\.info.runID))
        var obstacles: [Obstacle] = []
        func add(_ look: TargetSurvey.Look, _ detail: String, _ override: String?) {
            obstacles.append(Obstacle(server: look.server.name, detail: detail, override: override))
        }
        if runIDs.count < survey.looks.count, runIDs.count > 0, !survey.looks.contains(where: { $0.info.runID == nil })
        {
            obstacles.append(
                Obstacle(server: "the set", detail: "two of the names lead to the same server", override: nil)
            )
        }
        let goingOn = states.count { state in
            if case .promoted(let ahead) = state { return ahead > 0 }
            return false
        }
        if goingOn > 1, !request.replaces {
            obstacles.append(
                Obstacle(
                    server: "the set",
                    detail: "\(goingOn) servers went on from the snapshot, each on its own; choose whose data counts",
                    override: "--replace"
                )
            )
        }
        if let name = request.primary,
            let promoted = zip(survey.looks, states).first(where: { look, state in
                if case .promoted = state { return look.server.name != name && !request.replaces }
                return false
            })?.0
        {
            add(promoted, "it is the primary already; `FAILOVER` there hands that over to \(name)", nil)
        }
        return obstacles
    }

    private static func obstacles(
        ofRejoined rejoined: TargetSurvey.Look?,
        _ survey: TargetSurvey,
        _ snapshot: Manifest.Snapshot,
        _ request: RestoreServersRequest
    ) -> [Obstacle] {
        guard let rejoined else { return [] }
        let runIDs = Set(survey.looks.compactMap(\.info.runID))
        var obstacles: [Obstacle] = []
        func add(_ detail: String, _ override: String?) {
            obstacles.append(Obstacle(server: rejoined.server.name, detail: detail, override: override))
        }
        if runIDs.contains(rejoined.info.runID ?? "") {
            add("it is among the servers that are restored, and cannot follow itself", nil)
        }
        if rejoined.info.role != .primary {
            add("it is no primary", nil)
        }
        if rejoined.info.keyCount == 0, snapshot.keyCount > 0, !request.allowsEmptyPrimary {
            add("it holds nothing, and whoever rejoins it would lose everything", "--allow-empty-primary")
        }
        return obstacles
    }

    /// Whether a replica follows one of the servers: by the address that it was told, or, as the same server has other
    /// names elsewhere, by its history. No two primaries have the same replication id (redis src/replication.c,
    /// `changeReplicationId`).
    private static func follows(_ replica: TargetSurvey.Look, among looks: [TargetSurvey.Look]) -> Bool {
        if let followed = replica.info.formerPrimary, isAmong(followed, looks) { return true }
        guard replica.info.primaryLinkIsUp == true, let history = replica.info.replicationID else { return false }
        return looks.contains { $0.info.role == .primary && $0.info.replicationID == history }
    }

    /// Whether an address is that of one of the servers, by its name, the address that it is connected to or its own
    /// port.
    static func isAmong(_ address: ServerAddress, _ looks: [TargetSurvey.Look]) -> Bool {
        looks.contains { look in
            look.address.isNamed(as: address)
                || look.remoteAddress == address.host && Int64(address.port) == look.info.port
                || look.server.pod != nil && address.host.hasPrefix("\(look.server.name).")
        }
    }
}
