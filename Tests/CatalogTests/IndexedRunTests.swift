// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Logging
import ObjectStorage
import TestParts
import Testing

/// What the pods of an Indexed Job leave for each other in the store.
struct IndexedRunTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private static func run(_ suffix: UInt16) -> IndexedRun {
        IndexedRun(
            name: "demo",
            job: "job-1",
            count: 2,
            id: BackupID(time: .now(), suffix: suffix),
            turns: (0..<2).map { .init(number: $0, index: $0, shard: "s\($0)", members: ["m\($0)"]) },
            omissions: [.init(member: "x", reason: "because")],
            cluster: .init(currentEpoch: 3, slotsOfShards: ["0-5460"])
        )
    }

    private func withRuns(_ body: (IndexedRunStore, any ObjectStore) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let store = FileStore(root: folder.path)
            try await body(try IndexedRunStore(name: "demo", job: "job-1", in: store), store)
        }
    }

    @Test func thePlanOfTheFirstPodCounts() async throws {
        try await withRuns { runs, _ in
            let before = try await runs.plan()
            let first = Self.run(1)
            let settled = [try await runs.settle(first), try await runs.settle(Self.run(2))]
            #expect(before == nil && settled == [first, first])
            #expect(try await runs.plan() == first)
        }
    }

    @Test func theFirstRecordOfATurnCounts() async throws {
        try await withRuns { runs, store in
            let run = Self.run(1)
            let before = try await runs.records(of: run)
            let record = IndexedRun.Record(number: 1, members: [Manifest.Member(member: "m1")], standBys: [])
            let other = IndexedRun.Record(number: 1, members: [Manifest.Member(member: "other")], standBys: [])
            let settled = [try await runs.settle(record, of: run), try await runs.settle(other, of: run)]
            #expect(before.isEmpty && settled == [record, record])
            #expect(try await runs.records(of: run) == [1: record])
            // Nothing of it is a backup.
            #expect(try await Catalog(store: store).entries(of: nil).isEmpty)
        }
    }

    @Test func whatIsNoPlanIsSaid() async throws {
        try await withRuns { runs, store in
            let key = try ObjectKey([".runs", "demo", "job-1", "plan.json"])
            try await store.create(key, Array("{\"format\":".utf8))
            let failure = await #expect(throws: Failure.self) { try await runs.plan() }
            #expect(failure?.code == .corruptManifest)
        }
    }

    /// What an earlier attempt left is never written over.
    @Test func anotherAttemptGetsAnotherKey() async throws {
        try await withRuns { _, store in
            let id = BackupID(time: .now(), suffix: 1)
            let writer = SetWriter(name: "demo", id: id, store: store, isShared: true, logger: Self.logger)
            func stage() async throws -> any StagedObject {
                let bytes = ByteStream([Array("12345".utf8)])
                return try await writer.stage(member: "m", suffix: ".rdb.zst", estimatedBytes: nil, from: bytes)
            }
            let first = try await stage()
            _ = try await first.commit()
            let second = try await stage()
            _ = try await second.commit()
            #expect(first.key.components.last?.hasPrefix("m-") == true && second.key != first.key)
            await writer.takeBack(second)
            #expect(try await store.list(under: .root).map(\.key) == [first.key])
        }
    }

    @Test func aSetIsConcludedOnceAndOnlyWhole() async throws {
        try await withTemporaryFolder { folder in
            let store = FileStore(root: folder.path)
            var manifest = try ManifestTests.sample()
            manifest.members[0].stored?.bytes = 5
            let writer = SetWriter(
                name: manifest.name,
                id: manifest.id,
                store: store,
                isShared: true,
                logger: Self.logger
            )
            let failure = await #expect(throws: Failure.self) { try await writer.conclude(manifest, under: []) }
            #expect(failure?.code == .locked)
            #expect(try await Catalog(store: store).entries(of: nil).isEmpty)
            for member in manifest.storedMembers {
                let key = try #require(member.stored.flatMap { ObjectKey(parsing: $0.key) })
                try await store.create(key, Array("12345".utf8))
            }
            #expect(try await writer.conclude(manifest, under: []))
            #expect(try await !writer.conclude(manifest, under: []))
            #expect(try await Catalog(store: store).require(.latest, name: nil) == manifest)
        }
    }
}
