// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Foundation
import TestParts
import Testing

/// Where a dataset stands in its history, by the files that a server would load.
struct DatasetHistoryTests {
    private static func rdb(_ offset: String) -> [UInt8] {
        func field(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + [UInt8](text.utf8) }
        return [UInt8]("REDIS0010".utf8)
            + [0xFA] + field("repl-id") + field(String(repeating: "a", count: 40))
            + [0xFA] + field("repl-offset") + field(offset)
            + [0xFF, 0, 0, 0, 0, 0, 0, 0, 0]
    }

    private static let manifest = [UInt8](
        "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n".utf8
    )

    private func offset(_ tree: Tree, _ purpose: PersistenceLayout.Purpose) async throws -> Int64? {
        try await withTemporaryFolder { folder in
            try folder.fill(tree)
            return try await withDataDirectory(at: folder.path) { try await $0.history(purpose: purpose)?.offset }
        }
    }

    @Test func theDumpTellsWhereAOFIsOff() async throws {
        let tree = ["dump.rdb": Self.rdb("700"), "appendonly.aof": Self.rdb("9")]
        let found = try await offset(tree, .snapshot)
        #expect(found == 700)
        let unknown = try await offset(tree, .either)
        #expect(unknown == nil)
    }

    /// The base of an AOF tells where it stands only as long as nothing was appended.
    @Test(arguments: [("", 800), ("*1\r\n$4\r\nPING\r\n", nil)])
    func theBaseOfAnAOFTellsUntilSomethingIsAppended(appended: String, expected: Int64?) async throws {
        let tree: Tree = [
            "dump.rdb": Self.rdb("700"),
            "appendonlydir/appendonly.aof.manifest": Self.manifest,
            "appendonlydir/appendonly.aof.1.base.rdb": Self.rdb("800"),
            "appendonlydir/appendonly.aof.1.incr.aof": [UInt8](appended.utf8),
        ]
        for purpose in [PersistenceLayout.Purpose.appendOnly, .either] {
            let found = try await offset(tree, purpose)
            #expect(found == expected, "\(purpose)")
        }
    }

    @Test(arguments: [[UInt8]("no RDB at all".utf8), [], Fixture.emptyRDB])
    func whatSaysNothingTellsNothing(dump: [UInt8]) async throws {
        let found = try await offset(["dump.rdb": dump], .snapshot)
        #expect(found == nil)
        let absent = try await offset([:], .either)
        #expect(absent == nil)
    }

    /// What a real server writes, at every flavour.
    @Test(arguments: RedisFlavour.allCases)
    func aServerSaysWhereItStands(flavour: RedisFlavour) async throws {
        try await withReplicatedRedis(flavour) { primary, _ in
            try await primary.command("SET", "k", "v")
            try await eventually("a save") { try await primary.ask("SAVE").errorText == nil ? true : nil }
            let info = try await primary.info("replication")
            let history = try await withDataDirectory(at: primary.folder.path) {
                try await $0.history(purpose: .snapshot)
            }
            #expect(history?.id == info["master_replid"])
            let offset = try #require(history?.offset)
            #expect(offset > 0 && offset <= Int64(info["master_repl_offset"] ?? "") ?? -1)
        }
    }
}
