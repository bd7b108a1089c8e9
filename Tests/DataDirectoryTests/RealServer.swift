// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Foundation
import RDB
import TestParts
import Testing

/// A snapshot of a real server, and what was in it.
struct RealSnapshot: Sendable {
    let bytes: [UInt8]
    let content: DatasetDigest
    let rdbVersion: Int

    /// A new server with a dataset, saved.
    init(_ flavour: RedisFlavour) async throws {
        (bytes, content) = try await withRedis(flavour) { server in
            try await Dataset.small.load(into: server)
            try await server.command("SAVE")
            return ([UInt8](try Data(contentsOf: server.dumpFile)), try await DatasetDigest(of: server))
        }
        var scanner = RDBScanner()
        try scanner.consume(bytes)
        rdbVersion = try scanner.finish().version
    }

    /// Restores it into a folder.
    @discardableResult
    func restore(
        to folder: URL,
        _ layout: PersistenceLayout,
        id: String = "run",
        mode: RestoreMode = .freshOnly
    ) async throws -> RestoreMarker {
        let request = try Fixture.request(id: id, bytes: bytes.count, layout: layout, mode: mode)
        let outcome = try await withDataDirectory(at: folder.path) { try await $0.restore(request, bytes) }
        return try #require(outcome.marker, "\(outcome)")
    }

    /// The layout for a server of which nothing is known.
    func layout(_ purpose: PersistenceLayout.Purpose = .either) throws -> PersistenceLayout {
        try PersistenceLayout(purpose: purpose, serverMajorVersion: nil, rdbVersion: rdbVersion)
    }
}

/// Starts a server in a folder that was restored.
@discardableResult
func withServer<Value>(
    _ flavour: RedisFlavour,
    in folder: URL,
    appendOnly: Bool,
    config: [String] = [],
    replicaOf: RedisServer? = nil,
    _ body: (RedisServer) async throws -> Value
) async throws -> Value {
    let options = RedisOptions.with {
        $0.folder = folder
        $0.appendOnly = appendOnly
        $0.config = config
        $0.replicaOf = replicaOf
    }
    return try await withRedis(flavour, options, body)
}

/// The keys, with their values and expiries, and the functions.
func expect(
    _ server: RedisServer,
    toHold expected: DatasetDigest,
    sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    let content = try await DatasetDigest(of: server)
    #expect(content == expected, sourceLocation: sourceLocation)
}

/// The number of a file on its file system.
func inode(_ folder: URL, _ path: String) throws -> Int {
    try #require(
        try FileManager.default.attributesOfItem(atPath: folder.appendingPathComponent(path).path)[.systemFileNumber]
            as? Int
    )
}
