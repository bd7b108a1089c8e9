// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestParts
import Testing

/// `redoubt copy` between real stores.
struct CopyRunTests {
    private func withRig(
        to kind: CopyRig.Kind,
        sets: Int = 1,
        bigValueBytes: Int = 0,
        _ body: (CopyRig, _ ids: [String]) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let source = OpenedStore.folder(folder.appendingPathComponent("first"))
            let ids = try await source.fill(sets: sets, bigValueBytes: bigValueBytes)
            try await kind.withStore { try await body(CopyRig(source: source, target: $0), ids) }
        }
    }

    @Test(arguments: CopyRig.Kind.allCases)
    func setsComeOverUnchangedAndAreNotSentTwice(kind: CopyRig.Kind) async throws {
        try await withRig(to: kind, sets: 3, bigValueBytes: 6_000_000) { rig, ids in
            let plan = try await rig.copy("--all", "--dry-run")
            #expect(try CopyOutput(plan).outcomes == ["would-copy", "would-copy", "would-copy"])
            #expect(try await rig.target.tested.listedIDs() == [])

            // Without anything said it is the latest.
            let latest = try await rig.copy()
            try await rig.target.tested.expectSound(after: latest, code: 0, good: [ids[2]])
            #expect(try CopyOutput(latest).sets.map(\.id) == [ids[2]])
            try await rig.expectSame([ids[2]])

            // An older one does not become the latest.
            let oldest = try await rig.copy("demo/\(ids[0])")
            try await rig.target.tested.expectSound(after: oldest, code: 0, good: [ids[0], ids[2]])

            let all = try await rig.copy("--since", "7d", "--name", "demo")
            try await rig.target.tested.expectSound(after: all, code: 0, good: ids)
            let output = try CopyOutput(all)
            #expect(output.outcomes == ["present", "copied", "present"])
            #expect(output.sets.map(\.sentBytes) == [0, output.sets[1].storedBytes, 0])
            try await rig.expectSame(ids)
            let text = try await Redoubt.run(
                ["copy", "--all", "--from", rig.source.url, "--to", rig.target.url],
                environment: rig.environment
            )
            #expect(text.code == 0 && text.output.contains("0 copied, 3 there already, 0 failed"))
        }
    }

    /// Each URL has its own endpoint and profile; the key of the environment is good for the one store alone.
    @Test func twoProvidersWithCredentialsOfTheirOwn() async throws {
        try await withMoto { moto in
            try await withSeaweedFS { seaweed in
                try await withTemporaryFolder { folder in
                    let rig = CopyRig(
                        source: try await .bucket(moto),
                        target: try await .bucket(seaweed, profile: "second")
                    )
                    let ids = try await rig.source.fill(sets: 1)
                    let profile = """
                        [profile second]
                        aws_access_key_id = \(seaweed.accessKey)
                        aws_secret_access_key = \(seaweed.secretKey)
                        """
                    let file = folder.appendingPathComponent("config")
                    try profile.write(to: file, atomically: false, encoding: .utf8)
                    let secret = "not-the-key-of-the-second"
                    let environment = ["AWS_SECRET_ACCESS_KEY": secret, "AWS_CONFIG_FILE": file.path]
                    let outcome = try await rig.copy("--verbose", environment: environment)
                    #expect(outcome.code == 0, "\(outcome.errors)")
                    #expect(!outcome.errors.contains(secret) && !outcome.errors.contains(seaweed.secretKey))
                    try await rig.expectSame(ids)
                }
            }
        }
    }

    @Test(arguments: CopyRig.Kind.allCases)
    func aDamagedSetIsNamedAndLeftOutAndTheOthersGoOn(kind: CopyRig.Kind) async throws {
        try await withRig(to: kind, sets: 3) { rig, ids in
            let member = try #require(
                try await rig.source.objects(of: ids[2]).keys.sorted().first { !$0.hasSuffix(".json") }
            )
            var bytes = try await rig.source.get(member)
            bytes[bytes.count / 2] ^= 0x10
            try await rig.source.put(member, bytes)
            try await rig.source.put("demo/\(ids[1])/manifest.json", Array("{}".utf8))

            let latest = try await rig.copy()
            try await rig.target.tested.expectSound(after: latest, code: 4, good: [])
            try await rig.target.tested.expectNothingHalfMade(good: [])
            #expect(latest.errors.contains(ids[2]))

            let all = try await rig.copy("--all")
            try await rig.target.tested.expectSound(after: all, code: 3, good: [ids[0]])
            let codes = try CopyOutput(all).sets.map { $0.error?.code ?? "" }
            // The damage is met by whichever stage comes to it first.
            let found = ["digest-mismatch", "corrupt-compression", "corrupt-snapshot"]
            #expect(codes.prefix(2) == ["", "corrupt-manifest"] && found.contains(codes.last ?? ""), "\(codes)")
            try await rig.expectSame([ids[0]])

            // Nothing is left to copy but what is damaged.
            let again = try await rig.copy("--all")
            try await rig.target.tested.expectSound(after: again, code: 4, good: [ids[0]])
        }
    }

    @Test func whatIsNotUnderstoodOrNotThere() async throws {
        try await withRig(to: .folder) { rig, ids in
            let cases: [([String], Int32)] = [
                (["latest", "--all"], 64), (["--all", "--since", "7d"], 64), (["--since", "yesterday"], 64),
                (["nonsense"], 64), (["20200101T000000Z-0000"], 10), (["--name", "another", "--all"], 10),
                (["--since", "2999-01-01T00:00:00Z"], 10),
            ]
            for (arguments, code) in cases {
                let outcome = try await Redoubt.run(rig.arguments(arguments))
                #expect(outcome.code == code, "\(arguments): \(outcome.errors)")
            }
            #expect(try await rig.target.tested.keys() == [])
            #expect(!ids.isEmpty)
        }
    }

    @Test func oneStoreUnderTwoNamesIsNoSecondStore() async throws {
        try await withRig(to: .folder) { rig, ids in
            let path = String(rig.source.url.dropFirst("file://".count))
            let link = path + "-link"
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
            for other in [rig.source.url, "file:/" + "/localhost\(path)/", "file://\(link)"] {
                let outcome = try await Redoubt.run("copy", "--from", rig.source.url, "--to", other)
                #expect(outcome.code == 64 && outcome.errors.contains("same store"), "\(other): \(outcome.errors)")
            }
            try await rig.source.tested.expectNothingHalfMade(good: ids)
        }
    }

    /// A backup of the subject into the target is under way.
    @Test func aTargetThatABackupWorksOnIsLocked() async throws {
        try await withRig(to: .folder) { rig, ids in
            try await withRedis(.redis70) { redis in
                try await Dataset.with { $0.bigValueBytes = 8_000_000 }.load(into: redis)
                try await withFaultProxy(to: redis.port) { proxy in
                    proxy.add(.stall(afterBytes: 3_000_000), .toClient)
                    let endpoint = "redis://127.0.0.1:\(proxy.port)"
                    let backup = ["backup", "--endpoint", endpoint, "--to", rig.target.url, "--name", "demo"]
                    try await Redoubt.withRunning(backup) { process in
                        try await eventually("the backup to stage something") {
                            try await rig.target.tested.unfinished().contains { $0.contains("demo/") } ? true : nil
                        }
                        let outcome = try await rig.copy()
                        #expect(outcome.code == 11, "\(outcome.errors)")
                        proxy.clear()
                        let ended = try await Redoubt.outcome(of: process)
                        #expect(ended.code == 0, "\(ended.errors)")
                    }
                }
                let after = try await rig.copy()
                #expect(after.code == 0, "\(after.errors)")
                let listed = try await rig.target.tested.listedIDs()
                #expect(listed.count == 2 && listed.first == ids.first)
                try await rig.target.tested.expectNothingHalfMade(good: listed)
            }
        }
    }

    /// 47
    @Test(arguments: CopyRig.Kind.allCases)
    func ofTwoCopiesAtOnceOneIsLockedOutOrFindsAllThere(kind: CopyRig.Kind) async throws {
        try await withRig(to: kind, bigValueBytes: 6_000_000) { rig, ids in
            let codes = try await withThrowingTaskGroup(of: Int32?.self) { group in
                for _ in 0..<2 { group.addTask { try await rig.copy().code } }
                return try await group.reduce(into: []) { $0.append($1 ?? -1) }
            }
            #expect([[0, 0], [0, 11]].contains(codes.sorted()))
            #expect(try await rig.target.tested.listedIDs() == ids)
            try await rig.expectSame(ids)
        }
    }

    /// 43, 44: the disk of the target is full.
    @Test func aFullDiskIsPermanentAndTheLastGoodCopyStays() async throws {
        try await withRig(to: .folder, sets: 2, bigValueBytes: 4_000_000) { original, ids in
            try await withTemporaryFolder { folder in
                _ = try await run("/usr/bin/mount", ["-t", "tmpfs", "-o", "size=20m", "tmpfs", folder.path])
                do {
                    let rig = CopyRig(source: original.source, target: .folder(folder))
                    let outcome = try await rig.copy("--all")
                    // The first of them is there, the second has no room.
                    try await rig.target.tested.expectSound(after: outcome, code: 3, good: [ids[0]])
                    #expect(try CopyOutput(outcome).sets.map(\.error?.code) == [nil, "no-space"])
                    try await rig.expectSame([ids[0]])
                    let again = try await rig.copy("--all")
                    try await rig.target.tested.expectSound(after: again, code: 7, good: [ids[0]])
                    try await rig.expectSame([ids[0]])
                    _ = try await run("/usr/bin/umount", [folder.path])
                } catch {
                    _ = try await run("/usr/bin/umount", ["-l", folder.path])
                    throw error
                }
            }
        }
    }
}
