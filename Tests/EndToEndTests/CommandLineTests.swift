// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// The program as scripts meet it: usage, JSON, the environment, and what other tools say of its files.
struct CommandLineTests {
    @Test(arguments: [
        [], ["nonsense"], ["backup"], ["backup", "--to", "file:///tmp/x"], ["list"], ["list", "--from"],
        ["backup", "--to", "/tmp/x", "--endpoint", "redis://localhost"], ["list", "--from", "ftp://host/dir"],
        ["verify"], ["restore", "--from", "file:///tmp/x"], ["show", "not-an-id", "--from", "file:///tmp"],
    ])
    func whatIsNotUnderstoodIsUsage(arguments: [String]) async throws {
        let outcome = try await Redoubt.run(arguments)
        #expect(outcome.code == (arguments.isEmpty ? 0 : 64), "\(outcome.errors)")
        #expect(outcome.output.isEmpty == !arguments.isEmpty)
    }

    /// What is too short, or without a unit, is said together with what to write.
    @Test(arguments: [
        (["status", "--from", "file:///tmp", "--max-age", "26"], "26h"),
        (["prune", "--from", "file:///tmp", "--keep-last", "1", "--grace", "2"], "2h"),
        (["prune", "--from", "file:///tmp", "--keep-within", "1m"], "mo"),
        (["copy", "--from", "file:///tmp", "--to", "file:///tmp/b", "--since", "7"], "7d"),
        (["verify", "--from", "file:///tmp", "--all", "--max-bytes", "5g"], "Gi"),
        (["backup", "--to", "file:///tmp", "--endpoint", "redis://localhost", "--bwlimit", "10"], "10M"),
        (["backup", "--to", "file:///tmp", "--endpoint", "redis://localhost", "--timeout", "0"], "--timeout is"),
    ])
    func aTimeOrSizeThatIsNoneIsAskedBack(arguments: [String], said: String) async throws {
        let outcome = try await Redoubt.run(arguments)
        let first = outcome.errors.split(separator: "\n").first ?? ""
        #expect(outcome.code == 64 && first.contains(said), "\(outcome.errors)")
    }

    @Test func helpAndVersionGoToStandardOutput() async throws {
        for arguments in [["--help"], ["--version"], ["help", "backup"], ["backup", "--help"]] {
            let outcome = try await Redoubt.run(arguments)
            #expect(outcome.code == 0 && !outcome.output.isEmpty && outcome.errors.isEmpty)
        }
    }

    @Test func everythingCanBeSaidInTheEnvironment() async throws {
        try await withTemporaryFolder { folder in
            try await withRedis(.redis70, .with { $0.password = "environment-password" }) { redis in
                try await Dataset.small.load(into: redis)
                let outcome = try await Redoubt.run(
                    ["backup"],
                    environment: [
                        "REDOUBT_ENDPOINT": "redis://127.0.0.1:\(redis.port)", "REDOUBT_TO": "file://\(folder.path)",
                        "REDOUBT_NAME": "from-environment", "REDOUBT_OUTPUT": "json", "REDOUBT_LOG_FORMAT": "json",
                        "REDOUBT_COMPRESSION": "gzip", "REDIS_PASSWORD": "environment-password",
                    ]
                )
                #expect(outcome.code == 0, "\(outcome.errors)")
                let shown = try ShownBackup(outcome)
                #expect(shown.name == "from-environment" && shown.members[0].stored?.compression == "gzip")
                for line in outcome.errors.split(separator: "\n") {
                    let entry = try JSONDecoder().decode([String: String].self, from: Data(line.utf8))
                    #expect(
                        entry["ts"] != nil && entry["level"] != nil && entry["msg"] != nil && entry["run_id"] != nil
                    )
                }
            }
        }
    }

    @Test func aFailureIsOneJSONDocumentToo() async throws {
        let outcome = try await Redoubt.run("list", "--from", "file:///nonexistent/store", "--output", "json")
        struct Report: Decodable {
            let error: Error
            struct Error: Decodable {
                let code: String
                let exitCode: Int32
            }
        }
        let report = try JSONDecoder().decode(Report.self, from: Data(outcome.outputBytes))
        #expect(outcome.code == 10 && report.error.exitCode == 10 && report.error.code == "no-such-store")
    }

    /// Usage, signals and damage too end with exactly one document.
    @Test func everyEndingIsOneJSONDocument() async throws {
        let usage = try await Redoubt.run("backup", "--output", "json", "redis://user:hidden-password@host")
        #expect(usage.code == 64 && !usage.errors.contains("hidden-password"))
        #expect(!usage.output.contains("hidden-password"))
        _ = try JSONSerialization.jsonObject(with: Data(usage.outputBytes))
        try await withTemporaryFolder { folder in
            let set = folder.appendingPathComponent("demo/20260101T000000Z-0000")
            try FileManager.default.createDirectory(at: set, withIntermediateDirectories: true)
            try Data("{}".utf8).write(to: set.appendingPathComponent("manifest.json"))
            let damaged = try await Redoubt.run("list", "--from", "file://\(folder.path)", "--output", "json")
            #expect(damaged.code == 4)
            _ = try JSONSerialization.jsonObject(with: Data(damaged.outputBytes))
        }
    }

    /// Servers of the same name do not become one member.
    @Test func namesThatCollideAreToldApart() async throws {
        try await withTemporaryFolder { folder in
            try await withRedis(.redis70, .with { $0.unixSocket = true }) { redis in
                let other = folder.appendingPathComponent("redis.sock-2").path
                try FileManager.default.createSymbolicLink(atPath: other, withDestinationPath: redis.socketFile.path)
                let outcome = try await Redoubt.run(
                    "backup",
                    "--endpoint",
                    "unix://\(redis.socketFile.path)",
                    "--endpoint",
                    "unix://\(redis.socketFile.path)",
                    "--endpoint",
                    "unix://\(other)",
                    "--to",
                    "file://\(folder.path)/store",
                    "--name",
                    "demo",
                    "--output",
                    "json"
                )
                #expect(outcome.code == 0, "\(outcome.errors)")
                let shown = try ShownBackup(outcome)
                #expect(Set(shown.members.map(\.member)).count == 3)
            }
        }
    }

    /// Foreign readers: what is stored is what every other tool can read.
    @Test(arguments: RedisFlavour.allCases, ["zstd", "gzip", "none"])
    func otherToolsReadWhatIsStored(flavour: RedisFlavour, compression: String) async throws {
        try await withTemporaryFolder { folder in
            try await withRedis(flavour) { redis in
                try await Dataset.with { $0.scale = 0.1 }.load(into: redis)
                let backup = try await Redoubt.run(
                    "backup",
                    "--endpoint",
                    redis.url,
                    "--to",
                    "file://\(folder.path)",
                    "--name",
                    "demo",
                    "--compression",
                    compression,
                    "--output",
                    "json"
                )
                try #require(backup.code == 0, "\(backup.errors)")
                let member = try #require(try ShownBackup(backup).members.first)
                let object = folder.appendingPathComponent(try #require(member.stored?.key)).path
                let raw = folder.appendingPathComponent("dump.rdb").path
                switch compression {
                case "zstd":
                    _ = try await run(Parts.zstd(), ["-q", "-t", object])
                    _ = try await run(Parts.zstd(), ["-q", "-d", object, "-o", raw])
                case "gzip":
                    _ = try await run(Parts.gzip(), ["-t", object])
                    _ = try await run("/bin/sh", ["-c", "gzip -dc '\(object)' > '\(raw)'"])
                default: try FileManager.default.copyItem(atPath: object, toPath: raw)
                }
                if flavour != .valkey91 {
                    let verdict = try await run(Parts.redisCheckRDB(), [raw])
                    #expect(String(decoding: verdict, as: UTF8.self).contains("RDB looks OK"))
                }
                for file in [raw, object] {
                    let verify = try await Redoubt.run("verify", file)
                    #expect(verify.code == 0 && verify.output.contains("proven"), "\(verify.errors)")
                }
                try Data(try Data(contentsOf: URL(fileURLWithPath: raw)).dropLast(3)).write(
                    to: URL(fileURLWithPath: raw)
                )
                let truncated = try await Redoubt.run("verify", raw)
                #expect(truncated.code == 4)
            }
        }
    }

    @Test func checkNamesWhatIsMissing() async throws {
        let secret = "a-secret-of-the-checker"
        let options = RedisOptions.with {
            $0.users = ["blind on >\(secret) +ping +hello +auth +info +time +replconf"]
        }
        try await withTemporaryFolder { folder in
            try await withRedis(.redis70, options) { redis in
                let outcome = try await Redoubt.run(
                    "check",
                    "--endpoint",
                    redis.url,
                    "--user",
                    "blind",
                    "--to",
                    "file://\(folder.path)",
                    environment: ["REDISCLI_AUTH": secret]
                )
                #expect(outcome.code == 7, "\(outcome.errors)")
                #expect(outcome.output.contains("ACL SETUSER blind +psync"))
                #expect(outcome.output.contains("an upload can be begun and given up"))
                #expect(!outcome.output.contains(secret) && !outcome.errors.contains(secret))
                let left = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
                #expect(left.filter { !$0.hasPrefix(".locks") }.isEmpty)
            }
        }
    }
}
