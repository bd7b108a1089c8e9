// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Foundation
import RDB
import TestParts
import Testing

/// Whether a restored replica continues where its dump ends, or fetches everything.
@Suite struct ReplicationTests {
    /// How the replica is started.
    enum Start: String, CaseIterable, Sendable {
        case appendOnlyOff
        case appendOnlyOn
        /// `appendonly no` first, `CONFIG SET appendonly yes` once it is loaded.
        case switchedOn
    }

    struct Syncs: Equatable {
        var full: Int
        var partial: Int

        init(full: Int, partial: Int) {
            self.full = full
            self.partial = partial
        }

        init(of primary: RedisServer) async throws {
            let info = try await primary.info("stats")
            full = Int(info["sync_full"] ?? "") ?? -1
            partial = Int(info["sync_partial_ok"] ?? "") ?? -1
        }
    }

    private func savedDump(of server: RedisServer) async throws -> [UInt8] {
        // The save for a replica may still be going on.
        try await eventually("a save of its own", withinSeconds: 30) {
            try await server.ask("SAVE").errorText == nil ? true : nil
        }
        return [UInt8](try Data(contentsOf: server.dumpFile))
    }

    private func restore(_ dump: [UInt8], to folder: URL) async throws {
        var scanner = RDBScanner()
        try scanner.consume(dump)
        let layout = try PersistenceLayout(serverMajorVersion: nil, rdbVersion: scanner.finish().version)
        let request = try Fixture.request(bytes: dump.count, layout: layout)
        let outcome = try await withDataDirectory(at: folder.path) { try await $0.restore(request, dump) }
        #expect(outcome.marker != nil)
    }

    /// With AOF on a server loads the base without the replication id that it carries, in every version of ours.
    @Test(arguments: RedisFlavour.allCases, Start.allCases)
    func restoredReplicaContinuesUnlessItLoadsByWayOfItsAOF(flavour: RedisFlavour, start: Start) async throws {
        try await withReplicatedRedis(flavour) { primary, replicas in
            let replica = try #require(replicas.first)
            try await Dataset.small.load(into: primary)
            try await primary.waitUntilSynchronized([replica])
            let dump = try await savedDump(of: replica)
            try await replica.stop()
            try await primary.command("SET", "written after the dump", "1")
            let before = try await Syncs(of: primary)
            try await withTemporaryFolder { folder in
                try await restore(dump, to: folder)
                try await withServer(flavour, in: folder, appendOnly: start == .appendOnlyOn, replicaOf: primary) {
                    restored in
                    if start == .switchedOn { try await switchOn(restored) }
                    try await primary.waitUntilSynchronized([restored])
                    try await expect(restored, toHold: DatasetDigest(of: primary))
                    let isPartial = start != .appendOnlyOn
                    let after = try await Syncs(of: primary)
                    #expect(after.full == before.full + (isPartial ? 0 : 1))
                    #expect(after.partial == before.partial + (isPartial ? 1 : 0))
                }
                // What the AOF holds by now is the whole dataset, not the restore.
                guard start == .switchedOn else { return }
                try await withServer(flavour, in: folder, appendOnly: true) { again in
                    try await expect(again, toHold: DatasetDigest(of: primary))
                }
            }
        }
    }

    private func switchOn(_ server: RedisServer) async throws {
        try await server.command("CONFIG", "SET", "appendonly", "yes")
        try await eventually("the AOF to be written") {
            let info = try await server.info("persistence")
            let isOver = info["aof_rewrite_in_progress"] == "0" && info["aof_rewrite_scheduled"] == "0"
            return isOver && info["aof_last_bgrewrite_status"] == "ok" ? true : nil
        }
    }

    /// A whole set that is restored from one dump starts without a full synchronization from 7.0 on, with AOF off on
    /// both sides: a primary of 6.2 does not take up the history of its dump.
    @Test(arguments: RedisFlavour.allCases, [(false, false), (true, false), (false, true)])
    func setRestoredFromOneDumpContinues(flavour: RedisFlavour, appendOnly: (primary: Bool, replica: Bool)) async throws
    {
        let dump = try await withReplicatedRedis(flavour) { primary, _ in
            try await Dataset.small.load(into: primary)
            return try await savedDump(of: primary)
        }
        try await withTemporaryFolder { first in
            try await restore(dump, to: first)
            try await withServer(flavour, in: first, appendOnly: appendOnly.primary) { primary in
                try await withTemporaryFolder { second in
                    try await restore(dump, to: second)
                    try await withServer(flavour, in: second, appendOnly: appendOnly.replica, replicaOf: primary) {
                        replica in
                        try await primary.waitUntilSynchronized([replica])
                        try await expect(replica, toHold: DatasetDigest(of: primary))
                    }
                }
                let continues = flavour != .redis62 && appendOnly == (false, false)
                let syncs = try await Syncs(of: primary)
                #expect(syncs == Syncs(full: continues ? 0 : 1, partial: continues ? 1 : 0))
            }
        }
    }
}
