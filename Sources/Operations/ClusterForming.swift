// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import RedisClient
import RedisProtocol

/// Makes a cluster again of nodes that were restored, one of each shard, and of empty ones that become their replicas.
///
/// Nothing is changed before every node has answered and all of them are those of the set. From there on each step only
/// adds: a node is never emptied, and never loses a slot. What is done already is not done again, so a run that was
/// interrupted at any point is repeated.
package struct ClusterForming: Sendable {
    private let request: ClusterFormingRequest
    private let catalog: Catalog
    private let meter: ProgressMeter
    private let logger: Logger

    package init(_ request: ClusterFormingRequest, from catalog: Catalog, meter: ProgressMeter, logger: Logger) {
        self.request = request
        self.catalog = catalog
        self.meter = meter
        self.logger = logger
    }

    package func run() async throws -> ClusterFormingOutcome {
        // Which set, and which shards did its cluster have? All of their keys must be in it.
        let manifest = try await manifest()
        let shards = try ClusterShards(manifest)
        try shards.requireEverySlot(allowsMissing: request.overrides.allowsMissingSlots)

        // What is each node now, and what does it hold? From that, what is to be done.
        let plan = try await plan(shards)
        plan.remarks.forEach { logger.warning("\($0)") }
        if request.isDryRun { return .wouldForm(manifest, plan) }
        let step = meter.begin("form the cluster", expectedBytes: nil)
        defer { step.end() }

        // While they know nobody: versions of their slots that differ, and to each primary all slots of its shard.
        for (node, epoch) in plan.epochSteps { try await setEpoch(epoch, of: node) }
        _ = try await ClusterNodeSurvey.eachOf(plan.slotSteps, addSlots)

        // Now they may meet: no two of them claim one slot. They tell each other; that takes a while.
        let met = try await meet(plan)
        try requireKeys(met, plan)

        // The empty ones follow; each takes all keys of its primary over.
        for placement in plan.placements {
            for replica in placement.newReplicas { try await follow(placement.primary, by: replica) }
        }

        // Does every node see the same cluster, does it serve, and is every replica where its primary is?
        let reports = try await settled(plan)
        return .formed(manifest, reports, changes: plan.steps)
    }

    private func manifest() async throws -> Manifest {
        if let manifest = try await catalog.resolve(request.reference, name: request.name) { return manifest }
        throw Failure(.noSuchBackup, "form the cluster: the store holds no backup to compare its nodes with")
    }

    private func plan(_ shards: ClusterShards) async throws -> ClusterPlan {
        let answers = try await ClusterNodeSurvey.take(of: request.nodes, isThorough: true)
        try requireReach(answers)
        return try ClusterPlan(shards, answers, allowing: request.overrides)
    }

    /// Nodes of several machines do not reach each other at the loopback address of this one.
    private func requireReach(_ answers: [ClusterNodeAnswer]) throws {
        func isLoopback(_ answer: ClusterNodeAnswer) -> Bool {
            answer.address.ip.hasPrefix("127.") || answer.address.ip == "::1"
        }
        guard let near = answers.first(where: isLoopback), let far = answers.first(where: { !isLoopback($0) }) else {
            return
        }
        throw Failure(
            .usage,
            "form the cluster: \(near.name) was reached at \(near.address.ip), where \(far.name) does not reach it",
            hint: "Name the nodes by addresses at which they reach each other."
        )
    }
}

// MARK: Steps

extension ClusterForming {
    private func setEpoch(_ epoch: Int64, of node: ClusterNodeAnswer) async throws {
        logger.info("\(node.name): config epoch \(epoch)")
        try await withRedisConnection(node.node.endpoint) { try await $0.setConfigEpoch(epoch) }
    }

    @Sendable private func addSlots(_ placement: ClusterPlan.Placement) async throws {
        let node = placement.primary
        logger.info("\(node.name): owns \(placement.shard.slots)")
        try await withRedisConnection(node.node.endpoint) { connection in
            try await connection.addSlots(placement.missingSlots, node.info)
        }
    }

    /// A replica (Redis 7.0) that hears from others that its primary has moved knows it, and goes on calling at the old
    /// address (measured); told once more whom it follows, it calls at the new one.
    private func redirect(_ answers: [ClusterNodeAnswer]) async throws {
        for answer in answers where answer.info.role == .replica && answer.info.primaryLinkIsUp == false {
            guard let primary = answer.topology.primary(of: answer.own), let now = primary.location,
                let host = answer.info.primaryHost, let port = answer.info.primaryPort,
                (host, Int(port)) != (now.ip, now.port)
            else { continue }
            logger.info("\(answer.name): calls its primary at \(now), no longer at \(host):\(port)")
            try await withRedisConnection(answer.node.endpoint) { try await $0.follow(nodeID: primary.id) }
        }
    }

    private func follow(_ primary: ClusterNodeAnswer, by replica: ClusterNodeAnswer) async throws {
        logger.info("\(replica.name): follows \(primary.name)")
        try await withRedisConnection(replica.node.endpoint) { try await $0.follow(nodeID: primary.own.id) }
    }

    /// Lets the first primary meet all others that it does not know, until every node knows every other one and who
    /// owns what.
    private func meet(_ plan: ClusterPlan) async throws -> [ClusterNodeAnswer] {
        for node in plan.meetSteps where node.own.id != plan.seed.own.id {
            logger.info("\(plan.seed.name) meets \(node.name) at \(node.address)")
        }
        let waiting = ClusterWait(request, logger: logger)
        return try await waiting.until("the nodes know each other and who owns which slots") { answers in
            try await introduce(answers, plan)
            return ClusterView.disagreement(of: answers, on: plan.ownership)
        }
    }

    /// A handshake that nobody answers is forgotten after a while (`cluster-node-timeout`), so it is begun again. One
    /// that is known already is met where it is now: a pod that was started again has another address.
    private func introduce(_ answers: [ClusterNodeAnswer], _ plan: ClusterPlan) async throws {
        guard let seed = answers.first(where: { $0.own.id == plan.seed.own.id }) else { return }
        let underWay = Set(seed.topology.nodes.filter(\.isInHandshake).compactMap(\.location))
        let strangers = answers.filter { !$0.isConnected(with: seed) }.compactMap { answer in
            plan.answers.first { $0.own.id == answer.own.id }?.address
        }.filter { !underWay.contains($0) }
        guard !strangers.isEmpty else { return }
        try await withRedisConnection(seed.node.endpoint) { connection in
            for stranger in strangers { try await connection.meet(stranger) }
        }
    }

    /// Waits until the whole is as planned, and says what became of each node.
    private func settled(_ plan: ClusterPlan) async throws -> [ClusterNodeReport] {
        let waiting = ClusterWait(request, logger: logger)
        let serves = plan.ownership.values.reduce(SlotRanges()) { $0.union($1) } == .all
        let answers = try await waiting.until("the replicas are in sync and the cluster serves") { answers in
            // That a node is not where it was is known only after `cluster-node-timeout`.
            try await introduce(answers, plan)
            try await redirect(answers)
            return ClusterView.disagreement(of: answers, on: plan.ownership)
                ?? ClusterView.lag(of: answers, plan)
                ?? (serves ? ClusterView.outage(of: answers) : nil)
        }
        return ClusterView.reports(answers, plan)
    }

    /// Nobody could write before the cluster served, so a primary that has fewer keys than it can have lost to their
    /// expiry has lost some since it was looked at: to eviction, or to somebody who was quick.
    private func requireKeys(_ answers: [ClusterNodeAnswer], _ plan: ClusterPlan) throws {
        guard !plan.slotSteps.isEmpty, !request.overrides.allowsOtherData else { return }
        for report in ClusterView.reports(answers, plan) where report.role == .primary {
            guard let counts = report.snapshotKeys, report.keys < counts.lowerBound else { continue }
            throw Failure(
                .digestMismatch,
                "form the cluster: \(report.name) holds \(report.keys) keys by now: its snapshot leaves "
                    + "\(counts.lowerBound) to \(counts.upperBound)",
                hint: "Look whether it evicts (INFO stats, evicted_keys), or whether somebody deleted keys meanwhile."
            )
        }
    }
}
