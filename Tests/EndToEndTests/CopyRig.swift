// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// A store of the tests whose objects can be read and changed behind the back of the program.
struct OpenedStore: Sendable {
    let tested: TestedStore
    let get: @Sendable (String) async throws -> [UInt8]
    let put: @Sendable (String, [UInt8]) async throws -> Void
    let delete: @Sendable (String) async throws -> Void

    var url: String { tested.url }

    static func folder(_ folder: URL) -> OpenedStore {
        OpenedStore(
            tested: .folder(folder),
            get: { [UInt8](try Data(contentsOf: folder.appendingPathComponent($0))) },
            put: { key, bytes in
                let file = folder.appendingPathComponent(key)
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(),
                    withIntermediateDirectories: true
                )
                try Data(bytes).write(to: file)
            },
            delete: { try FileManager.default.removeItem(at: folder.appendingPathComponent($0)) }
        )
    }

    /// A bucket of its own. The URL says all but the credentials, so that two of them fit into one command.
    /// - Parameters:
    ///   - port: a proxy to go through.
    ///   - profile: where the credentials come from, instead of the environment.
    ///   - keepsVersions: whether what is removed stays as a version.
    static func bucket(
        _ s3: S3Service,
        port: Int? = nil,
        profile: String? = nil,
        keepsVersions: Bool = false
    ) async throws -> OpenedStore {
        let bucket = try await s3.makeBucket(isLocked: keepsVersions)
        var url = "s3://\(bucket)/redis?endpoint-url=http://127.0.0.1:\(port ?? s3.port)&region=\(s3.region)"
        if let profile { url += "&profile=\(profile)" }
        var environment = s3.environment
        environment["AWS_ENDPOINT_URL_S3"] = nil
        let tested = TestedStore(
            url: url,
            environment: profile == nil ? environment : [:],
            keys: { try await s3.keys(in: bucket).map { String($0.dropFirst("redis/".count)) }.sorted() },
            unfinished: { try await s3.uploads(in: bucket).map { String($0.key.dropFirst("redis/".count)) } }
        )
        return OpenedStore(
            tested: tested,
            get: { try await s3.get("redis/\($0)", in: bucket) },
            put: { try await s3.put("redis/\($0)", in: bucket, $1) },
            delete: { try await s3.delete("redis/\($0)", in: bucket) }
        )
    }

    /// The objects of all sets, or of one.
    func objects(of id: String = "") async throws -> [String: [UInt8]] {
        var objects: [String: [UInt8]] = [:]
        for key in try await tested.keys() where !key.hasPrefix(".") && key.contains("/\(id)") {
            objects[key] = try await get(key)
        }
        return objects
    }
}

/// A store with backups in it, and a second one.
struct CopyRig: Sendable {
    let source: OpenedStore
    let target: OpenedStore

    enum Kind: CaseIterable, Sendable {
        case folder
        case seaweedFS

        func withStore(_ body: (OpenedStore) async throws -> Void) async throws {
            switch self {
            case .folder:
                try await withTemporaryFolder { try await body(.folder($0.appendingPathComponent("second"))) }
            case .seaweedFS: try await withSeaweedFS { try await body(try await .bucket($0)) }
            }
        }
    }

    var environment: [String: String] { source.tested.environment.merging(target.tested.environment) { $1 } }

    func arguments(_ more: [String] = []) -> [String] {
        ["copy", "--from", source.url, "--to", target.url, "--part-size", "5", "--output", "json"] + more
    }

    func copy(_ more: String..., environment others: [String: String] = [:]) async throws -> Redoubt.Outcome {
        try await Redoubt.run(arguments(more), environment: environment.merging(others) { $1 })
    }

    /// The target holds the sets as the source does, byte for byte, and nothing else.
    func expectSame(_ ids: [String], _ location: SourceLocation = #_sourceLocation) async throws {
        for id in ids {
            let (original, copied) = (try await source.objects(of: id), try await target.objects(of: id))
            #expect(!original.isEmpty && original == copied, "\(id)", sourceLocation: location)
        }
        try await target.tested.expectNothingHalfMade(good: ids, location)
    }
}

extension OpenedStore {
    /// Takes backups of three servers, each with other data; the ids, oldest first.
    func fill(sets: Int, bigValueBytes: Int = 0, name: String = "demo") async throws -> [String] {
        func withServers(_ servers: [RedisServer], _ body: ([RedisServer]) async throws -> Void) async throws {
            guard servers.count < 3 else { return try await body(servers) }
            try await withRedis(.redis70) { server in
                let dataset = Dataset.with {
                    $0.scale = 0.005
                    $0.databases = [0]
                    $0.bigValueBytes = bigValueBytes
                    $0.seed = UInt64(servers.count + 1)
                }
                try await dataset.load(into: server)
                try await withServers(servers + [server], body)
            }
        }
        try await withServers([]) { servers in
            for _ in 0..<sets {
                let outcome = try await Redoubt.run(
                    ["backup", "--to", url, "--name", name] + servers.flatMap { ["--endpoint", $0.url] },
                    environment: tested.environment
                )
                try #require(outcome.code == 0, "\(outcome.errors)")
            }
        }
        return try await tested.listedIDs()
    }
}

/// What `copy --output json` says, as far as tests ask.
struct CopyOutput: Decodable {
    let sets: [Set]

    struct Set: Decodable {
        let name: String
        let id: String
        let outcome: String
        let members: Int
        let storedBytes: Int
        let sentBytes: Int
        let reusedMembers: Int
        let reusedBytes: Int
        let error: Problem?
    }

    struct Problem: Decodable {
        let code: String
    }

    init(_ outcome: Redoubt.Outcome) throws {
        self = try JSONDecoder().decode(CopyOutput.self, from: Data(outcome.outputBytes))
    }

    var outcomes: [String] { sets.map(\.outcome) }
}
