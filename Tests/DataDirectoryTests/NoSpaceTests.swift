// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Foundation
import TestParts
import Testing

/// A volume that is too small, or becomes so.
@Suite struct NoSpaceTests {
    private func withSmallVolume(_ body: @escaping @Sendable (URL) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            do {
                try await run("/bin/mount", ["-t", "tmpfs", "-o", "size=4m", "redoubt-test", folder.path])
            } catch {
                Issue.record("this test needs a volume of its own: run it as root with CAP_SYS_ADMIN (\(error))")
                return
            }
            do {
                try await body(folder)
            } catch {
                try await run("/bin/umount", [folder.path])
                throw error
            }
            try await run("/bin/umount", [folder.path])
        }
    }

    @Test func tooLittleSpaceIsFoundOutBeforeAnything() async throws {
        try await withSmallVolume { folder in
            try folder.fill(oldData)
            let request = try Fixture.request(bytes: 3 << 20, mode: .replace)
            let failure = await #expect(throws: Failure.self) {
                try await withDataDirectory(at: folder.path) { directory in
                    try await directory.withStagedRestore(request) { _ in Issue.record("the body ran") }
                }
            }
            #expect(failure?.code == .noSpace)
            #expect(try differences(folder.tree(), oldData) == [])
        }
    }

    @Test func volumeThatFillsUpMeanwhileLeavesTheOldData() async throws {
        try await withSmallVolume { folder in
            try folder.fill(oldData)
            let request = try Fixture.request(bytes: 2 << 20, mode: .replace)
            let failure = await #expect(throws: Failure.self) {
                try await withDataDirectory(at: folder.path) { directory in
                    try await directory.withStagedRestore(request) { restore in
                        try await restore.write([UInt8](repeating: 1, count: 1 << 20))
                        // Somebody else takes what is left.
                        try folder.fill(["ballast": [UInt8](repeating: 2, count: 2 << 20)])
                        try await restore.write([UInt8](repeating: 1, count: 1 << 20))
                        _ = try await restore.swapIn()
                    }
                }
            }
            #expect(failure?.code == .noSpace)
            var tree = try folder.tree()
            #expect(tree.removeValue(forKey: "ballast")?.count == 2 << 20)
            #expect(differences(tree, oldData) == [])
        }
    }
}
