// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// Whoever may write to the store may write any number into a manifest: every command that reads it ends by itself,
/// says what it thinks of it, and leaves the good sets alone.
@Suite(.timeLimit(.minutes(5))) struct HostileManifestTests {
    private static let digest = String(repeating: "0a", count: 32)

    private static func member(_ name: String, _ id: String) -> String {
        """
        {"member": "\(name)", "role": "replica", "method": "replication",
         "server": {"product": "redis", "version": "7.0.15", "runId": "x", "mode": "standalone"},
         "replication": {"id": "\(name)", "offset": 77},
         "rdb": {"version": 10, "bytes": 200, "sha256": "\(digest)", "crc64": "00000000000000ff",
                 "keys": {"0": 5, "1": 6}, "expires": 4, "types": {"string": 7, "list": 8}, "usedMemory": 900,
                 "modules": [], "functions": 3},
         "stored": {"key": "demo/\(id)/\(name).rdb", "bytes": 4, "sha256": "\(digest)", "compression": "none"},
         "seconds": {"save": 1.5, "stream": 2.5}}
        """
    }

    private static func manifest(_ id: String) -> String {
        """
        {"format": 1, "id": "\(id)", "name": "demo", "startedAt": "2026-11-20T00:00:00Z",
         "finishedAt": "2026-11-20T00:01:00Z", "tool": {"name": "redoubt", "version": "1"},
         "source": {"kind": "endpoints"}, "members": [\(member("a", id)), \(member("b", id)), \(member("c", id))]}
        """
    }

    private static func write(_ manifest: String, to set: URL) throws {
        try FileManager.default.createDirectory(at: set, withIntermediateDirectories: true)
        for name in ["a", "b", "c"] {
            try Data("rdb!".utf8).write(to: set.appendingPathComponent("\(name).rdb"))
        }
        try Data(manifest.utf8).write(to: set.appendingPathComponent("manifest.json"))
    }

    private static let largest = "9223372036854775807"
    private static let largestUnsigned = "18446744073709551615"

    /// What stands in the manifest, and what is put in its place, in every member.
    private static let edits: [(String, String)] = [
        ("\"bytes\": 200", "\"bytes\": \(largest)"), ("\"bytes\": 200", "\"bytes\": -1"),
        ("\"bytes\": 200", "\"bytes\": 1125899906842624"), ("\"bytes\": 200", "\"bytes\": 1e300"),
        ("\"bytes\": 4,", "\"bytes\": \(largest),"), ("\"bytes\": 4,", "\"bytes\": -9223372036854775808,"),
        ("\"bytes\": 4,", "\"bytes\": 1125899906842624,"),
        ("\"0\": 5, \"1\": 6", "\"0\": \(largestUnsigned), \"1\": \(largestUnsigned)"), ("\"0\": 5", "\"0\": -5"),
        ("\"0\": 5", "\"99999999999999999999\": 5"), ("\"expires\": 4", "\"expires\": \(largestUnsigned)"),
        ("\"string\": 7, \"list\": 8", "\"string\": \(largestUnsigned), \"list\": \(largestUnsigned)"),
        ("\"usedMemory\": 900", "\"usedMemory\": \(largest)"), ("\"usedMemory\": 900", "\"usedMemory\": -1"),
        ("\"functions\": 3", "\"functions\": \(largestUnsigned)"), ("\"version\": 10", "\"version\": \(largest)"),
        ("\"version\": 10", "\"version\": -10"), ("\"offset\": 77", "\"offset\": \(largest)"),
        ("\"offset\": 77", "\"offset\": -9223372036854775808"), ("\"save\": 1.5", "\"save\": 1e308"),
        ("\"save\": 1.5", "\"save\": -1"), ("\"stream\": 2.5", "\"stream\": 31622400"),
        ("2026-11-20T00:01:00Z", "0001-01-01T00:00:00Z"), ("2026-11-20T00:01:00Z", "9999-12-31T23:59:59Z"),
        ("2026-11-20T00:00:00Z", "9999-12-31T23:59:59Z"), ("2026-11-20T00:00:00Z", "0000-00-00T00:00:00Z"),
        ("\"format\": 1", "\"format\": \(largest)"), ("\"format\": 1", "\"format\": -1"),
    ]

    private static let ids = ["20261120T000000Z-0001", "20261121T000000Z-0002", "20261122T000000Z-0003"]

    /// Three sets, of which the oldest, and then the newest, is hostile.
    @Test(arguments: 0..<edits.count)
    func everyCommandEndsByItself(number: Int) async throws {
        let (text, hostile) = Self.edits[number]
        try await withTemporaryFolder { folder in
            let files = FileManager.default
            for place in [0, 2] {
                let store = folder.appendingPathComponent("\(place)")
                for (index, id) in Self.ids.enumerated() {
                    let set = store.appendingPathComponent("demo/\(id)")
                    let manifest =
                        index == place
                        ? Self.manifest(id).replacingOccurrences(of: text, with: hostile) : Self.manifest(id)
                    try #require(index != place || manifest.contains(hostile))
                    try Self.write(manifest, to: set)
                }
                let bad = "demo/\(Self.ids[place])"
                for words in [
                    ["list"], ["list", "--output", "json"], ["show", bad], ["show", bad, "--output", "json"],
                    ["status", "--max-shrink", "50%", "--max-age", "1h", "--table"], ["status", "--output", "json"],
                    ["prune", "--keep-last", "1", "--dry-run"], ["verify", "--chain"],
                    ["prune", "--keep-daily", "9", "--grace", "0s", "--yes"],
                ] {
                    let outcome = try await Redoubt.run(words + ["--from", "file://\(store.path)"])
                    #expect(
                        [0, 3, 4, 6, 7, 8].contains(outcome.code),
                        "\(words), set \(place): \(outcome.code) \(outcome.errors)"
                    )
                }
                // The others are there, with all that they had.
                for id in Self.ids where "demo/\(id)" != bad {
                    let names = try files.contentsOfDirectory(atPath: store.path + "/demo/\(id)").sorted()
                    #expect(names == ["a.rdb", "b.rdb", "c.rdb", "manifest.json"], "\(id)")
                }
            }
        }
    }

    /// The sum of what the shards of a set hold is the largest number there is, and not a small one.
    @Test func aSumThatIsTooLargeDoesNotLookSmall() async throws {
        try await withTemporaryFolder { folder in
            for (index, id) in Self.ids.enumerated() {
                let set = folder.appendingPathComponent("demo/\(id)")
                var manifest = Self.manifest(id)
                if index == 2 {
                    manifest = manifest.replacingOccurrences(of: "\"0\": 5", with: "\"0\": \(Self.largestUnsigned)")
                }
                try Self.write(manifest, to: set)
            }
            let store = "file://\(folder.path)"
            let list = try await Redoubt.run(["list", "--from", store, "--output", "json"])
            #expect(list.code == 0 && list.output.contains(Self.largestUnsigned), "\(list.output)")
            let status = try await Redoubt.run(["status", "--from", store, "--min-keys", "1000"])
            #expect(status.code == 0, "\(status.output)")
        }
    }
}
