// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// Encryption beside what else a backup can do: several stores, a spool, the pods of an Indexed Job, copies.
struct EncryptionWayTests {
    /// It is encrypted once, before the bytes go two ways.
    @Test func severalStoresGetTheSameBytesAlsoThroughASpool() async throws {
        try await withTemporaryFolder { folder in
            let keys = try await AgeKeys("keys", in: folder)
            let spool = folder.appendingPathComponent("spool")
            try FileManager.default.createDirectory(at: spool, withIntermediateDirectories: false)
            func store(_ name: String) -> OpenedStore {
                let plain = OpenedStore.folder(folder.appendingPathComponent(name))
                var tested = plain.tested
                tested.environment = keys.reading
                return OpenedStore(tested: tested, get: plain.get, put: plain.put, delete: plain.delete)
            }
            let (first, second) = (store("first"), store("second"))
            for more in [[], ["--spool", spool.path, "--compression", "none"]] {
                let outcome = try await withRedis(.redis70) { redis in
                    try await Dataset.small.load(into: redis)
                    return try await Redoubt.run(
                        ["backup", "--endpoint", redis.url, "--name", "demo", "--recipient", keys.recipient]
                            + ["--to", first.url, "--to", second.url] + more
                    )
                }
                let good = try await first.tested.listedIDs()
                try await first.tested.expectSound(after: outcome, code: 0, good: good)
                try await second.tested.expectSound(after: outcome, code: 0, good: good)
                let (one, two) = (try await first.objects(), try await second.objects())
                #expect(one == two && one.keys.contains { $0.hasSuffix(".age") })
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: spool.path).isEmpty)
        }
    }

    @Test func thePodsOfAnIndexedJobEncryptEachItsPart() async throws {
        try await withTemporaryFolder { folder in
            let keys = try await AgeKeys("keys", in: folder)
            var store = TestedStore.folder(folder.appendingPathComponent("store"))
            store.environment = keys.reading
            let outcomes = try await withRedis(.redis70) { one in
                try await withRedis(.redis70) { two in
                    var outcomes: [Redoubt.Outcome] = []
                    for index in 0..<2 {
                        let words = ["backup", "--to", store.url, "--name", "many", "--members", "one-per-shard"]
                        let part = ["--shard-count", "2", "--job-id", "00000000-0000-4000-8000-000000000007"]
                        let servers = ["--endpoint", one.url, "--endpoint", two.url, "--recipient", keys.recipient]
                        outcomes.append(
                            try await Redoubt.run(
                                words + part + servers,
                                environment: ["JOB_COMPLETION_INDEX": "\(index)"]
                            )
                        )
                    }
                    return outcomes
                }
            }
            for outcome in outcomes { #expect(outcome.code == 0, "\(outcome.errors)") }
            let good = try await store.listedIDs()
            try await store.expectSound(after: outcomes[1], code: 0, good: good, secrets: [keys.identity])
            #expect(try await store.keys().filter { $0.hasSuffix(".rdb.zst.age") }.count == 2)
            let left = try await store.redoubt("list", "--incomplete", "--from", store.url)
            #expect(left.code == 0 && !left.output.contains("member-without-manifest"), "\(left.output)")
        }
    }

    /// What a dead run left is known by its name, encrypted or not.
    @Test func anEncryptedMemberWithoutAManifestIsLeftOver() async throws {
        try await EncryptionRig.with { rig in
            try await rig.store.delete("demo/\(rig.id)/manifest.json")
            let left = try await rig.run("list", "--incomplete")
            #expect(left.code == 0 && left.output.contains("member-without-manifest"), "\(left.output)\(left.errors)")
        }
    }

    @Test func aCopyIsTheSameBytesAndNeedsNoKey() async throws {
        try await EncryptionRig.with { rig in
            try await CopyRig.Kind.folder.withStore { target in
                let copying = CopyRig(source: rig.store, target: target)
                let words = ["copy", "--to", target.url, "--output", "json"]
                let copy = try await rig.run(words[0], words[1], words[2], words[3], words[4])
                rig.expectRefused(copy, 0)
                try await copying.expectSame([rig.id])
            }
            // With the key, everything is proven on its way; damage is found with it and without it.
            let (key, object) = try await rig.object()
            try await rig.store.put(key, object.dropLast() + [object[object.count - 1] ^ 1])
            for environment in [[:], rig.keys.reading, rig.strange.reading] {
                try await CopyRig.Kind.folder.withStore { target in
                    let copy = try await rig.run("copy", "--to", target.url, environment: environment)
                    rig.expectRefused(copy, 4)
                    #expect(try await target.tested.listedIDs() == [])
                    try await target.tested.expectNothingHalfMade(good: [])
                }
            }
        }
    }

    @Test(arguments: CopyRig.Kind.allCases)
    func aCopyIsEncryptedForOthers(kind: CopyRig.Kind) async throws {
        try await EncryptionRig.with { rig in
            try await kind.withStore { store in
                var tested = store.tested
                tested.environment.merge(rig.strange.reading) { $1 }
                let target = OpenedStore(tested: tested, get: store.get, put: store.put, delete: store.delete)
                let base = store.tested.environment
                func copy(_ recipient: String, _ environment: [String: String]) async throws -> Redoubt.Outcome {
                    try await rig.run(
                        "copy",
                        "--to",
                        store.url,
                        "--recipient",
                        recipient,
                        "--output",
                        "json",
                        environment: base.merging(environment) { $1 }
                    )
                }
                // Whoever exchanges keys needs the old one.
                rig.expectLocked(try await copy(rig.strange.recipient, [:]))
                #expect(try await target.tested.listedIDs() == [])

                let exchanged = try await copy(rig.strange.recipient, rig.keys.reading)
                try await target.tested.expectSound(after: exchanged, code: 0, good: [rig.id], secrets: rig.secrets)
                try await target.tested.expectNothingHalfMade(good: [rig.id])
                #expect(try CopyOutput(exchanged).outcomes == ["copied"])
                try await expectOnlyTheObjectsDiffer(rig, target)

                let again = try await copy(rig.strange.recipient, rig.keys.reading)
                #expect(again.code == 0, "\(again.errors)")
                #expect(try CopyOutput(again).outcomes == ["present"])
                let others = try await copy(rig.keys.recipient, rig.keys.reading)
                rig.expectRefused(others, 8)
                #expect(others.errors.contains("encrypted for others"), "\(others.errors)")
                try await target.tested.expectSound(after: again, code: 0, good: [rig.id])
            }
        }
    }

    private func expectOnlyTheObjectsDiffer(_ rig: EncryptionRig, _ target: OpenedStore) async throws {
        let manifest = "demo/\(rig.id)/manifest.json"
        func document(_ store: OpenedStore) async throws -> TestJSON {
            try TestJSON(parsing: String(decoding: try await store.get(manifest), as: UTF8.self))
        }
        let (old, new) = (try await document(rig.store), try await document(target))
        for field in ["id", "name", "startedAt", "finishedAt", "tool", "source"] { #expect(old[field] == new[field]) }
        let (before, after) = (old["members"]?.array?.first, new["members"]?.array?.first)
        for field in ["member", "rdb", "replication", "server", "method", "seconds"] {
            #expect(before?[field] == after?[field], "\(field)")
        }
        for field in ["sha256", "recipients"] {
            #expect(before?["stored"]?[field] != after?["stored"]?[field], "\(field)")
        }
    }

    @Test func aCopyOfWhatIsNotEncryptedIsEncryptedForTheFirstTime() async throws {
        try await withTemporaryFolder { folder in
            let keys = try await AgeKeys("keys", in: folder)
            let source = OpenedStore.folder(folder.appendingPathComponent("first"))
            let ids = try await source.fill(sets: 1)
            let plain = OpenedStore.folder(folder.appendingPathComponent("second"))
            var tested = plain.tested
            tested.environment = keys.reading
            let copy = try await Redoubt.run(
                "copy",
                "--from",
                source.url,
                "--to",
                plain.url,
                "--recipient",
                keys.recipient
            )
            try await tested.expectSound(after: copy, code: 0, good: ids)
            let names = try await tested.keys().filter { !$0.hasSuffix("manifest.json") }
            #expect(names.count == 3 && names.allSatisfy { $0.hasSuffix(".rdb.zst.age") }, "\(names)")
            // An unencrypted set is never taken for an encrypted one.
            let back = try await Redoubt.run("copy", "--from", plain.url, "--to", source.url)
            #expect(back.code == 8, "\(back.errors)")
        }
    }

    /// An environment that a copy shares with backups says whom those are for, and nothing of the copy.
    @Test func aCopyTakesNoRecipientFromTheEnvironment() async throws {
        try await EncryptionRig.with { rig in
            let file = rig.folder.appendingPathComponent("recipients").path
            try Data(rig.strange.recipient.utf8).write(to: URL(fileURLWithPath: file))
            for shared in [["REDOUBT_RECIPIENT": rig.strange.recipient], ["REDOUBT_RECIPIENTS_FILE": file]] {
                try await CopyRig.Kind.folder.withStore { target in
                    let words = ["copy", "--to", target.url]
                    let copy = try await rig.run(words[0], words[1], words[2], environment: shared)
                    rig.expectRefused(copy, 0)
                    #expect(copy.errors.components(separatedBy: shared.keys.first ?? "?").count == 2, "\(copy.errors)")
                    try await CopyRig(source: rig.store, target: target).expectSame([rig.id])
                }
                // Said on the line, it is what is meant.
                try await CopyRig.Kind.folder.withStore { target in
                    let words = ["copy", "--to", target.url, "--recipient", rig.strange.recipient]
                    let environment = shared.merging(rig.keys.reading) { $1 }
                    let copy = try await rig.run(
                        words[0],
                        words[1],
                        words[2],
                        words[3],
                        words[4],
                        environment: environment
                    )
                    rig.expectRefused(copy, 0)
                    #expect(!copy.errors.contains("as they are"), "\(copy.errors)")
                    let verify = try await Redoubt.run("verify", "--from", target.url, environment: rig.strange.reading)
                    rig.expectRefused(verify, 0)
                }
            }
        }
    }

    /// Where an environment says that backups are encrypted, none goes out plain because nobody said how a copy is
    /// made.
    @Test func aCopyOfWhatIsPlainIsAskedForWhereRecipientsAreSet() async throws {
        try await withTemporaryFolder { folder in
            let keys = try await AgeKeys("keys", in: folder)
            let source = OpenedStore.folder(folder.appendingPathComponent("first"))
            let ids = try await source.fill(sets: 1)
            let shared = ["REDOUBT_RECIPIENT": keys.recipient]
            func copy(_ more: [String], to target: OpenedStore) async throws -> Redoubt.Outcome {
                try await Redoubt.run(["copy", "--from", source.url, "--to", target.url] + more, environment: shared)
            }
            let target = OpenedStore.folder(folder.appendingPathComponent("second"))
            for words in [[], ["--dry-run"]] {
                let refused = try await copy(words, to: target)
                #expect(refused.code == 8, "\(refused.errors)")
                let said = refused.errors
                #expect(said.contains("REDOUBT_RECIPIENT") && said.contains("--recipient") && said.contains("--as-is"))
                let names = try await target.tested.keys()
                #expect(names.allSatisfy { $0.hasPrefix(".locks/") }, "\(names)")
            }
            let asIs = try await copy(["--as-is"], to: target)
            try await target.tested.expectSound(after: asIs, code: 0, good: ids)
            // What is there already is sent nowhere.
            let again = try await copy([], to: target)
            #expect(again.code == 0, "\(again.errors)")
            let other = OpenedStore.folder(folder.appendingPathComponent("third"))
            var encrypted = other.tested
            encrypted.environment = keys.reading
            let anew = try await copy(["--recipient", keys.recipient], to: other)
            try await encrypted.expectSound(after: anew, code: 0, good: ids)
            let both = try await copy(["--as-is", "--recipient", keys.recipient], to: other)
            #expect(both.code == 64, "\(both.errors)")
        }
    }
}
