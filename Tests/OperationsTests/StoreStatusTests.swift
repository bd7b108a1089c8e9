// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import TestParts
import Testing

/// Fresh, proven, drilled, not shrunk: each is judged only where it was asked for, and by what the store says.
@Suite(.timeLimit(.minutes(1))) struct StoreStatusTests {
    private struct Rig: Sendable {
        let catalog: Catalog
        let folder: URL
        let now: Timestamp

        func time(daysAgo days: Double) -> Timestamp {
            Timestamp(secondsSince1970: now.secondsSince1970 - Int64(days * 86_400))
        }

        /// A set as its manifest tells of it.
        @discardableResult
        func make(
            daysAgo days: Double,
            keys: UInt64 = 1000,
            lists: UInt64 = 200,
            isPartial: Bool = false,
            replicas: Int = 2,
            of name: String = "demo"
        ) async throws -> Manifest {
            let id = BackupID(time: time(daysAgo: days), suffix: 7)
            var members = try (0..<replicas).map { try member($0, keys, lists, name, id) }
            if isPartial {
                members[0] = Manifest.Member(member: "redis-0")
                members[0].error = .init(code: "unreachable", message: "it is away")
            }
            let manifest = Manifest(
                id: id,
                name: name,
                startedAt: id.time,
                finishedAt: Timestamp(secondsSince1970: id.time.secondsSince1970 + 60),
                tool: .init(name: "redoubt", version: "1"),
                source: .init(kind: "endpoints"),
                members: members
            )
            for stored in members.compactMap(\.stored) {
                let key = try #require(ObjectKey(parsing: stored.key))
                try await catalog.store.create(key, [UInt8](repeating: 0, count: Int(stored.bytes)))
            }
            try await catalog.store.create(try Catalog.manifestKey(name: name, id: id), try manifest.encoded())
            return manifest
        }

        private func member(
            _ number: Int,
            _ keys: UInt64,
            _ lists: UInt64,
            _ name: String,
            _ id: BackupID
        ) throws -> Manifest.Member {
            var member = Manifest.Member(member: "redis-\(number)")
            member.replication = .init(id: String(repeating: "ab", count: 20), offset: Int64(number))
            let text = """
                {"version": 10, "bytes": \(keys * 10), "sha256": "\(String(repeating: "0a", count: 32))",
                "crc64": "00000000000000ff", "keys": {"0": \(keys)}, "expires": 0,
                "types": {"string": \(keys - lists), "list": \(lists), "hash": 3}, "modules": [], "functions": 0}
                """
            member.rdb = try JSONDecoder().decode(Manifest.Snapshot.self, from: Data(text.utf8))
            member.stored = .init(
                key: "\(name)/\(id)/redis-\(number).rdb",
                bytes: 10,
                sha256: String(repeating: "0b", count: 32),
                compression: "none"
            )
            return member
        }

        func verify(_ manifest: Manifest, daysAgo days: Double, _ verdict: ProofRecord.Verdict = .proven) async throws {
            let member = ProofRecord.Member(of: manifest.members[1], verdict: verdict, seconds: 1)
            let record = ProofRecord(
                id: BackupID(time: time(daysAgo: days), suffix: 1),
                of: manifest,
                tool: manifest.tool,
                store: "",
                host: "",
                level: "deep",
                finishedAt: now,
                members: [member]
            )
            try await catalog.write(record)
        }

        func drill(
            _ manifest: Manifest,
            daysAgo days: Double,
            _ verdict: DrillRecord.Verdict = .proven,
            members: [Int] = [1]
        ) async throws {
            let record = DrillRecord(
                id: BackupID(time: time(daysAgo: days), suffix: 1),
                of: manifest,
                tool: manifest.tool,
                store: "",
                host: "",
                server: nil,
                finishedAt: now,
                members: members.map { DrillRecord.Member(of: manifest.members[$0], verdict: verdict) }
            )
            try await catalog.write(record)
        }

        /// The kinds of problems of a subject.
        func kinds(
            of name: String? = "demo",
            _ change: (inout StatusRequest) -> Void = { _ in }
        ) async throws -> [StatusProblem.Kind] {
            try await status(of: name, change).problems.map(\.kind)
        }

        func status(
            of name: String? = "demo",
            _ change: (inout StatusRequest) -> Void = { _ in }
        ) async throws -> SubjectStatus {
            var request = StatusRequest(name: name)
            change(&request)
            let status = StoreStatus(request, of: catalog, logger: PlanParts.logger, now: now)
            return try #require(try await status.run().first)
        }
    }

    private func withRig(_ body: (Rig) async throws -> Void) async throws {
        let now = try #require(Timestamp("2026-12-01T12:00:00Z"))
        try await withTemporaryFolder { folder in
            try await body(Rig(catalog: Catalog(store: FileStore(root: folder.path)), folder: folder, now: now))
        }
    }

    private static let day: Int64 = 86_400

    @Test func agesAreJudgedWhereTheyAreAskedFor() async throws {
        try await withRig { rig in
            let old = try await rig.make(daysAgo: 3)
            let new = try await rig.make(daysAgo: 1)
            #expect(try await rig.kinds() == [])
            #expect(try await rig.kinds { $0.ageMax = Self.day } == [])
            #expect(try await rig.kinds { $0.ageMax = Self.day - 1 } == [.stale])
            #expect(try await rig.kinds { $0.verifyAgeMax = 9 * Self.day } == [.unverified])
            #expect(try await rig.kinds { $0.drillAgeMax = 9 * Self.day } == [.undrilled])
            try await rig.verify(old, daysAgo: 2)
            try await rig.verify(new, daysAgo: 0.5, .failed)
            try await rig.drill(old, daysAgo: 2)
            try await rig.drill(new, daysAgo: 0.5, .failed)
            for age in [2 * Self.day, 2 * Self.day - 1] {
                let isOld = age < 2 * Self.day
                #expect(try await rig.kinds { $0.verifyAgeMax = age } == (isOld ? [.unverified] : []))
                #expect(try await rig.kinds { $0.drillAgeMax = age } == (isOld ? [.undrilled] : []))
            }
            let status = try await rig.status()
            #expect(status.sets == 2 && status.verifiedSets == 1 && status.verified?.backup == old.id)
        }
    }

    /// A set that is not whole is no success, and one from the future is not believed.
    @Test func whatCountsAsABackup() async throws {
        try await withRig { rig in
            #expect(try await rig.kinds() == [.absent])
            try await rig.make(daysAgo: 2, isPartial: true)
            #expect(try await rig.kinds() == [.partial])
            #expect(try await rig.kinds { $0.acceptsPartial = true } == [])
            let whole = try await rig.make(daysAgo: 1.5)
            try await rig.make(daysAgo: 0.1, isPartial: true)
            #expect(try await rig.kinds { $0.ageMax = Self.day } == [.stale])
            #expect(
                try await rig.kinds {
                    $0.ageMax = Self.day
                    $0.acceptsPartial = true
                } == []
            )
            try await rig.make(daysAgo: -400)
            let status = try await rig.status { $0.ageMax = Self.day }
            #expect(status.counted?.id == whole.id && status.problems.map(\.kind) == [.stale])
            #expect(
                status.warnings.contains { $0.contains("2028") } && status.warnings.contains { $0.contains("partial") }
            )
            #expect(try await rig.kinds(of: "nobody") == [.absent])
        }
    }

    @Test func oneThatShrankIsFound() async throws {
        try await withRig { rig in
            for day in 2...9 { try await rig.make(daysAgo: Double(day), keys: 1000 + UInt64(day)) }
            // One that was small before does not make the next one look large.
            try await rig.make(daysAgo: 1.5, keys: 300, lists: 200)
            try await rig.make(daysAgo: 1, keys: 900, lists: 50)
            func kinds(_ share: Double) async throws -> [StatusProblem.Kind] {
                try await rig.kinds { $0.shrinkMax = share }
            }
            #expect(try await kinds(0.05) == [.shrunk, .shrunk, .shrunk])
            #expect(try await kinds(0.5) == [.shrunk])
            #expect(try await kinds(0.8) == [])
            let status = try await rig.status { $0.shrinkMax = 0.5 }
            #expect(status.problems[0].message.contains("keys of type list: 50, 75% less than the usual 200"))
            // Two replicas of one history are one dataset.
            #expect(status.counted?.extent.keys == 900 && status.usual?.keys == 1004)
            #expect(try await rig.kinds { $0.keysMin = 900 } == [])
            #expect(try await rig.kinds { $0.keysMin = 901 } == [.small])
        }
    }

    /// What a drill says of one member it says of no other, nor of another set; and one of the future says nothing.
    @Test func aDrillAnswersForWhatItReadAlone() async throws {
        try await withRig { rig in
            let old = try await rig.make(daysAgo: 2)
            let new = try await rig.make(daysAgo: 1)
            try await rig.drill(old, daysAgo: 0.9, .different, members: [0])
            try await rig.drill(old, daysAgo: 0.8, members: [1])
            try await rig.drill(new, daysAgo: 0.7)
            try await rig.drill(old, daysAgo: -30, members: [0, 1])
            let status = try await rig.status()
            #expect(status.problems.map(\.kind) == [.corrupt] && status.corruptSets == [old.id])
            let histories = try await rig.catalog.histories(of: "demo", now: rig.now)
            #expect(histories["demo"]?.map(\.isDisproven) == [true, false])
            try await rig.drill(old, daysAgo: 0.5, .failed, members: [0])
            #expect(try await rig.kinds() == [.corrupt])
            try await rig.drill(old, daysAgo: 0.4, members: [0])
            #expect(try await rig.kinds().isEmpty)
            let settled = try await rig.catalog.histories(of: "demo", now: rig.now)
            #expect(settled["demo"]?.map(\.isDisproven) == [false, false])
        }
    }

    @Test func whatIsCorruptIsToldUnasked() async throws {
        try await withRig { rig in
            let old = try await rig.make(daysAgo: 3)
            let new = try await rig.make(daysAgo: 1)
            try await rig.verify(old, daysAgo: 2, .different)
            #expect(try await rig.kinds() == [.corrupt])
            try await rig.verify(old, daysAgo: 1, .failed)
            #expect(try await rig.kinds() == [.corrupt])
            try await rig.verify(old, daysAgo: 0.9)
            #expect(try await rig.kinds() == [])
            try await rig.drill(new, daysAgo: 0.8, .different)
            #expect(try await rig.kinds() == [.corrupt])
            try await rig.drill(new, daysAgo: 0.7)
            #expect(try await rig.kinds() == [])
            let manifest = rig.folder.appendingPathComponent("demo/\(new.id)/manifest.json")
            try Data("{}".utf8).write(to: manifest)
            let status = try await rig.status { $0.ageMax = Self.day * 2 }
            #expect(status.problems.map(\.kind) == [.corrupt, .stale] && status.corruptSets == [new.id])
        }
    }

    /// Ten thousand sets: the listing and the manifests of the last few.
    @Test func ofManySetsOnlyTheLastAreRead() async throws {
        try await withRig { rig in
            for hour in 1...40 { try await rig.make(daysAgo: Double(hour) / 24) }
            let unreadable = BackupID(time: rig.time(daysAgo: 30), suffix: 1)
            let key = try Catalog.manifestKey(name: "demo", id: unreadable)
            try await rig.catalog.store.create(key, Array("never read".utf8))
            let status = try await rig.status()
            #expect(status.sets == 41 && status.history.count == 14 && status.problems.isEmpty)
            #expect(status.oldest == unreadable)
        }
    }
}
