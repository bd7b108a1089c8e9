// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// A store that the program writes to, and a foreign eye on it.
struct TestedStore: Sendable {
    let url: String
    /// What the program needs in its environment to use it.
    var environment: [String: String] = [:]
    /// Every visible object, by its key from the root of the store.
    let keys: @Sendable () async throws -> [String]
    /// Everything unfinished: multipart uploads, temporary files.
    let unfinished: @Sendable () async throws -> [String]

    /// A folder.
    static func folder(_ folder: URL) -> TestedStore {
        @Sendable func files() throws -> [String] {
            let all = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
            return all.filter { path in
                var isFolder: ObjCBool = false
                let isThere = FileManager.default.fileExists(atPath: folder.path + "/" + path, isDirectory: &isFolder)
                return isThere && !isFolder.boolValue
            }
        }
        @Sendable func isTemporary(_ path: String) -> Bool { path.contains(".partial~") }
        return TestedStore(
            url: "file://\(folder.path)",
            keys: { try files().filter { !isTemporary($0) }.sorted() },
            unfinished: { try files().filter(isTemporary) }
        )
    }

    /// A bucket of its own, with a prefix.
    static func bucket(_ s3: S3Service) async throws -> TestedStore {
        let bucket = try await s3.makeBucket()
        return TestedStore(
            url: "s3://\(bucket)/redis",
            environment: s3.environment,
            keys: { try await s3.keys(in: bucket).map { String($0.dropFirst("redis/".count)) }.sorted() },
            unfinished: { try await s3.uploads(in: bucket).map(\.key) }
        )
    }

    /// Runs the program with this store's environment.
    func redoubt(
        _ arguments: String...,
        environment more: [String: String] = [:],
        withinSeconds seconds: Double = 120
    ) async throws -> Redoubt.Outcome {
        try await Redoubt.run(arguments, environment: environment.merging(more) { $1 }, withinSeconds: seconds)
    }

    /// The ids that `list` shows, oldest first.
    func listedIDs() async throws -> [String] {
        let outcome = try await redoubt("list", "--from", url, "--output", "json")
        if outcome.code == 10 { return [] }
        try #require(outcome.code == 0, "\(outcome.errors)")
        return try JSONDecoder().decode(Listing.self, from: Data(outcome.outputBytes)).backups.map(\.id)
    }

    private struct Listing: Decodable {
        let backups: [Backup]

        struct Backup: Decodable {
            let id: String
        }
    }
}

/// What a set says of itself, as far as tests ask.
struct ShownBackup: Decodable {
    let name: String
    let id: String
    let members: [Member]

    struct Member: Decodable {
        let member: String
        let role: String?
        let method: String?
        let rdb: Snapshot?
        let stored: Stored?
        let error: Problem?
        let warnings: [String]?
    }

    struct Snapshot: Decodable {
        let sha256: String
        let bytes: Int
        let keys: [String: Int]
    }

    struct Stored: Decodable {
        let key: String
        let compression: String
    }

    struct Problem: Decodable {
        let code: String
    }

    init(_ outcome: Redoubt.Outcome) throws {
        self = try JSONDecoder().decode(ShownBackup.self, from: Data(outcome.outputBytes))
    }
}

extension TestedStore {
    /// The four questions after every fault: does `list` show only complete backups; does each of them restore byte for
    /// byte; is the last good one still there; is the exit code right, and every secret out of the output?
    ///
    /// - Parameters:
    ///   - good: the ids that must be listed, and no others.
    ///   - code: the exit code that the run must have had, as its parent sees it.
    func expectSound(
        after outcome: Redoubt.Outcome,
        code: Int32,
        good: [String],
        secrets: [String] = [],
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        // A signal that comes before the program could look for signals ends it with the same code for its parent.
        let found = outcome.code ?? outcome.signal.map { 128 + $0 }
        #expect(found == code, "\(outcome.errors)", sourceLocation: location)
        #expect(outcome.survivors.isEmpty, sourceLocation: location)
        for secret in secrets {
            #expect(!outcome.output.contains(secret) && !outcome.errors.contains(secret), sourceLocation: location)
        }
        let listed = try await listedIDs()
        #expect(listed == good, "\(outcome.errors)", sourceLocation: location)
        for id in listed { try await expectRestores(id, location) }
    }

    /// Every member of the set comes back with the bytes that its manifest promises, by a foreign digest.
    func expectRestores(_ id: String, _ location: SourceLocation = #_sourceLocation) async throws {
        let shown = try ShownBackup(try await redoubt("show", id, "--from", url, "--output", "json"))
        for member in shown.members {
            guard let rdb = member.rdb else { continue }
            try await withTemporaryFolder { data in
                let restore = try await redoubt(
                    "restore",
                    id,
                    "--from",
                    url,
                    "--member",
                    member.member,
                    "--data-dir",
                    data.path,
                    "--appendonly",
                    "no"
                )
                #expect(restore.code == 0, "\(restore.errors)", sourceLocation: location)
                let digest = try await run("/usr/bin/sha256sum", [data.path + "/dump.rdb"])
                #expect(String(decoding: digest, as: UTF8.self).hasPrefix(rdb.sha256), sourceLocation: location)
            }
        }
    }

    /// Where records stay that belong to sets, or did.
    private static let records = [".drills/", ".pins/", ".proofs/", ".removed/"]

    /// Nothing unfinished, no lease, and no object outside of the sets that are listed, but for records. A lease that a
    /// run was killed over while it wrote it is left for a minute: it may be that of a live run.
    func expectNothingHalfMade(good: [String], _ location: SourceLocation = #_sourceLocation) async throws {
        let unfinished = try await unfinished().filter { !$0.hasPrefix(".locks/") }
        #expect(unfinished.isEmpty, sourceLocation: location)
        let stray = try await keys().filter { key in
            !good.contains { key.contains("/\($0)/") } && !Self.records.contains { key.hasPrefix($0) }
        }
        #expect(stray.isEmpty, sourceLocation: location)
    }
}
