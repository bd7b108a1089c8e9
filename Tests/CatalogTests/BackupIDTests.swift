// SPDX-License-Identifier: Apache-2.0

import Catalog
import Testing

struct BackupIDTests {
    @Test(arguments: [
        ("20261122T153000Z-7f3a", true), ("20240229T000000Z-0000", true), ("20230229T000000Z-0000", false),
        ("20261122T153000Z-7F3A", false), ("20261122T153000Z-7f3", false), ("20261122T153000Z-7f3a0", false),
        ("20261122t153000Z-7f3a", false), ("20261322T153000Z-7f3a", false), ("20261122T256000Z-7f3a", false),
        ("", false), ("latest", false), ("99991231T235959Z-0000", false), ("19991231T235959Z-0000", false),
        ("21991231T235959Z-0000", true), ("2026112-T153000Z-7f3a", false), ("+0261122T153000Z-7f3a", false),
        ("20261122T153000Z-../a", false), ("２026112T153000Z-7f3a", false),
    ])
    func onlyAnIDReadsAsOne(text: String, isOne: Bool) {
        #expect((BackupID(text) != nil) == isOne)
        #expect(BackupID(text)?.text == (isOne ? text : nil))
    }

    @Test func anIDIsItsTimeAndItsSuffix() throws {
        let time = try #require(Timestamp("2026-11-22T15:30:00Z"))
        let id = BackupID(time: time, suffix: 0x7f)
        #expect(id.text == "20261122T153000Z-007f")
        #expect(BackupID(id.text) == id)
        #expect(id.time == time)
    }

    @Test func theNextIDSortsAfterEveryOtherWhateverTheClockSays() throws {
        let now = try #require(Timestamp("2026-11-22T15:30:00Z"))
        let newest = try #require(BackupID("20261122T160000Z-ffff"))
        let older = try #require(BackupID("20261121T160000Z-ffff"))
        for suffix: UInt16 in [0, 1, .max] {
            #expect(BackupID.next(after: [], now: now, suffix: suffix).time == now)
            #expect(BackupID.next(after: [older], now: now, suffix: suffix).time == now)
            #expect(BackupID.next(after: [older, newest], now: now, suffix: suffix) > newest)
            #expect(BackupID.next(after: [newest, older], now: newest.time, suffix: suffix) > newest)
        }
    }

    @Test(arguments: [
        ("latest", BackupReference.latest),
        ("20261122T153000Z-7f3a", BackupReference.id(BackupID("20261122T153000Z-7f3a")!)),
        ("prod.redis/20261122T153000Z-7f3a", .named("prod.redis", BackupID("20261122T153000Z-7f3a")!)),
    ])
    func aReferenceReadsBack(text: String, reference: BackupReference) throws {
        #expect(try BackupReference(text) == reference)
        #expect(reference.description == text)
    }

    @Test(arguments: ["", "Latest", "a/b/c", "../20261122T153000Z-7f3a", "prod.redis/latest", "/20261122T153000Z-7f3a"])
    func whatIsNoReferenceIsRefused(text: String) {
        #expect(throws: (any Error).self) { try BackupReference(text) }
    }
}
