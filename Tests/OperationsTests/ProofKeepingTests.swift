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
    private static func verify(_ catalog: Catalog, at level: RDBLevel = .deep) -> Verify {
        Verify(catalog, at: level, meter: ProgressMeter(), logger: PlanParts.logger)
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
            let key = await verify.keep(findings, of: manifest, begunAt: .now(), by: manifest.tool)
            let known = try await rig.catalog.proofLedger(of: "demo")["demo", manifest.id]
            #expect((key == nil) == (level == .framing))
            #expect(known?.isDifferent == (level == .framing))
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
