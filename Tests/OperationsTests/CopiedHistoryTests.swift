// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import TestParts
import Testing

/// What a copy brings along beside its sets: the history in the target is as whole as in the source, and no loss of the
/// target is excused by what happened in the source.
@Suite(.timeLimit(.minutes(2))) struct CopiedHistoryTests {
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
        signed: Bool = true,
        _ body: (inout ChainRig, inout ChainRig) async throws -> Void
    ) async throws {
        try await ChainRig.with(sets: 0) { source in
            for _ in 0..<5 { try await source.add(signed: signed, isReal: true) }
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
            #expect(try await target.verdicts() == ["4 intact", "3 pruned", "2 pruned", "1 intact", "0 pruned"])
            let records = try KeyFolder([SetRemoval.folderName])
            for object in try await source.store.list(under: records) {
                let (there, here) = (
                    try await source.store.read(object.key, bytesMax: 1 << 16).bytes,
                    try await target.store.read(object.key, bytesMax: 1 << 16).bytes
                )
                #expect(there == here)
            }
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

    /// Somebody removes from the archive what the source has pruned lawfully: the next copy does not cover for it.
    @Test func aLossInTheTargetIsNotExcusedByTheSource() async throws {
        try await withRigs { source, target in
            Self.expectCopied(try await copy(source, to: target.store))
            for index in [1, 2] { try await source.prune(index) }
            try target.removeByHand(1)
            try target.removeByHand(2)
            try await source.add(isReal: true)
            target.ids = source.ids
            Self.expectCopied(try await copy(source, to: target.store))
            let bad = try await target.verify().bad.map { "\($0.id) \($0.verdict.rawValue)" }
            #expect(bad == ["\(source.ids[2]) removed"])
        }
    }

    /// A run that dies between the records and the manifest has lost none of them.
    @Test func aCopyThatDiesAtAnyCallBringsTheRecordsOverInTheEnd() async throws {
        for call in 0..<200 {
            var isOver = false
            try await withRigs { source, target in
                for index in [0, 1, 3] { try await source.prune(index) }
                let store = FailingStore(target.store, .deathAfter, atCall: call)
                _ = try? await copy(source, to: store)
                isOver = !store.hasFailed
                try await target.store.remove(try Lease.key(of: "demo"))
                Self.expectCopied(try await copy(source, to: target.store))
                let verdicts = try await target.verdicts()
                #expect(
                    verdicts == ["4 intact", "3 pruned", "2 intact", "1 pruned", "0 pruned"],
                    "dead at call \(call): \(verdicts)"
                )
            }
            if isOver { break }
            #expect(call < 199)
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
