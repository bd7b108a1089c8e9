// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// A pair of keys in files, as age-keygen makes them.
struct AgeKeys: Sendable {
    enum Kind: Sendable, CaseIterable {
        case classic
        /// Debian's age-keygen makes none.
        case postQuantum
    }

    let identityFile: String
    let identity: String
    let recipient: String

    init(_ name: String, _ kind: Kind = .classic, in folder: URL) async throws {
        identityFile = folder.appendingPathComponent("\(name).txt").path
        let said: [UInt8]
        switch kind {
        case .classic:
            _ = try await run(Parts.ageKeygen(), ["-o", identityFile])
            said = try await run(Parts.ageKeygen(), ["-y", identityFile])
        case .postQuantum:
            said = try await run(Parts.python(), [Parts.oracle("age_hybrid.py"), "keygen", identityFile])
        }
        let lines = try String(contentsOfFile: identityFile, encoding: .utf8).split(separator: "\n").map(String.init)
        identity = try #require(lines.first { $0.hasPrefix("AGE-SECRET-KEY-") })
        recipient = String(decoding: said, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    var reading: [String: String] { ["REDOUBT_IDENTITY": identityFile] }
}

/// An encrypted backup of a server that has gone, and two pairs of keys: one that opens it, one that does not.
struct EncryptionRig: Sendable {
    /// Reads with the right identity.
    let store: OpenedStore
    let keys: AgeKeys
    let strange: AgeKeys
    let id: String
    let digest: DatasetDigest
    let folder: URL

    /// In a value of the server; it must not be seen in the store.
    static let marker = "this-is-nobody-elses-business"

    var url: String { store.url }
    var secrets: [String] { [keys.identity, strange.identity] }

    /// With whatever the words and the environment say of keys, and no more.
    func run(_ words: String..., environment: [String: String] = [:]) async throws -> Redoubt.Outcome {
        var base = store.tested.environment
        base["REDOUBT_IDENTITY"] = nil
        return try await Redoubt.run(words + ["--from", url], environment: base.merging(environment) { $1 })
    }

    func object() async throws -> (key: String, bytes: [UInt8]) {
        let key = try #require(try await store.tested.keys().first { $0.hasSuffix(".age") && $0.contains(id) })
        return (key, try await store.get(key))
    }

    /// No key, or the wrong one: exit code 12, and no secret in what is said.
    func expectLocked(_ outcome: Redoubt.Outcome, _ location: SourceLocation = #_sourceLocation) {
        expectRefused(outcome, 12, location)
        #expect(outcome.errors.contains("--identity"), "\(outcome.errors)", sourceLocation: location)
    }

    func expectRefused(_ outcome: Redoubt.Outcome, _ code: Int32, _ location: SourceLocation = #_sourceLocation) {
        #expect(outcome.code == code, "\(outcome.errors)", sourceLocation: location)
        for secret in secrets {
            #expect(!(outcome.output + outcome.errors).contains(secret), sourceLocation: location)
        }
    }

    static func with(
        _ kind: CopyRig.Kind = .folder,
        keys keyKind: AgeKeys.Kind = .classic,
        backup more: [String] = [],
        _ body: @Sendable (EncryptionRig) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let keys = try await AgeKeys("keys", keyKind, in: folder)
            let strange = try await AgeKeys("strange", keyKind, in: folder)
            try await kind.withStore { store in
                var tested = store.tested
                tested.environment.merge(keys.reading) { $1 }
                let reading = OpenedStore(tested: tested, get: store.get, put: store.put, delete: store.delete)
                let (digest, backup) = try await withRedis(.redis70) { redis in
                    try await Dataset.small.load(into: redis)
                    try await redis.command("SET", "secret", marker)
                    let words = ["backup", "--endpoint", redis.url, "--to", store.url, "--name", "demo"] + more
                    return (
                        try await DatasetDigest(of: redis),
                        try await Redoubt.run(
                            words + ["--recipient", keys.recipient, "--output", "json"],
                            environment: tested.environment
                        )
                    )
                }
                try #require(backup.code == 0, "\(backup.errors)")
                let rig = EncryptionRig(
                    store: reading,
                    keys: keys,
                    strange: strange,
                    id: try ShownBackup(backup).id,
                    digest: digest,
                    folder: folder
                )
                try await body(rig)
            }
        }
    }
}
