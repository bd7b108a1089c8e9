// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Foundation
import Synchronization
import SystemPackage
import TestParts
import Testing

@Suite struct FailingCallTests {
    /// One call fails, any; those after it work.
    @Test(arguments: CrashScenario.allCases)
    func oneFailingCallLeavesOldOrNew(scenario: CrashScenario) async throws {
        for number in 1... {
            let isOver = try await failing(scenario, "call \(number) fails") { $0 == number ? .ioError : nil }
            if isOver { return #expect(number > 40) }
        }
    }

    /// From one call on all fail, as on a disk that died.
    @Test(arguments: CrashScenario.allCases)
    func dyingDiskLeavesOldOrNew(scenario: CrashScenario) async throws {
        for number in 1... {
            let isOver = try await failing(scenario, "calls from \(number) on fail") { $0 >= number ? .ioError : nil }
            if isOver { return #expect(number > 40) }
        }
    }

    /// - Returns: whether no call failed.
    private func failing(
        _ scenario: CrashScenario,
        _ comment: Comment,
        _ fault: @escaping @Sendable (Int) -> Errno?
    ) async throws -> Bool {
        try await withFastFolder { folder in
            try folder.fill(scenario.before)
            let (thrown, failed) = try await restore(scenario, in: folder, fault)
            if let thrown {
                #expect(failed > 0, comment)
                #expect(thrown is Failure, comment)
            } else {
                // What only looks may fail without harm; what changes may not.
                try expectRestored(folder, scenario, comment)
            }
            try expectWhole(folder, scenario, comment)
            // What can be undone is undone at once; what cannot has its journal, or is done but for the last words.
            let tree = try folder.tree()
            if failed == 1, tree[".restore-run/journal.json"] == nil, tree != scenario.before {
                try expectRestored(folder, scenario, comment)
            }
            _ = try await withDataDirectory(at: folder.path) { try await $0.recover() }
            try await expectSettled(folder, scenario, comment)
            return failed == 0
        }
    }

    /// - Returns: what was thrown, and how many calls failed.
    private func restore(
        _ scenario: CrashScenario,
        in folder: URL,
        _ fault: @escaping @Sendable (Int) -> Errno?
    ) async throws -> (thrown: (any Error)?, failed: Int) {
        let counter = Mutex((calls: 0, failed: 0))
        let calls = FolderCalls { _ in
            counter.withLock {
                $0.calls += 1
                let error = fault($0.calls)
                $0.failed += error == nil ? 0 : 1
                return error
            }
        }
        let request = try scenario.request()
        do {
            _ = try await withDataDirectory(at: folder.path, calls: calls) { try await $0.restore(request) }
            return (nil, counter.withLock { $0.failed })
        } catch {
            return (error, counter.withLock { $0.failed })
        }
    }

    /// The file system lacks something: that is found out before any byte is written, and said.
    @Test(arguments: [FolderCalls.Call.link, .exchange])
    func missingAbilityIsFoundOutFirst(call: FolderCalls.Call) async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(oldData)
            let calls = FolderCalls { $0 == call ? .notPermitted : nil }
            let unable = FolderCalls { $0 == call ? .invalidArgument : nil }
            for calls in [calls, unable] {
                let failure = await #expect(throws: Failure.self) {
                    try await withDataDirectory(at: folder.path, calls: calls) { directory in
                        try await directory.withStagedRestore(Fixture.request(mode: .replace)) { _ in
                            Issue.record("the body ran")
                        }
                    }
                }
                #expect([.unsupported, .permissionDenied].contains(failure?.code))
                #expect(try folder.tree() == oldData)
            }
        }
    }

    /// A restore onto the old data, for which the disk dies at an exchange: the first is the probe, the second the AOF,
    /// the third the dump.
    private func stop(atExchange number: Int, in folder: URL) async throws {
        try folder.fill(oldData)
        let exchanges = Mutex(0)
        let dying = FolderCalls { call in
            exchanges.withLock { count in
                if call == .exchange { count += 1 }
                return count >= number ? .ioError : nil
            }
        }
        let failure = await #expect(throws: Failure.self) {
            try await withDataDirectory(at: folder.path, calls: dying) {
                try await $0.restore(Fixture.request(id: "run", mode: .replace))
            }
        }
        #expect(failure?.code == .inputOutput)
        let tree = try folder.tree()
        #expect(tree[".restore-run/journal.json"] != nil)
    }

    private static let sinceThen = [UInt8]("written by a server since then".utf8)

    /// A server with AOF on ran on the new AOF: the dump, which it did not touch, is still to be replaced.
    @Test func swapThatStoppedIsFinishedBesideNewerData() async throws {
        try await withTemporaryFolder { folder in
            try await stop(atExchange: 3, in: folder)
            let newer = "appendonlydir/appendonly.aof.1.incr.aof"
            try folder.fill([newer: Self.sinceThen])
            let recovered = try await withDataDirectory(at: folder.path) { try await $0.recover() }
            #expect(recovered == [.finished(".restore-run")])
            let tree = try folder.tree()
            #expect(tree[newer] == Self.sinceThen)
            #expect(tree["dump.rdb"] == Fixture.snapshot)
            #expect(tree["pre-restore-run/dump.rdb"] == oldData["dump.rdb"])
        }
    }

    /// A server with AOF off ran on the old dump, and saved.
    @Test func swapThatStoppedIsNotFinishedOverNewerData() async throws {
        try await withTemporaryFolder { folder in
            try await stop(atExchange: 3, in: folder)
            try folder.fill(["dump.rdb": Self.sinceThen])
            let between = try folder.tree()
            let request = try Fixture.request(id: "run", mode: .replace)
            for _ in 1...2 {
                let refusal = await #expect(throws: Failure.self) {
                    try await withDataDirectory(at: folder.path) { try await $0.restore(request) }
                }
                #expect(refusal?.code == .guardRefused)
                #expect(try differences(folder.tree(), between) == [])
            }
            // What the hint says to do.
            let (staging, archive) = ("\(folder.path)/.restore-run", "\(folder.path)/pre-restore-run")
            try FileManager.default.moveItem(atPath: staging, toPath: archive)
            let outcome = try await withDataDirectory(at: folder.path) { try await $0.restore(request) }
            #expect(outcome.marker?.archive == "pre-restore-run-2")
            #expect(try folder.tree()["pre-restore-run-2/dump.rdb"] == Self.sinceThen)
        }
    }

    /// A restore that had touched nothing is forgotten, however long ago it was prepared: finishing it could take the
    /// place of weeks of data.
    @Test func preparedRestoreIsNotFinishedLater() async throws {
        try await withTemporaryFolder { folder in
            try await stop(atExchange: 2, in: folder)
            let recovered = try await withDataDirectory(at: folder.path) { try await $0.recover() }
            #expect(recovered == [.abandoned(".restore-run")])
            #expect(try differences(folder.tree(), oldData) == [])
        }
    }

    @Test func freshFolderNeedsNoExchange() async throws {
        try await withTemporaryFolder { folder in
            let calls = FolderCalls { $0 == .exchange ? .invalidArgument : nil }
            let outcome = try await withDataDirectory(at: folder.path, calls: calls) {
                try await $0.restore(Fixture.request())
            }
            #expect(outcome.marker != nil)
        }
    }

    @Test func oneNameNeedsNoLink() async throws {
        try await withTemporaryFolder { folder in
            let calls = FolderCalls { $0 == .link ? .notPermitted : nil }
            let request = try Fixture.request(layout: PersistenceLayout(purpose: .appendOnly, shape: .parts))
            let outcome = try await withDataDirectory(at: folder.path, calls: calls) { try await $0.restore(request) }
            #expect(outcome.marker != nil)
        }
    }
}
