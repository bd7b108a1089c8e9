// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import TestParts
import Testing

/// Backups and prunes of one subject, at the same moment, again and again.
@Suite(.timeLimit(.minutes(5))) struct PruneRaceTests {
    private static let rounds = 1000

    /// Commits a set as `Backup` does: under the lease, what dead runs left goes first, and the manifest comes last.
    /// - Returns: `nil` when the other run holds the lease.
    private static func backUp(_ rig: PruneRig, _ members: [(Manifest.Member, [UInt8])]) async throws -> BackupID? {
        let holder = String(UInt64.random(in: .min ... .max), radix: 16)
        let lease = Lease(holder: holder, purpose: "backup", process: .current(), acquiredAt: .now())
        do {
            return try await rig.catalog.withLease(on: "demo", as: lease) { held in
                let swept = try await rig.catalog.removeLeftovers(of: "demo", logger: PlanParts.logger)
                let id = try await rig.catalog.newID(for: "demo", logger: PlanParts.logger)
                let writer = SetWriter(name: "demo", id: id, store: rig.store, logger: PlanParts.logger)
                var staged: [any StagedObject] = []
                for (member, bytes) in members {
                    staged.append(
                        try await writer.stage(
                            member: member.member,
                            suffix: ".rdb",
                            estimatedBytes: nil,
                            from: ByteStream([bytes])
                        )
                    )
                }
                var manifest = PruneRig.manifest(id, of: "demo", members)
                // Ids of one second run ahead of the clock.
                manifest.startedAt = .now()
                try await writer.commit(manifest, staged: staged, under: [held])
                await rig.catalog.removeManifests(ofSwept: swept, name: "demo", logger: PlanParts.logger)
                return id
            }
        } catch let failure as Failure where failure.code == .locked {
            return nil
        }
    }

    /// Every set that was committed is there and whole, or it was removed by the rule and on record; the newest three
    /// are there after each round, and nothing half-made at the end.
    @Test func aThousandRacesLoseNothing() async throws {
        try await PruneRig.with { rig in
            let members = try await PruneRig.members(7, ["redis-0"])
            var committed: [BackupID] = []
            var (removed, blocked) = (0, 0)
            for round in 0..<Self.rounds {
                let prune = rig.prune { $0.last = 3 }
                async let backup = Self.backUp(rig, members)
                async let pruned = prune.run(try await prune.plan(of: "demo")).findings
                let (id, found) = try await (backup, pruned)
                if let id { committed.append(id) } else { blocked += 1 }
                removed += found.count { $0.outcome.word == "removed" }
                blocked += found.count { $0.outcome.word == "locked" }
                for finding in found where !["removed", "locked"].contains(finding.outcome.word) {
                    Issue.record("round \(round): \(finding.outcome)")
                }
                let listed = try await rig.catalog.entries(of: "demo").map(\.id)
                #expect(listed.suffix(3) == committed.suffix(3), "round \(round)")
            }
            // Both got their turns, and they did meet.
            #expect(committed.count > 100 && removed > 50 && blocked > 10)
            let left = try await rig.soundSets()
            let removals = try await rig.catalog.removals(of: "demo").map(\.backup)
            #expect(Set(left).union(removals) == Set(committed) && Set(left).isDisjoint(with: removals))
            #expect(removals.count == removed)
            let stray = try await rig.keys().filter { key in
                !key.hasPrefix(".removed/") && !left.contains { key.contains("/\($0)/") }
            }
            #expect(stray.isEmpty)
            #expect(try await rig.store.leftovers(under: .root).isEmpty)
        }
    }
}
