// SPDX-License-Identifier: Apache-2.0

import Failures
import Logging
import RedisClient
import RedisProtocol

/// Brings servers that hold one snapshot together again: a primary, and replicas that continue from it.
struct ReplicationReunion: Sendable {
    let plan: RestoreServersPlan
    /// How long a server may take to follow its primary, or to rewrite its append-only file.
    let settleSeconds: Double
    let logger: Logger

    private static let interval = Duration.milliseconds(50)

    /// Makes the primary-to-be the primary. It holds the snapshot, counted; from now on it takes writes.
    func promote() async throws {
        guard let target = plan.primary else { return }
        if case .promoted = target.state, !target.needsSnapshot { return }
        try await withRedisConnection(target.look.server.endpoint) { connection in
            try await connection.replicateNobody()
            guard try await TargetState.continues(plan.header, connection.info()) else {
                throw Failure(
                    .memberChanged,
                    "promote \(target.name): it does not go on from the snapshot; something else changed its role",
                    hint: "A Sentinel or an operator? Stop it, and restore again."
                )
            }
        }
        logger.info("\(target.name) is the primary")
    }

    /// Lets each of the others follow the primary, one after the other: then it is plain what each of them cost, and
    /// the primary never has two to send everything to.
    func rejoin(into outcome: inout RestoreServersOutcome) async throws {
        guard let look = plan.rejoined ?? plan.primary?.look else { return }
        let primary = look.server
        for target in plan.targets where !target.isPrimary {
            guard let server = outcome.servers.first(where: { $0.name == target.name }), server.failure == nil else {
                continue
            }
            guard target.state != .rejoined || target.needsSnapshot else { continue }
            let before: ServerInfo
            do {
                before = try await withRedisConnection(target.look.server.endpoint) { connection in
                    // A server that holds the snapshot never follows one that does not go on from it (F36): that is
                    // asked last.
                    let before = try await unchanged(look)
                    try await connection.replicate(host: look.address.host, port: look.address.port)
                    return before
                }
                try await online(target.look.server, under: primary)
            } catch {
                let failure = Failure(wrapping: error, attempting: "let \(target.name) follow \(primary.name)")
                logger.error("\(failure)")
                outcome.update(target.name) { $0.failure = failure }
                continue
            }
            let after = try await info(primary)
            let full = (after.fullSyncCount ?? 0) - (before.fullSyncCount ?? 0)
            let partial = (after.partialSyncCount ?? 0) - (before.partialSyncCount ?? 0)
            outcome.fullSyncs += full
            outcome.partialSyncs += partial
            let isPartial = partial > 0 && full == 0
            let ahead = max(0, (before.replicationOffset ?? 0) - plan.header.offset)
            outcome.update(target.name) {
                $0.rejoin = .init(kind: isPartial ? "partial" : "full", bytes: isPartial ? ahead : nil)
            }
            logger.info("\(target.name) follows \(primary.name) by \(isPartial ? "partial" : "full") synchronization")
            if !isPartial {
                outcome.warnings.append(
                    "\(target.name) was sent everything again: \(primary.name) could not go on from the snapshot"
                )
            }
        }
        if let failure = outcome.onlyFailure { throw failure }
    }

    /// Whether all of it holds: every server online and as far as its primary, its append-only file rewritten, and
    /// nothing lost.
    func prove(into outcome: inout RestoreServersOutcome) async throws {
        guard let primary = plan.rejoined?.server ?? plan.primary?.look.server else { return }
        for target in plan.targets {
            guard outcome.servers.first(where: { $0.name == target.name })?.failure == nil else { continue }
            do {
                if !target.isPrimary { try await caughtUp(target.look.server, with: primary) }
                try await persisted(target.look)
            } catch {
                let failure = Failure(wrapping: error, attempting: "prove that \(target.name) is restored")
                outcome.update(target.name) { $0.failure = failure }
            }
        }
        if let look = plan.rejoined ?? plan.primary?.look { _ = try await unchanged(look) }
        if let opinion = try await sentinelsOpinion(), let look = plan.rejoined ?? plan.primary?.look {
            outcome.sentinelAgrees =
                opinion.port == look.address.port
                && [look.address.host, look.remoteAddress].contains(opinion.host)
            if outcome.sentinelAgrees == false {
                outcome.warnings.append(
                    "Sentinel takes \(opinion.host), port \(opinion.port), for the primary, which is \(primary.name); "
                        + "`SENTINEL RESET` or a failover brings them together"
                )
            }
        }
        if plan.rejoined == nil, let target = plan.primary {
            let info = try await info(target.look.server)
            let keys = UInt64(clamping: info.keyCount)
            let expected = plan.member.rdb?.keyCount ?? 0
            let expires = plan.member.rdb?.expires ?? 0
            if keys < expected &- min(expires, expected) {
                outcome.warnings.append(
                    "\(target.name) holds \(keys) keys; the snapshot has \(expected), of which \(expires) can expire"
                )
            }
            if let evicted = info.evictedKeys, evicted > (target.look.info.evictedKeys ?? 0) {
                let failure = Failure(
                    .noSpace,
                    "keep the snapshot in \(target.name): it evicted \(evicted) keys; its maxmemory is too small",
                    hint: "Raise maxmemory, and restore again with --replace."
                )
                outcome.update(target.name) { $0.failure = failure }
            }
        }
        if let failure = outcome.onlyFailure { throw failure }
    }
}

extension ReplicationReunion {
    /// Whom the Sentinels that watch these servers take for the primary; `nil` without Sentinels.
    private func sentinelsOpinion() async throws -> SentinelOpinion? {
        let looks = plan.targets.map(\.look) + (plan.rejoined.map { [$0] } ?? [])
        guard let watched = looks.first(where: { $0.isWatchedBySentinel == true }) else { return nil }
        return try await withRedisConnection(watched.server.endpoint) { try await $0.sentinelsOpinion() }
    }

    /// Asks the primary, which must be the same process in the same history as before: one that was started again may
    /// hold nothing.
    private func unchanged(_ look: TargetSurvey.Look) async throws -> ServerInfo {
        let info = try await info(look.server)
        let isSameHistory =
            plan.rejoined == nil
            ? TargetState.continues(plan.header, info)
            : info.role == .primary && info.replicationID == look.info.replicationID
        guard info.runID == look.info.runID, isSameHistory else {
            throw Failure(
                .memberChanged,
                "go on under \(look.server.name): it was started again, or its role changed; nobody else is told to "
                    + "follow it",
                hint: "Restoring again goes on from what is there."
            )
        }
        return info
    }

    private func info(_ server: RestoreServer) async throws -> ServerInfo {
        try await withRedisConnection(server.endpoint) { try await $0.info("all") }
    }

    private func online(_ replica: RestoreServer, under primary: RestoreServer) async throws {
        try await until(settleSeconds, "wait until \(replica.name) follows \(primary.name)") {
            let info = try await info(replica)
            guard info.role == .replica, info.primaryLinkIsUp == true, !info.isLoading else {
                // A primary that is gone is not waited for.
                _ = try await self.info(primary)
                return "its link is down (does its masterauth fit the password of \(primary.name)?)"
            }
            return nil
        }
    }

    private func caughtUp(_ replica: RestoreServer, with primary: RestoreServer) async throws {
        let goal = try await info(primary).replicationOffset ?? 0
        try await until(settleSeconds, "wait until \(replica.name) is as far as \(primary.name)") {
            let info = try await info(replica)
            guard info.primaryLinkIsUp == true else {
                // A primary that is gone is not waited for.
                _ = try await self.info(primary)
                return "its link is down"
            }
            let reached = info.replicationOffset ?? 0
            return reached >= goal ? nil : "it is \(goal - reached) bytes behind"
        }
    }

    /// A server with an append-only file writes it anew after it has loaded a snapshot (redis src/replication.c,
    /// `restartAOFAfterSYNC`); until then a restart would lose what was restored.
    private func persisted(_ look: TargetSurvey.Look) async throws {
        let server = look.server
        try await until(settleSeconds, "wait until \(server.name) has written its append-only file") {
            let info = try await info(server)
            guard info.isAOFEnabled == true else { return try await saved(look, info) }
            if info.isRewritingAOF || info.isAOFRewriteScheduled { return "it is still writing" }
            return info.lastAOFRewriteSucceeded == false ? "the last try failed; its log says why" : nil
        }
    }

    /// A server that loads a snapshot without its disk has nothing on it afterwards. Where it saves at all (`save`), it
    /// is told to do so now: until then a restart would lose what was restored.
    /// - Returns: what is missing.
    private func saved(_ look: TargetSurvey.Look, _ info: ServerInfo) async throws -> String? {
        let loadsByDisk = ["disabled", nil].contains(look.settings?["repl-diskless-load"])
        guard !loadsByDisk, look.settings?["save"]?.isEmpty == false else { return nil }
        if info.isSaving { return "it is still saving" }
        if (info.lastSaveTimeSeconds ?? 0) > (look.info.lastSaveTimeSeconds ?? 0) { return nil }
        try await withRedisConnection(look.server.endpoint) { _ = try await $0.command("BGSAVE") }
        return "it was told to save"
    }

    /// Asks again and again until nothing is missing.
    /// - Throws: `.timeout` with what was missing at last.
    private func until(_ seconds: Double, _ attempt: String, _ missing: () async throws -> String?) async throws {
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: .seconds(seconds))
        while let reason = try await missing() {
            guard clock.now < deadline else {
                throw Failure(
                    .timeout,
                    "\(attempt): after \(Int(seconds)) s \(reason)",
                    hint: "Restoring again goes on from here. --settle-timeout waits longer."
                )
            }
            try await clock.sleep(for: Self.interval)
        }
    }
}
