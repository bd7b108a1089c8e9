// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import TestParts
import Testing

/// What belongs to no backup is found, and removed once it is old and nobody works on its subject.
@Suite(.timeLimit(.minutes(1))) struct PruneIncompleteTests {
    private struct Rig: Sendable {
        let store: FileStore
        let folder: URL

        func prune(_ store: (any ObjectStore)? = nil, grace: Int64 = 0) -> PruneIncomplete {
            PruneIncomplete(
                Catalog(store: store ?? self.store),
                graceSeconds: grace,
                runID: "prune",
                timing: LeaseTiming(lifetime: .seconds(30), interval: .milliseconds(60)),
                logger: PlanParts.logger
            )
        }

        func put(_ keys: String...) async throws {
            for text in keys { try await store.create(try #require(ObjectKey(parsing: text)), [1, 2, 3]) }
        }

        /// A temporary file, as a run leaves it that is killed.
        func leaveBehind(_ key: String) async throws {
            let key = try #require(ObjectKey(parsing: key))
            _ = try await store.stage(key, estimatedBytes: nil, from: ByteStream([[1, 2]]))
        }

        func age(_ path: String, hours: Double) throws {
            let date = Date(timeIntervalSinceNow: -hours * 3600)
            try FileManager.default.setAttributes(
                [.modificationDate: date],
                ofItemAtPath: folder.appendingPathComponent(path).path
            )
        }

        /// The files in which leases were to be written.
        func ageLeases(seconds: Double) throws {
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/.locks")
            let files = names.filter { $0.contains(".partial~") }
            try #require(!files.isEmpty)
            for name in files { try age(".locks/\(name)", hours: seconds / 3600) }
        }

        var keys: [String] {
            get async throws { try await store.list(under: .root).map(\.key.description) }
        }
    }

    private static let dead = "demo/20261121T000000Z-dead"
    private static let good = "demo/20261122T000000Z-0001"

    /// Everything that this program leaves behind, and much that it could not have written.
    private func withRig(_ body: (Rig) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let rig = Rig(store: FileStore(root: folder.path), folder: folder)
            try await rig.put(
                "\(Self.dead)/redis-0.rdb.zst",
                "\(Self.good)/redis-0.rdb.zst",
                "\(Self.good)/manifest.json"
            )
            try await rig.put("\(Self.dead)/notes.txt", "demo/readme/redis.rdb", "other/20261121T000000Z-0001/x.rdb")
            try await rig.put(".drills/demo/20261121T000000Z-dead/1.json", ".locks/elsewhere.json")
            try await rig.leaveBehind("\(Self.dead)/redis-1.rdb.zst")
            try await rig.leaveBehind("\(Self.good)/redis-1.rdb.zst")
            try await rig.leaveBehind(".locks/demo.json")
            try rig.ageLeases(seconds: 61)
            try await rig.leaveBehind("demo/notes/redis.rdb")
            try await body(rig)
        }
    }

    private static let foreign: Set<String> = [
        "\(good)/redis-0.rdb.zst", "\(good)/manifest.json", "\(dead)/notes.txt", "demo/readme/redis.rdb",
        ".drills/demo/20261121T000000Z-dead/1.json", ".locks/elsewhere.json",
    ]

    @Test func everyKindIsFoundAndNothingElse() async throws {
        try await withRig { rig in
            let found = try await Catalog(store: rig.store).remnants(of: nil).found
            let texts = found.map { "\($0.kind.rawValue) \($0.name) \($0.key) \($0.bytes ?? -1)" }
            #expect(
                texts == [
                    "unfinished-lease demo .locks/demo.json 2",
                    "member-without-manifest demo \(Self.dead)/redis-0.rdb.zst 3",
                    "unfinished demo \(Self.dead)/redis-1.rdb.zst 2",
                    "unfinished demo \(Self.good)/redis-1.rdb.zst 2",
                    "member-without-manifest other other/20261121T000000Z-0001/x.rdb 3",
                ]
            )
            let named = try await Catalog(store: rig.store).remnants(of: "demo").found
            #expect(named == found.filter { $0.name == "demo" })
        }
    }

    @Test func allOfItGoesAndNothingElse() async throws {
        try await withRig { rig in
            let prune = rig.prune()
            let findings = try await prune.run(try await prune.plan(of: nil))
            #expect(findings.count == 5)
            for finding in findings {
                guard case .removed = finding.outcome else {
                    Issue.record("\(finding)")
                    continue
                }
            }
            #expect(Set(try await rig.keys) == Self.foreign)
            let left = try await rig.store.leftovers(under: .root).map(\.key.description)
            #expect(left == ["demo/notes/redis.rdb"])
        }
    }

    @Test func whatIsYoungerThanTheGraceStays() async throws {
        try await withRig { rig in
            try rig.age("\(Self.dead)/redis-0.rdb.zst", hours: 25)
            try rig.age("\(Self.good)/redis-0.rdb.zst", hours: 25)
            let prune = rig.prune(grace: 86400)
            let plan = try await prune.plan(of: "demo")
            #expect(plan.due.map(\.key.description) == ["\(Self.dead)/redis-0.rdb.zst"])
            #expect(plan.young.count == 3)
            _ = try await prune.run(plan)
            #expect(Set(try await rig.keys) == Self.foreign.union(["other/20261121T000000Z-0001/x.rdb"]))
        }
    }

    /// Who asks for a lease holds none yet: the file in which it is written is not taken away, whatever the grace is.
    @Test func aLeaseThatIsBeingWrittenStays() async throws {
        try await withRig { rig in
            try rig.ageLeases(seconds: 2)
            let plan = try await rig.prune().plan(of: "demo")
            #expect(plan.young.map(\.kind) == [.unfinishedLease] && plan.due.count == 3)
        }
    }

    @Test func aSubjectThatARunWorksOnIsLeftAloneAndTheOthersAreNot() async throws {
        try await withRig { rig in
            let prune = rig.prune()
            let plan = try await prune.plan(of: nil)
            let lease = Lease(holder: "live", purpose: "backup", process: .current(), acquiredAt: .now())
            let findings = try await Catalog(store: rig.store).withLease(on: "demo", as: lease) { _ in
                try await prune.run(plan)
            }
            for finding in findings {
                switch finding.outcome {
                case .locked(let failure): #expect(finding.remnant.name == "demo" && failure.code == .locked)
                case .removed: #expect(finding.remnant.name == "other")
                case .changed, .failed: Issue.record("\(finding)")
                }
            }
            #expect(try await rig.keys.contains("\(Self.dead)/redis-0.rdb.zst"))
        }
    }

    /// What was planned is looked at once more under the lease: a set that was committed meanwhile is a backup.
    @Test func aSetThatGotItsManifestMeanwhileStays() async throws {
        try await withRig { rig in
            let prune = rig.prune()
            let plan = try await prune.plan(of: nil)
            try await rig.put("\(Self.dead)/manifest.json")
            let findings = try await prune.run(plan)
            let member = try #require(findings.first { $0.remnant.key.description == "\(Self.dead)/redis-0.rdb.zst" })
            guard case .changed = member.outcome else {
                Issue.record("\(member)")
                return
            }
            #expect(try await rig.keys.contains("\(Self.dead)/redis-0.rdb.zst"))
        }
    }

    @Test func whereUploadsCannotBeListedTheRestIsCleanedAndItIsSaid() async throws {
        try await withRig { rig in
            let prune = rig.prune(FailingStore(rig.store, .noListOfUploads))
            let plan = try await prune.plan(of: nil)
            #expect(plan.unlistable?.code == .unsupported)
            #expect(plan.due.count == 2)
            #expect(try await prune.run(plan).count == 2)
            #expect(Set(try await rig.keys) == Self.foreign)
            let silent = try await prune.plan(of: nil, looksForUnfinished: false)
            #expect(silent.unlistable == nil)
        }
    }
}
