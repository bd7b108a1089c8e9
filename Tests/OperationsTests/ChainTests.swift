// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import TestParts
import Testing

/// The history of a subject, whole and broken in each way that somebody could break it.
@Suite struct ChainTests {
    private func withRig(_ body: (inout ChainRig) async throws -> Void) async throws {
        try await ChainRig.with(body)
    }

    @Test func aWholeHistoryIsWhole() async throws {
        try await withRig { rig in
            #expect(try await rig.verdicts() == ["3 intact", "2 intact", "1 intact", "0 beginning"])
            let outcome = try await rig.verify()
            #expect(outcome.bad.isEmpty && outcome.newest?.id == rig.ids[3])
            #expect(outcome.findings.allSatisfy { $0.signedBy == rig.key.verificationKey.fingerprint })
        }
    }

    @Test func aSetThatWasRemovedByHandIsMissed() async throws {
        try await withRig { rig in
            try rig.removeByHand(1)
            #expect(try await rig.verdicts() == ["3 intact", "2 intact", "1 removed", "0 beginning"])
            // A loss that is known is let be.
            #expect(try await rig.verdicts(since: 2) == ["3 intact", "2 intact", "0 beginning"])
        }
    }

    @Test(arguments: [true, false])
    func whatPruneRemovedIsSaidToBeLawful(signed: Bool) async throws {
        try await withRig { rig in
            for index in [0, 1, 2] { try await rig.prune(index, signed: signed) }
            let pruned = signed ? "pruned" : "unsigned"
            #expect(try await rig.verdicts() == ["3 intact", "2 \(pruned)", "1 \(pruned)", "0 \(pruned)"])
            #expect(try await rig.verdicts(keyed: false) == ["3 intact", "2 pruned", "1 pruned", "0 pruned"])
        }
    }

    /// An older set's files under the id of a newer one; the signature of the older one fits its own bytes.
    @Test func aSetThatIsSwappedForAnOlderOneIsSeen() async throws {
        try await withRig { rig in
            let set = rig.file(2).deletingLastPathComponent()
            try FileManager.default.removeItem(at: set)
            try FileManager.default.copyItem(at: rig.file(1).deletingLastPathComponent(), to: set)
            let verdicts = try await rig.verdicts()
            #expect(verdicts.first == "3 intact" && verdicts.contains("2 unreadable"), "\(verdicts)")
        }
    }

    /// One byte of a manifest is another: of the newest only the signature knows.
    @Test(arguments: [0, 2, 3], [true, false])
    func aManifestThatIsEditedIsSeen(index: Int, keyed: Bool) async throws {
        try await withRig { rig in
            let text = try String(contentsOf: rig.file(index), encoding: .utf8)
            let edited = text.replacingOccurrences(of: "\"0\" : \(index)", with: "\"0\" : 9")
            try #require(edited != text)
            try edited.write(to: rig.file(index), atomically: false, encoding: .utf8)
            let bad = try await rig.verify(keyed: keyed).bad.map { "\($0.id) \($0.verdict.rawValue)" }
            switch (index, keyed) {
            case (3, false): #expect(bad.isEmpty)
            case (3, true): #expect(bad == ["\(rig.ids[3]) forged"])
            default: #expect(bad == ["\(rig.ids[index]) changed"])
            }
        }
    }

    @Test func aSignatureThatIsTakenAwayOrOfAnotherKeyIsSeen() async throws {
        try await withRig { rig in
            let signed = try rig.key.signature(ofManifest: rig.bytes(3), name: ChainRig.name, id: rig.ids[3])
            let file = rig.folder.appendingPathComponent(signed.key.description)
            var signature = try Data(contentsOf: file)
            signature[10] ^= 1
            try signature.write(to: file)
            #expect(try await rig.verdicts().first == "3 forged")
            try FileManager.default.removeItem(at: file)
            #expect(try await rig.verdicts().first == "3 unsigned")
            #expect(try await rig.verdicts(keyed: false).first == "3 intact")
        }
    }

    /// Often it is a key of one's own that was not given.
    @Test func whoSignedAndWhatWasGivenIsSaid() async throws {
        try await withRig { rig in
            let other = try ChainRig.otherKey()
            let first = try #require(try await rig.verify(keys: [other]).bad.first)
            #expect(first.verdict == .forged)
            #expect(first.detail.contains(rig.key.verificationKey.fingerprint))
            #expect(first.detail.contains(other.verificationKey.fingerprint))
        }
    }

    /// Each verdict has its own way out.
    @Test func theHintIsAboutWhatIsBad() async throws {
        try await withRig { rig in
            #expect(try await rig.verify().hint == nil)
            let forged = try await rig.verify(keys: [try ChainRig.otherKey()]).hint
            #expect(forged?.contains("--public-key") == true && forged?.contains("redoubt copy") == false)
            try await rig.add(signed: false)
            let unsigned = try await rig.verify().hint
            #expect(unsigned?.contains("redoubt sign") == true && unsigned?.contains("--signed-since") == true)
            try rig.removeByHand(1)
            let removed = try await rig.verify(keyed: false).hint
            #expect(removed?.contains("redoubt copy") == true && removed?.contains("redoubt sign") == false)
        }
    }

    @Test func setsFromBeforeThereWasAKeyNeedNone() async throws {
        try await withTemporaryFolder { folder in
            var rig = try ChainRig(in: folder)
            // Of a program that named no set before, then without a key, then with one.
            for _ in 0..<2 { try await rig.add(signed: false, linked: false) }
            for _ in 0..<2 { try await rig.add(signed: false) }
            try await rig.add()
            let bad = try await rig.verify().bad.map(\.verdict)
            #expect(bad == [.unsigned, .unsigned, .unsigned, .unsigned])
            #expect(
                try await rig.verdicts(since: 4)
                    == ["4 intact", "3 intact", "2 intact", "1 beginning", "0 beginning"]
            )
        }
    }

    /// That the newest sets are gone is known to whoever remembers one of them.
    @Test func aHistoryThatIsRolledBackIsSeenByItsAnchor() async throws {
        try await withRig { rig in
            let anchor = try #require(try await rig.verify().newest)
            #expect(try await rig.verify(anchor: anchor).bad.isEmpty)
            try await rig.add()
            #expect(try await rig.verify(anchor: anchor).bad.isEmpty)
            for index in [3, 4] { try rig.removeByHand(index) }
            #expect(try await rig.verify().bad.isEmpty)
            #expect(try await rig.verify(anchor: anchor).bad.map(\.verdict) == [.rolledBack])
            for index in [0, 1, 2] { try rig.removeByHand(index) }
            #expect(try await rig.verify(anchor: anchor).bad.map(\.verdict) == [.rolledBack])
        }
    }

    /// Whoever removes the newest set can also write a record of it, and the next backup names the set before.
    @Test func aRecordThatIsNotSignedDoesNotExcuseTheLossOfTheAnchor() async throws {
        try await withRig { rig in
            let anchor = try #require(try await rig.verify().newest)
            try await rig.prune(3, signed: false)
            try await rig.add()
            #expect(try await rig.verify().bad.isEmpty)
            #expect(try await rig.verify(anchor: anchor).bad.map(\.verdict) == [.rolledBack])
            // Without keys nothing tells the record from a lawful one.
            #expect(try await rig.verify(keyed: false, anchor: anchor).bad.isEmpty)
        }
    }

    /// A drill may disprove the newest set, and prune remove it.
    @Test func anAnchorThatPruneRemovedAsTheNewestIsNoLoss() async throws {
        try await withRig { rig in
            let anchor = try #require(try await rig.verify().newest)
            try await rig.prune(3)
            #expect(try await rig.verify(anchor: anchor).bad.isEmpty)
        }
    }

    /// A record that names itself as the set before would lead round and round.
    @Test(.timeLimit(.minutes(1))) func recordsThatLeadInACircleAreNoRecords() async throws {
        try await withRig { rig in
            var removal = try rig.removal(of: 2)
            removal.previous = removal.link
            let key = try ObjectKey([SetRemoval.folderName, ChainRig.name, "\(rig.ids[2]).json"])
            try await rig.store.create(key, try removal.encoded())
            try rig.removeByHand(2)
            #expect(try await rig.verdicts() == ["3 intact", "2 removed", "1 intact", "0 beginning"])
        }
    }

    /// A record that somebody planted is not taken for ours.
    @Test func aRecordOfSomebodyElseDoesNotKeepOursFromBeingWritten() async throws {
        try await withRig { rig in
            let planted = try rig.removal(of: 2, policy: "planted")
            _ = try await rig.catalog.write(planted)
            try await rig.prune(2)
            #expect(try await rig.verdicts() == ["3 intact", "2 pruned", "1 intact", "0 beginning"])
        }
    }

    /// Of several records of one set the one counts that a known key signed, whichever was first; also the way on.
    @Test func aSignedRecordOfSomebodyElseDoesNotHideOurs() async throws {
        try await withRig { rig in
            var planted = try rig.removal(of: 2, policy: "planted")
            planted.previous = nil
            _ = try await rig.catalog.write(planted, signedWith: ChainRig.otherKey())
            try await rig.prune(2)
            #expect(try await rig.verdicts() == ["3 intact", "2 pruned", "1 intact", "0 beginning"])
        }
    }

    @Test func theSignatureOfARecordIsTakenBackWithIt() async throws {
        try await withRig { rig in
            let removal = try rig.removal(of: 2)
            let record = try await rig.catalog.write(removal, signedWith: rig.key)
            #expect(try await rig.store.list(under: try KeyFolder([SetRemoval.folderName])).count == 2)
            await rig.catalog.takeBack(record, name: ChainRig.name, id: rig.ids[2])
            #expect(try await rig.store.list(under: try KeyFolder([SetRemoval.folderName])).isEmpty)
        }
    }

    @Test func anAnchorThatPruneRemovedIsNoLoss() async throws {
        try await withRig { rig in
            let anchor = try #require(try await rig.verify().newest)
            try await rig.add()
            try await rig.prune(3)
            #expect(try await rig.verify(anchor: anchor).bad.isEmpty)
        }
    }

    @Test func aSetThatIsPutInBetweenIsDetached() async throws {
        try await withRig { rig in
            try rig.removeByHand(2)
            // Signed by whoever has the key; but the next set names another one.
            let stray = BackupID(time: Timestamp(secondsSince1970: 1_800_000_000 + 2 * 3600 + 60), suffix: 2)
            let folder = rig.folder.appendingPathComponent("\(ChainRig.name)/\(stray)")
            try FileManager.default.copyItem(at: rig.file(1).deletingLastPathComponent(), to: folder)
            let text = try String(contentsOf: folder.appendingPathComponent("manifest.json"), encoding: .utf8)
            try text.replacingOccurrences(of: rig.ids[1].text, with: stray.text)
                .write(to: folder.appendingPathComponent("manifest.json"), atomically: false, encoding: .utf8)
            let verdicts = try await rig.verdicts(keyed: false)
            #expect(verdicts == ["3 intact", "? detached", "2 removed", "1 intact", "0 beginning"])
        }
    }

    @Test func aMemberThatIsGoneOrCutIsSeen() async throws {
        try await withRig { rig in
            try Data([1]).write(to: rig.file(1, "redis-0.rdb"))
            try FileManager.default.removeItem(at: rig.file(2, "redis-0.rdb"))
            #expect(try await rig.verdicts() == ["3 intact", "2 incomplete", "1 incomplete", "0 beginning"])
        }
    }

    /// A run that died between the signature and the manifest leaves both the members and the signature to be swept.
    @Test func aSignatureWithoutItsManifestIsSweptWithItsMembers() async throws {
        try await withRig { rig in
            try FileManager.default.removeItem(at: rig.file(3))
            let swept = try await rig.catalog.removeLeftovers(of: ChainRig.name, logger: PlanParts.logger)
            #expect(swept.removed == 2)
            #expect(!FileManager.default.fileExists(atPath: rig.file(3).deletingLastPathComponent().path))
        }
    }

    /// OpenSSL made the key, and takes the signature.
    @Test func opensslAgrees() async throws {
        try await withTemporaryFolder { folder in
            let path = folder.path
            try await run(
                "/bin/sh",
                [
                    "-c",
                    "cd '\(path)' && openssl genpkey -algorithm ed25519 -out sign.pem "
                        + "&& openssl pkey -in sign.pem -pubout -out verify.pem",
                ]
            )
            let pem = try String(contentsOf: folder.appendingPathComponent("sign.pem"), encoding: .utf8)
            let publicPEM = try String(contentsOf: folder.appendingPathComponent("verify.pem"), encoding: .utf8)
            let key = try SigningKey(pem: pem, file: "sign.pem")
            let message = Array("a manifest\n".utf8)
            let signature = try key.signature(of: message)
            try Data(message).write(to: folder.appendingPathComponent("message"))
            try Data(signature).write(to: folder.appendingPathComponent("signature"))
            try await run(
                "/bin/sh",
                [
                    "-c",
                    "cd '\(path)' && openssl pkeyutl -verify -pubin -inkey verify.pem -rawin -in message "
                        + "-sigfile signature",
                ]
            )
            let other = try VerificationKey(pem: publicPEM, file: "verify.pem")
            #expect(other.accepts(signature, of: message) && !other.accepts(signature, of: message + [0]))
            #expect(other.fingerprint == key.verificationKey.fingerprint)
            let failure = #expect(throws: Failure.self) { try SigningKey(pem: publicPEM, file: "verify.pem") }
            #expect(failure?.code == .configuration)
            let said = "it is not a private Ed25519 key without a passphrase, as PEM, but a public key"
            #expect(failure?.message == "read the key in verify.pem: \(said)")
        }
    }
}
