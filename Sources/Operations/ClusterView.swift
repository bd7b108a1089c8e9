// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import RedisProtocol

/// What still keeps a cluster from being whole, by the views of its nodes: words that follow «not yet». Pure.
enum ClusterView {
    /// Whether every node knows every other one by its id, is connected with it, and sees the owners that are meant.
    static func disagreement(of answers: [ClusterNodeAnswer], on ownership: [String: SlotRanges]) -> String? {
        let ids = Set(answers.map(\.own.id))
        for answer in answers {
            let known = Set(answer.topology.nodes.filter { !$0.isInHandshake }.map(\.id))
            if let missing = answers.first(where: { !known.contains($0.own.id) }) {
                return "\(answer.name) does not know \(missing.name)"
            }
            if let other = answer.topology.nodes.first(where: { !ids.contains($0.id) }) {
                return "\(answer.name) waits for \(other.address)"
            }
            if let silent = answer.topology.nodes.first(where: { !$0.isMyself && !$0.isReached }) {
                return "\(answer.name) is not connected with \(silent.address)"
            }
            if answer.topology.ownership != ownership { return "\(answer.name) sees other owners of slots" }
        }
        return nil
    }

    /// Whether every replica follows its primary, is where the primary was when both were asked, and is seen so by all.
    static func lag(of answers: [ClusterNodeAnswer], _ plan: ClusterPlan) -> String? {
        let byID = Dictionary(answers.map { ($0.own.id, $0) }, uniquingKeysWith: { first, _ in first })
        for placement in plan.placements {
            let primary = byID[placement.primary.own.id]
            for replica in placement.replicas + placement.newReplicas {
                guard let now = byID[replica.own.id], let primary else { return "\(replica.name) did not answer" }
                let seenByAll = answers.allSatisfy { answer in
                    answer.topology.nodes.first { $0.id == replica.own.id }?.primaryID == primary.own.id
                }
                guard seenByAll else { return "not everyone sees that \(replica.name) follows \(primary.name)" }
                guard now.info.role == .replica, now.info.primaryLinkIsUp == true,
                    now.info.primarySyncInProgress != true
                else { return "\(replica.name) synchronizes with \(primary.name)" }
                // The primary tells which offsets were acknowledged. A client that writes moves both on.
                guard let offset = now.info.replicationOffset, now.info.replicationID == primary.info.replicationID
                else { return "\(replica.name) is in another history than \(primary.name)" }
                let behind = (primary.info.replicationOffset ?? 0) - offset
                guard behind <= lagBytesMax else { return "\(replica.name) is \(behind) bytes behind \(primary.name)" }
            }
        }
        return nil
    }

    /// Both are asked one after the other while clients may write already.
    private static let lagBytesMax: Int64 = 1 << 20

    /// Whether each node finds that the cluster serves.
    static func outage(of answers: [ClusterNodeAnswer]) -> String? {
        guard let down = answers.first(where: { !$0.state.isOK || $0.state.slotsAssigned != SlotRanges.slotCount })
        else { return nil }
        return "\(down.name) finds that the cluster does not serve (\(down.state.slotsAssigned) slots have an owner)"
    }

    /// What became of each node: shard by shard, the primary first.
    static func reports(_ answers: [ClusterNodeAnswer], _ plan: ClusterPlan) -> [ClusterNodeReport] {
        let byID = Dictionary(answers.map { ($0.own.id, $0) }, uniquingKeysWith: { first, _ in first })
        return plan.placements.flatMap { placement in
            ([placement.primary] + placement.replicas + placement.newReplicas).compactMap { planned in
                guard let answer = byID[planned.own.id] else { return nil }
                let isPrimary = planned.own.id == placement.primary.own.id
                let counts = placement.shard.stored.compactMap(\.keyCounts)
                return ClusterNodeReport(
                    name: answer.name,
                    nodeID: answer.own.id,
                    role: isPrimary ? .primary : .replica,
                    slots: placement.shard.slots,
                    keys: answer.info.keyCount,
                    snapshotKeys: counts.map(\.lowerBound).min().flatMap { least in
                        counts.map(\.upperBound).max().map { least...$0 }
                    },
                    offset: answer.info.replicationOffset ?? 0,
                    primary: isPrimary ? nil : placement.primary.name
                )
            }
        }
    }
}

/// Asks all nodes again and again until they are as they should be. A node that does not answer for a while is waited
/// for, too.
struct ClusterWait {
    private let request: ClusterFormingRequest
    private let logger: Logger
    private static let interval = Duration.milliseconds(200)

    init(_ request: ClusterFormingRequest, logger: Logger) {
        self.request = request
        self.logger = logger
    }

    /// - Parameter trouble: what is not yet as it should be; `nil` ends the waiting.
    /// - Throws: `.timeout` with the last trouble; what cannot pass by itself, as a missing right, at once.
    @discardableResult
    func until(
        _ goal: String,
        _ trouble: ([ClusterNodeAnswer]) async throws -> String?
    ) async throws -> [ClusterNodeAnswer] {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(request.settleSeconds)
        var last = ""
        while true {
            do {
                let answers = try await ClusterNodeSurvey.take(of: request.nodes, isThorough: false)
                guard let found = try await trouble(answers) else { return answers }
                if found != last { logger.info("not yet: \(found)") }
                last = found
            } catch let failure as Failure where failure.code.isTransient || failure.code == .memberLoading {
                last = "\(failure)"
            }
            guard clock.now < deadline else {
                throw Failure(
                    .timeout,
                    "wait until \(goal): after \(Int(request.settleSeconds)) s, not yet: \(last)",
                    hint: "Nothing is lost: run the command again, and it goes on. Nodes reach each other at their bus "
                        + "ports, too (port + 10000): see that nothing is in between."
                )
            }
            try await Task.sleep(for: Self.interval)
        }
    }
}
