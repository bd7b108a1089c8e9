// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Foundation
import TestParts
import Testing

/// Things in a data directory that no restore has made.
@Suite struct ForeignEntryTests {
    @Test(
        arguments: [
            [".restore-2024-keepme/notes": [1]],
            [".restore-x/notes": [1], ".restore-x/files/dump.rdb": [1]],
            [".restore-x/journal.json": [UInt8]("{}".utf8), ".restore-x/notes": [1]],
            [".restore-x/journal.json/notes": [1]],
            [".restore-x/files": [1]],
            [".restore-x/files/a/b/c": [1]],
            [".restore-x/exchange-a/c": [1]],
            [".restore-not a run/": []],
            [".restore-x": [1]],
            [".restore-": [1]],
        ] as [Tree]
    )
    func whatNoRestoreMadeIsLeftAloneAndReported(tree: Tree) async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(tree)
            let name = try #require(tree.keys.first?.split(separator: "/").first.map(String.init))
            try await withDataDirectory(at: folder.path) { directory in
                let recovered = try await directory.recover()
                #expect(recovered == [])
                let outcome = try await directory.restore(Fixture.request(id: "run"))
                #expect(outcome.marker != nil)
                let leftovers = try await directory.inspect().leftovers
                #expect(leftovers == [.staging(name)])
            }
            #expect(try folder.tree().filter { $0.key.hasPrefix(".restore-") } == tree)
        }
    }

    @Test func nameThatIsTakenIsRefusedAndLeftAlone() async throws {
        try await withTemporaryFolder { folder in
            let tree: Tree = [".restore-run/notes": [1]]
            try folder.fill(tree)
            let failure = await #expect(throws: Failure.self) {
                try await withDataDirectory(at: folder.path) { try await $0.restore(Fixture.request(id: "run")) }
            }
            #expect(failure?.code == .alreadyExists)
            #expect(try folder.tree() == tree)
        }
    }

    @Test func whatAppearsInTheStagingFolderIsNotRemovedWithIt() async throws {
        try await withTemporaryFolder { folder in
            await #expect(throws: Failure.self) {
                try await withDataDirectory(at: folder.path) { directory in
                    try await directory.withStagedRestore(Fixture.request(id: "run")) { _ in
                        try folder.fill([".restore-run/notes": [1]])
                        throw Failure(.interrupted, "stopped")
                    }
                }
            }
            let tree = try folder.tree()
            #expect(tree[".restore-run/notes"] == [1])
        }
    }

    /// A subPath that is mounted on a missing file makes an empty folder of its name.
    @Test(arguments: RestoreMode.allCases, ["dump.rdb/", "dump.rdb/notes"])
    func folderInThePlaceOfTheDumpIsRefusedBeforeAnything(mode: RestoreMode, path: String) async throws {
        let alone: Tree = [path: path.hasSuffix("/") ? [] : [1]]
        var besideData = oldData.merging(alone) { $1 }
        besideData["dump.rdb"] = nil
        for tree in mode == .replace ? [alone, besideData] : [alone] {
            try await expectRefused(tree, Fixture.request(mode: mode))
        }
    }

    @Test(arguments: RestoreMode.allCases)
    func folderInThePlaceOfTheSingleFileIsRefusedBeforeAnything(mode: RestoreMode) async throws {
        let layout = PersistenceLayout(shape: .singleFile)
        try await expectRefused(["appendonly.aof/": []], Fixture.request(layout: layout, mode: mode))
    }

    private func expectRefused(_ tree: Tree, _ request: RestoreRequest) async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(tree)
            let failure = await #expect(throws: Failure.self) {
                try await withDataDirectory(at: folder.path) { directory in
                    _ = try await directory.withStagedRestore(request) { _ in Issue.record("the body ran") }
                }
            }
            #expect(failure?.code == .guardRefused)
            #expect(failure?.hint?.contains("rmdir") == true)
            #expect(try differences(folder.tree(), tree) == [])
        }
    }

    @Test func dataBesideSuchAFolderIsLeftAloneAsEver() async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(["dump.rdb/": [], "appendonlydir/x": [1]])
            let outcome = try await withDataDirectory(at: folder.path) { try await $0.restore(Fixture.request()) }
            guard case .holdsData? = outcome.reason else { return #expect(Bool(false), "\(outcome)") }
        }
    }

    @Test func fileInThePlaceOfTheAOFFolderIsMovedToTheArchive() async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(["appendonlydir": []])
            let request = try Fixture.request(id: "run", mode: .replace)
            let outcome = try await withDataDirectory(at: folder.path) { try await $0.restore(request) }
            #expect(outcome.marker?.archive == "pre-restore-run")
            let tree = try folder.tree()
            #expect(tree["pre-restore-run/appendonlydir"] == [])
            #expect(tree["dump.rdb"] == Fixture.snapshot)
        }
    }
}
