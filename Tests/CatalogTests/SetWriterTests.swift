// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Foundation
import Logging
import ObjectStorage
import TestParts
import Testing

struct SetWriterTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private struct Rig {
        let catalog: Catalog
        let writer: SetWriter
        var manifest: Manifest

        func stage(_ text: String) async throws -> any StagedObject {
            try await writer.stage(
                member: "redis-1",
                suffix: ".rdb.zst",
                estimatedBytes: nil,
                from: ByteStream([Array(text.utf8)])
            )
        }

        func keys() async throws -> [String] {
            try await catalog.store.list(under: .root).map(\.key.description)
        }
    }

    private func withRig(_ body: (inout Rig) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let store = FileStore(root: folder.path)
            var manifest = try ManifestTests.sample()
            manifest.members[0].stored?.bytes = 5
            var rig = Rig(
                catalog: Catalog(store: store),
                writer: SetWriter(name: manifest.name, id: manifest.id, store: store, logger: Self.logger),
                manifest: manifest
            )
            try await body(&rig)
        }
    }

    @Test func aSetExistsOnceItIsCommittedAndNotBefore() async throws {
        try await withRig { rig in
            let staged = try await rig.stage("12345")
            #expect(try await rig.keys() == [])
            #expect(try await rig.catalog.entries(of: nil).isEmpty)
            try await rig.writer.commit(rig.manifest, staged: [staged], under: [])
            #expect(
                try await rig.keys() == [
                    "prod.redis/20261122T153000Z-7f3a/manifest.json",
                    "prod.redis/20261122T153000Z-7f3a/redis-1.rdb.zst",
                ]
            )
            #expect(try await rig.catalog.require(.latest, name: nil) == rig.manifest)
            #expect(try await rig.catalog.require(.id(rig.manifest.id), name: nil) == rig.manifest)
        }
    }

    @Test func aMemberOfTheWrongSizeIsTakenBack() async throws {
        try await withRig { rig in
            let staged = try await rig.stage("1234")
            let (writer, manifest) = (rig.writer, rig.manifest)
            let failure = await #expect(throws: Failure.self) {
                try await writer.commit(manifest, staged: [staged], under: [])
            }
            #expect(failure?.code == .digestMismatch)
            #expect(try await rig.keys() == [])
            #expect(try await rig.catalog.store.leftovers(under: .root).isEmpty)
        }
    }

    @Test func anObjectOfSomebodyElseIsNotTakenBack() async throws {
        try await withRig { rig in
            let staged = try await rig.stage("12345")
            try await rig.catalog.store.create(staged.key, Array("other".utf8))
            let (writer, manifest) = (rig.writer, rig.manifest)
            let failure = await #expect(throws: Failure.self) {
                try await writer.commit(manifest, staged: [staged], under: [])
            }
            #expect(failure?.code == .alreadyExists)
            let left = try await rig.catalog.store.read(staged.key, bytesMax: 100).bytes
            #expect(left == Array("other".utf8))
        }
    }

    @Test func theMembersOfAManifestThatIsThereAreKept() async throws {
        try await withRig { rig in
            let staged = try await rig.stage("12345")
            let key = try Catalog.manifestKey(name: rig.manifest.name, id: rig.manifest.id)
            try await rig.catalog.store.create(key, Array("{}".utf8))
            let (writer, manifest) = (rig.writer, rig.manifest)
            let failure = await #expect(throws: Failure.self) {
                try await writer.commit(manifest, staged: [staged], under: [])
            }
            #expect(failure?.code == .alreadyExists)
            let keys = try await rig.keys()
            #expect(keys.contains(staged.key.description))
        }
    }

    /// A run that was frozen while its manifest was on its way, long enough for another to take over and clean up.
    @Test func aManifestThatArrivesAfterItsMembersWereRemovedIsRemovedToo() async throws {
        try await withRig { rig in
            let staged = try await rig.stage("12345")
            _ = try await staged.commit()
            let sweep = try await rig.catalog.removeLeftovers(of: rig.manifest.name, logger: Self.logger)
            #expect(sweep.removed == 1 && sweep.ids == [rig.manifest.id])
            let key = try Catalog.manifestKey(name: rig.manifest.name, id: rig.manifest.id)
            try await rig.catalog.store.create(key, rig.manifest.encoded())
            await rig.catalog.removeManifests(ofSwept: sweep, name: rig.manifest.name, logger: Self.logger)
            #expect(try await rig.keys() == [])
        }
    }

    @Test func whatWasStagedAndGivenUpLeavesNothing() async throws {
        try await withRig { rig in
            let staged = try await rig.stage("12345")
            await rig.writer.takeBack([staged])
            #expect(try await rig.keys() == [])
            #expect(try await rig.catalog.store.leftovers(under: .root).isEmpty)
        }
    }

    /// So that the last word of an interrupted run does not promise that nothing was left.
    @Test func whatCannotBeTakenBackIsHeardOf() async throws {
        try await withRig { rig in
            let key = try ObjectKey(["demo", "none"])
            let away = SetWriter(
                name: "demo",
                id: rig.manifest.id,
                store: FileStore(root: "/dev/null/store"),
                logger: Self.logger
            )
            for (writer, isHeard) in [(rig.writer, false), (away, true)] {
                let heard = Monitor(false)
                try await CleanUpTrouble.hearing {
                    heard.change { $0 = true }
                } _: {
                    await writer.takeBack([], visible: [key])
                }
                #expect(heard.quietly { $0 } == isHeard)
            }
        }
    }

    @Test func leftoversOfDeadRunsGoAndCommittedSetsStay() async throws {
        try await withRig { rig in
            let staged = try await rig.stage("12345")
            try await rig.writer.commit(rig.manifest, staged: [staged], under: [])
            let dead = try #require(BackupID("20261123T000000Z-dead"))
            let deadWriter = SetWriter(
                name: rig.manifest.name,
                id: dead,
                store: rig.catalog.store,
                logger: Self.logger
            )
            let visible = try await deadWriter.stage(
                member: "redis-1",
                suffix: ".rdb",
                estimatedBytes: nil,
                from: ByteStream([[1, 2, 3]])
            )
            _ = try await visible.commit()
            _ = try await deadWriter.stage(
                member: "redis-2",
                suffix: ".rdb",
                estimatedBytes: nil,
                from: ByteStream([[1, 2, 3]])
            )
            try await rig.catalog.store.create(ObjectKey([rig.manifest.name, "notes.txt"]), [1])
            #expect(try await rig.catalog.removeLeftovers(of: rig.manifest.name, logger: Self.logger).removed == 2)
            #expect(
                try await rig.keys() == [
                    "prod.redis/20261122T153000Z-7f3a/manifest.json",
                    "prod.redis/20261122T153000Z-7f3a/redis-1.rdb.zst",
                    "prod.redis/notes.txt",
                ]
            )
            #expect(try await rig.catalog.removeLeftovers(of: rig.manifest.name, logger: Self.logger).removed == 0)
            #expect(try await rig.catalog.removeLeftovers(of: "another", logger: Self.logger).removed == 0)
        }
    }

    /// A run that was killed while it wrote its lease: what it left goes once it cannot be that of a live run any more.
    @Test func aLeaseThatWasNeverWrittenGoesAfterAWhile() async throws {
        try await withTemporaryFolder { folder in
            let store = FileStore(root: folder.path)
            for name in ["demo", "another"] {
                _ = try await store.stage(Lease.key(of: name), estimatedBytes: nil, from: ByteStream([[1]]))
            }
            let catalog = Catalog(store: store)
            #expect(try await catalog.removeLeftovers(of: "demo", logger: Self.logger).removed == 0)
            let locks = folder.appendingPathComponent(".locks")
            for file in try FileManager.default.contentsOfDirectory(atPath: locks.path) {
                try FileManager.default.setAttributes(
                    [.modificationDate: Date(timeIntervalSinceNow: -120)],
                    ofItemAtPath: locks.appendingPathComponent(file).path
                )
            }
            #expect(try await catalog.removeLeftovers(of: "demo", logger: Self.logger).removed == 1)
            let left = try await store.leftovers(under: .root).map(\.key)
            #expect(left == [try Lease.key(of: "another")])
        }
    }

    @Test func latestNeverPassesOverADamagedSet() async throws {
        try await withRig { rig in
            let staged = try await rig.stage("12345")
            try await rig.writer.commit(rig.manifest, staged: [staged], under: [])
            let later = try #require(BackupID("20261123T000000Z-0bad"))
            try await rig.catalog.store.create(
                Catalog.manifestKey(name: rig.manifest.name, id: later),
                Array("{\"format\": 1}".utf8)
            )
            let catalog = rig.catalog
            let failure = await #expect(throws: Failure.self) { try await catalog.require(.latest, name: nil) }
            #expect(failure?.code == .corruptManifest)
            #expect(try await catalog.entries(of: nil).count == 2)
            #expect(try await catalog.require(.id(rig.manifest.id), name: nil) == rig.manifest)
        }
    }

    @Test func anEmptyStoreHasNoLatestAndAMissingOneIsAnError() async throws {
        try await withRig { rig in
            let catalog = rig.catalog
            let latest = try await catalog.resolve(.latest, name: nil)
            #expect(latest == nil)
            let id = rig.manifest.id
            let none = await #expect(throws: Failure.self) { try await catalog.resolve(.id(id), name: nil) }
            #expect(none?.code == .noSuchBackup)
        }
        let missing = Catalog(store: FileStore(root: "/nonexistent/redoubt/store"))
        let failure = await #expect(throws: Failure.self) { try await missing.resolve(.latest, name: nil) }
        #expect(failure?.code == .noSuchStore)
    }
}
