// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import TestParts
import Testing

/// What no rule keeps goes whole and on record; and nothing else goes, whatever happens meanwhile.
@Suite(.timeLimit(.minutes(2))) struct PruneTests {
    @Test func whatNoRuleKeepsGoesWholeAndOnRecord() async throws {
        try await PruneRig.with(sets: 5) { rig in
            try await rig.put(day: 1, of: "other")
            let manifest = try await rig.catalog.storedManifest(name: "demo", id: PruneRig.id(1)).bytes
            let prune = rig.prune()
            let plan = try await prune.plan(of: nil)
            #expect(plan.map(\.name) == ["demo", "other"] && plan.map(\.due.count) == [3, 0])
            let findings = try await prune.run(plan).findings
            #expect(findings.map(\.outcome.word) == ["removed", "removed", "removed"])
            let kept = try (4...5).map { try PruneRig.id($0) }
            #expect(try await rig.soundSets() == kept + [PruneRig.id(1)])
            let gone = try (1...3).map { ".removed/demo/\(try PruneRig.id($0)).json" }
            #expect(try await rig.keys().filter { $0.hasPrefix(".") } == gone)
            #expect(try await rig.keys().count == 3 + 3 * 3)
            let removals = try await rig.catalog.removals(of: "demo")
            #expect(removals.map(\.backup) == (try (1...3).map { try PruneRig.id($0) }))
            #expect(removals[0].manifestSha256 == SHA256Digest.hex(of: manifest))
            #expect(removals[0].policy == "keep-last 2 (UTC)" && removals[0].reason == "no rule keeps it")
            #expect(try await prune.run(try await prune.plan(of: nil)).findings.isEmpty)
        }
    }

    /// A manifest whose members are gone is no backup: it is not what a rule keeps instead of one that restores.
    @Test func aSetWhoseMembersAreGoneDoesNotCount() async throws {
        try await PruneRig.with(sets: 4) { rig in
            let newest = try PruneRig.id(4)
            for key in try await rig.keys() where key.contains(newest.text) && key.contains(".rdb") {
                try await rig.store.remove(try #require(ObjectKey(parsing: key)))
            }
            let plan = try #require(try await rig.prune().plan(of: nil).first)
            #expect(plan.due.isEmpty)
            let accepted = rig.prune(ignoresDamaged: true)
            _ = try await accepted.run(try await accepted.plan(of: nil))
            // The newest two that restore, and the shell, which goes by its own flag alone.
            let left = try await rig.catalog.entries(of: nil).map(\.id)
            #expect(left == (try (2...4).map { try PruneRig.id($0) }))
        }
    }

    @Test func withoutARuleThereIsNoPlan() async throws {
        try await PruneRig.with(sets: 2) { rig in
            let failure = await #expect(throws: Failure.self) { try await rig.prune { _ in }.plan(of: nil) }
            #expect(failure?.code == .usage && failure?.hint?.contains("--keep-last") == true)
        }
    }

    /// Whichever listing or manifest cannot be read: there is no plan, and so nothing goes.
    @Test func whatCannotBeReadIsNoShorterHistory() async throws {
        try await PruneRig.with(sets: 4) { rig in
            let before = try await rig.keys()
            for number in 0..<100 {
                let failing = FailingStore(rig.store, .refusal(.storeUnavailable), atCall: number)
                do {
                    _ = try await rig.prune(failing).plan(of: nil)
                    #expect(!failing.hasFailed, "call \(number) was refused, and nobody noticed")
                    #expect(number > 8)
                    break
                } catch let failure as Failure {
                    #expect(failure.code == .storeUnavailable)
                }
            }
            #expect(try await rig.keys() == before)
        }
    }

    // MARK: Interrupted

    /// Dead before or after any of its calls: what is listed is whole, nothing that is kept is gone, and the next run
    /// brings it to the same end.
    @Test(arguments: [FailingStore.Fault.deathBefore, .deathAfter])
    func aRunThatDiesAnywhereIsFinishedByTheNext(fault: FailingStore.Fault) async throws {
        let undisturbed = try await Self.keysAfterPrune()
        for number in 0..<400 {
            let isOver = try await Self.interrupted(fault, at: number) { rig in
                let left = try await rig.soundSets()
                #expect(left.suffix(2) == (try (3...4).map { try PruneRig.id($0) }), "call \(number)")
                try await rig.forgetLease()
                let again = rig.prune()
                _ = try await again.run(try await again.plan(of: nil))
                #expect(try await rig.keys() == undisturbed, "call \(number)")
            }
            if isOver {
                #expect(number > 30)
                return
            }
        }
        Issue.record("the run never came to its end")
    }

    /// Any one call is refused: the sets that are kept are there, and the next run does what is left.
    @Test(arguments: [Failure.Code.storeUnavailable, .permissionDenied, .retained, .alreadyExists])
    func aRefusalAnywhereLosesNothing(code: Failure.Code) async throws {
        let undisturbed = try await Self.keysAfterPrune()
        for number in 0..<400 {
            let isOver = try await Self.interrupted(.refusal(code), at: number) { rig in
                let left = try await rig.soundSets()
                #expect(left.suffix(2) == (try (3...4).map { try PruneRig.id($0) }), "call \(number)")
                try await rig.forgetLease()
                let again = rig.prune()
                _ = try await again.run(try await again.plan(of: nil))
                #expect(try await rig.soundSets() == (try (3...4).map { try PruneRig.id($0) }), "call \(number)")
                func sets(_ keys: [String]) -> [String] { keys.filter { !$0.hasPrefix(".") } }
                #expect(sets(try await rig.keys()) == sets(undisturbed), "call \(number)")
            }
            if isOver { return }
        }
        Issue.record("the run never came to its end")
    }

    private static func keysAfterPrune() async throws -> [String] {
        var keys: [String] = []
        try await PruneRig.with(sets: 4) { rig in
            let prune = rig.prune()
            _ = try await prune.run(try await prune.plan(of: nil))
            keys = try await rig.keys()
        }
        return keys
    }

    /// - Returns: whether the run came to its end before the call was reached.
    private static func interrupted(
        _ fault: FailingStore.Fault,
        at number: Int,
        _ body: (PruneRig) async throws -> Void
    ) async throws -> Bool {
        var isOver = false
        try await PruneRig.with(sets: 4) { rig in
            let failing = FailingStore(rig.store, fault, atCall: number)
            let prune = rig.prune(failing)
            do { _ = try await prune.run(try await prune.plan(of: nil)) } catch is Failure {}
            isOver = !failing.hasFailed
            try await body(rig)
        }
        return isOver
    }

    @Test func membersStayWhereTheStoreKeepsTheManifest() async throws {
        try await PruneRig.with(sets: 3) { rig in
            let before = try await rig.keys()
            let locked = HookedStore(rig.store) { key in
                if key.components.last == "manifest.json" { throw Failure(.retained, "remove \(key): it is locked") }
            }
            let prune = rig.prune(locked) { $0.last = 1 }
            let findings = try await prune.run(try await prune.plan(of: nil)).findings
            #expect(findings.map(\.outcome.word) == ["retained", "retained"])
            // Nor does a record say that they went.
            #expect(try await rig.keys() == before)
        }
    }

    /// A store that says yes to a removal and keeps the object.
    @Test func membersStayUntilTheManifestIsSeenToBeGone() async throws {
        try await PruneRig.with(sets: 2) { rig in
            let manifest = try Catalog.manifestKey(name: "demo", id: PruneRig.id(1))
            let bytes = try await rig.store.read(manifest, bytesMax: 1 << 20).bytes
            let removed = Shared(0)
            // The store shows it again, as one whose removals take their time.
            let stubborn = HookedStore(
                rig.store,
                beforeRemoving: { key in if key.isMemberOfASet { removed.change { $0 += 1 } } },
                afterRemoving: { key in if key == manifest { try await rig.store.create(key, bytes) } }
            )
            let prune = rig.prune(stubborn) { $0.last = 1 }
            let findings = try await prune.run(try await prune.plan(of: nil)).findings
            #expect(findings.map(\.outcome.word) == ["retained"] && removed.value == 0)
            #expect(try await rig.soundSets().count == 2)
        }
    }

    @Test func aSetOfWhichMembersCannotBeRemovedIsGoneAndSweptLater() async throws {
        try await PruneRig.with(sets: 3) { rig in
            let refusing = HookedStore(rig.store) { key in
                if key.isMemberOfASet { throw Failure(.storeUnavailable, "remove \(key): 503") }
            }
            let prune = rig.prune(refusing)
            let findings = try await prune.run(try await prune.plan(of: nil)).findings
            #expect(findings.map(\.outcome.word) == ["halfRemoved"])
            #expect(try await rig.soundSets().count == 2)
            let again = rig.prune()
            let plan = try await again.plan(of: nil)
            #expect(plan[0].due.isEmpty && plan[0].halfRemoved.count == 2)
            _ = try await again.run(plan)
            #expect(try await rig.keys().count == 2 * 3 + 1)
        }
    }

    // MARK: What changes meanwhile

    @Test func aPinThatComesInTheMiddleIsRespected() async throws {
        try await PruneRig.with(sets: 4) { rig in
            let tool = Manifest.Tool(name: "redoubt", version: "0")
            let second = try PruneRig.id(2)
            let hooked = HookedStore(rig.store) { key in
                guard key.description.contains("20261101"), key.components.last == "manifest.json" else { return }
                _ = try await rig.catalog.write(Pin(of: second, name: "demo", reason: nil, tool: tool))
            }
            let prune = rig.prune(hooked)
            let findings = try await prune.run(try await prune.plan(of: nil)).findings
            #expect(findings.map(\.outcome.word) == ["removed", "pinned"])
            #expect(try await rig.soundSets().map(\.text) == (try (2...4).map { try PruneRig.id($0).text }))
        }
    }

    /// The plan was made; then the two newest sets were lost. What was due is all that is left.
    @Test func theSecondLookDecides() async throws {
        try await PruneRig.with(sets: 4) { rig in
            let prune = rig.prune()
            let plan = try await prune.plan(of: nil)
            for day in 3...4 {
                try await rig.store.remove(try Catalog.manifestKey(name: "demo", id: PruneRig.id(day)))
            }
            let findings = try await prune.run(plan).findings
            #expect(findings.map(\.outcome.word) == ["changed", "changed"])
            #expect(try await rig.soundSets() == (try (1...2).map { try PruneRig.id($0) }))
        }
    }

    @Test func aSubjectThatARunWorksOnIsLeftAloneAndTheOthersAreNot() async throws {
        try await PruneRig.with(sets: 3) { rig in
            for day in 1...3 { try await rig.put(day: day, of: "other") }
            let prune = rig.prune()
            let plan = try await prune.plan(of: nil)
            let lease = Lease(holder: "live", purpose: "backup", process: .current(), acquiredAt: .now())
            let findings = try await rig.catalog.withLease(on: "demo", as: lease) { _ in
                try await prune.run(plan).findings
            }
            #expect(findings.map { "\($0.verdict.set.name) \($0.outcome.word)" } == ["demo locked", "other removed"])
        }
    }

    @Test func aDamagedManifestStopsItsSubjectAlone() async throws {
        try await PruneRig.with(sets: 4) { rig in
            for day in 1...3 { try await rig.put(day: day, of: "other") }
            let damaged = rig.folder.appendingPathComponent("demo/\(try PruneRig.id(2))/manifest.json")
            try Data("{".utf8).write(to: damaged)
            let prune = rig.prune()
            let plan = try await prune.plan(of: nil)
            #expect(plan[0].refusal?.code == .guardRefused && plan[0].due.isEmpty)
            let findings = try await prune.run(plan).findings
            #expect(findings.map { "\($0.verdict.set.name) \($0.outcome.word)" } == ["other removed"])
            let ignoring = rig.prune(ignoresDamaged: true)
            let more = try await ignoring.run(try await ignoring.plan(of: nil)).findings
            #expect(more.map(\.verdict.set.id) == [try PruneRig.id(1)])
        }
    }

    // MARK: Pins

    private static func pinning(_ rig: PruneRig) -> Pinning {
        Pinning(
            rig.catalog,
            tool: .init(name: "redoubt", version: "0"),
            timing: LeaseTiming(lifetime: .seconds(30), interval: .milliseconds(20))
        )
    }

    @Test func aPinWaitsForARunThatPrunes() async throws {
        try await PruneRig.with(sets: 3) { rig in
            let first = BackupReference.id(try PruneRig.id(1))
            let lease = Lease(holder: "prune", purpose: "prune", process: .current(), acquiredAt: .now())
            let isOver = Shared(false)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await rig.catalog.withLease(on: "demo", as: lease) { _ in
                        try await Task.sleep(for: .milliseconds(300))
                        isOver.change { $0 = true }
                    }
                }
                group.addTask {
                    try await eventually("the lease") { try await rig.catalog.holder(of: "demo") }
                    _ = try await Self.pinning(rig).pin(first, name: nil, reason: nil)
                    #expect(isOver.value)
                }
                try await group.waitForAll()
            }
        }
    }

    /// What was removed meanwhile is not pinned, and no pin of it stays.
    @Test func aSetThatWentMeanwhileIsNotPinned() async throws {
        try await PruneRig.with(sets: 2) { rig in
            let id = try PruneRig.id(1)
            let lease = Lease(holder: "prune", purpose: "prune", process: .current(), acquiredAt: .now())
            let pin = try await rig.catalog.withLease(on: "demo", as: lease) { _ in
                try await withThrowingTaskGroup(of: Failure?.self) { group in
                    group.addTask {
                        await #expect(throws: Failure.self) {
                            try await Self.pinning(rig).pin(.id(id), name: "demo", reason: nil)
                        }
                    }
                    try await eventually("the pin") {
                        try await rig.catalog.isPinned(name: "demo", id: id) ? true : nil
                    }
                    try await rig.catalog.removeManifest(name: "demo", id: id)
                    try await rig.forgetLease()
                    return try await group.next() ?? nil
                }
            }
            #expect(pin?.code == .noSuchBackup)
            #expect(try await rig.catalog.isPinned(name: "demo", id: id) == false)
        }
    }

    @Test func pinsComeAndGo() async throws {
        try await PruneRig.with(sets: 3) { rig in
            let pinning = Self.pinning(rig)
            let first = BackupReference.id(try PruneRig.id(1))
            let changes = [
                try await pinning.pin(first, name: "demo", reason: "audit").hasChanged,
                try await pinning.pin(first, name: "demo", reason: "again").hasChanged,
            ]
            #expect(changes == [true, false])
            let prune = rig.prune { $0.last = 1 }
            _ = try await prune.run(try await prune.plan(of: nil))
            #expect(try await rig.soundSets() == [PruneRig.id(1), PruneRig.id(3)])
            // A pin of a set that somebody removed by hand can be taken back.
            try await rig.store.remove(try Catalog.manifestKey(name: "demo", id: PruneRig.id(1)))
            #expect(try await pinning.unpin(first, name: "demo").hasChanged)
            let failure = await #expect(throws: Failure.self) { try await pinning.unpin(first, name: "demo") }
            #expect(failure?.code == .noSuchBackup)
            #expect(try await pinning.unpin(.latest, name: nil).hasChanged == false)
        }
    }
}

extension ObjectKey {
    var isMemberOfASet: Bool { components.last?.hasSuffix(".rdb") == true }
}
