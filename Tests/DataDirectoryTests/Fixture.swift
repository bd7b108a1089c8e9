// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Foundation
import Testing

/// Requests, folders and snapshots of the tests.
enum Fixture {
    /// What is restored, as the module sees it: bytes.
    static let snapshot = [UInt8]("the snapshot that is restored".utf8)

    static func request(
        id: String = "20261123T120000Z-0001",
        backup: String = "b1",
        member: String = "m0",
        requestID: String? = nil,
        bytes: Int? = nil,
        isRewritten: Bool = false,
        layout: PersistenceLayout = PersistenceLayout(shape: .parts),
        mode: RestoreMode = .freshOnly,
        owner: FileOwner? = nil
    ) throws -> RestoreRequest {
        RestoreRequest(
            restoreID: try RestoreID(id),
            backupID: backup,
            member: member,
            requestID: requestID,
            bytes: Int64(bytes ?? snapshot.count),
            sha256: "00ff",
            isRewritten: isRewritten,
            layout: layout,
            mode: mode,
            owner: owner
        )
    }

    static func marker(backup: String, member: String, request: String?) throws -> RestoreMarker {
        let fields =
            ["format": "1", "bytes": "5", "files": "[]"].map { "\"\($0)\":\($1)" }
            + [
                "restoreID": "x", "backupID": backup, "member": member, "sha256": "00",
                "finishedAt": "2026-11-23T12:00:00Z",
            ]
            .map { "\"\($0)\":\"\($1)\"" } + (request.map { ["\"requestID\":\"\($0)\""] } ?? [])
        return try JSONDecoder().decode(RestoreMarker.self, from: Data("{\(fields.joined(separator: ","))}".utf8))
    }

    /// An RDB without keys, as Redis 7.0 leaves it (its checksum is turned off).
    static let emptyRDB: [UInt8] =
        [UInt8]("REDIS0010".utf8) + [0xFA, 9] + [UInt8]("redis-ver".utf8) + [6] + [UInt8]("7.0.15".utf8)
        + [0xFF, 0, 0, 0, 0, 0, 0, 0, 0]

    /// An RDB with one key.
    static let oneKeyRDB: [UInt8] =
        [UInt8]("REDIS0010".utf8) + [0xFE, 0, 0, 1, UInt8(ascii: "k"), 1, UInt8(ascii: "v")]
        + [0xFF, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// What is in a folder: paths and contents; a folder ends in a slash.
typealias Tree = [String: [UInt8]]

/// The data of a server with AOF on, of a folder that was restored once, with things beside it that are not data.
let oldData: Tree = [
    "dump.rdb": [UInt8]("old dump".utf8),
    "appendonlydir/appendonly.aof.3.base.rdb": [UInt8]("old base".utf8),
    "appendonlydir/appendonly.aof.4.incr.aof": [UInt8]("old commands".utf8),
    "appendonlydir/appendonly.aof.manifest": [UInt8](
        "file appendonly.aof.3.base.rdb seq 3 type b\nfile appendonly.aof.4.incr.aof seq 4 type i\n".utf8
    ),
    "appendonly.aof": [UInt8]("old stray AOF".utf8),
    "copy.rdb": [UInt8]("old copy".utf8),
    ".redoubt-restore.json": [UInt8](
        #"{"format":1,"restoreID":"o","backupID":"old","member":"m","sha256":"0","bytes":1,"finishedAt":"","files":[]}"#
            .utf8
    ),
]

/// What belongs to nobody's dataset and is never touched.
let beside: Tree = [
    "redis.conf": [UInt8]("port 1".utf8), "users.acl": [UInt8]("user default on".utf8), "lost+found/": [],
    "nodes.conf": [UInt8]("aaa :0@0 myself,master - 0 0 0 connected 0-100\n".utf8), ".hidden": [1],
]

/// Which paths differ, which says more than two long dictionaries.
func differences(_ tree: Tree, _ expected: Tree) -> [String] {
    Set(tree.keys).union(expected.keys).filter { tree[$0] != expected[$0] }.sorted().map { path in
        switch (tree[path], expected[path]) {
        case (nil, _): "- \(path)"
        case (_, nil): "+ \(path)"
        default: "! \(path)"
        }
    }
}

extension URL {
    func fill(_ tree: Tree) throws {
        for (path, bytes) in tree {
            let url = appendingPathComponent(path)
            let folder = path.hasSuffix("/") ? url : url.deletingLastPathComponent()
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            if !path.hasSuffix("/") { try Data(bytes).write(to: url) }
        }
    }

    /// Everything below, hidden files too; folders only where they are empty.
    func tree() throws -> Tree {
        var tree: Tree = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: path) {
            let url = appendingPathComponent(name)
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder) else {
                tree[name + "@"] = []
                continue
            }
            if isFolder.boolValue {
                let inner = try url.tree()
                if inner.isEmpty { tree[name + "/"] = [] }
                for (path, bytes) in inner { tree["\(name)/\(path)"] = bytes }
            } else {
                tree[name] = [UInt8](try Data(contentsOf: url))
            }
        }
        return tree
    }
}

extension DataDirectory {
    /// The whole restore: three chunks and the swap.
    func restore(_ request: RestoreRequest, _ bytes: [UInt8] = Fixture.snapshot) async throws -> RestoreOutcome<Int> {
        try await withStagedRestore(request) { restore in
            let third = bytes.count / 3
            for chunk in [bytes[..<third], bytes[third..<(2 * third)], bytes[(2 * third)...]] {
                try await restore.write(Array(chunk))
            }
            _ = try await restore.swapIn()
            return 7
        }
    }
}

extension RestoreOutcome {
    var marker: RestoreMarker? {
        if case .restored(let marker, _) = self { marker } else { nil }
    }

    var reason: NothingToRestore? {
        if case .nothingToRestore(let reason) = self { reason } else { nil }
    }
}
