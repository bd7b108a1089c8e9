// SPDX-License-Identifier: Apache-2.0

import Failures
import Logging
import Operations
import RedisClient
import RedisProtocol
import Testing

/// Who is asked, in which order, and who stands in for whom: decided by what `INFO` says, never by names.
struct BackupPlanTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func answer(
        _ name: String,
        role: String?,
        id: String = "a",
        before: String = String(repeating: "0", count: 40),
        offset: Int = 0,
        failure: Failure.Code? = nil,
        isWatched: Bool? = false
    ) -> Survey.Answer {
        let endpoint = RedisEndpoint(url: RedisURL(host: name))
        let member = BackupMember(
            name: name,
            endpoint: endpoint,
            source: ReplicationSource(endpoint: endpoint, logger: Self.logger),
            fitness: MemberFitness()
        )
        let info = role.map {
            ServerInfo(
                "role:\($0)\r\nmaster_replid:\(id)\r\nmaster_replid2:\(before)\r\nmaster_repl_offset:\(offset)\r\n"
            )
        }
        return Survey.Answer(
            member: member,
            info: info,
            failure: failure.map { Failure($0, "of \(name)") },
            isWatchedBySentinel: isWatched
        )
    }

    private func turns(
        _ answers: [Survey.Answer],
        _ choice: BackupRequest.Choice,
        allowsWatchedPrimary: Bool = false
    ) throws -> [[String]] {
        try BackupPlan(Survey(answers: answers), choice: choice, allowsWatchedPrimary: allowsWatchedPrimary).turns.map {
            $0.candidates.map(\.member.name)
        }
    }

    @Test func replicasComeBeforePrimariesWhateverTheirNames() throws {
        let answers = [
            answer("redis-0", role: "master", offset: 9), answer("redis-1", role: "slave", offset: 5),
            answer("redis-2", role: "slave", offset: 7),
        ]
        #expect(try turns(answers, .each) == [["redis-2"], ["redis-1"], ["redis-0"]])
        #expect(try turns(answers, .replicas) == [["redis-2"], ["redis-1"]])
        #expect(try turns(answers, .onePerShard) == [["redis-2", "redis-1", "redis-0"]])
    }

    @Test func membersOfOneHistoryAreOneShard() throws {
        let answers = [
            answer("a-0", role: "master", id: "a"), answer("b-0", role: "master", id: "b"),
            answer("a-1", role: "slave", id: "a"), answer("b-1", role: "slave", id: "b"),
        ]
        #expect(try turns(answers, .onePerShard) == [["a-1", "a-0"], ["b-1", "b-0"]])
    }

    /// Two servers that were started from one dump share the history before, and no data since.
    @Test func twoPrimariesAreNeverOneShard() throws {
        let first = answer("p", role: "master", id: "p", before: "dump")
        let second = answer("q", role: "master", id: "q", before: "dump")
        #expect(try turns([first, second], .onePerShard) == [["p"], ["q"]])
        let splitBrain = [
            answer("old", role: "master", id: "same", offset: 5), answer("new", role: "master", id: "same", offset: 9),
            answer("replica", role: "slave", id: "same", offset: 7),
        ]
        #expect(try turns(splitBrain, .onePerShard) == [["replica", "new"], ["old"]])
    }

    @Test func aMemberThatIsNotFitComesLastAndOneThatCannotBeAskedIsOnItsOwn() throws {
        let answers = [
            answer("redis-0", role: "master"), answer("redis-1", role: "slave", failure: .replicaLinkDown),
            answer("redis-2", role: nil, failure: .unreachable),
        ]
        #expect(try turns(answers, .onePerShard) == [["redis-0", "redis-1"], ["redis-2"]])
    }

    @Test func aWatchedPrimaryIsLeftOutUnlessItIsAllowed() throws {
        let answers = [answer("redis-0", role: "master", isWatched: true), answer("redis-1", role: "slave")]
        #expect(try turns(answers, .each) == [["redis-1"]])
        #expect(try turns(answers, .each, allowsWatchedPrimary: true) == [["redis-1"], ["redis-0"]])
        let failure = #expect(throws: Failure.self) { try turns([answers[0]], .each) }
        #expect(failure?.code == .guardRefused && failure?.message.contains("--from-watched-primary") == true)
    }

    @Test func withoutMembersThereIsNoPlan() {
        let failure = #expect(throws: Failure.self) { try turns([], .each) }
        #expect(failure?.code == .noFitMember)
    }
}
