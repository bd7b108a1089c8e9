// SPDX-License-Identifier: Apache-2.0

import Failures
import Logging
import RedisClient
import RedisProtocol

/// What the members say about themselves before a run begins.
package struct Survey: Sendable {
    /// One member's answer.
    package struct Answer: Sendable {
        package let member: BackupMember
        /// `nil` when the member could not be asked; then `failure` says why.
        package let info: ServerInfo?
        /// Why the member cannot be backed up now, if it cannot.
        package let failure: Failure?
        /// Whether Sentinel watches the member; `nil` when the rights to find out are missing.
        package let isWatchedBySentinel: Bool?
        /// The cluster as the member sees it, where it is a node of one.
        package let cluster: ClusterTopology?
        /// Whether the member takes part in a slot migration that its view of the cluster does not show.
        package let isMigratingSlots: Bool

        package init(
            member: BackupMember,
            info: ServerInfo?,
            failure: Failure?,
            isWatchedBySentinel: Bool?,
            cluster: ClusterTopology? = nil,
            isMigratingSlots: Bool = false
        ) {
            self.member = member
            self.info = info
            self.failure = failure
            self.isWatchedBySentinel = isWatchedBySentinel
            self.cluster = cluster
            self.isMigratingSlots = isMigratingSlots
        }
    }

    package let answers: [Answer]

    package init(answers: [Answer]) {
        self.answers = answers
    }

    /// How many members are asked at once.
    private static let asksAtOnce = 8

    /// How often the nodes of a cluster that do not agree are asked again, and how long is waited between.
    private static let agreementTriesMax = 10
    private static let agreementInterval = Duration.seconds(2)

    /// Asks every member; the nodes of a cluster until they agree, or for a while.
    package static func settled(of members: [BackupMember], logger: Logger) async throws -> Survey {
        for _ in 1..<agreementTriesMax {
            let survey = await take(of: members, logger: logger)
            guard ClusterSurvey(survey)?.disagrees == true else { return survey }
            logger.notice("the nodes of the cluster do not agree on its slots yet: they are asked again")
            try await Task.sleep(for: agreementInterval)
        }
        return await take(of: members, logger: logger)
    }

    /// Asks every member. One that cannot be asked is an answer too.
    package static func take(of members: [BackupMember], logger: Logger) async -> Survey {
        await withTaskGroup(of: (Int, Answer).self) { group in
            var waiting = members.enumerated().makeIterator()
            var answers: [(Int, Answer)] = []
            func askNext() {
                guard let (index, member) = waiting.next() else { return }
                group.addTask { (index, await ask(member)) }
            }
            for _ in 0..<asksAtOnce { askNext() }
            for await answer in group {
                answers.append(answer)
                askNext()
            }
            return Survey(answers: answers.sorted { $0.0 < $1.0 }.map(\.1))
        }
    }

    private static func ask(_ member: BackupMember) async -> Answer {
        if let absence = member.pod?.absence {
            return Answer(member: member, info: nil, failure: absence, isWatchedBySentinel: nil)
        }
        do {
            return try await withRedisConnection(member.endpoint) { connection in
                let info = try await connection.info()
                let isWatched = info.role == .primary ? try await connection.isWatchedBySentinel() : false
                let isNode = info.mode == .cluster
                return Answer(
                    member: member,
                    info: info,
                    failure: member.fitness.unfitness(of: info, member: member.name),
                    isWatchedBySentinel: isWatched,
                    cluster: isNode ? try await connection.clusterTopology() : nil,
                    isMigratingSlots: isNode ? try await connection.isMigratingSlotsAtomically(info) : false
                )
            }
        } catch {
            let failure = await Failure(wrapping: error, attempting: "ask \(member.name) how it does").explained(
                by: member.pod
            )
            return Answer(member: member, info: nil, failure: failure, isWatchedBySentinel: nil)
        }
    }
}

extension Failure {
    /// The same failure, with what is the matter with the pod, where that may be the reason.
    func explained(by pod: BackupMember.Pod?) async -> Failure {
        guard [.unreachable, .timeout, .memberChanged, .truncated, .memberLoading].contains(code),
            let trouble = await pod?.trouble()
        else { return self }
        return Failure(code, "\(message); Kubernetes says of its pod: \(trouble)", cause: cause, hint: hint)
    }
}
