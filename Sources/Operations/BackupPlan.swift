// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RedisProtocol

/// Whose snapshots are taken, in which order, and who stands in for whom. Pure: made of the survey alone.
///
/// Role, link and history come from `INFO`, never from names or ordinals. Members with the same replication id are
/// one shard.
package struct BackupPlan: Sendable {
    /// One snapshot to take: of the first candidate that gives a proven one.
    package struct Turn: Sendable {
        package let candidates: [Candidate]
        /// Which shard it is of, for those who share it.
        package let shard: String

        package init(candidates: [Candidate], shard: String) {
            self.candidates = candidates
            self.shard = shard
        }

        /// The candidates that were not asked, because this member before them gave a snapshot.
        func standBys(of member: Manifest.Member) -> [Omission] {
            candidates.map(\.member.name).drop { $0 != member.member }.dropFirst().map {
                Omission(member: $0, reason: "its shard is covered by \(member.member)")
            }
        }
    }

    /// A member that may give the snapshot of a turn.
    package struct Candidate: Sendable {
        package let member: BackupMember
        package let info: ServerInfo?
        /// Why it is known beforehand that it cannot.
        package let failure: Failure?
        /// The cluster as the member sees it, where it is a node of one.
        package let cluster: ClusterTopology?

        package init(_ answer: Survey.Answer) {
            member = answer.member
            info = answer.info
            failure = answer.failure
            cluster = answer.cluster
        }
    }

    /// A member that is not asked.
    package struct Omission: Sendable, Hashable {
        package let member: String
        package let reason: String
    }

    package let turns: [Turn]
    package let omissions: [Omission]
    /// What the members say of their cluster, where they are nodes of one.
    let cluster: ClusterSurvey?

    /// - Throws: `.guardRefused` when slots of a cluster move, when a shard of it has no member here, or when the
    ///   only
    ///   members left are primaries that Sentinel watches; `.noFitMember`.
    package init(_ survey: Survey, for request: BackupRequest) throws {
        try self.init(survey, choice: request.choice, allowsWatchedPrimary: request.allowsWatchedPrimary)
        try cluster?.requireRest(allowsSlotMigration: request.overrides.allowsSlotMigration)
        if !request.overrides.allowsMissingSlots { try requireEveryShard() }
    }

    /// - Throws: `.guardRefused` when the only members left are primaries that Sentinel watches; `.noFitMember`.
    package init(_ survey: Survey, choice: BackupRequest.Choice, allowsWatchedPrimary: Bool) throws {
        var asked: [Survey.Answer] = []
        var omissions: [Omission] = []
        for answer in survey.answers {
            if let reason = Self.reasonToOmit(answer, choice, allowsWatchedPrimary) {
                omissions.append(Omission(member: answer.member.name, reason: reason))
            } else {
                asked.append(answer)
            }
        }
        guard !asked.isEmpty else { throw Self.nobodyLeft(omissions) }
        let ordered = asked.sorted(by: Self.comesBefore).map(Candidate.init)
        self.omissions = omissions
        cluster = ClusterSurvey(survey)
        let shards = Self.shards(of: ordered).map { Turn(candidates: $0, shard: $0[0].member.name) }
        switch choice {
        case .onePerShard:
            turns = shards
        case .each, .replicas:
            let names = shards.flatMap { turn in turn.candidates.map { ($0.member.name, turn.shard) } }
            let shard = Dictionary(names, uniquingKeysWith: { first, _ in first })
            turns = ordered.map { Turn(candidates: [$0], shard: shard[$0.member.name] ?? $0.member.name) }
        }
    }

    /// Where a member could not be asked, its shard is not known: then the set is partial, and says so.
    private func requireEveryShard() throws {
        let candidates = turns.flatMap(\.candidates)
        guard let cluster, !candidates.contains(where: { $0.info == nil }) else { return }
        let missing = cluster.slotsMissing(from: Set(candidates.map(\.member.name)))
        guard !missing.isEmpty else { return }
        throw Failure(
            .guardRefused,
            "back up a cluster: no member is in the shards of \(missing.count) of its slots (\(missing))",
            hint: "Name the nodes of every shard, or take a set without those slots with --allow-missing-slots."
        )
    }

    private static func reasonToOmit(
        _ answer: Survey.Answer,
        _ choice: BackupRequest.Choice,
        _ allowsWatchedPrimary: Bool
    ) -> String? {
        guard answer.info?.role == .primary else { return nil }
        if choice == .replicas { return "it is a primary, and only replicas were asked for" }
        guard answer.isWatchedBySentinel == true, !allowsWatchedPrimary,
            answer.member.source.plantsPhantomReplica
        else { return nil }
        return "it is a primary that Sentinel watches, where a snapshot would show as a phantom replica"
            + " (--from-watched-primary takes it all the same)"
    }

    private static func nobodyLeft(_ omissions: [Omission]) -> Failure {
        let names = omissions.map(\.member).joined(separator: ", ")
        guard let first = omissions.first else {
            return Failure(.noFitMember, "find a member to back up: there is none")
        }
        return Failure(
            .guardRefused,
            "back up \(names): \(first.reason)",
            hint: "Name a replica with --endpoint, choose with --members each, or override the guard that is named."
        )
    }

    /// Fit members first, replicas before primaries, and of those the one that is furthest in its history.
    private static func comesBefore(_ left: Survey.Answer, _ right: Survey.Answer) -> Bool {
        func rank(_ answer: Survey.Answer) -> (Int, Int, Int64) {
            (
                answer.failure == nil ? 0 : 1, answer.info?.role == .replica ? 0 : 1,
                -(answer.info?.replicationOffset ?? -1)
            )
        }
        return rank(left) < rank(right)
    }

    /// Groups in the order of their first member. Only the history that a member is in now makes it one with others:
    /// two servers that were started from one dump share the history before, and no data since. Two primaries are
    /// never one shard, and a member that could not be asked is a group of its own: whether another one covers it is
    /// not known. In a cluster the primary that a node follows decides.
    private static func shards(of candidates: [Candidate]) -> [[Candidate]] {
        var shards: [[Candidate]] = []
        for candidate in candidates {
            let index = shards.firstIndex { shard in
                if let own = candidate.clusterPrimaryID { return shard[0].clusterPrimaryID == own }
                guard let id = candidate.info?.replicationID, shard[0].info?.replicationID == id else { return false }
                return candidate.info?.role != .primary || !shard.contains { $0.info?.role == .primary }
            }
            if let index {
                shards[index].append(candidate)
            } else {
                shards.append([candidate])
            }
        }
        return shards
    }
}

extension BackupPlan.Candidate {
    /// The id of the primary whose shard the member is in, where it is a node of a cluster.
    fileprivate var clusterPrimaryID: String? {
        cluster.flatMap { topology in topology.myself.flatMap(topology.primary(of:))?.id }
    }

    /// The member as a manifest describes it, without its snapshot.
    func described(error: Failure?) -> Manifest.Member {
        var described = Manifest.Member(member: member.name, role: info?.role?.rawValue)
        if let info {
            described.server = Manifest.Server(
                product: info.product.rawValue,
                version: info.versionText ?? "unknown",
                runId: info.runID ?? "unknown",
                mode: info.mode?.rawValue ?? "standalone"
            )
        }
        if let id = info?.replicationID, let offset = info?.replicationOffset {
            described.replication = Manifest.Replication(id: id, offset: offset)
        }
        described.shard = cluster.flatMap(Manifest.Shard.init(_:))
        described.error = error.map { Manifest.Problem(code: $0.code.rawValue, message: $0.description) }
        return described
    }
}
