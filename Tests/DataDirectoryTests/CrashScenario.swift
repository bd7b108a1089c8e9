// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Foundation
import Synchronization
import SystemPackage
import TestParts
import Testing

/// An empty folder in memory, where a synchronization costs nothing: there are thousands of them in these tests.
func withFastFolder<Value>(_ body: (URL) async throws -> Value) async throws -> Value {
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
func crash(before number: Int) -> FolderCalls {
    let counter = CallCounter()
    return FolderCalls { call in
        if counter.next(call) == number { _exit(42) }
        return nil
    }
}

/// What a server loads, by way of its AOF and by way of its dump.
struct ServerView: Equatable {
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
func expectWhole(_ folder: URL, _ scenario: CrashScenario, _ comment: Comment) throws {
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

func expectRestored(_ folder: URL, _ scenario: CrashScenario, _ comment: Comment = "") throws {
    var tree = try folder.tree()
    let marker = tree.removeValue(forKey: ".redoubt-restore.json").map { String(decoding: $0, as: UTF8.self) }
    #expect(marker?.contains("\"backupID\" : \"b1\"") == true, comment)
    #expect(differences(tree, scenario.after) == [], comment)
}

/// After recovery: as before, or restored; nothing in between.
func expectSettled(_ folder: URL, _ scenario: CrashScenario, _ comment: Comment) async throws {
    let tree = try folder.tree()
    if tree != scenario.before { try expectRestored(folder, scenario, comment) }
    // The next start of the pod does the rest.
    let outcome = try await withDataDirectory(at: folder.path) { try await $0.restore(scenario.request()) }
    #expect((outcome.reason == nil) == (tree == scenario.before), comment)
    try expectRestored(folder, scenario, comment)
}
