// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// A set with its history, folders in every state, and the servers of a group.
struct GuardRig: Sendable {
    let root: URL
    /// Where the set is, in a folder and in a bucket.
    let bucket: S3Service
    let bucketName: String
    let id: String
    let sha256: String
    let peers: [String]
    /// Of the primary, from before the backup and from after it.
    let staleDump: Data
    let currentDump: Data
    /// Of the primary after FLUSHALL.
    let emptiedDump: Data
    /// Of a server without keys and without a history.
    let emptyDump: Data

    var data: URL { root.appendingPathComponent("data") }
    private var good: URL { root.appendingPathComponent("store") }

    /// The command line for a store and a folder.
    func arguments(_ store: GuardTable.Store, _ folder: URL, _ more: String...) -> [String] {
        arguments(store, folder, more)
    }

    private func arguments(_ store: GuardTable.Store, _ folder: URL, _ more: [String]) -> [String] {
        let url =
            switch store {
            case .holds, .others: "file://\(good.path)"
            case .nothing: "file://\(root.path)/nothing"
            case .damaged: "file://\(root.path)/damaged"
            case .gone: "file://\(root.path)/no-such-folder"
            case .unreachable, .cut, .denied: "s3://\(bucketName)/redis"
            }
        return [
            "restore", "--guard", "--from", url, "--name", store == .others ? "demmo" : "demo",
            "--data-dir", folder.path, "--appendonly", "no", "--output", "json",
        ] + peers.flatMap { ["--peer", $0] } + more
    }

    func environment(_ store: GuardTable.Store, endpoint: String? = nil) -> [String: String] {
        var environment = bucket.environment
        environment["AWS_MAX_ATTEMPTS"] = "1"
        if let endpoint { environment["AWS_ENDPOINT_URL_S3"] = endpoint }
        if store == .denied { environment["AWS_SECRET_ACCESS_KEY"] = "wrong-secret-key-of-the-test" }
        return environment
    }

    /// One try, without waiting.
    func run(_ store: GuardTable.Store, _ folder: URL, _ more: String...) async throws -> Redoubt.Outcome {
        let arguments = arguments(store, folder, ["--guard-deadline", "0s"] + more)
        switch store {
        case .unreachable:
            return try await withFreePort { port in
                let environment = environment(store, endpoint: "http://127.0.0.1:\(port)")
                return try await Redoubt.run(arguments, environment: environment)
            }
        case .cut:
            return try await withFaultProxy(to: bucket.port) { proxy in
                // In the middle of the list, behind the head of the response.
                proxy.add(.close(afterBytes: 600), .toClient)
                return try await Redoubt.run(arguments, environment: environment(store, endpoint: proxy.url))
            }
        default:
            return try await Redoubt.run(arguments, environment: environment(store))
        }
    }
}

// MARK: Folders

extension GuardRig {
    private static let marker = """
        {"format":1,"restoreID":"ID","backupID":"SET","member":"m","requestID":"latest demo ","sha256":"0","bytes":1,
        "finishedAt":"2026-11-25T00:00:00Z","files":["dump.rdb"]}
        """

    func folder(holding dump: Data?) throws -> URL {
        let folder = data.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try dump?.write(to: folder.appendingPathComponent("dump.rdb"))
        return folder
    }

    func makeFolder(_ state: GuardTable.Folder) throws -> URL {
        switch state {
        case .empty: return try folder(holding: nil)
        case .current: return try folder(holding: currentDump)
        case .stale: return try folder(holding: staleDump)
        case .unrelated: return try folder(holding: Self.renamingHistory(currentDump))
        case .startedEmpty: return try folder(holding: emptyDump)
        case .restored, .otherwiseRestored:
            let folder = try folder(holding: currentDump)
            let set = state == .restored ? "demo/\(id)" : "other/20200101T000000Z-0000"
            let marker = Self.marker.replacing("SET", with: set).replacing("\n", with: "")
            try Data(marker.utf8).write(to: folder.appendingPathComponent(".redoubt-restore.json"))
            return folder
        case .abandoned:
            let folder = try folder(holding: nil)
            let files = folder.appendingPathComponent(".restore-\(id)/files")
            try FileManager.default.createDirectory(at: files, withIntermediateDirectories: true)
            try Data("half of it".utf8).write(to: files.appendingPathComponent("dump.rdb"))
            return folder
        case .halfSwapped:
            // The dump is in its place; what was left to do is in the journal.
            let folder = try folder(holding: currentDump)
            let staging = folder.appendingPathComponent(".restore-\(id)")
            let files = staging.appendingPathComponent("files")
            try FileManager.default.createDirectory(at: files, withIntermediateDirectories: true)
            let journal = """
                {"format":1,"restoreID":"\(id)","placements":[{"name":"dump.rdb","isFolder":false,"inode":1}],
                "removals":[]}
                """
            try Data(journal.utf8).write(to: staging.appendingPathComponent("journal.json"))
            try Data(Self.marker.utf8).write(to: staging.appendingPathComponent("marker.json"))
            return folder
        }
    }

    /// The same dump, as if it were of another history.
    private static func renamingHistory(_ dump: Data) throws -> Data {
        var bytes = [UInt8](dump)
        let name = [UInt8]("repl-id".utf8)
        let place = try #require(bytes.indices.first { bytes[$0...].starts(with: name) })
        // The name, the length of its value, and forty digits.
        for index in (place + name.count + 1)..<(place + name.count + 41) { bytes[index] = UInt8(ascii: "7") }
        return Data(bytes)
    }

    static func files(_ folder: URL) throws -> [String: Data] {
        let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
        return Dictionary(
            uniqueKeysWithValues: names.compactMap { name in
                (try? Data(contentsOf: folder.appendingPathComponent(name))).map { (name, $0) }
            }
        )
    }
}

// MARK: One cell

extension GuardRig {
    /// Runs the guard, and holds what it did and said against the table.
    func tryCell(_ state: GuardTable.Folder, _ store: GuardTable.Store, group: GuardTable.Group) async throws {
        let expected = GuardTable.outcome(state, store, group)
        let folder = try makeFolder(state)
        let dump = try? Data(contentsOf: folder.appendingPathComponent("dump.rdb"))
        let outcome = try await run(store, folder)
        let cell: Comment = "\(state) × \(store) × \(group): \(outcome.errors)\(outcome.output)"
        let files = try Self.files(folder)
        #expect(!files.keys.contains { $0.hasPrefix(".restore-") }, cell)
        let report = try? TestJSON(parsing: outcome.output)
        switch expected {
        case .restored:
            #expect(outcome.code == 0 && report?["outcome"] == "restored", cell)
            let digest = try await TestParts.run(
                "/usr/bin/sha256sum",
                [folder.appendingPathComponent("dump.rdb").path]
            )
            #expect(String(decoding: digest, as: UTF8.self).hasPrefix(sha256), cell)
            return
        case .leftAlone(let warning):
            #expect(outcome.code == 0 && report?["outcome"] == "left-alone", cell)
            expect(warning, in: outcome, among: [.stale, .noKeys, .storeNotAsked], cell)
        case .startsEmpty(let warning):
            #expect(outcome.code == 0 && report?["outcome"] == "nothing-to-restore", cell)
            expect(warning, in: outcome, among: [.otherNames, .bareStore], cell)
        case .held(let code):
            #expect(outcome.code == code && outcome.errors.contains("hold the server of"), cell)
        case .fails(let code):
            #expect(outcome.code == code && !outcome.errors.contains("hold the server of"), cell)
        }
        // Whatever it was, the data is as it was.
        #expect(files["dump.rdb"] == dump, cell)
    }

    private func expect(
        _ warning: GuardTable.Warning?,
        in outcome: Redoubt.Outcome,
        among all: [GuardTable.Warning],
        _ cell: Comment
    ) {
        for each in all { #expect(outcome.errors.contains(each.rawValue) == (each == warning), cell) }
    }
}

// MARK: Making one

/// Runs the servers of a group, takes a backup of its primary, and has the others be what the group is.
func withGuardRig(
    _ group: GuardTable.Group,
    _ body: @Sendable @escaping (GuardRig) async throws -> Void
) async throws {
    try await withTemporaryFolder { root in
        try await withSeaweedFS { s3 in
            try await withReplicatedRedis { primary, replicas in
                try await withRedis { other in
                    let rig = try await makeRig(group, root, s3, primary, replicas[0], other)
                    try await body(rig)
                }
            }
        }
    }
}

private func makeRig(
    _ group: GuardTable.Group,
    _ root: URL,
    _ s3: S3Service,
    _ primary: RedisServer,
    _ replica: RedisServer,
    _ other: RedisServer
) async throws -> GuardRig {
    let emptyDump = try await dump(other)
    try await primary.command("SET", "key", "old")
    let staleDump = try await dump(primary)
    try await primary.command("SET", "key", String(repeating: "new", count: 1000))
    let shown = try await backUp(primary, under: root)
    let member = try #require(shown.members.first)
    let bucket = try await fillStores(shown, try #require(member.stored?.key), root, s3)
    let currentDump = try await dump(primary)
    if group == .emptied { try await primary.command("FLUSHALL") }
    let emptiedDump = try await dump(primary)
    return GuardRig(
        root: root,
        bucket: s3,
        bucketName: bucket,
        id: shown.id,
        sha256: try #require(member.rdb?.sha256),
        peers: try await peers(group, primary, replica, other),
        staleDump: staleDump,
        currentDump: currentDump,
        emptiedDump: emptiedDump,
        emptyDump: emptyDump
    )
}

private func dump(_ server: RedisServer) async throws -> Data {
    // A replica that came at a bad moment has the server save by itself.
    try await eventually("\(server.url) to save") { try await server.ask("SAVE").errorText == nil ? true : nil }
    return try Data(contentsOf: server.dumpFile)
}

private func backUp(_ primary: RedisServer, under root: URL) async throws -> ShownBackup {
    let backup = try await Redoubt.run(
        [
            "backup", "--endpoint", primary.url, "--to", "file://\(root.path)/store", "--name", "demo", "--output",
            "json",
        ]
    )
    try #require(backup.code == 0, "\(backup.errors)")
    return try ShownBackup(backup)
}

/// The same set in a bucket and, damaged, in another folder; and a folder with none.
/// - Returns: the bucket.
private func fillStores(_ shown: ShownBackup, _ key: String, _ root: URL, _ s3: S3Service) async throws -> String {
    let bucket = try await s3.makeBucket()
    for name in [key, "demo/\(shown.id)/manifest.json"] {
        let bytes = [UInt8](try Data(contentsOf: root.appendingPathComponent("store/\(name)")))
        try await s3.put("redis/\(name)", in: bucket, bytes)
    }
    let empty = root.appendingPathComponent("nothing")
    try FileManager.default.createDirectory(at: empty, withIntermediateDirectories: false)
    let damaged = root.appendingPathComponent("damaged")
    try FileManager.default.copyItem(at: root.appendingPathComponent("store"), to: damaged)
    try Data("not what it was".utf8).write(to: damaged.appendingPathComponent(key))
    return bucket
}

/// Has the servers be what the group is.
/// - Returns: the URLs of those that are asked.
private func peers(
    _ group: GuardTable.Group,
    _ primary: RedisServer,
    _ replica: RedisServer,
    _ other: RedisServer
) async throws -> [String] {
    switch group {
    case .nobody: return []
    case .goesOn: return [primary.url, replica.url]
    case .stranger:
        try await other.command("SET", "other", "data")
        return [other.url]
    case .emptied: return [primary.url]
    case .emptyStranger: return [other.url]
    case .orphan:
        try await primary.waitUntilSynchronized([replica])
        try await primary.kill()
        try await eventually("the replica to miss its primary") {
            try await replica.info("replication")["master_link_status"] == "down" ? true : nil
        }
        return [replica.url]
    }
}
