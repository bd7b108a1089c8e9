// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage
import TestParts
import Testing

/// What a store says of the history of a subject: sets, pins, drills, verifications, removals.
struct HistoryTests {
    private struct Rig: Sendable {
        let catalog: Catalog

        /// A set whose manifest alone is there.
        @discardableResult
        func put(_ id: String, _ change: (inout Manifest) -> Void = { _ in }) async throws -> Manifest {
            var manifest = try ManifestTests.sample()
            manifest.id = try #require(BackupID(id))
            manifest.startedAt = manifest.id.time
            manifest.members[0].stored?.key = "prod.redis/\(id)/redis-1.rdb.zst"
            change(&manifest)
            for stored in manifest.members.compactMap(\.stored) {
                try await put(stored.key, String(repeating: "x", count: Int(stored.bytes)))
            }
            let key = try Catalog.manifestKey(name: manifest.name, id: manifest.id)
            try await catalog.store.create(key, try manifest.encoded())
            return manifest
        }

        func put(_ key: String, _ text: String) async throws {
            try await catalog.store.create(try #require(ObjectKey(parsing: key)), Array(text.utf8))
        }

        func history() async throws -> [RetainableSet] {
            try await catalog.histories(of: nil, now: .now())["prod.redis"] ?? []
        }
    }

    private func withRig(_ body: (Rig) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            try await body(Rig(catalog: Catalog(store: FileStore(root: folder.path))))
        }
    }

    /// Something else than this program removed the snapshot, or cut it.
    @Test func aSetWithoutItsMemberIsIncomplete() async throws {
        try await withRig { rig in
            for number in 1...3 { _ = try await rig.put("20261121T00000\(number)Z-0001") { _ in } }
            func member(_ number: Int) throws -> ObjectKey {
                try #require(ObjectKey(parsing: "prod.redis/20261121T00000\(number)Z-0001/redis-1.rdb.zst"))
            }
            try await rig.catalog.store.remove(try member(2))
            try await rig.catalog.store.remove(try member(3))
            try await rig.put(try member(3).description, "cut")
            let history = try await rig.history()
            #expect(history.map(\.damage) == [nil, .incomplete, .incomplete])
            #expect(history.map(\.missing) == [nil, "redis-1.rdb.zst", "redis-1.rdb.zst"])
        }
    }

    /// However it is asked for, what is said names the set and what to do.
    @Test func aManifestThatCannotBeReadIsNamed() async throws {
        try await withRig { rig in
            for (id, document, code, hint) in [
                ("20261123T000000Z-0003", "{\"format\": 1}", Failure.Code.corruptManifest, "Nothing is restored"),
                ("20261124T000000Z-0004", "{\"format\": 2}", .unsupported, "Use a newer redoubt"),
            ] {
                try await rig.put("prod.redis/\(id)/manifest.json", document)
                for text in [id, "prod.redis/\(id)", "latest"] {
                    let reference = try BackupReference(text)
                    let failure = await #expect(throws: Failure.self) {
                        try await rig.catalog.require(reference, name: nil)
                    }
                    #expect(failure?.code == code && failure?.message.contains(id) == true)
                    #expect(failure?.hint?.contains(hint) == true)
                }
            }
        }
    }

    @Test func everythingThatDecidesIsFound() async throws {
        try await withRig { rig in
            let first = try await rig.put("20261121T000000Z-0001") { $0.tags = ["release"] }
            let whole = try await rig.put("20261122T000000Z-0002") { $0.members.removeLast() }
            try await rig.put("prod.redis/20261123T000000Z-0003/manifest.json", "{")
            try await rig.put("prod.redis/20261124T000000Z-0004/manifest.json", "{\"format\": 2}")
            let pin = Pin(of: whole.id, name: whole.name, reason: "audit", tool: whole.tool)
            #expect(try await rig.catalog.write(pin))
            let history = try await rig.history()
            #expect(history.map(\.id.text.last) == ["1", "2", "3", "4"])
            #expect(history.map(\.isPartial) == [true, false, false, false])
            #expect(history.map(\.isPinned) == [false, true, false, false])
            #expect(history.map(\.damage) == [nil, nil, .damaged, .unreadable])
            #expect(history[0].tags == ["release"] && history[0].storedBytes == 100)
            #expect(history[0].takenAt == first.id.time)
            #expect(history.allSatisfy { abs($0.writtenAt.secondsSince1970 - Timestamp.now().secondsSince1970) < 60 })
        }
    }

    /// The newest record that came to a verdict counts; one that could not find out takes nothing back.
    @Test(
        arguments: [
            ([.proven], false), ([.different], true), ([.different, .failed], true), ([.different, .proven], false),
            ([.proven, .different], true), ([.failed], false),
        ] as [([DrillRecord.Verdict], Bool)]
    )
    func drillsDisproveASet(verdicts: [DrillRecord.Verdict], isDisproven: Bool) async throws {
        try await withRig { rig in
            let manifest = try await rig.put("20261121T000000Z-0001")
            try await rig.put("20261122T000000Z-0002")
            for (index, verdict) in verdicts.enumerated() {
                var record = try DrillRecordTests.sample("20261122T00000\(index)Z-0001", of: manifest)
                record.verdict = verdict
                for index in record.members.indices { record.members[index].verdict = verdict }
                try await rig.catalog.write(record)
            }
            // One that is none says nothing.
            try await rig.put(".drills/prod.redis/\(manifest.id)/20261123T000000Z-0001.json", "{}")
            #expect(try await rig.history().map(\.isDisproven) == [isDisproven, false])
        }
    }

    @Test(arguments: ProofRecord.Verdict.allCases)
    func verificationsDisproveASet(verdict: ProofRecord.Verdict) async throws {
        try await withRig { rig in
            let manifest = try await rig.put("20261121T000000Z-0001")
            let member = ProofRecord.Member(of: manifest.members[0], verdict: verdict, seconds: 1)
            let record = ProofRecord(
                id: BackupID(time: .now(), suffix: 1),
                of: manifest,
                tool: manifest.tool,
                store: "file:///backups",
                host: "pod",
                level: "deep",
                finishedAt: .now(),
                members: [member]
            )
            try await rig.catalog.write(record)
            #expect(try await rig.history().map(\.isDisproven) == [verdict == .different])
        }
    }

    /// That it is there is what counts.
    @Test func aPinThatCannotBeReadIsAPin() async throws {
        try await withRig { rig in
            let manifest = try await rig.put("20261121T000000Z-0001")
            try await rig.put(".pins/prod.redis/\(manifest.id).json", "no JSON")
            #expect(try await rig.history().map(\.isPinned) == [true])
            #expect(try await rig.catalog.isPinned(name: manifest.name, id: manifest.id))
            #expect(try await rig.catalog.pin(name: manifest.name, id: manifest.id) == nil)
            let again = Pin(of: manifest.id, name: manifest.name, reason: nil, tool: manifest.tool)
            #expect(try await rig.catalog.write(again) == false)
            try await rig.catalog.removePin(name: manifest.name, id: manifest.id)
            #expect(try await rig.history().map(\.isPinned) == [false])
        }
    }

    @Test func aPinSaysWhyAndWhen() async throws {
        try await withRig { rig in
            let manifest = try await rig.put("20261121T000000Z-0001")
            let pin = Pin(of: manifest.id, name: manifest.name, reason: "before the migration", tool: manifest.tool)
            #expect(try await rig.catalog.write(pin))
            #expect(try await rig.catalog.pin(name: manifest.name, id: manifest.id) == pin)
            #expect(try await rig.catalog.pins(of: "prod.redis") == ["prod.redis": [manifest.id]])
            #expect(try await rig.catalog.pins(of: "other").isEmpty)
            // It is no part of any set.
            #expect(try await rig.catalog.entries(of: nil).map(\.id) == [manifest.id])
        }
    }

    private static func removal(of manifest: Manifest, _ bytes: [UInt8]) -> SetRemoval {
        SetRemoval(
            of: manifest.id,
            name: manifest.name,
            policy: "keep-last 1 (UTC)",
            reason: "no rule keeps it",
            tool: manifest.tool,
            manifest: bytes
        )
    }

    @Test func aRemovalIsOnRecordOnceForEachManifest() async throws {
        try await withRig { rig in
            let manifest = try await rig.put("20261121T000000Z-0001")
            let one = Self.removal(of: manifest, [1])
            #expect(try await rig.catalog.write(one)?.description == ".removed/prod.redis/\(manifest.id).json")
            // The run that wrote it died, and the next one comes to the same set.
            #expect(try await rig.catalog.write(Self.removal(of: manifest, [1])) == nil)
            // Brought back by a copy, and removed again.
            let other = Self.removal(of: manifest, [2])
            #expect(try await rig.catalog.write(other) != nil)
            #expect(try await rig.catalog.write(other) == nil)
            try await rig.put(".removed/prod.redis/20261122T000000Z-0001.json", "{}")
            let found = try await rig.catalog.removals(of: "prod.redis")
            #expect(Set(found.map(\.manifestSha256)) == [one.manifestSha256, other.manifestSha256])
            #expect(found.allSatisfy { $0.backup == manifest.id && $0.policy == "keep-last 1 (UTC)" })
            #expect(try await rig.catalog.removals(of: "another").isEmpty)
        }
    }

    @Test func everyTruncationOfARemovalIsRefused() throws {
        let removal = Self.removal(of: try ManifestTests.sample(), [1])
        let bytes = try removal.encoded()
        #expect(try SetRemoval(decoding: bytes) == removal)
        for length in 0..<(bytes.count - 2) {
            #expect(throws: Failure.self) { try SetRemoval(decoding: Array(bytes[..<length])) }
        }
    }

    @Test(arguments: [["a", "release-1.2", "team:x"], [], nil] as [[String]?])
    func tagsComeBack(tags: [String]?) throws {
        var manifest = try ManifestTests.sample()
        manifest.tags = tags
        let bytes = try manifest.encoded()
        #expect(try Manifest(decoding: bytes) == manifest)
        #expect(String(decoding: bytes, as: UTF8.self).contains("\"tags\"") == (tags != nil))
    }

    @Test(arguments: ["", "a b", "a,b", "\u{1B}[31m", "ä", String(repeating: "a", count: 65)])
    func aTagThatCannotBeOneIsRefused(tag: String) throws {
        var manifest = try ManifestTests.sample()
        manifest.tags = ["good", tag]
        let bytes = try manifest.encoded()
        let failure = #expect(throws: Failure.self) { try Manifest(decoding: bytes) }
        #expect(failure?.code == .corruptManifest)
    }
}
