// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Foundation
import Synchronization
import SystemPackage
import TestParts
import Testing

/// An empty folder in memory, where a synchronization costs nothing: there are thousands of them in these tests.
private func withFastFolder<Value>(_ body: (URL) async throws -> Value) async throws -> Value {
    let folder = URL(fileURLWithPath: "/dev/shm/redoubt-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}

/// What is restored onto what, in the crash tests.
enum CrashScenario: String, CaseIterable, Sendable, Codable {
    case fresh
    case freshSingleFile
    case replace
    case replaceSingleFile
    case replaceDumpOnly

    var before: Tree {
        switch self {
        case .fresh, .freshSingleFile: beside
        case .replace, .replaceSingleFile, .replaceDumpOnly: oldData.merging(beside) { first, _ in first }
        }
    }

    var layout: PersistenceLayout {
        switch self {
        case .fresh, .replace: PersistenceLayout(shape: .parts)
        case .freshSingleFile, .replaceSingleFile: PersistenceLayout(shape: .singleFile)
        case .replaceDumpOnly: PersistenceLayout(purpose: .snapshot, shape: .parts)
        }
    }

    var mode: RestoreMode { self == .fresh || self == .freshSingleFile ? .freshOnly : .replace }

    func request() throws -> RestoreRequest { try Fixture.request(id: "run", layout: layout, mode: mode) }

    /// The tree after the restore, without the marker.
    var after: Tree {
        var tree = beside
        for path in layout.filePaths {
            tree[path] =
                path.hasSuffix(".manifest")
                ? [UInt8]("file appendonly.aof.1.base.rdb seq 1 type b\n".utf8) : Fixture.snapshot
        }
        if mode == .replace { for (path, bytes) in oldData { tree["pre-restore-run/\(path)"] = bytes } }
        return tree
    }
}

/// Counts the system calls that change something.
final class CallCounter: Sendable {
    private let count = Mutex(0)

    var total: Int { count.withLock { $0 } }

    /// The number of the call that is about to be made, or `nil` for one that changes nothing.
    func next(_ call: FolderCalls.Call) -> Int? {
        guard call.changesSomething else { return nil }
        return count.withLock {
            $0 += 1
            return $0
        }
    }

    /// How many there are in an undisturbed restore.
    static func calls(of scenario: CrashScenario) async throws -> Int {
        let counter = CallCounter()
        try await withTemporaryFolder { folder in
            try folder.fill(scenario.before)
            let calls = FolderCalls { call in
                _ = counter.next(call)
                return nil
            }
            _ = try await withDataDirectory(at: folder.path, calls: calls) { try await $0.restore(scenario.request()) }
            try expectRestored(folder, scenario)
        }
        return counter.total
    }
}

/// The end of a process that is killed before its n-th call that changes something.
private func crash(before number: Int) -> FolderCalls {
    let counter = CallCounter()
    return FolderCalls { call in
        if counter.next(call) == number { _exit(42) }
        return nil
    }
}

/// What a server loads, by way of its AOF and by way of its dump.
private struct ServerView: Equatable {
    var parts: Tree?
    var dump: [UInt8]?

    /// - Parameter tree: of a data directory.
    init(_ tree: Tree) {
        dump = tree["dump.rdb"]
        let folder = tree.filter { $0.key.hasPrefix("appendonlydir/") && $0.key != "appendonlydir/" }
        if folder["appendonlydir/appendonly.aof.manifest"] != nil {
            parts = folder
        } else {
            parts = tree["appendonly.aof"].map { ["appendonly.aof": $0] }
        }
    }
}

/// A server that were started now would find the old data or the new, whole; and no old data is gone.
private func expectWhole(_ folder: URL, _ scenario: CrashScenario, _ comment: Comment) throws {
    let tree = try folder.tree()
    let (view, before, after) = (ServerView(tree), ServerView(scenario.before), ServerView(scenario.after))
    #expect(view.parts == before.parts || view.parts == after.parts, comment)
    #expect(view.dump == before.dump || view.dump == after.dump, comment)
    for (path, bytes) in scenario.before where !path.hasSuffix("/") {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        #expect(
            tree.contains { ($0.key == path || $0.key.hasSuffix("/\(name)")) && $0.value == bytes }
                || scenario.mode == .freshOnly && name == ".redoubt-restore.json",
            "\(path) is gone: \(comment)"
        )
    }
}

private func expectRestored(_ folder: URL, _ scenario: CrashScenario, _ comment: Comment = "") throws {
    var tree = try folder.tree()
    let marker = tree.removeValue(forKey: ".redoubt-restore.json").map { String(decoding: $0, as: UTF8.self) }
    #expect(marker?.contains("\"backupID\" : \"b1\"") == true, comment)
    #expect(differences(tree, scenario.after) == [], comment)
}

/// After recovery: as before, or restored; nothing in between.
private func expectSettled(_ folder: URL, _ scenario: CrashScenario, _ comment: Comment) async throws {
    let tree = try folder.tree()
    if tree != scenario.before { try expectRestored(folder, scenario, comment) }
    // The next start of the pod does the rest.
    let outcome = try await withDataDirectory(at: folder.path) { try await $0.restore(scenario.request()) }
    #expect((outcome.reason == nil) == (tree == scenario.before), comment)
    try expectRestored(folder, scenario, comment)
}

@Suite struct CrashTests {
    /// A process that is killed before its n-th call, for every n; then recovery, in a process of its own.
    @Test(arguments: CrashScenario.allCases)
    func crashAtEveryCallLeavesOldOrNew(scenario: CrashScenario) async throws {
        let calls = try await CallCounter.calls(of: scenario)
        #expect(calls > 20)
        for number in 1...calls {
            try await withFastFolder { folder in
                try folder.fill(scenario.before)
                await #expect(processExitsWith: .exitCode(42)) {
                    [path = folder.path as String, scenario = scenario as CrashScenario, number = number as Int] in
                    _ = try await withDataDirectory(at: path, calls: crash(before: number)) {
                        try await $0.restore(scenario.request())
                    }
                }
                try expectWhole(folder, scenario, "killed before call \(number)")
                let recovered = try await withDataDirectory(at: folder.path) { try await $0.recover() }
                #expect(recovered.count <= 1)
                try await expectSettled(folder, scenario, "killed before call \(number)")
            }
        }
    }

    /// And the recovery is killed before its n-th call, too.
    @Test(arguments: [CrashScenario.replace, .fresh])
    func crashOfTheRecoveryLeavesOldOrNew(scenario: CrashScenario) async throws {
        var crashes = 0
        for number in try await callsOfTheSwap(scenario) {
            for again in 1...100 {
                let isOver = try await withFastFolder { folder in
                    try folder.fill(scenario.before)
                    await #expect(processExitsWith: .exitCode(42)) {
                        [path = folder.path as String, scenario = scenario as CrashScenario, number = number as Int] in
                        _ = try await withDataDirectory(at: path, calls: crash(before: number)) {
                            try await $0.restore(scenario.request())
                        }
                    }
                    let result = await #expect(processExitsWith: .failure, observing: [\.exitStatus]) {
                        [path = folder.path as String, again = again as Int] in
                        _ = try await withDataDirectory(at: path, calls: crash(before: again)) {
                            try await $0.recover()
                        }
                        _exit(43)
                    }
                    let status = try #require(result?.exitStatus)
                    #expect([.exitCode(42), .exitCode(43)].contains(status))
                    let isOver = status == .exitCode(43)
                    crashes += isOver ? 0 : 1
                    try expectWhole(folder, scenario, "killed before calls \(number) and \(again)")
                    _ = try await withDataDirectory(at: folder.path) { try await $0.recover() }
                    try await expectSettled(folder, scenario, "killed before calls \(number) and \(again)")
                    return isOver
                }
                if isOver { break }
            }
        }
        #expect(crashes > 20)
    }

    /// The last calls of a restore, from before the journal is written on.
    private func callsOfTheSwap(_ scenario: CrashScenario) async throws -> ClosedRange<Int> {
        let calls = try await CallCounter.calls(of: scenario)
        return (calls - 24)...calls
    }
}

@Suite struct FailingCallTests {
    /// One call fails, any; those after it work.
    @Test(arguments: CrashScenario.allCases, [Errno.ioError, .noSpace])
    func oneFailingCallLeavesOldOrNew(scenario: CrashScenario, error: Errno) async throws {
        for number in 1... {
            let isOver = try await failing(scenario, "call \(number) fails") { $0 == number ? error : nil }
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
