// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import TestParts
import Testing

/// What a copy brings along beside its sets: the history in the target is as whole as in the source, and a loss of the
/// target is told apart from what was pruned there.
@Suite(.timeLimit(.minutes(5))) struct CopiedHistoryTests {
    private func copy(
        _ rig: ChainRig,
        to target: any ObjectStore,
        _ choice: CopyChoice = .all
    ) async throws -> [CopiedSet] {
        let copy = Copy(
            from: rig.catalog,
            to: Catalog(store: target),
            at: nil,
            runID: String(UInt64.random(in: .min ... .max), radix: 16),
            timing: LeaseTiming(lifetime: .seconds(300), interval: .seconds(10)),
            meter: ProgressMeter(),
            logger: PlanParts.logger
        )
        return try await copy.run(choice, name: nil)
    }

    /// - Parameter body: gets the source, and the target as a rig of its own.
    private func withRigs(
        sets: Int = 5,
        signed: Bool = true,
        _ body: (inout ChainRig, inout ChainRig) async throws -> Void
    ) async throws {
        try await ChainRig.with(sets: 0) { source in
            for _ in 0..<sets { try await source.add(signed: signed, isReal: true) }
            try await withTemporaryFolder { folder in
                var target = try ChainRig(in: folder)
                target.ids = source.ids
                try await body(&source, &target)
            }
        }
    }

    private static func expectCopied(_ sets: [CopiedSet], _ location: SourceLocation = #_sourceLocation) {
        for set in sets { #expect(set.failure == nil, "\(set.id)", sourceLocation: location) }
    }

    @Test func whatPruneRemovedFromTheSourceIsPrunedInTheCopyToo() async throws {
        try await withRigs { source, target in
            for index in [0, 2, 3] { try await source.prune(index) }
            Self.expectCopied(try await copy(source, to: target.store))
            let verdicts = try await target.verdicts()
            #expect(
                verdicts == [
                    "4 intact", "3 pruned-elsewhere", "2 pruned-elsewhere", "1 intact", "0 pruned-elsewhere",
                ]
            )
            #expect(try await target.verify().bad.isEmpty)
            // Byte for byte, and under keys of their own.
            let records = try KeyFolder([SetRemoval.folderName])
            @Sendable func contents(_ store: FileStore) async throws -> Set<[UInt8]> {
                var contents: Set<[UInt8]> = []
                for object in try await store.list(under: records) {
                    contents.insert(try await store.read(object.key, bytesMax: 1 << 16).bytes)
                }
                return contents
            }
            #expect(try await contents(source.store) == contents(target.store))
            let keys = try await target.store.list(under: records).map(\.key.description)
            #expect(keys.count == 6 && keys.count { $0.hasSuffix("-elsewhere.json") } == 3)
            // Nothing is written twice.
            let before = try await target.store.list(under: records)
            Self.expectCopied(try await copy(source, to: target.store))
            #expect(try await target.store.list(under: records) == before)
        }
    }

    /// Night after night a set comes, and prune takes the one before it from the source alone.
    @Test func aCopyEveryNightStaysWholeWhileTheSourceIsPruned() async throws {
        try await withRigs { source, target in
            for night in 0..<5 {
                Self.expectCopied(try await copy(source, to: target.store, .one(.id(source.ids[night]))))
                try await source.prune(night)
                guard night == 4 else { continue }
                let verdicts = try await target.verdicts()
                #expect(verdicts == ["4 intact", "3 intact", "2 intact", "1 intact", "0 beginning"])
            }
            #expect(try await target.store.list(under: try KeyFolder([SetRemoval.folderName])).isEmpty)
        }
    }

    /// Somebody removes the newest set from the archive, and the source has pruned it lawfully: the copy says only what
    /// became of it elsewhere, and the anchor misses it.
    @Test func theLossOfTheNewestIsNotExcusedByTheSource() async throws {
        try await withRigs(sets: 3) { source, target in
            Self.expectCopied(try await copy(source, to: target.store))
            let anchor = try #require(try await target.verify().newest)
            try await source.add(isReal: true)
            target.ids = source.ids
            try await source.prune(2)
            try target.removeByHand(2)
            Self.expectCopied(try await copy(source, to: target.store))
            #expect(try await target.verdicts() == ["3 intact", "2 pruned-elsewhere", "1 intact", "0 beginning"])
            let bad = try await target.verify(anchor: anchor).bad
            #expect(bad.map(\.verdict) == [.rolledBack] && bad.map(\.id) == [source.ids[2]])
            // The same record, written by the prune of the target itself, would have been an excuse.
            let pruned = try await source.verify(anchor: anchor).bad
            #expect(pruned.isEmpty)
        }
    }

    /// The second store pruned a set, a copy brought it back, and somebody removed it by hand: that is a loss.
    @Test func aSetThatCameBackIsMissedWhenItGoesByHand() async throws {
        try await withRigs(sets: 3) { source, target in
            Self.expectCopied(try await copy(source, to: target.store))
            try await target.prune(1)
            #expect(try await target.verdicts() == ["2 intact", "1 pruned", "0 beginning"])
            Self.expectCopied(try await copy(source, to: target.store))
            #expect(try await target.catalog.removalRecords(of: ChainRig.name).isEmpty)
            let left = try await target.store.list(under: KeyFolder([SetRemoval.folderName]))
            #expect(left.isEmpty, "the signature of the record is gone too")
            // The copy that brought it back may have died before it came to the record.
            _ = try await target.catalog.write(target.removal(of: 1), signedWith: target.key)
            Self.expectCopied(try await copy(source, to: target.store))
            #expect(try await target.catalog.removalRecords(of: ChainRig.name).isEmpty)
            try target.removeByHand(1)
            #expect(try await target.verdicts() == ["2 intact", "1 removed", "0 beginning"])
        }
    }

    /// A record of a set that the source still lists: its removal did not come to that point.
    @Test func theRecordOfASetThatIsThereIsNotCopied() async throws {
        try await withRigs(sets: 2) { source, target in
            _ = try await source.catalog.write(source.removal(of: 0), signedWith: source.key)
            Self.expectCopied(try await copy(source, to: target.store, .one(.id(source.ids[1]))))
            #expect(try await target.verdicts() == ["1 intact", "0 removed"])
        }
    }

    /// One set fails, the next one is copied, and the source prunes the first before it is tried again.
    @Test func aSetThatWasNeverCopiedIsNotMissedForEver() async throws {
        try await withRigs(sets: 3) { source, target in
            let object = source.file(1, "redis-0.rdb")
            let whole = try Data(contentsOf: object)
            try Data([1, 2, 3]).write(to: object)
            let first = try await copy(source, to: target.store)
            #expect(first.map { $0.failure == nil } == [true, false, true])
            #expect(try await target.verdicts() == ["2 intact", "1 removed", "0 beginning"])
            try whole.write(to: object)
            try await source.prune(1)
            Self.expectCopied(try await copy(source, to: target.store))
            #expect(try await target.verdicts() == ["2 intact", "1 pruned-elsewhere", "0 beginning"])
        }
    }

    /// The same behind a set that was pruned before: its record is there already.
    @Test func aSetBehindARecordThatIsThereIsNotMissedForEver() async throws {
        try await withRigs(sets: 4) { source, target in
            try await source.prune(2)
            let object = source.file(1, "redis-0.rdb")
            let whole = try Data(contentsOf: object)
            try Data([1, 2, 3]).write(to: object)
            _ = try await copy(source, to: target.store)
            #expect(
                try await target.verdicts() == ["3 intact", "2 pruned-elsewhere", "1 removed", "0 beginning"]
            )
            try whole.write(to: object)
            try await source.prune(1)
            Self.expectCopied(try await copy(source, to: target.store))
            #expect(
                try await target.verdicts() == ["3 intact", "2 pruned-elsewhere", "1 pruned-elsewhere", "0 beginning"]
            )
        }
    }

    /// Neither a record nor a signature that is damaged, or in whose place something else lies, blocks a sound backup.
    @Test func whatIsDamagedBesideASetDoesNotBlockIt() async throws {
        try await withRigs(sets: 3) { source, target in
            try await source.prune(1)
            let records = try KeyFolder([SetRemoval.folderName])
            for object in try await source.store.list(under: records) where object.key.description.hasSuffix(".sig") {
                // Something else lies in its place.
                try await target.store.create(object.key, [UInt8](repeating: 7, count: 64))
            }
            let signature = try source.key.signature(ofManifest: source.bytes(2), name: "demo", id: source.ids[2])
            try await source.store.remove(signature.key)
            try await source.store.create(signature.key, [1, 2, 3])
            for _ in 0..<2 { Self.expectCopied(try await copy(source, to: target.store)) }
            #expect(try await target.verdicts() == ["2 unsigned", "1 forged", "0 beginning"])

            // Signed again in the source, it comes over.
            var request = Signing.Request(key: source.key, runID: "sign")
            request.leavesUnread = true
            let signing = Signing(request, in: source.catalog, meter: ProgressMeter(), logger: PlanParts.logger)
            _ = try await signing.runAll(of: nil)
            Self.expectCopied(try await copy(source, to: target.store))
            #expect(try await target.verdicts() == ["2 intact", "1 forged", "0 beginning"])
            for object in try await target.store.list(under: records) where object.key.description.hasSuffix(".sig") {
                try await target.store.remove(object.key)
            }
            Self.expectCopied(try await copy(source, to: target.store))
            #expect(try await target.verdicts() == ["2 intact", "1 pruned-elsewhere", "0 beginning"])
        }
    }

    /// A run that dies between the records and the manifest has lost none of them.
    @Test(arguments: 0..<3)
    func aCopyThatDiesAtAnyCallBringsTheRecordsOverInTheEnd(first: Int) async throws {
        for call in stride(from: first, to: 200, by: 3) {
            var isOver = false
            try await withRigs(sets: 4) { source, target in
                // A path of two records: the oldest has to come first.
                for index in [1, 2] { try await source.prune(index) }
                let store = FailingStore(target.store, .deathAfter, atCall: call)
                _ = try? await copy(source, to: store)
                isOver = !store.hasFailed
                try await target.store.remove(try Lease.key(of: "demo"))
                Self.expectCopied(try await copy(source, to: target.store))
                let verdicts = try await target.verdicts()
                #expect(
                    verdicts == ["3 intact", "2 pruned-elsewhere", "1 pruned-elsewhere", "0 beginning"],
                    "dead at call \(call): \(verdicts)"
                )
            }
            if isOver { break }
            #expect(call < 195)
        }
    }

    @Test func aSignatureThatWasAddedLaterComesOver() async throws {
        try await withRigs(signed: false) { source, target in
            Self.expectCopied(try await copy(source, to: target.store))
            #expect(try await target.verify().bad.count == 5)
            var request = Signing.Request(key: source.key, runID: "sign")
            request.leavesUnread = true
            let signing = Signing(request, in: source.catalog, meter: ProgressMeter(), logger: PlanParts.logger)
            _ = try await signing.runAll(of: nil)
            Self.expectCopied(try await copy(source, to: target.store))
            #expect(try await target.verify().bad.isEmpty)
        }
    }
}
