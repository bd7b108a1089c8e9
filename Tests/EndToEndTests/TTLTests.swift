// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// `restore --ttl`: keys live as long as they should, and another content is never taken for the same history.
struct TTLTests {
    private static let far = 4_000_000_000_123
    private static let hour = 3_600_000

    /// A store with one set, of a server with expiries of every kind and seven keys that have expired.
    private struct Rig: Sendable {
        let flavour: RedisFlavour
        let store: String
        let folder: URL
        /// The history that the snapshot stands in.
        let replicationID: String

        /// Restores with `ttl`, and starts a server with what was restored.
        func restore(
            _ ttl: String?,
            _ body: (_ report: TestJSON, _ server: RedisServer) async throws -> Void
        ) async throws {
            let data = folder.appendingPathComponent("data-\(ttl ?? "default")")
            try FileManager.default.createDirectory(at: data, withIntermediateDirectories: false)
            let arguments = ["restore", "--from", store, "--data-dir", data.path, "--appendonly", "no"]
            let chosen = ttl.map { ["--ttl", $0] } ?? []
            let outcome = try await Redoubt.run(arguments + ["--output", "json"] + chosen)
            try #require(outcome.code == 0, "\(outcome.errors)")
            if flavour != .valkey91 {
                try await TestParts.run(Parts.redisCheckRDB(), [data.appendingPathComponent("dump.rdb").path])
            }
            let marker = try TestJSON(
                parsing: String(contentsOf: data.appendingPathComponent(".redoubt-restore.json"), encoding: .utf8)
            )
            let digest = try await TestParts.run("/usr/bin/sha256sum", [data.path + "/dump.rdb"])
            #expect(String(decoding: digest, as: UTF8.self).hasPrefix(marker["sha256"]?.text ?? "none"))
            try await withRedis(flavour, .with { $0.folder = data }) { server in
                try await body(try TestJSON(parsing: outcome.output), server)
            }
        }
    }

    private func withRig(_ flavour: RedisFlavour, _ body: @Sendable @escaping (Rig) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let store = "file://\(folder.path)/store"
            let backup = try await withRedis(flavour) { redis in
                try await Dataset.small.load(into: redis)
                try await redis.command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
                try await redis.command("PEXPIREAT", "list:0", Self.far)
                if flavour == .valkey91 {
                    try await redis.command("HSET", "expiring", "field", "1", "other", "2")
                    try await redis.command("HPEXPIREAT", "expiring", Self.far, "FIELDS", 1, "field")
                }
                for index in 0..<7 { try await redis.command("SET", "past:\(index)", "x", "PX", 1) }
                let arguments = ["backup", "--endpoint", redis.url, "--to", store, "--name", "demo"]
                return try await Redoubt.run(arguments + ["--output", "json"])
            }
            try #require(backup.code == 0, "\(backup.errors)")
            let shown = try TestJSON(parsing: backup.output)
            let id = try #require(shown["id"]?.text)
            // The set says that it was taken an hour before: what is not in the snapshot nobody compares.
            let member = try #require(shown["members"]?[0])
            let taken = try #require(member["rdb"]?["createdAt"]?.text)
            let earlier = try Date.ISO8601FormatStyle().parse(taken).addingTimeInterval(-3600).formatted(.iso8601)
            let manifest = folder.appendingPathComponent("store/demo/\(id)/manifest.json")
            let text = try String(contentsOf: manifest, encoding: .utf8)
                .replacing("\"createdAt\" : \"\(taken)\"", with: "\"createdAt\" : \"\(earlier)\"")
            try text.write(to: manifest, atomically: true, encoding: .utf8)
            let replicationID = try #require(member["replication"]?["id"]?.text)
            try await body(Rig(flavour: flavour, store: store, folder: folder, replicationID: replicationID))
        }
    }

    @Test(arguments: [RedisFlavour.redis70, .valkey91])
    func keysLiveAsLongAsWasAskedFor(flavour: RedisFlavour) async throws {
        try await withRig(flavour) { rig in
            try await rig.restore(nil) { report, server in
                let expiry = try await expiry("list:0", server)
                #expect(expiry == Self.far)
                let fields = try await fieldExpiries(server)
                #expect(fields == nil || fields == [Self.far, -1])
                #expect(report["expiries"]?["past"]?.int == 7)
                #expect(report["expiries"]?["choice"]?.text == "keep")
                let left = try await server.command("EXISTS", "past:0").int
                #expect(left == 0)
                // It stands in the same history: its replicas may go on from there.
                let id = try await server.info("replication")["master_replid2"]
                #expect(id == rig.replicationID)
            }
            try await rig.restore("shift") { report, server in
                let expiry = try await expiry("list:0", server) - Self.far
                #expect(expiry >= Self.hour && expiry < 2 * Self.hour && expiry % 1000 == 0)
                let fields = try await fieldExpiries(server)
                #expect(fields == nil || fields == [Self.far + expiry, -1])
                #expect(report["expiries"]?["shiftSeconds"]?.int == expiry / 1000)
                #expect(report["expiries"]?["changedFields"]?.int == (flavour == .valkey91 ? 1 : 0))
                let id = try await server.info("replication")["master_replid2"]
                #expect(id == String(repeating: "0", count: 40))
            }
            try await rig.restore("persist") { report, server in
                let expiry = try await expiry("list:0", server)
                #expect(expiry == -1)
                let fields = try await fieldExpiries(server)
                #expect(fields == nil || fields == [-1, -1])
                #expect(report["expiries"]?["keys"]?.int == 0)
                #expect((report["expiries"]?["changedKeys"]?.int ?? 0) > 7)
                let left = try await server.command("EXISTS", "past:0").int
                #expect(left == 1)
                let keyspace = try await server.info("keyspace")["db0"] ?? ""
                #expect(keyspace.contains("expires=0"))
                let id = try await server.info("replication")["master_replid2"]
                #expect(id == String(repeating: "0", count: 40))
            }
        }
    }

    /// What is damaged is not written anew either.
    @Test func aDamagedBackupIsNotRewritten() async throws {
        try await withRig(.redis70) { rig in
            let objects = FileManager.default.enumerator(atPath: rig.folder.path)?.compactMap { $0 as? String } ?? []
            let object = rig.folder.appendingPathComponent(try #require(objects.first { $0.hasSuffix(".zst") }))
            var bytes = [UInt8](try Data(contentsOf: object))
            bytes[bytes.count / 2] ^= 1
            try Data(bytes).write(to: object)
            let data = rig.folder.appendingPathComponent("data")
            try FileManager.default.createDirectory(at: data, withIntermediateDirectories: false)
            let outcome = try await Redoubt.run(
                "restore",
                "--from",
                rig.store,
                "--data-dir",
                data.path,
                "--ttl",
                "shift"
            )
            #expect(outcome.code == 4, "\(outcome.errors)")
            let files = try FileManager.default.contentsOfDirectory(atPath: data.path)
            #expect(files.isEmpty)
        }
    }

    private func expiry(_ key: String, _ server: RedisServer) async throws -> Int {
        try #require(try await server.command("PEXPIRETIME", key).int)
    }

    /// Nothing where the server knows no such expiries.
    private func fieldExpiries(_ server: RedisServer) async throws -> [Int]? {
        guard server.flavour == .valkey91 else { return nil }
        return try await server.command("HPEXPIRETIME", "expiring", "FIELDS", 2, "field", "other").array?
            .compactMap(\.int)
    }
}
