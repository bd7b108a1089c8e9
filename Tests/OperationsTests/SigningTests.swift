// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import TestParts
import Testing

/// Sets that are signed after they were taken, and by more than one key.
@Suite(.timeLimit(.minutes(5))) struct SigningTests {
    private func signing(
        _ rig: ChainRig,
        with key: SigningKey? = nil,
        through store: (any ObjectStore)? = nil,
        _ change: (inout Signing.Request) -> Void = { _ in }
    ) -> Signing {
        var request = Signing.Request(
            key: key ?? rig.key,
            runID: String(UInt64.random(in: .min ... .max), radix: 16)
        )
        change(&request)
        return Signing(
            request,
            in: Catalog(store: store ?? rig.store),
            timing: LeaseTiming(lifetime: .seconds(300), interval: .seconds(10)),
            meter: ProgressMeter(),
            logger: PlanParts.logger
        )
    }

    private static func words(_ outcome: SigningOutcome) -> [String] {
        outcome.sets.map { String(describing: $0.outcome).prefix { $0.isLetter }.description }
    }

    private func signatures(_ rig: ChainRig, _ index: Int) throws -> [String] {
        let folder = rig.file(index).deletingLastPathComponent().path
        return try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".sig") }.sorted()
    }

    @Test func aHistoryWithoutSignaturesGetsThemOnce() async throws {
        try await ChainRig.with(signed: false) { rig in
            #expect(try await rig.verify().bad.map(\.verdict) == [.unsigned, .unsigned, .unsigned, .unsigned])
            let first = try await signing(rig).run(.id(rig.ids[3]), name: nil)
            #expect(Self.words(first) == ["signed"])
            let rest = try await signing(rig).runAll(of: ChainRig.name)
            #expect(Self.words(rest) == ["signed", "signed", "signed", "present"])
            #expect(try await rig.verdicts() == ["3 intact", "2 intact", "1 intact", "0 beginning"])
            let before = try await rig.store.list(under: .root)
            #expect(Self.words(try await signing(rig).runAll(of: nil)) == Array(repeating: "present", count: 4))
            #expect(try await rig.store.list(under: .root) == before)
        }
    }

    /// The new key signs beside the old one; then the history is whole for whoever has either.
    @Test func aSecondKeySignsBesideTheFirst() async throws {
        try await ChainRig.with { rig in
            try await rig.prune(1)
            let other = try ChainRig.otherKey()
            #expect(try await rig.verify(keys: [other]).bad.count == 4)
            let outcome = try await signing(rig, with: other) { [rig] in
                $0.signedBefore = [rig.key.verificationKey]
            }.runAll(of: nil)
            #expect(Self.words(outcome) == ["signed", "signed", "signed"] && outcome.removalsSigned == 1)
            #expect(try signatures(rig, 3).count == 2)
            for keys in [[rig.key], [other], [rig.key, other]] {
                let verified = try await rig.verify(keys: keys)
                #expect(verified.bad.isEmpty)
                let names = keys.map(\.verificationKey.fingerprint).joined(separator: ", ")
                #expect(verified.findings.allSatisfy { $0.signedBy == names })
            }
        }
    }

    /// A signature of a program that named no key in it.
    @Test func aSignatureThatNamesNoKeyIsRead() async throws {
        try await ChainRig.with { rig in
            for index in 0..<4 {
                let file = try #require(try signatures(rig, index).first)
                let digest = file.split(separator: "-")[1]
                let unnamed = rig.file(index, "manifest-\(digest).sig")
                try FileManager.default.moveItem(at: rig.file(index, file), to: unnamed)
            }
            #expect(try await rig.verdicts() == ["3 intact", "2 intact", "1 intact", "0 beginning"])
            let found = try await rig.catalog.signatures(name: "demo", id: rig.ids[2], manifest: rig.bytes(2))
            #expect(found.count == 1 && found[0].claimedBy == nil)
            #expect(Self.words(try await signing(rig).runAll(of: nil)) == Array(repeating: "present", count: 4))
        }
    }

    @Test func whatIsDamagedIsNotSigned() async throws {
        try await ChainRig.with(signed: false) { rig in
            try Data([1, 2, 3, 4, 9]).write(to: rig.file(1, "redis-0.rdb"))
            try FileManager.default.removeItem(at: rig.file(2, "redis-0.rdb"))
            try Data("{}".utf8).write(to: rig.file(3))
            let outcome = try await signing(rig).runAll(of: nil)
            #expect(Self.words(outcome) == ["signed", "failed", "failed", "failed"])
            #expect(
                outcome.sets.map(\.failure?.code) == [nil, .digestMismatch, .digestMismatch, .corruptManifest]
            )
            for index in 1...3 { #expect(try signatures(rig, index).isEmpty) }
            // Whoever says so signs what the manifest says; not what is none.
            let unread = try await signing(rig) { $0.leavesUnread = true }.runAll(of: nil)
            #expect(Self.words(unread) == ["present", "signed", "signed", "failed"])
        }
    }

    /// Asked to sign what another key signed, it does not take what nobody signed, or somebody else.
    @Test func whatTheEarlierKeyDidNotSignIsLeft() async throws {
        try await ChainRig.with(sets: 2) { rig in
            try await rig.add(signed: false)
            let other = try ChainRig.otherKey()
            let outcome = try await signing(rig, with: other) { [rig] in
                $0.signedBefore = [rig.key.verificationKey]
            }.runAll(of: nil)
            #expect(Self.words(outcome) == ["signed", "signed", "failed"])
            #expect(outcome.sets[2].failure?.code == .guardRefused)
        }
    }

    /// Whoever may write to the store may have removed the set, and written the record.
    @Test func aRecordThatNobodySignedIsSignedOnlyOnDemand() async throws {
        try await ChainRig.with { rig in
            try await rig.prune(1, signed: false)
            let outcome = try await signing(rig).runAll(of: nil)
            #expect(outcome.removalsSigned == 0 && outcome.removalsLeft == 1)
            #expect(try await rig.verdicts() == ["3 intact", "2 intact", "1 unsigned", "0 beginning"])
            let asked = try await signing(rig) { $0.takesRemovals = true }.runAll(of: nil)
            #expect(asked.removalsSigned == 1 && asked.removalsLeft == 0)
            #expect(try await rig.verdicts() == ["3 intact", "2 intact", "1 pruned", "0 beginning"])
            let again = try await signing(rig) { $0.takesRemovals = true }.runAll(of: nil)
            #expect(again.removalsSigned == 0)
        }
    }

    @Test func aSubjectThatARunWorksOnIsNotSigned() async throws {
        try await ChainRig.with(sets: 1, signed: false) { [self] rig in
            let lease = Lease(holder: "live", purpose: "prune", process: .current(), acquiredAt: .now())
            let run = signing(rig)
            let outcome = try await rig.catalog.withLease(on: "demo", as: lease) { _ in try await run.runAll(of: nil) }
            #expect(outcome.sets[0].failure?.code == .locked)
            #expect(try signatures(rig, 0).isEmpty)
        }
    }

    /// Something lies where the signature would: it is not overwritten, and not taken for one.
    @Test func whatLiesInThePlaceOfASignatureIsNamed() async throws {
        try await ChainRig.with(sets: 1, signed: false) { rig in
            let signature = try rig.key.signature(ofManifest: rig.bytes(0), name: "demo", id: rig.ids[0])
            try await rig.store.create(signature.key, [UInt8](repeating: 7, count: 64))
            #expect(try await rig.verdicts() == ["0 forged"])
            let outcome = try await signing(rig).runAll(of: nil)
            #expect(outcome.sets[0].failure?.code == .digestMismatch)
            #expect(outcome.sets[0].failure?.description.contains("\(signature.key)") == true)
        }
    }

    /// What is cut short or too long is no signature of anybody: signing again puts one in its place.
    @Test(arguments: [0, 3, 65])
    func whatCanBeNoSignatureMakesRoomForOne(length: Int) async throws {
        try await ChainRig.with(sets: 1, signed: false) { rig in
            let signature = try rig.key.signature(ofManifest: rig.bytes(0), name: "demo", id: rig.ids[0])
            try await rig.store.create(signature.key, [UInt8](repeating: 7, count: length))
            #expect(try await rig.verdicts() == ["0 forged"])
            #expect(Self.words(try await signing(rig).runAll(of: nil)) == ["signed"])
            #expect(try await rig.verdicts() == ["0 beginning"])
        }
    }

    /// One record that cannot be signed is told, and keeps no other from being signed.
    @Test func aRecordThatCannotBeSignedIsToldAndKeepsNoOther() async throws {
        try await ChainRig.with { rig in
            try await rig.prune(1, signed: false)
            let record = try #require(
                try await rig.store.list(under: try KeyFolder([SetRemoval.folderName])).first?.key
            )
            let digest = SHA256Digest.hex(of: try await rig.store.read(record, bytesMax: 1 << 16).bytes)
            let file = "\(rig.ids[1])-\(digest)-\(rig.key.verificationKey.fingerprint).sig"
            let place = try ObjectKey(record.components.dropLast() + [file])
            try await rig.store.create(place, [UInt8](repeating: 7, count: 64))
            try await rig.prune(2, signed: false)
            let outcome = try await signing(rig) { $0.takesRemovals = true }.runAll(of: nil)
            #expect(outcome.removalsSigned == 1 && outcome.removalFailures.map(\.code) == [.digestMismatch])
            #expect(Self.words(outcome) == ["present", "present"])
            #expect(try await rig.verdicts() == ["3 intact", "2 pruned", "1 forged", "0 beginning"])
        }
    }

    /// The run dies at each of its calls: nothing is forged, every set is as it was, and the next run signs the rest.
    @Test(arguments: [FailingStore.Fault.deathBefore, .deathAfter])
    func aRunThatDiesAtAnyCallLeavesNothingForged(fault: FailingStore.Fault) async throws {
        // Every call of the first set, and some of the second.
        for call in Array(0..<12) + stride(from: 12, to: 200, by: 5) {
            var isOver = false
            try await ChainRig.with(sets: 2, signed: false) { rig in
                let store = FailingStore(rig.store, fault, atCall: call)
                _ = try? await signing(rig, through: store).runAll(of: nil)
                isOver = !store.hasFailed
                let bad = try await rig.verify().bad.map(\.verdict)
                #expect(bad.allSatisfy { $0 == .unsigned }, "dead at call \(call): \(bad)")
                // The lease is that of a dead run; this process, which lives on, must not be taken for it.
                try await rig.store.remove(try Lease.key(of: "demo"))
                _ = try await signing(rig).runAll(of: nil)
                #expect(try await rig.verify().bad.isEmpty, "dead at call \(call)")
            }
            if isOver { break }
            #expect(call < 197)
        }
    }
}
