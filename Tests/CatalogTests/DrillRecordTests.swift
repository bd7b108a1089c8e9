// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage
import TestParts
import Testing

/// Records of drills: written once, read back, and no part of any set.
struct DrillRecordTests {
    static func sample(_ id: String, of manifest: Manifest) throws -> DrillRecord {
        var member = DrillRecord.Member(of: manifest.members[0], verdict: .proven)
        member.seconds.restore = 2
        member.seconds.load = 1.5
        return DrillRecord(
            id: try #require(BackupID(id)),
            of: manifest,
            tool: .init(name: "redoubt", version: "1"),
            store: "file:///backups",
            host: "pod",
            server: .init(product: "redis", version: "7.0.15", appendOnly: false),
            finishedAt: manifest.finishedAt,
            members: [member]
        )
    }

    @Test func theNewestComeBackAndSetsDoNotSeeThem() async throws {
        try await withTemporaryFolder { folder in
            let catalog = Catalog(store: FileStore(root: folder.path))
            let manifest = try ManifestTests.sample()
            let key = try Catalog.manifestKey(name: manifest.name, id: manifest.id)
            try await catalog.store.create(key, try manifest.encoded())
            let ids = (1...4).map { "2026112\($0)T000000Z-000\($0)" }
            for id in ids { try await catalog.write(try Self.sample(id, of: manifest)) }
            let records = try await catalog.drills(of: manifest.name, limit: 3)
            #expect(records.map(\.id.text) == ids.suffix(3))
            #expect(records.last == (try Self.sample(ids[3], of: manifest)))
            let ofSet = try await catalog.drills(of: manifest.name, set: manifest.id, limit: 1)
            #expect(ofSet.map(\.id.text) == [ids[3]])
            let other = try await catalog.drills(of: "another", limit: 3)
            #expect(other.isEmpty)
            let entries = try await catalog.entries(of: nil)
            #expect(entries.map(\.id) == [manifest.id])
            let sets = try await catalog.listing(of: manifest.name).ids
            #expect(sets == [manifest.id])
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let sweep = try await catalog.removeLeftovers(of: manifest.name, logger: logger)
            #expect(sweep.removed == 0)
        }
    }

    @Test func aRecordThatIsNoneIsPassedOver() async throws {
        try await withTemporaryFolder { folder in
            let catalog = Catalog(store: FileStore(root: folder.path))
            let manifest = try ManifestTests.sample()
            let good = try Self.sample("20261121T000000Z-0001", of: manifest)
            try await catalog.write(good)
            let place = KeyFolder.root
            for (index, text) in ["", "{}", "{\"format\":2}", "[1]"].enumerated() {
                let name = "20261122T000000Z-000\(index).json"
                let key = try place.key(".drills", manifest.name, manifest.id.text, name)
                try await catalog.store.create(key, Array(text.utf8))
            }
            let records = try await catalog.drills(of: manifest.name, limit: 10)
            #expect(records == [good])
        }
    }

    @Test func everyTruncationIsRefused() throws {
        let bytes = try Self.sample("20261121T000000Z-0001", of: ManifestTests.sample()).encoded()
        let whole = try DrillRecord(decoding: bytes)
        #expect(whole.verdict == .proven && whole.secondsToRestore == 3.5)
        #expect(whole.omitted == ["redis-2"])
        for length in 0..<(bytes.count - 2) {
            #expect(throws: Failure.self) { try DrillRecord(decoding: Array(bytes[..<length])) }
        }
    }
}
