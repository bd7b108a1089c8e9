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

        package init(member: BackupMember, info: ServerInfo?, failure: Failure?, isWatchedBySentinel: Bool?) {
            self.member = member
            self.info = info
            self.failure = failure
            self.isWatchedBySentinel = isWatchedBySentinel
        }
    }

    package let answers: [Answer]

    package init(answers: [Answer]) {
        self.answers = answers
    }

    /// How many members are asked at once.
    private static let asksAtOnce = 8

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
        do {
            return try await withRedisConnection(member.endpoint) { connection in
                let info = try await connection.info()
                let isWatched = info.role == .primary ? try await connection.isWatchedBySentinel() : false
                return Answer(
                    member: member,
                    info: info,
                    failure: member.fitness.unfitness(of: info, member: member.name),
                    isWatchedBySentinel: isWatched
                )
            }
        } catch {
            let failure = Failure(wrapping: error, attempting: "ask \(member.name) how it does")
            return Answer(member: member, info: nil, failure: failure, isWatchedBySentinel: nil)
        }
    }
}
