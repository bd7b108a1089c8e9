// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import RDB
import TestParts
import Testing

/// What a verification leaves on record where another one looked more closely, or a prune was faster.
@Suite struct ProofKeepingTests {
    private static func verify(
        _ catalog: Catalog,
        at level: RDBLevel = .deep,
        isStoredOnly: Bool = false
    ) -> Verify {
        Verify(catalog, at: level, isStoredOnly: isStoredOnly, meter: ProgressMeter(), logger: PlanParts.logger)
    }

    /// - Parameter later: how many seconds from now it is.
    private static func round(
        _ rig: PruneRig,
        isStoredOnly: Bool,
        later: Int64 = 0
    ) async throws -> VerifyRoundOutcome {
        var request = VerifyRoundRequest(name: nil, level: .deep, tool: .init(name: "redoubt", version: "1"))
        request.isStoredOnly = isStoredOnly
        let round = VerifyRound(
            request,
            from: rig.catalog,
            meter: ProgressMeter(),
            logger: PlanParts.logger,
            now: { Timestamp(secondsSince1970: Timestamp.now().secondsSince1970 + later) }
        )
        return try await round.run()
    }

    @Test(arguments: [RDBLevel.framing, .deep])
    func aLookThatIsLessCloseTakesNoDisproofBack(level: RDBLevel) async throws {
        try await PruneRig.with(sets: 1) { rig in
            let manifest = try await rig.catalog.manifest(name: "demo", id: PruneRig.id(1))
            let earlier = Timestamp(secondsSince1970: Timestamp.now().secondsSince1970 - 60)
            let disproof = ProofRecord(
                id: BackupID(time: earlier, suffix: 1),
                ofUnreadable: manifest.id,
                name: manifest.name,
                tool: manifest.tool,
                store: "",
                host: "",
                level: RDBLevel.deep.rawValue,
                verdict: .different,
                error: .init(code: "corrupt-snapshot", message: "a list has no end")
            )
            try await rig.catalog.write(disproof)
            let verify = Self.verify(rig.catalog, at: level)
            let findings = try await verify.run(manifest)
            #expect(!findings.isEmpty && findings.allSatisfy { $0.failure == nil })
            let kept = await verify.keep(findings, of: manifest, begunAt: .now(), by: manifest.tool)
            let known = try await rig.catalog.proofLedger(of: "demo")["demo", manifest.id]
            #expect((kept.key == nil) == (level == .framing) && (kept.refutation != nil) == (level == .framing))
            #expect(known?.isDifferent == (level == .framing))
        }
    }

    /// What looks at the stored bytes alone proves nothing of what is in them, and says so.
    @Test func aLookAtTheStoredBytesIsOnRecordAsNoMoreThanThat() async throws {
        try await PruneRig.with(sets: 2) { rig in
            let outcome = try await Self.round(rig, isStoredOnly: true)
            #expect(outcome.examined.map(\.verdict) == [.stored, .stored])
            let record = try #require(try await rig.catalog.proofs(of: "demo", limit: 1).last)
            #expect(record.level == ProofRecord.storedLevel && record.members.allSatisfy { $0.verdict == .stored })
            let known = try #require(try await rig.catalog.proofLedger(of: "demo")["demo", PruneRig.id(1)])
            #expect(known.proven == nil && known.stored != nil && known.triedDeeply == nil && !known.isDifferent)
            let status = try await StoreStatus(StatusRequest(), of: rig.catalog, logger: PlanParts.logger).run()
            #expect(status[0].verified == nil && status[0].verifiedSets == 0)
        }
    }

    /// A byte that rotted is found without a key, and the other set has its turn.
    @Test func aByteThatRottedIsFoundByTheStoredBytesAlone() async throws {
        try await PruneRig.with(sets: 2) { rig in
            let manifest = try await rig.catalog.manifest(name: "demo", id: PruneRig.id(1))
            let key = try #require(manifest.members[0].stored.flatMap { ObjectKey(parsing: $0.key) })
            let whole = try await rig.store.read(key, bytesMax: 1 << 16).bytes
            var rotted = whole
            rotted[60] ^= 1
            try await rig.store.remove(key)
            try await rig.store.create(key, rotted)
            let first = try await Self.round(rig, isStoredOnly: true)
            #expect(first.examined.map(\.verdict) == [.different, .stored])
            try await rig.store.remove(key)
            try await rig.store.create(key, whole)
            // As closely as it was found: that takes it back.
            let second = try await Self.round(rig, isStoredOnly: true, later: 60)
            #expect(second.examined.map(\.verdict) == [.stored, .stored])
            #expect(try await rig.catalog.proofLedger(of: "demo")["demo", manifest.id]?.isDifferent == false)
        }
    }

    /// A set that a closer look found corrupt is told at each run of those that look less closely, and keeps no other
    /// from its turn.
    @Test func whatADeepLookFoundIsToldByRunsThatDoNotLookSoDeep() async throws {
        try await PruneRig.with(sets: 2) { rig in
            let manifest = try await rig.catalog.manifest(name: "demo", id: PruneRig.id(1))
            let earlier = Timestamp(secondsSince1970: Timestamp.now().secondsSince1970 - 60)
            let member = ProofRecord.Member(of: manifest.members[0], verdict: .different, seconds: 1)
            try await rig.catalog.write(
                ProofRecord(
                    id: BackupID(time: earlier, suffix: 1),
                    of: manifest,
                    tool: manifest.tool,
                    store: "",
                    host: "",
                    level: RDBLevel.deep.rawValue,
                    finishedAt: earlier,
                    members: [member]
                )
            )
            let outcome = try await Self.round(rig, isStoredOnly: true)
            #expect(outcome.examined.map(\.verdict) == [.stored, .different])
            #expect(outcome.examined[1].failure?.hint?.contains("--proof deep") == true)
            let known = try #require(try await rig.catalog.proofLedger(of: "demo")["demo", manifest.id])
            #expect(known.isDifferent && known.tried.time > earlier)
            let deep = try await Self.round(rig, isStoredOnly: false, later: 60)
            #expect(deep.examined.allSatisfy { $0.verdict == .proven })
            #expect(try await rig.catalog.proofLedger(of: "demo")["demo", manifest.id]?.isDifferent == false)
        }
    }

    /// - Parameter daysAgo: when it was found.
    private static func disproof(
        of manifest: Manifest,
        daysAgo: Int64,
        verdict: ProofRecord.Verdict = .different,
        level: String = RDBLevel.deep.rawValue
    ) -> ProofRecord {
        let time = Timestamp(secondsSince1970: Timestamp.now().secondsSince1970 - daysAgo * 86_400)
        return ProofRecord(
            id: BackupID(time: time, suffix: 1),
            of: manifest,
            tool: manifest.tool,
            store: "",
            host: "",
            level: level,
            finishedAt: time,
            members: [ProofRecord.Member(of: manifest.members[0], verdict: verdict, seconds: 1)]
        )
    }

    private static func key(_ record: ProofRecord) throws -> ObjectKey {
        let file = "\(record.id).\(record.verdict.rawValue).json"
        return try #require(ObjectKey(parsing: ".proofs/\(record.name)/\(record.backup)/\(file)"))
    }

    /// Where nothing may be removed, looks that came to nothing pile up: the disproof stands behind all of them.
    @Test func aDisproofIsNotForgottenBehindManyOthers() async throws {
        try await PruneRig.with(sets: 1) { rig in
            let manifest = try await rig.catalog.manifest(name: "demo", id: PruneRig.id(1))
            for day in 0..<12 {
                let record = Self.disproof(
                    of: manifest,
                    daysAgo: Int64(20 - day),
                    verdict: day == 0 ? .different : .failed
                )
                try await rig.store.create(try Self.key(record), try record.encoded())
            }
            let outcome = try await Self.round(rig, isStoredOnly: true)
            #expect(outcome.examined.map(\.verdict) == [.different])
            #expect(try await rig.catalog.proofLedger(of: "demo")["demo", manifest.id]?.isDifferent == true)
        }
    }

    /// Neither a store that takes no record, nor a run that writes none, makes a set count as good.
    @Test(arguments: [true, false])
    func aDisproofStandsWhereNoRecordIsWritten(isRefused: Bool) async throws {
        try await PruneRig.with(sets: 1) { rig in
            let manifest = try await rig.catalog.manifest(name: "demo", id: PruneRig.id(1))
            try await rig.catalog.write(Self.disproof(of: manifest, daysAgo: 1))
            let catalog = isRefused ? Catalog(store: ReadOnlyStore(inner: rig.store)) : rig.catalog
            let before = try await rig.catalog.proofNotes(of: nil)
            var request = VerifyRoundRequest(name: nil, level: .framing, tool: manifest.tool)
            request.keepsRecord = isRefused
            let round = VerifyRound(request, from: catalog, meter: ProgressMeter(), logger: PlanParts.logger)
            let outcome = try await round.run()
            #expect(outcome.examined.map(\.verdict) == [.different])
            #expect(outcome.examined[0].failure?.code == .digestMismatch)
            #expect(try await rig.catalog.proofNotes(of: nil) == before)
        }
    }

    /// How closely the look went whose record cannot be read is not known: only the closest one takes it back.
    @Test(arguments: [RDBLevel.framing, .deep, .content])
    func aDisproofThatCannotBeReadStands(level: RDBLevel) async throws {
        try await PruneRig.with(sets: 1) { rig in
            let manifest = try await rig.catalog.manifest(name: "demo", id: PruneRig.id(1))
            let key = try Self.key(Self.disproof(of: manifest, daysAgo: 1))
            try await rig.store.create(key, Array("{}".utf8))
            let verify = Self.verify(rig.catalog, at: level)
            let findings = try await verify.run(manifest)
            let kept = await verify.keep(findings, of: manifest, begunAt: .now(), by: manifest.tool)
            #expect((kept.refutation != nil) == (level != .content))
            let known = try await rig.catalog.proofLedger(of: "demo")["demo", manifest.id]
            #expect(known?.isDifferent == (level != .content))
        }
    }

    /// Of several disproofs the closest counts: a glance that found something since, and then nothing, hides none.
    @Test func aCloserDisproofIsNotHiddenByAGlance() async throws {
        try await PruneRig.with(sets: 1) { rig in
            let manifest = try await rig.catalog.manifest(name: "demo", id: PruneRig.id(1))
            try await rig.catalog.write(Self.disproof(of: manifest, daysAgo: 3))
            try await rig.catalog.write(Self.disproof(of: manifest, daysAgo: 2, level: ProofRecord.storedLevel))
            for isStoredOnly in [true, false] {
                let verify = Self.verify(rig.catalog, isStoredOnly: isStoredOnly)
                let findings = try await verify.run(manifest)
                let kept = await verify.keep(findings, of: manifest, begunAt: .now(), by: manifest.tool)
                #expect((kept.refutation?.code == .digestMismatch) == isStoredOnly)
                let known = try await rig.catalog.proofLedger(of: "demo")["demo", manifest.id]
                #expect(known?.isDifferent == isStoredOnly)
            }
        }
    }

    /// Records that cannot be listed, or read, right now: what was found before stands, and a store that does not
    /// answer is not called damage.
    @Test(arguments: [0, 1])
    func whereNothingCanBeToldNothingIsPutOnRecord(call: Int) async throws {
        try await PruneRig.with(sets: 1) { rig in
            let manifest = try await rig.catalog.manifest(name: "demo", id: PruneRig.id(1))
            try await rig.catalog.write(Self.disproof(of: manifest, daysAgo: 1))
            let findings = try await Self.verify(rig.catalog).run(manifest)
            let store = FailingStore(rig.store, .refusal(.storeUnavailable), atCall: call)
            let verify = Self.verify(Catalog(store: store))
            let kept = await verify.keep(findings, of: manifest, begunAt: .now(), by: manifest.tool)
            #expect(store.hasFailed && kept.key == nil)
            #expect(kept.refutation?.code == .storeUnavailable)
            let known = try await rig.catalog.proofLedger(of: "demo")["demo", manifest.id]
            #expect(known?.isDifferent == true)
        }
    }

    /// Who may never look for records is not held up by that, nor is the closest look, which takes everything back.
    @Test(arguments: [(RDBLevel.deep, Failure.Code.permissionDenied), (.content, .storeUnavailable)])
    func whoMayNotLookForRecordsProvesAllTheSame(level: RDBLevel, code: Failure.Code) async throws {
        try await PruneRig.with(sets: 1) { rig in
            let manifest = try await rig.catalog.manifest(name: "demo", id: PruneRig.id(1))
            let findings = try await Self.verify(rig.catalog, at: level).run(manifest)
            let verify = Self.verify(Catalog(store: FailingStore(rig.store, .refusal(code))), at: level)
            let kept = await verify.keep(findings, of: manifest, begunAt: .now(), by: manifest.tool)
            #expect(kept.key == nil && kept.refutation == nil)
        }
    }

    /// A machine whose clock was a year ahead left proofs: they take no disproof back, and push out no proof of today.
    @Test func recordsOfTheFutureAreBelievedNowhere() async throws {
        try await PruneRig.with(sets: 1) { rig in
            let manifest = try await rig.catalog.manifest(name: "demo", id: PruneRig.id(1))
            for ahead in 1...4 {
                try await rig.catalog.write(
                    Self.disproof(of: manifest, daysAgo: -365 - Int64(ahead), verdict: .proven)
                )
            }
            try await rig.catalog.write(Self.disproof(of: manifest, daysAgo: 1, level: RDBLevel.content.rawValue))
            let glance = Self.verify(rig.catalog, isStoredOnly: true)
            let kept = await glance.keep(
                try await glance.run(manifest),
                of: manifest,
                begunAt: .now(),
                by: manifest.tool
            )
            #expect(kept.refutation?.code == .digestMismatch)
            let look = Self.verify(rig.catalog, at: .content)
            let later = Timestamp(secondsSince1970: Timestamp.now().secondsSince1970 + 1)
            let proof = await look.keep(try await look.run(manifest), of: manifest, begunAt: later, by: manifest.tool)
            #expect(proof.key != nil && proof.refutation == nil)
            let known = try await rig.catalog.proofLedger(of: "demo")["demo", manifest.id]
            #expect(known?.isDifferent == false && known?.proven?.time == later)
        }
    }

    /// A set that is known to be corrupt is told also in a night in which it cannot be read.
    @Test func aDisproofIsToldWhereTheSetCannotBeRead() async throws {
        try await PruneRig.with(sets: 1) { rig in
            let manifest = try await rig.catalog.manifest(name: "demo", id: PruneRig.id(1))
            try await rig.catalog.write(Self.disproof(of: manifest, daysAgo: 1))
            var tells = 0
            for call in 0..<12 {
                let store = FailingStore(rig.store, .refusal(.permissionDenied), atCall: call)
                let request = VerifyRoundRequest(name: nil, level: .deep, keepsRecord: false, tool: manifest.tool)
                let round = VerifyRound(
                    request,
                    from: Catalog(store: store),
                    meter: ProgressMeter(),
                    logger: PlanParts.logger
                )
                guard let outcome = try? await round.run(), outcome.examined[0].verdict == .failed else { continue }
                #expect(outcome.differentBefore.map(\.id) == [manifest.id], "call \(call)")
                tells += 1
            }
            #expect(tells > 0)
        }
    }

    /// An attempt to look deeply is a turn, and is not forgotten behind many glances; a glance is no such attempt.
    @Test func theNewestDeepAttemptStays() async throws {
        try await PruneRig.with(sets: 1) { rig in
            let manifest = try await rig.catalog.manifest(name: "demo", id: PruneRig.id(1))
            let deep = Self.disproof(of: manifest, daysAgo: 20, verdict: .failed)
            try await rig.catalog.write(deep)
            for day in 0..<8 {
                let verdict = day % 2 == 0 ? ProofRecord.Verdict.failed : .stored
                let level = ProofRecord.storedLevel
                let glance = Self.disproof(of: manifest, daysAgo: Int64(10 - day), verdict: verdict, level: level)
                try await rig.catalog.write(glance)
            }
            let known = try #require(try await rig.catalog.proofLedger(of: "demo")["demo", manifest.id])
            #expect(known.triedDeeply?.id == deep.id && known.tried.id > deep.id)
            let records = try await rig.catalog.proofs(of: "demo", limit: 9)
            #expect(records.contains(deep) && records.count == 4)
        }
    }

    /// Many looks that are less close, or come to nothing, do not push the last proof out.
    @Test(arguments: [ProofRecord.Verdict.stored, .failed])
    func theNewestProofOfEachDepthStays(others: ProofRecord.Verdict) async throws {
        try await PruneRig.with(sets: 1) { rig in
            let manifest = try await rig.catalog.manifest(name: "demo", id: PruneRig.id(1))
            for day in 0..<8 {
                let verdict = day == 1 ? ProofRecord.Verdict.proven : day == 2 ? .stored : others
                let time = Timestamp(secondsSince1970: Timestamp.now().secondsSince1970 - Int64(9 - day) * 86_400)
                try await rig.catalog.write(
                    ProofRecord(
                        id: BackupID(time: time, suffix: 1),
                        of: manifest,
                        tool: manifest.tool,
                        store: "",
                        host: "",
                        level: "deep",
                        finishedAt: time,
                        members: [ProofRecord.Member(of: manifest.members[0], verdict: verdict, seconds: 1)]
                    )
                )
            }
            let notes = try await rig.catalog.proofNotes(of: "demo")
            #expect(notes.contains { $0.verdict == .proven } && notes.contains { $0.verdict == .stored })
            #expect(notes.count <= 5)
        }
    }

    @Test func aSetThatWasRemovedMeanwhileIsNotCalledDamaged() async throws {
        try await PruneRig.with(sets: 2) { rig in
            let manifest = try await rig.catalog.manifest(name: "demo", id: PruneRig.id(1))
            let key = try #require(manifest.members[0].stored.flatMap { ObjectKey(parsing: $0.key) })
            try await rig.store.remove(key)
            let findings = try await Self.verify(rig.catalog).run(manifest)
            #expect(findings.contains { $0.verdict == .different })
            try await rig.store.remove(try Catalog.manifestKey(name: "demo", id: manifest.id))
            let failure = await #expect(throws: Failure.self) {
                try await Self.verify(rig.catalog).run(manifest)
            }
            #expect(failure?.code == .noSuchBackup)
        }
    }
}
