// SPDX-License-Identifier: Apache-2.0

import Catalog
import Compression
import Failures
import Operations
import Testing

/// A set of a cluster is taken while no slot moves, and committed when none has moved.
struct ClusterSurveyTests {
    /// Three shards; `own` is the node that is asked.
    private static func nodes(
        own: String,
        a: String = "0-5460",
        b: String = "5461-10922",
        c: String = "10923-16383",
        promoted: Bool = false
    ) -> String {
        let lines = [
            "a x master - 0 0 1 connected \(a)", "b x master - 0 0 2 connected \(b)",
            promoted ? "c x master,fail - 0 0 3 connected" : "c x master - 0 0 3 connected \(c)",
            promoted ? "c2 x master - 0 0 4 connected \(c)" : "c2 x slave c 0 0 3 connected",
        ]
        return lines.map { $0.hasPrefix(own + " ") ? $0.replacing(" x ", with: " x myself,") : $0 }
            .joined(separator: "\n")
    }

    private static let info = "role:master\r\nredis_mode:cluster\r\nmaster_replid:"

    private func survey(_ members: [String], isMigrating: Bool = false, _ nodes: (String) -> String) -> Survey {
        Survey(
            answers: members.map { name in
                PlanParts.answer(
                    name,
                    info: Self.info + name,
                    cluster: nodes(name),
                    isMigratingSlots: isMigrating && name == members[0]
                )
            }
        )
    }

    private static func request(_ change: (inout BackupRequest) -> Void = { _ in }) throws -> BackupRequest {
        var request = try BackupRequest(
            name: "demo",
            members: [],
            choice: .onePerShard,
            compression: CompressionChoice(.none),
            source: .init(kind: "endpoints"),
            tool: .init(name: "redoubt", version: "0"),
            allowsWatchedPrimary: false,
            runID: "r"
        )
        change(&request)
        return request
    }

    @Test func aClusterAtRestIsTaken() throws {
        let plan = try BackupPlan(survey(["a", "b", "c", "c2"]) { Self.nodes(own: $0) }, for: Self.request())
        #expect(plan.turns.map { $0.candidates.map(\.member.name).sorted() } == [["a"], ["b"], ["c", "c2"]])
    }

    @Test(arguments: ["0-5460 [5460->-b]", "0-5460 [5461-<-b]"])
    func slotsOnTheirWayAreRefusedUnlessAllowed(slots: String) throws {
        let moving = survey(["a", "b", "c"]) { Self.nodes(own: $0, a: slots) }
        let failure = #expect(throws: Failure.self) { try BackupPlan(moving, for: Self.request()) }
        #expect(failure?.code == .guardRefused)
        #expect(failure?.hint?.contains("--allow-slot-migration") == true)
        #expect(throws: Never.self) {
            try BackupPlan(moving, for: Self.request { $0.overrides.allowsSlotMigration = true })
        }
    }

    @Test func anAtomicMigrationIsRefusedToo() {
        let moving = survey(["a", "b", "c"], isMigrating: true) { Self.nodes(own: $0) }
        let failure = #expect(throws: Failure.self) { try BackupPlan(moving, for: Self.request()) }
        #expect(failure?.code == .guardRefused)
    }

    @Test func membersThatDisagreeAreRefused() {
        let torn = survey(["a", "b", "c"]) { own in
            own == "b" ? Self.nodes(own: own, a: "0-5459", b: "5460-10922") : Self.nodes(own: own)
        }
        let failure = #expect(throws: Failure.self) { try BackupPlan(torn, for: Self.request()) }
        #expect(failure?.code == .guardRefused && failure?.message.contains("do not agree") == true)
    }

    @Test func aShardWithoutAMemberIsRefusedUnlessAllowed() throws {
        let part = survey(["a", "c2"]) { Self.nodes(own: $0) }
        let failure = #expect(throws: Failure.self) { try BackupPlan(part, for: Self.request()) }
        #expect(failure?.code == .guardRefused && failure?.message.contains("5461-10922") == true)
        #expect(failure?.hint?.contains("--allow-missing-slots") == true)
        #expect(throws: Never.self) {
            try BackupPlan(part, for: Self.request { $0.overrides.allowsMissingSlots = true })
        }
    }

    /// Where a member could not be asked, the missing slots may be its own: that is a partial set, not a refusal.
    @Test func aMemberThatCannotBeAskedIsNoMissingShard() throws {
        let answers = survey(["a", "c2"]) { Self.nodes(own: $0) }.answers
        let silent = Survey.Answer(
            member: PlanParts.member("b"),
            info: nil,
            failure: Failure(.unreachable, "ask b"),
            isWatchedBySentinel: nil
        )
        let plan = try BackupPlan(Survey(answers: answers + [silent]), for: Self.request())
        #expect(plan.turns.count == 3)
    }

    @Test func aSlotThatMovedMeanwhileIsFoundAndAFailoverIsNot() throws {
        let before = try #require(ClusterSurvey(survey(["a", "b", "c"]) { Self.nodes(own: $0) }))
        let moved = try #require(
            ClusterSurvey(survey(["a", "b"]) { Self.nodes(own: $0, a: "0-5459", b: "5460-10922") })
        )
        let failure = #expect(throws: Failure.self) { try moved.requireSameSlots(as: before.facts) }
        #expect(failure?.code == .memberChanged)
        let promoted = try #require(ClusterSurvey(survey(["a", "b"]) { Self.nodes(own: $0, promoted: true) }))
        #expect(throws: Never.self) { try promoted.requireSameSlots(as: before.facts) }
    }

    @Test func serversWithoutAClusterHaveNone() {
        #expect(ClusterSurvey(Survey(answers: [PlanParts.answer("a")])) == nil)
    }
}
