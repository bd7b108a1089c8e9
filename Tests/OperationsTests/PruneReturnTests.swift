// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import Synchronization
import TestParts
import Testing

/// What prune does when it stood still meanwhile, when its clock is ahead, and where it cannot do what it wants.
@Suite(.timeLimit(.minutes(1))) struct PruneReturnTests {
    private static func manifestKey(_ day: Int) throws -> ObjectKey {
        try Catalog.manifestKey(name: "demo", id: PruneRig.id(day))
    }

    /// What a store holds of a set.
    private static func objects(_ rig: PruneRig, _ day: Int) async throws -> [(ObjectKey, [UInt8])] {
        var objects: [(ObjectKey, [UInt8])] = []
        for object in try await rig.store.list(under: KeyFolder(["demo", PruneRig.id(day).text])) {
            objects.append((object.key, try await rig.store.read(object.key, bytesMax: 1 << 20).bytes))
        }
        return objects
    }

    /// Runs a prune that stands still at the removal of a member, while a copy brings the whole set back.
    /// - Parameters:
    ///   - member: the number of that member, from 0.
    ///   - isAfter: whether it stands still when the member is gone, or right before.
    /// - Returns: what became of the set.
    private static func prune(_ rig: PruneRig, standingStillAt member: Int, isAfter: Bool) async throws -> [String] {
        let whole = try await objects(rig, 1)
        let seen = Mutex(0)
        @Sendable func bringBack(_ removed: ObjectKey) async throws {
            guard removed.isMember else { return }
            let number = seen.withLock { count in
                defer { count += 1 }
                return count
            }
            guard number == member else { return }
            for (key, bytes) in whole where key != (try manifestKey(1)) {
                if try await rig.store.stat(key) == nil { try await rig.store.create(key, bytes) }
            }
            for (key, bytes) in whole where key == (try manifestKey(1)) { try await rig.store.create(key, bytes) }
        }
        let store = HookedStore(
            rig.store,
            beforeRemoving: { if !isAfter { try await bringBack($0) } },
            afterRemoving: { if isAfter { try await bringBack($0) } }
        )
        let prune = rig.prune(store)
        let words = try await prune.run(try await prune.plan(of: "demo")).findings.map(\.outcome.word)
        let count = seen.withLock(\.self)
        #expect(count > member, "the copy never came")
        return words
    }

    /// Before the next member goes, it is asked whether the set is there again: then it stays, and is whole.
    @Test func aSetThatACopyBroughtBackStays() async throws {
        try await PruneRig.with(sets: 3) { rig in
            let words = try await Self.prune(rig, standingStillAt: 0, isAfter: true)
            #expect(words == ["halfRemoved"])
            #expect(try await rig.soundSets() == [PruneRig.id(1), PruneRig.id(2), PruneRig.id(3)])
        }
    }

    /// Between the question and the removal nobody can look: what is listed then, and lacks a member, is not listed for
    /// long.
    @Test(arguments: [0, 1])
    func aSetThatCameBackAndLostAMemberIsNotListed(member: Int) async throws {
        try await PruneRig.with(sets: 3) { rig in
            let words = try await Self.prune(rig, standingStillAt: member, isAfter: false)
            #expect(words == [member == 0 ? "halfRemoved" : "removed"])
            #expect(try await rig.store.stat(try Self.manifestKey(1)) == nil)
            #expect(try await rig.soundSets() == [PruneRig.id(2), PruneRig.id(3)])
        }
    }

    /// A manifest that cannot be read right now is not taken for one whose members are gone.
    @Test func aManifestThatCannotBeReadRightNowStays() async throws {
        try await PruneRig.with(sets: 1) { rig in
            let key = try Self.manifestKey(1)
            let store = HookedStore(
                rig.store,
                beforeReading: { read in
                    if read == key { throw Failure(.storeUnavailable, "503") }
                }
            )
            let sweep = Sweep(ids: [try PruneRig.id(1)])
            await Catalog(store: store).removeManifests(ofSwept: sweep, name: "demo", logger: PlanParts.logger)
            #expect(try await rig.soundSets() == [PruneRig.id(1)])
            await rig.catalog.removeManifests(ofSwept: sweep, name: "demo", logger: PlanParts.logger)
            #expect(try await rig.soundSets() == [PruneRig.id(1)])
        }
    }

    /// What is left of a set is not called swept where it could not be removed, or nobody came to it.
    @Test func whatIsNotSweptIsTold() async throws {
        try await PruneRig.with(sets: 3) { rig in
            try await rig.store.remove(try Self.manifestKey(1))
            let store = HookedStore(
                rig.store,
                beforeRemoving: { key in
                    if key.description.hasSuffix("redis-0.rdb") { throw Failure(.permissionDenied, "immutable") }
                }
            )
            let prune = rig.prune(store)
            let plans = try await prune.plan(of: "demo")
            #expect(plans[0].halfRemoved.count == 2 && plans[0].due.isEmpty)
            let outcome = try await prune.run(plans)
            #expect(outcome.sweptMembers == 1 && outcome.sweepFailures.map(\.code) == [.permissionDenied])

            // Another run is at work.
            let lease = Lease(holder: "other", purpose: "backup", process: .current(), acquiredAt: .now())
            let again = rig.prune()
            let held = try await rig.catalog.withLease(on: "demo", as: lease) { _ in
                try await again.run(try await again.plan(of: "demo"))
            }
            #expect(held.sweptMembers == 0 && held.sweepFailures.map(\.code) == [.locked])

            let last = rig.prune()
            let done = try await last.run(try await last.plan(of: "demo"))
            #expect(done.sweptMembers == 1 && done.sweepFailures.isEmpty)
        }
    }

    /// A clock of this machine that is two hours ahead makes nothing old that the store has just got.
    @Test func whatIsYoungByTheClockOfTheStoreIsYoung() async throws {
        try await PruneRig.with(sets: 3) { rig in
            // As the store tells it, by a clock that is two hours behind ours.
            let store = HookedStore(
                rig.store,
                telling: { object in
                    StoredObject(
                        key: object.key,
                        bytes: object.bytes,
                        modifiedAtSeconds: object.modifiedAtSeconds - 7200,
                        version: object.version
                    )
                }
            )
            let prune = rig.prune(store, grace: 3600)
            let plans = try await prune.plan(of: "demo")
            #expect(plans[0].due.count == 1)
            #expect(try await prune.run(plans).findings.map(\.outcome.word) == ["changed"])
            try await rig.store.remove(try Self.manifestKey(1))
            let sweeping = PruneIncomplete(
                Catalog(store: store),
                graceSeconds: 3600,
                runID: "run",
                logger: PlanParts.logger
            )
            let plan = try await sweeping.plan(of: "demo")
            #expect(plan.due.count == 2)
            let findings = try await sweeping.run(plan)
            #expect(findings.allSatisfy { if case .changed = $0.outcome { true } else { false } })
            #expect(try await Self.objects(rig, 1).count == 2)
        }
    }
}
