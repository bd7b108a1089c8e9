// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import Synchronization
import TestParts
import Testing

/// What prune sweeps is what nobody needs; a run that was held up for long, or is at work now, makes it think again.
@Suite(.timeLimit(.minutes(1))) struct PruneSweepTests {
    enum Sweeper: CaseIterable, Sendable {
        /// `prune --keep-…`, which sweeps what earlier removals left.
        case sets
        /// `prune --incomplete`.
        case incomplete

        func run(_ rig: PruneRig, through store: (any ObjectStore)? = nil) async throws {
            switch self {
            case .sets:
                let prune = rig.prune(store) { $0.last = 9 }
                _ = try await prune.run(try await prune.plan(of: "demo"))
            case .incomplete:
                let prune = PruneIncomplete(
                    Catalog(store: store ?? rig.store),
                    graceSeconds: 0,
                    runID: String(UInt64.random(in: .min ... .max), radix: 16),
                    timing: LeaseTiming(lifetime: .seconds(300), interval: .seconds(10)),
                    logger: PlanParts.logger
                )
                _ = try await prune.run(try await prune.plan(of: "demo"))
            }
        }
    }

    private static func manifestKey(_ day: Int) throws -> ObjectKey {
        try Catalog.manifestKey(name: "demo", id: PruneRig.id(day))
    }

    /// Takes the manifest of a set away, as a removal does that dies then.
    /// - Returns: the manifest.
    private static func halve(_ rig: PruneRig, _ day: Int) async throws -> [UInt8] {
        let bytes = try await rig.store.read(try manifestKey(day), bytesMax: 1 << 20).bytes
        try await rig.store.remove(try manifestKey(day))
        return bytes
    }

    private static func expectOnly(
        _ rig: PruneRig,
        days: [Int],
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let ids = try days.map(PruneRig.id)
        #expect(try await rig.soundSets() == ids, sourceLocation: location)
        let stray = try await rig.keys().filter { key in
            !key.hasPrefix(".removed/") && !ids.contains { key.contains("/\($0)/") }
        }
        #expect(stray.isEmpty, "\(stray)", sourceLocation: location)
    }

    /// The manifest arrives right before, or right after, the first or the last member of the dead set goes: the set is
    /// not listed afterwards, and what is left of it is swept by the next run.
    @Test(arguments: Sweeper.allCases, [0, 1])
    func aManifestThatArrivesWhileItsMembersGoIsNotListed(sweeper: Sweeper, member: Int) async throws {
        for isAfter in [false, true] {
            try await PruneRig.with(sets: 3) { rig in
                let manifest = try await Self.halve(rig, 1)
                let key = try Self.manifestKey(1)
                let seen = Mutex(0)
                @Sendable func arrive(_ removed: ObjectKey) async throws {
                    guard removed.components.starts(with: key.components.dropLast()), removed != key else { return }
                    let number = seen.withLock { count in
                        defer { count += 1 }
                        return count
                    }
                    if number == member { try await rig.store.create(key, manifest) }
                }
                let store = HookedStore(
                    rig.store,
                    beforeRemoving: { if !isAfter { try await arrive($0) } },
                    afterRemoving: { if isAfter { try await arrive($0) } }
                )
                try await sweeper.run(rig, through: store)
                let count = seen.withLock(\.self)
                #expect(count > member, "the manifest never arrived")
                #expect(try await rig.soundSets() == [PruneRig.id(2), PruneRig.id(3)])
                try await sweeper.run(rig)
                try await Self.expectOnly(rig, days: [2, 3])
            }
        }
    }

    /// The set got its manifest between the plan and the lease, with all of its members: it is a backup, and stays.
    @Test func aSetThatWasCommittedBetweenThePlanAndTheLeaseStays() async throws {
        try await PruneRig.with(sets: 3) { rig in
            let manifest = try await Self.halve(rig, 1)
            let prune = rig.prune { $0.last = 9 }
            let plans = try await prune.plan(of: "demo")
            #expect(plans[0].halfRemoved.count == 2)
            try await rig.store.create(try Self.manifestKey(1), manifest)
            _ = try await prune.run(plans)
            try await Self.expectOnly(rig, days: [1, 2, 3])
        }
    }

    /// A set that prune did not touch is none of its business, also when it is damaged: it is told, and not removed.
    @Test func aSetThatCameBackDamagedIsLeftToBeTold() async throws {
        try await PruneRig.with(sets: 3) { rig in
            let manifest = try await Self.halve(rig, 1)
            let prune = rig.prune { $0.last = 9 }
            let plans = try await prune.plan(of: "demo")
            let stored = try #require(try Manifest(decoding: manifest).members[0].stored)
            let member = try #require(ObjectKey(parsing: stored.key))
            try await rig.store.remove(member)
            try await rig.store.create(try Self.manifestKey(1), manifest)
            _ = try await prune.run(plans)
            #expect(try await rig.store.stat(try Self.manifestKey(1)) != nil)
        }
    }

    /// A set was half removed by a run that died. One run sweeps it; another comes while it does, and a third after it:
    /// nobody gets into the way of the others, and nothing but the dead set goes.
    @Test func anotherRunComesWhileAHalfRemovedSetIsSwept() async throws {
        try await PruneRig.with(sets: 4) { rig in
            _ = try await Self.halve(rig, 1)
            let others = Mutex<[String]>([])
            let began = Mutex(false)
            let store = HookedStore(rig.store) { key in
                guard key.components[0] == "demo", began.withLock({ began in !exchange(&began) }) else { return }
                let other = rig.prune { $0.last = 1 }
                let findings = try await other.run(try await other.plan(of: "demo")).findings
                others.withLock { $0 = findings.map(\.outcome.word) }
            }
            try await Sweeper.sets.run(rig, through: store)
            let words = others.withLock(\.self)
            #expect(words == ["locked", "locked"])
            try await Self.expectOnly(rig, days: [2, 3, 4])
            try await Sweeper.incomplete.run(rig)
            try await Self.expectOnly(rig, days: [2, 3, 4])
        }
    }

    /// A backup of the same subject begins and commits while prune sweeps through a lease that it has lost: the new set
    /// is whole, and listed.
    @Test(arguments: Sweeper.allCases)
    func aBackupThatCommitsMeanwhileIsWhole(sweeper: Sweeper) async throws {
        try await PruneRig.with(sets: 3) { rig in
            _ = try await Self.halve(rig, 1)
            let began = Mutex(false)
            let store = HookedStore(rig.store) { key in
                guard key.components[0] == "demo", began.withLock({ began in !exchange(&began) }) else { return }
                try await rig.put(day: 9)
            }
            try await sweeper.run(rig, through: store)
            let hasBegun = began.withLock(\.self)
            #expect(hasBegun)
            try await Self.expectOnly(rig, days: [2, 3, 9])
        }
    }
}

/// Sets `flag`, and tells what it was.
private func exchange(_ flag: inout Bool) -> Bool {
    defer { flag = true }
    return flag
}
