// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// The last word of a run, where `kubectl describe pod` shows it.
struct TerminationMessageTests {
    @Test func aBackupSaysWhatItMade() async throws {
        try await withTemporaryFolder { folder in
            let log = folder.appendingPathComponent("termination-log")
            try Data("what a container before this one left".utf8).write(to: log)
            try await withRedis(.redis70) { redis in
                try await Dataset.small.load(into: redis)
                let outcome = try await Redoubt.run(
                    "backup",
                    "--endpoint",
                    "redis://127.0.0.1:\(redis.port)",
                    "--to",
                    "file://\(folder.path)/store",
                    "--name",
                    "one",
                    "--termination-log",
                    log.path
                )
                #expect(outcome.code == 0, "\(outcome.errors)")
                let message = try Self.message(log)
                #expect(message["command"] == "backup")
                #expect(message["exitCode"] == 0)
                #expect(message["result"]?.text?.hasPrefix("one/") == true)
                #expect(message["result"]?.text?.hasSuffix("complete, every snapshot proven") == true)
                #expect(message["error"] == nil)
            }
        }
    }

    /// However long the story, the kubelet gets all of the document, and no secret in it.
    @Test func aFailureIsCutToWhatIsRead() async throws {
        try await withTemporaryFolder { folder in
            let log = folder.appendingPathComponent("termination-log")
            try Data().write(to: log)
            let name = String(repeating: "\u{e9}", count: 3000)
            let outcome = try await Redoubt.run(
                "list",
                "--from",
                "file://\(folder.path)/\(name)",
                "--termination-log",
                log.path,
            )
            #expect(outcome.code != 0)
            let bytes = try Data(contentsOf: log)
            #expect((1000...4096).contains(bytes.count))
            let message = try Self.message(log)
            #expect(message["exitCode"]?.int == outcome.code.map(Int.init))
            #expect(message["error"]?["code"]?.text != nil)

            let refused = try await Redoubt.run(
                "backup",
                "--endpoint",
                "redis://user:very-secret-word@127.0.0.1:1",
                "--to",
                "file://\(folder.path)/store",
                "--termination-log",
                log.path
            )
            #expect(refused.code == 5, "\(refused.errors)")
            let text = String(decoding: try Data(contentsOf: log), as: UTF8.self)
            #expect(text.contains("unreachable") && !text.contains("very-secret-word"))
        }
    }

    /// A file that is not there is not made, and never a reason to fail.
    @Test func noFileIsMade() async throws {
        try await withTemporaryFolder { folder in
            try FileManager.default.createDirectory(
                at: folder.appendingPathComponent("store"),
                withIntermediateDirectories: true
            )
            let log = folder.appendingPathComponent("not-there")
            let outcome = try await Redoubt.run(
                "list",
                "--from",
                "file://\(folder.path)/store",
                "--termination-log",
                log.path
            )
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(outcome.errors.contains("termination message"))
            #expect(!FileManager.default.fileExists(atPath: log.path))
        }
    }

    private static func message(_ log: URL) throws -> TestJSON {
        try TestJSON(parsing: String(decoding: try Data(contentsOf: log), as: UTF8.self))
    }
}
