// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import Logging
import RDB
import RedisClient
import RedisProtocol
import TestParts
import Testing

/// A snapshot that was read to its end, scanned and accepted.
struct Captured: Sendable {
    let bytes: [UInt8]
    let summary: RDBSummary
    let announcedBytes: Int64?
    let estimatedBytes: Int64?
    let replication: ReplicationPoint?
    let largestChunkBytes: Int
}

extension SnapshotSource {
    /// Reads a snapshot as a backup does.
    /// - Parameters:
    ///   - midway: called after the first chunk.
    ///   - beforeAccepting: called between the last byte and the question whether this is the snapshot that was asked
    ///     for.
    func capture(
        midway: @Sendable () async throws -> Void = {},
        beforeAccepting: @Sendable () async throws -> Void = {}
    ) async throws -> Captured {
        try await withSnapshot { snapshot in
            var scanner = RDBScanner()
            var bytes: [UInt8] = []
            var largest = 0
            for try await chunk in snapshot.bytes {
                let isFirst = bytes.isEmpty
                try scanner.consume(chunk)
                bytes += chunk
                largest = max(largest, chunk.count)
                if isFirst { try await midway() }
            }
            let summary = try scanner.finish()
            try await beforeAccepting()
            try await snapshot.accept(summary)
            return Captured(
                bytes: bytes,
                summary: summary,
                announcedBytes: snapshot.announcedBytes,
                estimatedBytes: snapshot.estimatedBytes,
                replication: snapshot.replication,
                largestChunkBytes: largest
            )
        }
    }
}

/// The two ways to a snapshot, for what must hold for both.
enum Method: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case replication
    case volume

    var testDescription: String { rawValue }

    func source(
        of server: RedisServer,
        port: Int? = nil,
        user: String? = nil,
        password: String? = nil,
        fitness: MemberFitness = MemberFitness(),
        loadingWaitSecondsMax: Double = 30,
        noProgressSeconds: Double = 30,
        log: LogRecord = LogRecord()
    ) -> any SnapshotSource {
        let endpoint = RedisEndpoint(
            port: port ?? server.port,
            user: user,
            password: password ?? server.options.password,
            noProgressSeconds: noProgressSeconds
        )
        switch self {
        case .replication:
            return ReplicationSource(
                endpoint: endpoint,
                options: .init(fitness: fitness, loadingWaitSecondsMax: loadingWaitSecondsMax, pollMilliseconds: 50),
                logger: log.logger
            )
        case .volume:
            return VolumeSource(
                endpoint: endpoint,
                options: .init(
                    dataDirectory: server.folder.path,
                    fitness: fitness,
                    loadingWaitSecondsMax: loadingWaitSecondsMax,
                    pollMilliseconds: 50
                ),
                logger: log.logger
            )
        }
    }
}

/// Starts a server of the same kind with this RDB, and gives what it then holds.
func contents(of rdb: [UInt8], loadedBy flavour: RedisFlavour) async throws -> DatasetDigest {
    try await withTemporaryFolder { folder in
        try Data(rdb).write(to: folder.appendingPathComponent("dump.rdb"))
        return try await withRedis(flavour, .with { $0.folder = folder }) { try await DatasetDigest(of: $0) }
    }
}

extension RedisServer {
    /// Waits until nothing of ours is left: no client, and no replica at port 0.
    func expectNothingOfOursIsLeft() async throws {
        try await eventually("port \(port) to forget us") {
            let clients = try await self.command("CLIENT", "LIST").text ?? ""
            let info = try await self.command("INFO", "replication").text ?? ""
            return clients.contains("name=redoubt") || info.contains("port=0") ? nil : true
        }
    }

    /// Makes each save take so many microseconds a key, so that something can happen meanwhile.
    func slowDownSaves(microsecondsPerKey: Int) async throws {
        try await command("CONFIG", "SET", "rdb-key-save-delay", microsecondsPerKey)
    }

    func waitUntilSaving() async throws {
        try await eventually("port \(port) to save", everyMilliseconds: 5) {
            try await self.info("persistence")["rdb_bgsave_in_progress"] == "1" ? true : nil
        }
    }

    /// Loads keys that hardly compress, about so many bytes.
    func loadBytes(_ bytes: Int) async throws {
        try await Dataset.with {
            $0.scale = 0.01
            $0.databases = [0]
            $0.bigValueBytes = bytes
        }.load(into: self)
    }
}

extension VolumeSource.Options {
    /// Options for a server of the tests, with a short pause between two looks.
    init(_ server: RedisServer, _ change: (inout VolumeSource.Options) -> Void = { _ in }) {
        self.init(dataDirectory: server.folder.path, pollMilliseconds: 50)
        change(&self)
    }
}
