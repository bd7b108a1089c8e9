// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Logging
import ObjectStorage
import TestParts
import Testing

/// Records of proofs: written once, told apart by their keys, thinned out, and no part of any set.
struct ProofRecordTests {
    static func sample(
        _ id: String,
        of manifest: Manifest,
        _ verdict: ProofRecord.Verdict = .proven
    ) throws -> ProofRecord {
        var member = ProofRecord.Member(of: manifest.members[0], verdict: verdict, seconds: 1.5)
        if verdict != .proven { member.error = .init(code: "digest-mismatch", message: "it differs") }
        return ProofRecord(
            id: try #require(BackupID(id)),
            of: manifest,
            tool: .init(name: "redoubt", version: "1"),
            store: "file:///backups",
            host: "pod",
            level: "deep",
            finishedAt: manifest.finishedAt,
            members: [member]
        )
    }

    private func withCatalog(_ body: (Catalog, Manifest) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let catalog = Catalog(store: FileStore(root: folder.path))
            let manifest = try ManifestTests.sample()
            let key = try Catalog.manifestKey(name: manifest.name, id: manifest.id)
            try await catalog.store.create(key, try manifest.encoded())
            try await body(catalog, manifest)
        }
    }

    @Test func theNewestComeBackAndSetsDoNotSeeThem() async throws {
        try await withCatalog { catalog, manifest in
            let ids = (1...3).map { "2026112\($0)T000000Z-000\($0)" }
            for id in ids { try await catalog.write(try Self.sample(id, of: manifest)) }
            let records = try await catalog.proofs(of: manifest.name, limit: 2)
            #expect(records.map(\.id.text) == ids.suffix(2))
            #expect(records.last == (try Self.sample(ids[2], of: manifest)))
            let ofSet = try await catalog.proofs(of: manifest.name, set: manifest.id, limit: 1)
            #expect(ofSet.map(\.id.text) == [ids[2]])
            let other = try await catalog.proofNotes(of: "another")
            #expect(other.isEmpty)
            let entries = try await catalog.entries(of: nil)
            #expect(entries.map(\.id) == [manifest.id])
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let sweep = try await catalog.removeLeftovers(of: manifest.name, logger: logger)
            #expect(sweep.removed == 0)
            let remnants = try await catalog.remnants(of: nil)
            #expect(remnants.found.isEmpty)
            let removed = await catalog.removeProofs(of: manifest.name, set: manifest.id)
            let left = try await catalog.proofNotes(of: nil)
            #expect(removed == 3 && left.isEmpty)
        }
    }

    /// Three stay, and every one that says that the set is different.
    @Test func olderOnesAreThinnedOut() async throws {
        try await withCatalog { catalog, manifest in
            for day in 1...9 {
                let verdict: ProofRecord.Verdict = day == 2 ? .different : day == 4 ? .failed : .proven
                try await catalog.write(try Self.sample("2026110\(day)T000000Z-0000", of: manifest, verdict))
            }
            let left = try await catalog.proofNotes(of: manifest.name).sorted { $0.id < $1.id }
            #expect(left.map(\.id.text) == [2, 7, 8, 9].map { "2026110\($0)T000000Z-0000" })
            #expect(left.map(\.verdict) == [.different, .proven, .proven, .proven])
        }
    }

    /// One that was only tried proves nothing, one that differs is remembered until the set is proven again, and one
    /// from the future is not believed.
    @Test func theLedgerTellsTheNewestOfEachKind() throws {
        let set = try #require(BackupID("20261101T000000Z-0001"))
        let other = try #require(BackupID("20261102T000000Z-0002"))
        let now = try #require(Timestamp("2026-12-01T00:00:00Z"))
        func note(_ day: Int, _ verdict: ProofRecord.Verdict, of set: BackupID) throws -> ProofNote {
            let id = try #require(BackupID("202611\(day)T000000Z-00\(day)"))
            return ProofNote(name: "demo", backup: set, id: id, verdict: verdict)
        }
        let notes = [
            try note(12, .proven, of: set), try note(13, .different, of: set), try note(14, .failed, of: set),
            try note(15, .different, of: other), try note(16, .proven, of: other),
        ]
        let future = ProofNote(
            name: "demo",
            backup: set,
            id: try #require(BackupID("20271101T000000Z-0001")),
            verdict: .proven
        )
        for order in [notes + [future], [future] + notes.reversed()] {
            let ledger = ProofLedger(order, now: now)
            let history = try #require(ledger["demo", set])
            #expect(history.tried == notes[2] && history.proven == notes[0] && history.found == notes[1])
            #expect(history.isDifferent)
            #expect(ledger["demo", other]?.isDifferent == false)
            #expect(ledger["another", set] == nil)
            #expect(ledger.newestProof(of: "demo") == notes[4] && ledger.newestProof(of: "another") == nil)
            #expect(ledger.fromTheFuture == [future])
        }
    }

    /// Only what this program writes counts, and only where the record says the same as its key.
    @Test func whatIsNoRecordIsPassedOver() async throws {
        try await withCatalog { catalog, manifest in
            let good = try Self.sample("20261121T000000Z-0001", of: manifest)
            try await catalog.write(good)
            let bytes = try good.encoded()
            let set = manifest.id.text
            for (key, content) in [
                "\(set)/20261122T000000Z-0001.proven.json": Array("{}".utf8),
                "\(set)/20261122T000000Z-0002.proven.json": Array("{\"format\":2}".utf8),
                "\(set)/20261122T000000Z-0003.proven.json": bytes,
            ] {
                try await catalog.store.create(
                    try #require(ObjectKey(parsing: ".proofs/\(manifest.name)/\(key)")),
                    content
                )
            }
            for key in [
                "\(set)/20261122T000000Z-0004.splendid.json", "\(set)/20261122T000000Z-0005.json",
                "\(set)/20261122T000000Z-0006.proven.json.bak", "notes/20261122T000000Z-0007.proven.json",
            ] {
                try await catalog.store.create(
                    try #require(ObjectKey(parsing: ".proofs/\(manifest.name)/\(key)")),
                    bytes
                )
            }
            let notes = try await catalog.proofNotes(of: manifest.name)
            #expect(notes.count == 4)
            let records = try await catalog.proofs(of: manifest.name, limit: 10)
            #expect(records == [good])
        }
    }

    @Test func everyTruncationIsRefusedAndLaterFieldsAreIgnored() throws {
        let sample = try Self.sample("20261121T000000Z-0001", of: ManifestTests.sample(), .different)
        let bytes = try sample.encoded()
        #expect(try ProofRecord(decoding: bytes) == sample)
        #expect(sample.verdict == .different && sample.members[0].bytes == 300)
        for length in 0..<(bytes.count - 2) {
            #expect(throws: Failure.self) { try ProofRecord(decoding: Array(bytes[..<length])) }
        }
        let later = "{\"later\": [1]," + String(decoding: bytes, as: UTF8.self).dropFirst()
        #expect(try ProofRecord(decoding: Array(later.utf8)) == sample)
        let absurd = String(decoding: bytes, as: UTF8.self).replacing("\"bytes\" : 300", with: "\"bytes\" : -1")
        #expect(throws: Failure.self) { try ProofRecord(decoding: Array(absurd.utf8)) }
    }
}
