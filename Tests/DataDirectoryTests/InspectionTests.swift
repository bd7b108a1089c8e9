// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Foundation
import TestParts
import Testing

@Suite struct InspectionTests {
    private func inspect(_ tree: Tree, names: DataFileNames = .standard) async throws -> Contents {
        try await withTemporaryFolder { folder in
            try folder.fill(tree)
            return try await withDataDirectory(at: folder.path) { try await $0.inspect(names: names) }
        }
    }

    @Test(
        arguments: [
            [:], beside, ["appendonlydir/": []], ["temp-12.aof.txt": [1]], ["subfolder/dump.rdb": [1]],
            [".backup.rdb": [1]], ["temp-rewriteaof-bg-9.aof": [1], "temp-1732380000.17.rdb": [1]],
        ] as [Tree]
    )
    func folderWithoutDataIsFresh(tree: Tree) async throws {
        let contents = try await inspect(tree)
        #expect(contents.isFresh)
        #expect(contents.dataset == .absent)
    }

    @Test(
        arguments: [
            ("dump.rdb", .snapshot), ("backup-of-monday.rdb", .snapshot), ("appendonly.aof", .appendOnlyFile),
            ("other.aof", .appendOnlyFile), ("appendonlydir/x", .appendOnlyFolder),
        ] as [(String, Contents.DataEntry.Kind)]
    )
    func whatAServerWouldLoadIsData(path: String, kind: Contents.DataEntry.Kind) async throws {
        let contents = try await inspect([path: [1, 2, 3]])
        let name = String(path.prefix { $0 != "/" })
        #expect(contents.data == [.init(name: name, kind: kind, bytes: 3)])
        #expect(contents.dataset == .present)
    }

    @Test func namesOfTheConfigurationCount() async throws {
        let names = try DataFileNames(dump: "d", appendFile: "temp-a.aof", appendFolder: "parts")
        let contents = try await inspect(
            ["d": [1], "temp-a.aof": [1], "parts/x": [1], "appendonlydir/y": [1]],
            names: names
        )
        #expect(contents.data.map(\.name) == ["appendonlydir", "d", "parts", "temp-a.aof"])
    }

    @Test(
        arguments: [
            (["dump.rdb": Fixture.emptyRDB], .empty),
            (["dump.rdb": Fixture.oneKeyRDB], .present),
            // A server refuses it, so it is nothing that may be taken for an empty dataset.
            (["dump.rdb": []], .present),
            (["dump.rdb": Fixture.emptyRDB + [0]], .present),
            (["dump.rdb": Array(Fixture.emptyRDB.dropLast())], .present),
            (["appendonly.aof": []], .empty),
            (["appendonly.aof": Fixture.emptyRDB], .empty),
            (["appendonly.aof": [UInt8]("*1\r\n".utf8)], .present),
            (["dump.rdb": Fixture.emptyRDB, "copy.rdb": Fixture.oneKeyRDB], .present),
            (
                [
                    "appendonlydir/appendonly.aof.manifest": [UInt8]("file a seq 1 type b\nfile b seq 1 type i\n".utf8),
                    "appendonlydir/a": Fixture.emptyRDB, "appendonlydir/b": [],
                ], .empty
            ),
            (
                [
                    "appendonlydir/appendonly.aof.manifest": [UInt8]("file a seq 1 type b\nfile b seq 1 type i\n".utf8),
                    "appendonlydir/a": Fixture.emptyRDB, "appendonlydir/b": [1],
                ], .present
            ),
            (
                [
                    "appendonlydir/appendonly.aof.manifest": [UInt8]("file a seq 1 type b\n".utf8),
                    "appendonlydir/b": [],
                ], .present
            ),
            (["appendonlydir/appendonly.aof.manifest": [UInt8]("nonsense".utf8)], .present),
            (["appendonlydir/appendonly.aof.1.base.rdb": Fixture.emptyRDB], .present),
        ] as [(Tree, Contents.Dataset)]
    )
    func datasetWithoutKeysIsKnown(tree: Tree, dataset: Contents.Dataset) async throws {
        #expect(try await inspect(tree).dataset == dataset)
    }

    @Test func leftoversAreReported() async throws {
        let contents = try await inspect([
            ".restore-a/files/dump.rdb": [1], "pre-restore-b/dump.rdb": [1], "temp-12.rdb": [1, 2],
        ])
        #expect(
            contents.leftovers == [
                .staging(".restore-a"), .archive("pre-restore-b"), .temporary("temp-12.rdb", bytes: 2),
            ]
        )
        #expect(contents.isFresh)
    }

    @Test func clusterNodeIsReadAndIsNoData() async throws {
        let contents = try await inspect(beside)
        #expect(contents.clusterNode == ClusterNode(nodeID: "aaa", isPrimary: true, slots: [0...100], knownNodes: 1))
        #expect(contents.isFresh)
    }

    @Test func markerIsRead() async throws {
        let contents = try await inspect(oldData)
        #expect(contents.marker?.backupID == "old")
        #expect(contents.dataset == .present)
    }

    @Test(arguments: [[], [UInt8]("{".utf8), [UInt8](repeating: 32, count: 100_000)] as [[UInt8]])
    func unreadableMarkerIsAnError(bytes: [UInt8]) async throws {
        let failure = await #expect(throws: Failure.self) { try await inspect([".redoubt-restore.json": bytes]) }
        #expect(failure?.code == .inputOutput)
    }

    @Test func symbolicLinksCountAsDataAndAreNotFollowed() async throws {
        try await withTemporaryFolder { folder in
            for name in ["dump.rdb", "appendonlydir"] {
                try FileManager.default.createSymbolicLink(
                    at: folder.appendingPathComponent(name),
                    withDestinationURL: URL(fileURLWithPath: "/nowhere")
                )
            }
            let contents = try await withDataDirectory(at: folder.path) { try await $0.inspect() }
            #expect(contents.data.map(\.kind) == [.symbolicLink, .symbolicLink])
            #expect(contents.dataset == .present)
        }
    }

    @Test func folderOfTheOperatorMayBeALinkItself() async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(["real/dump.rdb": [1]])
            let link = folder.appendingPathComponent("link")
            try FileManager.default.createSymbolicLink(
                at: link,
                withDestinationURL: folder.appendingPathComponent("real")
            )
            let contents = try await withDataDirectory(at: link.path) { try await $0.inspect() }
            #expect(contents.data.map(\.name) == ["dump.rdb"])
        }
    }

    @Test(arguments: ["missing", "file"])
    func folderThatIsNoneIsRefused(name: String) async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(["file": [1]])
            let path = "\(folder.path)/\(name)"
            let failure = await #expect(throws: Failure.self) {
                try await withDataDirectory(at: path) { try await $0.inspect() }
            }
            #expect(failure?.code == .configuration)
            #expect(try folder.tree() == ["file": [1]])
        }
    }

    @Test(arguments: [(0.0, true), (3600.0, false)])
    func freshTemporaryFileIsASignOfAServer(ageSeconds: Double, isRunning: Bool) async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(["temp-12.rdb": [1]])
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -ageSeconds)],
                ofItemAtPath: "\(folder.path)/temp-12.rdb"
            )
            let contents = try await withDataDirectory(at: folder.path) { try await $0.inspect() }
            #expect(contents.runningServer == (isRunning ? .savingTo("temp-12.rdb") : nil))
        }
    }
}
