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
        let counter = Mutex((calls: 0, failed: 0))
        return try await withFastFolder { folder in
            try folder.fill(scenario.before)
            let calls = FolderCalls { _ in
                counter.withLock {
                    $0.calls += 1
                    let error = fault($0.calls)
                    $0.failed += error == nil ? 0 : 1
                    return error
                }
            }
            var thrown: (any Error)?
            do {
                _ = try await withDataDirectory(at: folder.path, calls: calls) {
                    try await $0.restore(scenario.request())
                }
            } catch {
                thrown = error
            }
            let failed = counter.withLock { $0.failed }
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

    /// A server ran after a restore stopped between its two steps: what it changed is not touched, and what it did not
    /// change is finished.
    @Test(arguments: [("dump.rdb", false), ("appendonlydir/appendonly.aof.1.incr.aof", true)])
    func swapThatStoppedIsNotFinishedOverNewerData(path: String, isFinished: Bool) async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(oldData)
            let exchanges = Mutex(0)
            // The probe, the AOF; and at the dump the disk dies.
            let dying = FolderCalls { call in
                exchanges.withLock { count in
                    if call == .exchange { count += 1 }
                    return count >= 3 ? .ioError : nil
                }
            }
            let request = try Fixture.request(id: "run", mode: .replace)
            let failure = await #expect(throws: Failure.self) {
                try await withDataDirectory(at: folder.path, calls: dying) { try await $0.restore(request) }
            }
            #expect(failure?.code == .inputOutput)
            try folder.fill([path: [UInt8]("written by a server since then".utf8)])
            let between = try folder.tree()
            if isFinished {
                let recovered = try await withDataDirectory(at: folder.path) { try await $0.recover() }
                #expect(recovered == [.finished(".restore-run")])
                #expect(try folder.tree()[path] == between[path])
                #expect(try folder.tree()["dump.rdb"] == Fixture.snapshot)
                #expect(try folder.tree()["pre-restore-run/dump.rdb"] == oldData["dump.rdb"])
            } else {
                for _ in 1...2 {
                    let refusal = await #expect(throws: Failure.self) {
                        try await withDataDirectory(at: folder.path) { try await $0.restore(request) }
                    }
                    #expect(refusal?.code == .guardRefused)
                    #expect(try differences(folder.tree(), between) == [])
                }
                // What the hint says to do.
                try FileManager.default.moveItem(
                    at: folder.appendingPathComponent(".restore-run"),
                    to: folder.appendingPathComponent("pre-restore-run")
                )
                let outcome = try await withDataDirectory(at: folder.path) { try await $0.restore(request) }
                #expect(outcome.marker?.archive == "pre-restore-run-2")
                #expect(try folder.tree()["pre-restore-run-2/dump.rdb"] == between[path])
            }
        }
    }

    /// A restore that had touched nothing is forgotten, however long ago it was prepared: finishing it could take the
    /// place of weeks of data.
    @Test func preparedRestoreIsNotFinishedLater() async throws {
        try await withTemporaryFolder { folder in
            try folder.fill(oldData)
            let exchanges = Mutex(0)
            let dying = FolderCalls { call in
                exchanges.withLock { count in
                    if call == .exchange { count += 1 }
                    return count >= 2 ? .ioError : nil
                }
            }
            let request = try Fixture.request(id: "run", mode: .replace)
            await #expect(throws: Failure.self) {
                try await withDataDirectory(at: folder.path, calls: dying) { try await $0.restore(request) }
            }
            let journal = try folder.tree()[".restore-run/journal.json"]
            #expect(journal != nil)
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
