// SPDX-License-Identifier: Apache-2.0

import Operations
import TestParts
import Testing

/// One fork at a time on each node and in each shard; so many at all.
struct ForkScheduleTests {
    private func started(_ schedule: inout ForkSchedule) -> [ForkSchedule.Attempt] {
        var attempts: [ForkSchedule.Attempt] = []
        while let attempt = schedule.next() { attempts.append(attempt) }
        return attempts
    }

    @Test func noTwoForksAreOnOneNode() {
        let turns = [
            PlanParts.turn("a", [("a-1", "n1")]), PlanParts.turn("b", [("b-1", "n1")]),
            PlanParts.turn("c", [("c-1", "n2")]),
        ]
        var schedule = ForkSchedule(turns, parallel: 8)
        let first = started(&schedule)
        #expect(first.map(\.turn) == [0, 2])
        schedule.ended(first[1], succeeded: true)
        #expect(started(&schedule).isEmpty)
        schedule.ended(first[0], succeeded: true)
        #expect(started(&schedule).map(\.turn) == [1])
    }

    @Test func noTwoForksAreInOneShard() {
        let turns = [
            PlanParts.turn("a", [("a-1", "n1")]), PlanParts.turn("a", [("a-2", "n2")]),
            PlanParts.turn("b", [("b-1", "n3")]),
        ]
        var schedule = ForkSchedule(turns, parallel: 8)
        #expect(started(&schedule).map(\.turn) == [0, 2])
    }

    @Test func noMoreThanAskedForRunAtATime() {
        let turns = (0..<10).map { PlanParts.turn("\($0)", [("m-\($0)", nil)]) }
        var schedule = ForkSchedule(turns, parallel: 3)
        var running = started(&schedule)
        #expect(running.map(\.turn) == [0, 1, 2])
        var seen = running.count
        while let attempt = running.popLast() {
            schedule.ended(attempt, succeeded: true)
            let next = started(&schedule)
            #expect(next.count <= 1)
            running += next
            seen += next.count
        }
        #expect(seen == 10)
    }

    @Test func theNextCandidateStandsInOnItsOwnNode() throws {
        let turns = [
            PlanParts.turn("a", [("a-1", "n1"), ("a-0", "n2")]), PlanParts.turn("b", [("b-1", "n2")]),
        ]
        var schedule = ForkSchedule(turns, parallel: 2)
        let first = started(&schedule)
        #expect(first.map(\.turn) == [0, 1])
        schedule.ended(first[0], succeeded: false)
        // Its second candidate is on the node that turn 1 has.
        #expect(started(&schedule).isEmpty)
        schedule.ended(first[1], succeeded: false)
        let last = started(&schedule)
        #expect(last.map(\.turn) == [0] && last.map(\.candidate) == [1])
        schedule.ended(last[0], succeeded: false)
        #expect(started(&schedule).isEmpty)
    }

    /// Random turns on random nodes with random endings: what must hold always holds, and every turn comes to its
    /// end.
    @Test func theRulesHoldWhateverHappens() {
        for seed in UInt64(1)...200 {
            var random = SeededRandom(seed: seed)
            let turns = (0..<Int.random(in: 1...30, using: &random)).map { number in
                PlanParts.turn(
                    "s\(Int.random(in: 0...8, using: &random))",
                    (0..<Int.random(in: 1...3, using: &random)).map {
                        (
                            "m-\(number)-\($0)",
                            Bool.random(using: &random) ? "n\(Int.random(in: 0...4, using: &random))" : nil
                        )
                    }
                )
            }
            let parallel = Int.random(in: 1...6, using: &random)
            var schedule = ForkSchedule(turns, parallel: parallel)
            var running: [ForkSchedule.Attempt] = []
            var over: Set<Int> = []
            repeat {
                running += started(&schedule)
                let nodes = running.compactMap { turns[$0.turn].candidates[$0.candidate].member.pod?.node }
                #expect(Set(nodes).count == nodes.count && running.count <= parallel, "seed \(seed)")
                #expect(Set(running.map { turns[$0.turn].shard }).count == running.count, "seed \(seed)")
                let attempt = running.remove(at: Int.random(in: running.indices, using: &random))
                let succeeded = Bool.random(using: &random)
                schedule.ended(attempt, succeeded: succeeded)
                if succeeded || attempt.candidate + 1 == turns[attempt.turn].candidates.count {
                    #expect(over.insert(attempt.turn).inserted, "seed \(seed)")
                } else {
                    running += started(&schedule)
                }
            } while !running.isEmpty || over.count < turns.count
            #expect(over.count == turns.count, "seed \(seed)")
        }
    }

    @Test func podsShareTheTurnsWithoutSharingANode() {
        for seed in UInt64(1)...100 {
            var random = SeededRandom(seed: seed)
            let turns = (0..<Int.random(in: 1...60, using: &random)).map {
                PlanParts.turn("s\($0 / 2)", [("m-\($0)", "n\(Int.random(in: 0...9, using: &random))")])
            }
            let count = Int.random(in: 1...8, using: &random)
            let shares = ForkSchedule.shares(of: turns, among: count)
            #expect(shares.map(\.number) == Array(turns.indices))
            #expect(shares.allSatisfy { (0..<count).contains($0.index) })
            let pods = Dictionary(grouping: shares) { turns[$0.number].candidates[0].member.pod?.node ?? "" }
            #expect(pods.values.allSatisfy { Set($0.map(\.index)).count == 1 }, "seed \(seed)")
        }
        let unplaced = (0..<100).map { PlanParts.turn("s\($0)", [("m-\($0)", nil)]) }
        let loads = Dictionary(grouping: ForkSchedule.shares(of: unplaced, among: 10), by: \.index).mapValues(\.count)
        #expect(loads.count == 10 && loads.values.allSatisfy { $0 == 10 })
    }
}
