// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Foundation
import TestParts
import Testing

@Suite struct StagedRestoreTests {
    private static let manifest = [UInt8]("file appendonly.aof.1.base.rdb seq 1 type b\n".utf8)

    private static let restored: Tree = [
        "dump.rdb": Fixture.snapshot, "appendonlydir/appendonly.aof.1.base.rdb": Fixture.snapshot,
        "appendonlydir/appendonly.aof.manifest": manifest,
    ]

    /// The tree without the marker, whose time differs.
    private func treeWithoutMarker(_ folder: URL) throws -> Tree {
        var tree = try folder.tree()
        #expect(tree.removeValue(forKey: ".redoubt-restore.json") != nil, "there is no marker")
        return tree
    }

    @Test func freshFolderIsFilled() async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(beside)
            let outcome = try await withDataDirectory(at: folder.path) { try await $0.restore(Fixture.request()) }
            let marker = try #require(outcome.marker)
            #expect(marker.backupID == "b1")
            #expect(marker.member == "m0")
            #expect(marker.archive == nil)
            #expect(marker.bytes == Int64(Fixture.snapshot.count))
            #expect(
                try differences(treeWithoutMarker(folder), Self.restored.merging(beside) { first, _ in first }) == []
            )
            let found = try await withDataDirectory(at: folder.path) { try await $0.inspect() }
            #expect(found.marker == marker)
        }
    }

    /// Something else than the snapshot may be written where that was said before, and only what was proven stays.
    @Test(arguments: [true, false], [0, 1])
    func whatIsWrittenAnewIsWhatWasProven(isAnnounced: Bool, missing: Int64) async throws {
        try await withTemporaryFolder { folder in
            let content = Fixture.snapshot + [1, 2, 3]
            let rewritten = RewrittenContent(
                bytes: Int64(content.count) - missing,
                sha256: String(repeating: "a", count: 64),
                rewriting: "ttl shift"
            )
            let request = try Fixture.request(isRewritten: isAnnounced)
            let outcome = try? await withDataDirectory(at: folder.path) { directory in
                try await directory.withStagedRestore(request) { restore in
                    try await restore.write(content)
                    _ = try await restore.swapIn(as: rewritten)
                }
            }
            let isRestored = isAnnounced && missing == 0
            #expect(try folder.tree().isEmpty == !isRestored)
            guard isRestored, case .restored(let marker, _) = try #require(outcome) else { return }
            #expect(marker.bytes == rewritten.bytes && marker.sha256 == rewritten.sha256)
            #expect(marker.rewriting == "ttl shift")
        }
    }

    @Test func bothNamesOfTheSnapshotAreOneFile() async throws {
        try await withTemporaryFolder { folder in
            try await withDataDirectory(at: folder.path) { _ = try await $0.restore(Fixture.request()) }
            let files = ["dump.rdb", "appendonlydir/appendonly.aof.1.base.rdb"].map { "\(folder.path)/\($0)" }
            let numbers = try files.map {
                try FileManager.default.attributesOfItem(atPath: $0)[.systemFileNumber] as? Int
            }
            #expect(numbers[0] == numbers[1])
            #expect(numbers[0] != nil)
        }
    }

    @Test func oldDataIsMovedAndNothingElse() async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(oldData.merging(beside) { first, _ in first })
            let request = try Fixture.request(id: "run", mode: .replace)
            let outcome = try await withDataDirectory(at: folder.path) { try await $0.restore(request) }
            #expect(outcome.marker?.archive == "pre-restore-run")
            var expected = Self.restored.merging(beside) { first, _ in first }
            for (path, bytes) in oldData { expected["pre-restore-run/\(path)"] = bytes }
            #expect(try differences(treeWithoutMarker(folder), expected) == [])
        }
    }

    @Test(arguments: PersistenceLayout.Purpose.allCases, PersistenceLayout.AppendOnlyShape.allCases)
    func everyLayoutReplacesEverything(
        purpose: PersistenceLayout.Purpose,
        shape: PersistenceLayout.AppendOnlyShape
    ) async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(oldData)
            let layout = PersistenceLayout(purpose: purpose, shape: shape)
            let request = try Fixture.request(id: "run", layout: layout, mode: .replace)
            try await withDataDirectory(at: folder.path) { _ = try await $0.restore(request) }
            let paths = try treeWithoutMarker(folder).keys
            #expect(
                Set(paths) == Set(layout.filePaths).union(oldData.keys.map { "pre-restore-run/\($0)" })
            )
            let moved = try folder.appendingPathComponent("pre-restore-run").tree()
            #expect(moved == oldData)
        }
    }

    @Test func archiveOfTheSameNameIsNotTouched() async throws {
        try await withTemporaryFolder { folder in
            for round in 1...3 {
                let request = try Fixture.request(id: "run", requestID: "r\(round)", mode: .replace)
                let outcome = try await withDataDirectory(at: folder.path) { try await $0.restore(request) }
                #expect(outcome.marker?.archive == [nil, "pre-restore-run", "pre-restore-run-2"][round - 1])
            }
            let first = try folder.appendingPathComponent("pre-restore-run").tree()
            #expect(first["dump.rdb"] == Fixture.snapshot)
            #expect(first[".redoubt-restore.json"] != nil)
        }
    }

    @Test func repeatedRestoreChangesNothing() async throws {
        try await withTemporaryFolder { folder in
            try await withDataDirectory(at: folder.path) { directory in
                let first = try await directory.restore(Fixture.request(id: "first"))
                let tree = try folder.tree()
                for mode in RestoreMode.allCases {
                    let again = try await directory.restore(Fixture.request(id: "again", mode: mode))
                    #expect(again.reason == first.marker.map { .alreadyRestored($0) })
                }
                #expect(try folder.tree() == tree)
            }
        }
    }

    @Test func dataThatVanishedIsRestoredAgain() async throws {
        try await withTemporaryFolder { folder in
            try await withDataDirectory(at: folder.path) { _ = try await $0.restore(Fixture.request(id: "first")) }
            // What `rm -rf /data/*` does: the marker stays.
            for name in ["dump.rdb", "appendonlydir"] {
                try FileManager.default.removeItem(at: folder.appendingPathComponent(name))
            }
            let outcome = try await withDataDirectory(at: folder.path) {
                try await $0.restore(Fixture.request(id: "second"))
            }
            #expect(outcome.marker?.restoreID == "second")
            #expect(try treeWithoutMarker(folder) == Self.restored)
        }
    }

    @Test func folderWithDataIsLeftAlone() async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(oldData)
            let outcome = try await withDataDirectory(at: folder.path) { directory in
                try await directory.withStagedRestore(Fixture.request()) { _ in Issue.record("the body ran") }
            }
            guard case .holdsData(let entries)? = outcome.reason else { return #expect(Bool(false), "\(outcome)") }
            #expect(entries.map(\.name) == ["appendonly.aof", "appendonlydir", "copy.rdb", "dump.rdb"])
            #expect(try differences(folder.tree(), oldData) == [])
        }
    }

    @Test func emptyDatasetIsReplacedWhereThatIsAsked() async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(["dump.rdb": Fixture.emptyRDB])
            let request = try Fixture.request(id: "run", mode: .replaceEmpty)
            try await withDataDirectory(at: folder.path) { _ = try await $0.restore(request) }
            var expected = Self.restored
            expected["pre-restore-run/dump.rdb"] = Fixture.emptyRDB
            #expect(try differences(treeWithoutMarker(folder), expected) == [])
        }
    }

    @Test func emptyFolderOfTheAOFIsNoObstacle() async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(["appendonlydir/": []])
            try await withDataDirectory(at: folder.path) { _ = try await $0.restore(Fixture.request()) }
            #expect(try treeWithoutMarker(folder) == Self.restored)
        }
    }
}

@Suite struct StagedRestoreRefusalTests {
    /// The folder stays as it is, and nothing of the restore is left.
    private func expectUntouched(
        _ code: Failure.Code,
        before tree: Tree = beside,
        request: RestoreRequest,
        _ body: @escaping @Sendable (StagedRestore) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(tree)
            let failure = await #expect(throws: Failure.self) {
                try await withDataDirectory(at: folder.path) { _ = try await $0.withStagedRestore(request, body) }
            }
            #expect(failure?.code == code, "\(failure.map(String.init(describing:)) ?? "nothing thrown")")
            #expect(try folder.tree() == tree)
        }
    }

    @Test func missingBytesAreRefused() async throws {
        try await expectUntouched(.truncated, request: Fixture.request()) { restore in
            try await restore.write(Array(Fixture.snapshot.dropLast()))
            _ = try await restore.swapIn()
        }
    }

    @Test func surplusBytesAreRefusedBeforeTheyAreWritten() async throws {
        try await expectUntouched(.trailingBytes, request: Fixture.request()) { restore in
            try await restore.write(Fixture.snapshot)
            try await restore.write([0])
        }
    }

    @Test func nothingCanBeDoneAfterAnError() async throws {
        try await expectUntouched(.trailingBytes, request: Fixture.request(bytes: 1)) { restore in
            try? await restore.write([0, 0])
            try? await restore.write([0])
            _ = try await restore.swapIn()
        }
    }

    @Test func errorOfTheCallerLeavesNothing() async throws {
        try await expectUntouched(
            .digestMismatch,
            before: oldData,
            request: Fixture.request(mode: .replace)
        ) { restore in
            try await restore.write(Fixture.snapshot)
            try await restore.sync()
            throw Failure(.digestMismatch, "not what the manifest says")
        }
    }

    @Test func bodyThatForgetsTheSwapIsAnError() async throws {
        try await expectUntouched(.unclassified, request: Fixture.request()) { try await $0.write(Fixture.snapshot) }
    }

    @Test func moreThanTheVolumeHoldsIsRefusedBeforeAnything() async throws {
        try await expectUntouched(.noSpace, request: Fixture.request(bytes: 1 << 60)) { _ in
            Issue.record("the body ran")
        }
    }

    @Test func dataThatAppearsMeanwhileIsNotOverwritten() async throws {
        try await withTemporaryFolder { folder in
            let failure = await #expect(throws: Failure.self) {
                try await withDataDirectory(at: folder.path) { directory in
                    try await directory.withStagedRestore(Fixture.request()) { restore in
                        try await restore.write(Fixture.snapshot)
                        try folder.fill(["dump.rdb": [1]])
                        _ = try await restore.swapIn()
                    }
                }
            }
            #expect(failure?.code == .guardRefused)
            let tree = try folder.tree()
            #expect(tree == ["dump.rdb": [1]])
        }
    }

    @Test func secondRestoreAtTheSameTimeIsLocked() async throws {
        try await withTemporaryFolder { folder in
            try await withDataDirectory(at: folder.path) { directory in
                let outcome = try await directory.withStagedRestore(Fixture.request(id: "first")) { restore in
                    for other in ["first", "second"] {
                        let failure = await #expect(throws: Failure.self) {
                            try await withDataDirectory(at: folder.path) {
                                try await $0.restore(Fixture.request(id: other))
                            }
                        }
                        #expect(failure?.code == .locked)
                    }
                    let recovery = await #expect(throws: Failure.self) { try await directory.recover() }
                    #expect(recovery?.code == .locked)
                    try await restore.write(Fixture.snapshot)
                    _ = try await restore.swapIn()
                }
                #expect(outcome.marker?.restoreID == "first")
            }
        }
    }

    @Test func cancelledRestoreLeavesNothing() async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(oldData)
            let task = Task {
                try await withDataDirectory(at: folder.path) { directory in
                    try await directory.withStagedRestore(Fixture.request(mode: .replace)) { restore in
                        try await restore.write(Fixture.snapshot)
                        withUnsafeCurrentTask { $0?.cancel() }
                        _ = try await restore.swapIn()
                    }
                }
            }
            let failure = await #expect(throws: Failure.self) { try await task.value }
            #expect(failure?.code == .interrupted)
            #expect(try differences(folder.tree(), oldData) == [])
        }
    }

    @Test(arguments: ["dump.rdb", "appendonlydir", "appendonly.aof"])
    func symbolicLinkInThePlaceOfDataIsRefused(name: String) async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(["elsewhere/precious": [1]])
            let data = folder.appendingPathComponent("data")
            try FileManager.default.createDirectory(at: data, withIntermediateDirectories: false)
            try FileManager.default.createSymbolicLink(
                atPath: "\(data.path)/\(name)",
                withDestinationPath: "../elsewhere"
            )
            let failure = await #expect(throws: Failure.self) {
                try await withDataDirectory(at: data.path) { try await $0.restore(Fixture.request(mode: .replace)) }
            }
            #expect(failure?.code == .guardRefused)
            #expect(try folder.appendingPathComponent("elsewhere").tree() == ["precious": [1]])
            #expect(try FileManager.default.contentsOfDirectory(atPath: data.path) == [name])
        }
    }

    @Test func symbolicLinkInThePlaceOfTheStagingFolderIsNotFollowed() async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(["elsewhere/files/precious": [1], "data/": []])
            let data = folder.appendingPathComponent("data")
            try FileManager.default.createSymbolicLink(
                atPath: "\(data.path)/.restore-x",
                withDestinationPath: "../elsewhere"
            )
            await #expect(throws: Failure.self) {
                try await withDataDirectory(at: data.path) { try await $0.restore(Fixture.request(id: "x")) }
            }
            #expect(try folder.appendingPathComponent("elsewhere").tree() == ["files/precious": [1]])
        }
    }

    @Test func symbolicLinkInADeadStagingFolderIsRemovedNotFollowed() async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(["elsewhere/precious": [1], "data/.restore-dead/files/": []])
            let data = folder.appendingPathComponent("data")
            try FileManager.default.createSymbolicLink(
                atPath: "\(data.path)/.restore-dead/files/link",
                withDestinationPath: "../../../elsewhere"
            )
            let recovered = try await withDataDirectory(at: data.path) { try await $0.recover() }
            #expect(recovered == [.abandoned(".restore-dead")])
            #expect(try folder.tree() == ["elsewhere/precious": [1], "data/": []])
        }
    }

    @Test func unreadableJournalIsNotThrownAway() async throws {
        try await withTemporaryFolder { folder in
            let tree: Tree = [".restore-odd/journal.json": [UInt8]("{}".utf8), ".restore-odd/files/dump.rdb": [1]]
            try folder.fill(tree)
            let failure = await #expect(throws: Failure.self) {
                try await withDataDirectory(at: folder.path) { try await $0.restore(Fixture.request()) }
            }
            #expect(failure?.code == .inputOutput)
            #expect(try folder.tree() == tree)
        }
    }
}
