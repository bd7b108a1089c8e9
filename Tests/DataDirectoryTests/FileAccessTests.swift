// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Foundation
import TestParts
import Testing

/// Whose the restored files are. These tests give files away, and so are for root.
@Suite struct FileAccessTests {
    struct Access: Equatable, CustomStringConvertible {
        var owner: FileOwner
        var mode: UInt32

        var description: String { "\(owner) \(String(mode, radix: 8))" }
    }

    private func access(_ folder: URL, _ path: String) throws -> Access {
        var status = stat()
        try #require(lstat(folder.appendingPathComponent(path).path, &status) == 0, "no \(path)")
        return Access(
            owner: FileOwner(user: status.st_uid, group: status.st_gid),
            mode: UInt32(status.st_mode & 0o7777)
        )
    }

    private func withFolder(
        owner: FileOwner,
        mode: mode_t,
        _ body: (URL) async throws -> Void
    ) async throws {
        try #require(geteuid() == 0, "this test gives files away: run it as root")
        try await withTemporaryFolder { folder in
            try #require(chown(folder.path, owner.user, owner.group) == 0)
            try #require(chmod(folder.path, mode) == 0)
            try await body(folder)
        }
    }

    @Test(
        arguments: [
            // The folder of a server; that of a volume with an fsGroup, whose group writes; and an owner that was asked
            // for.
            (FileOwner(user: 999, group: 1000), 0o755, nil, FileOwner(user: 999, group: 1000), 0o640, 0o750),
            (FileOwner(user: 0, group: 1001), 0o2775, nil, FileOwner(user: 0, group: 1001), 0o660, 0o2770),
            (
                FileOwner(user: 0, group: 0), 0o755, FileOwner(user: 999, group: 1000),
                FileOwner(user: 999, group: 1000),
                0o640, 0o750
            ),
        ] as [(FileOwner, mode_t, FileOwner?, FileOwner, UInt32, UInt32)]
    )
    func filesAreTheServersToUse(
        directory: FileOwner,
        mode: mode_t,
        requested: FileOwner?,
        owner: FileOwner,
        fileMode: UInt32,
        folderMode: UInt32
    ) async throws {
        try await withFolder(owner: directory, mode: mode) { folder in
            try folder.fill(["dump.rdb": Fixture.oneKeyRDB])
            let request = try Fixture.request(id: "run", mode: .replace, owner: requested)
            try await withDataDirectory(at: folder.path) { _ = try await $0.restore(request) }
            let file = Access(owner: owner, mode: fileMode)
            for path in PersistenceLayout(shape: .parts).filePaths + [".redoubt-restore.json"] {
                let found = try access(folder, path)
                #expect(found == file, "\(path)")
            }
            for path in ["appendonlydir", "pre-restore-run"] {
                let found = try access(folder, path)
                #expect(found == Access(owner: owner, mode: folderMode), "\(path)")
            }
        }
    }

    /// A process without privileges, in the group of the volume, as with `fsGroup`.
    @Test func memberOfTheGroupMakesFilesForTheGroup() async throws {
        try await withFolder(owner: FileOwner(user: 0, group: 1001), mode: 0o2775) { folder in
            await #expect(processExitsWith: .success) { [path = folder.path as String] in
                becomeUser(4321, group: 1001)
                try await withDataDirectory(at: path) { _ = try await $0.restore(Fixture.request()) }
            }
            let file = Access(owner: FileOwner(user: 4321, group: 1001), mode: 0o660)
            let (dump, parts) = (try access(folder, "dump.rdb"), try access(folder, "appendonlydir"))
            #expect(dump == file)
            #expect(parts.mode == 0o2770)
        }
    }

    /// The server (999) could not read what 4321 writes there, and finds that out only when it starts.
    @Test func filesThatTheServerCannotReadAreRefused() async throws {
        try await withFolder(owner: FileOwner(user: 999, group: 1000), mode: 0o757) { folder in
            await #expect(processExitsWith: .exitCode(7)) { [path = folder.path as String] in
                becomeUser(4321, group: 4321)
                do {
                    try await withDataDirectory(at: path) { _ = try await $0.restore(Fixture.request()) }
                } catch let failure as Failure where failure.code == .permissionDenied {
                    exit(7)
                }
            }
            let tree = try folder.tree()
            #expect(tree == [:])
        }
    }

    @Test func ownerThatMayNotBeGivenIsRefused() async throws {
        try await withFolder(owner: FileOwner(user: 4321, group: 4321), mode: 0o755) { folder in
            await #expect(processExitsWith: .exitCode(7)) { [path = folder.path as String] in
                becomeUser(4321, group: 4321)
                let request = try Fixture.request(owner: FileOwner(user: 999, group: 999))
                do {
                    try await withDataDirectory(at: path) { _ = try await $0.restore(request) }
                } catch let failure as Failure where failure.code == .permissionDenied {
                    exit(7)
                }
            }
            let tree = try folder.tree()
            #expect(tree == [:])
        }
    }
}

/// Gives up root, in the process of an exit test.
private func becomeUser(_ user: uid_t, group: gid_t) {
    guard setgroups(0, nil) == 0, setgid(group) == 0, setuid(user) == 0 else { fatalError("cannot give up root") }
}
