// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Foundation
import TestParts
import Testing

/// What is restored is started.
@Suite struct ServerRestoreTests {
    @Test(arguments: RedisFlavour.allCases, [false, true])
    func serverLoadsTheRestoreWithAOFOnAndOff(flavour: RedisFlavour, appendOnly: Bool) async throws {
        let snapshot = try await RealSnapshot(flavour)
        try await withTemporaryFolder { folder in
            try await snapshot.restore(to: folder, snapshot.layout())
            try await withServer(flavour, in: folder, appendOnly: appendOnly) { server in
                try await expect(server, toHold: snapshot.content)
            }
        }
    }

    /// The single file is what every server loads, so it serves one of unknown version.
    @Test(arguments: RedisFlavour.allCases, [false, true])
    func serverOfUnknownVersionLoadsTheSingleFile(flavour: RedisFlavour, appendOnly: Bool) async throws {
        let snapshot = try await RealSnapshot(flavour)
        try await withTemporaryFolder { folder in
            try await snapshot.restore(to: folder, PersistenceLayout(shape: .singleFile))
            try await withServer(flavour, in: folder, appendOnly: appendOnly) { server in
                try await expect(server, toHold: snapshot.content)
            }
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func snapshotOfAnOlderServerIsLoadedByWayOfEitherShape(flavour: RedisFlavour) async throws {
        let snapshot = try await RealSnapshot(.redis62)
        let shape: PersistenceLayout.AppendOnlyShape = flavour == .redis62 ? .singleFile : .parts
        for shape in Set([shape, .singleFile]) {
            try await withTemporaryFolder { folder in
                try await snapshot.restore(to: folder, PersistenceLayout(shape: shape))
                // Not every version computes the digest of a stream alike, so a server is compared with itself.
                let byDump = try await withServer(flavour, in: folder, appendOnly: false) { server in
                    try await DatasetDigest(of: server)
                }
                #expect(byDump.keys == snapshot.content.keys)
                try await withServer(flavour, in: folder, appendOnly: true) { server in
                    try await expect(server, toHold: byDump)
                }
            }
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func baseIsLoadedWhateverThePreambleSetting(flavour: RedisFlavour) async throws {
        let snapshot = try await RealSnapshot(flavour)
        try await withTemporaryFolder { folder in
            try await snapshot.restore(to: folder, snapshot.layout())
            try await withServer(flavour, in: folder, appendOnly: true, config: ["aof-use-rdb-preamble no"]) { server in
                try await expect(server, toHold: snapshot.content)
            }
        }
    }

    @Test(arguments: RedisFlavour.allCases, [PersistenceLayout.Purpose.appendOnly, .snapshot])
    func layoutForOneSettingServesIt(flavour: RedisFlavour, purpose: PersistenceLayout.Purpose) async throws {
        let snapshot = try await RealSnapshot(flavour)
        try await withTemporaryFolder { folder in
            try await snapshot.restore(to: folder, snapshot.layout(purpose))
            try await withServer(flavour, in: folder, appendOnly: purpose == .appendOnly) { server in
                try await expect(server, toHold: snapshot.content)
            }
        }
    }

    /// The trap itself (F33): it is why the usual layout serves both settings.
    @Test(arguments: RedisFlavour.allCases)
    func dumpAloneIsIgnoredWithAOFOn(flavour: RedisFlavour) async throws {
        let snapshot = try await RealSnapshot(flavour)
        try await withTemporaryFolder { folder in
            try await snapshot.restore(to: folder, snapshot.layout(.snapshot))
            try await withServer(flavour, in: folder, appendOnly: true) { server in
                let keys = try await server.command("DBSIZE").int
                #expect(keys == 0)
            }
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func namesOfTheConfigurationAreServed(flavour: RedisFlavour) async throws {
        let snapshot = try await RealSnapshot(flavour)
        try await withTemporaryFolder { folder in
            var config = ["dbfilename \"my dump\"", "appendfilename \"my log.aof\""]
            if flavour != .redis62 { config.append("appenddirname \"my parts\"") }
            let names = try ServerConfiguration.parse(.init(name: "test", text: config.joined(separator: "\n")))
                .fileNames()
            let layout = try PersistenceLayout(names: names, serverMajorVersion: nil, rdbVersion: snapshot.rdbVersion)
            try await snapshot.restore(to: folder, layout)
            for appendOnly in [false, true] {
                try await withServer(flavour, in: folder, appendOnly: appendOnly, config: config) { server in
                    try await expect(server, toHold: snapshot.content)
                }
            }
        }
    }

    /// The one file with two names stays safe in use: saves and rewrites of either part do not reach the other.
    @Test(arguments: RedisFlavour.allCases, [false, true])
    func restoredFilesSurviveUse(flavour: RedisFlavour, appendOnly: Bool) async throws {
        let snapshot = try await RealSnapshot(flavour)
        try await withTemporaryFolder { folder in
            try await snapshot.restore(to: folder, snapshot.layout())
            let before = try inode(folder, "dump.rdb")
            let used = try await withServer(flavour, in: folder, appendOnly: appendOnly) { server in
                try await server.command("SET", "after the restore", "1")
                if appendOnly {
                    try await server.restart()
                    #expect(try await server.command("EXISTS", "after the restore").int == 1)
                    try await server.command("BGREWRITEAOF")
                    try await eventually("the rewrite to end") {
                        let info = try await server.info("persistence")
                        let isOver = info["aof_rewrite_in_progress"] == "0" && info["aof_rewrite_scheduled"] == "0"
                        return isOver ? true : nil
                    }
                }
                try await server.command("SET", "after the rewrite", "1")
                try await server.command("SAVE")
                let content = try await DatasetDigest(of: server)
                try await server.restart()
                try await expect(server, toHold: content)
                return content
            }
            #expect(try inode(folder, "dump.rdb") != before)
            // The dump was saved last: with AOF off it is what is loaded.
            try await withServer(flavour, in: folder, appendOnly: false) { server in
                try await expect(server, toHold: used)
            }
        }
    }

    /// A server up to 6.2 appends to the file that is its dump, too, and still loads that.
    @Test func oldServerThatAppendsToTheSharedFileStillLoadsItAsItsDump() async throws {
        let snapshot = try await RealSnapshot(.redis62)
        try await withTemporaryFolder { folder in
            try await snapshot.restore(to: folder, snapshot.layout())
            try await withServer(.redis62, in: folder, appendOnly: true) { try await $0.command("SET", "k", "v") }
            let dump = try Data(contentsOf: folder.appendingPathComponent("dump.rdb"))
            #expect(dump.count > snapshot.bytes.count)
            try await withServer(.redis62, in: folder, appendOnly: false) { server in
                try await expect(server, toHold: snapshot.content)
            }
        }
    }

    /// What was moved away is a data directory, as it was.
    @Test(arguments: RedisFlavour.allCases, [false, true])
    func replacedDataCanBeStartedFromTheArchive(flavour: RedisFlavour, appendOnly: Bool) async throws {
        let snapshot = try await RealSnapshot(flavour)
        try await withTemporaryFolder { folder in
            let old = try await withServer(flavour, in: folder, appendOnly: appendOnly) { server in
                try await server.command("SET", "old", "data")
                let content = try await DatasetDigest(of: server)
                try await server.stop(save: true)
                return content
            }
            let layout = try snapshot.layout()
            let marker = try await snapshot.restore(to: folder, layout, mode: .replace)
            let archive = folder.appendingPathComponent(try #require(marker.archive))
            for (place, content) in [(folder, snapshot.content), (archive, old)] {
                try await withServer(flavour, in: place, appendOnly: appendOnly) { server in
                    try await expect(server, toHold: content)
                }
            }
        }
    }
}

/// What real servers leave behind is understood.
@Suite struct ServerFolderTests {
    @Test(arguments: RedisFlavour.allCases, [false, true])
    func folderOfAServerThatNeverHeldAnythingIsEmpty(flavour: RedisFlavour, appendOnly: Bool) async throws {
        try await withTemporaryFolder { folder in
            try await withServer(flavour, in: folder, appendOnly: appendOnly) { try await $0.stop(save: true) }
            let contents = try await withDataDirectory(at: folder.path) { try await $0.inspect() }
            #expect(contents.dataset == .empty)
            #expect(contents.runningServer == nil)
            // And it does not stay in the way of a restore that may replace such a thing.
            let snapshot = try await RealSnapshot(flavour)
            let marker = try await snapshot.restore(to: folder, snapshot.layout(), mode: .replaceEmpty)
            #expect(marker.archive != nil)
        }
    }

    @Test(arguments: RedisFlavour.allCases, [false, true])
    func folderOfAServerWithOneKeyIsNot(flavour: RedisFlavour, appendOnly: Bool) async throws {
        try await withTemporaryFolder { folder in
            try await withServer(flavour, in: folder, appendOnly: appendOnly) { server in
                try await server.command("SET", "k", "v")
                try await server.stop(save: !appendOnly)
            }
            let contents = try await withDataDirectory(at: folder.path) { try await $0.inspect() }
            #expect(contents.dataset == .present)
        }
    }

    @Test(arguments: [RedisFlavour.redis70, .valkey91])
    func manifestOfAServerIsUnderstood(flavour: RedisFlavour) async throws {
        try await withTemporaryFolder { folder in
            try await withServer(flavour, in: folder, appendOnly: true, config: ["appendfilename \"my log.aof\""]) {
                try await $0.command("SET", "k", "v")
            }
            let file = folder.appendingPathComponent("appendonlydir/my log.aof.manifest")
            let text = try String(contentsOf: file, encoding: .utf8)
            let manifest = try AppendOnlyManifest(parsing: text)
            #expect(manifest.parts.map(\.kind) == [.base, .incremental])
            #expect(manifest.parts.map(\.fileName) == ["my log.aof.1.base.rdb", "my log.aof.1.incr.aof"])
            #expect(manifest.text == text)
        }
    }

    @Test(arguments: RedisFlavour.allCases)
    func runningServerIsSeenAndNotRestoredUnder(flavour: RedisFlavour) async throws {
        let snapshot = try await RealSnapshot(flavour)
        try await withTemporaryFolder { folder in
            try await withServer(flavour, in: folder, appendOnly: false) { server in
                let contents = try await withDataDirectory(at: folder.path) { try await $0.inspect() }
                let name = flavour == .valkey91 ? "valkey-server" : "redis-server"
                #expect(contents.runningServer == .process(pid: Int(server.child.pid), name: name))
                let failure = await #expect(throws: Failure.self) {
                    try await snapshot.restore(to: folder, snapshot.layout())
                }
                #expect(failure?.code == .guardRefused)
                let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
                #expect(names == ["redis.conf"])
            }
        }
    }

    /// The lock of `nodes.conf` reaches across containers. Valkey 9.1 holds it on a file that it has since replaced.
    @Test(arguments: [RedisFlavour.redis62, .redis70])
    func clusterLockIsSeen(flavour: RedisFlavour) async throws {
        try await withTemporaryFolder { folder in
            try await withServer(flavour, in: folder, appendOnly: false, config: ["cluster-enabled yes"]) { _ in
                // Seen from a folder that is not the working directory of the process: through a second name of the
                // file.
                try await withTemporaryFolder { other in
                    let link = other.appendingPathComponent("nodes.conf")
                    try FileManager.default.linkItem(at: folder.appendingPathComponent("nodes.conf"), to: link)
                    let contents = try await withDataDirectory(at: other.path) { try await $0.inspect() }
                    #expect(contents.runningServer == .lockedClusterFile("nodes.conf"))
                    #expect(contents.clusterNode?.isPrimary == true)
                    #expect(contents.clusterNode?.slots == [])
                }
            }
            let after = try await withDataDirectory(at: folder.path) { try await $0.inspect() }
            #expect(after.runningServer == nil)
        }
    }

    /// The server itself says what its configuration means.
    @Test(arguments: RedisFlavour.allCases)
    func configurationMeansWhatTheServerSaysItMeans(flavour: RedisFlavour) async throws {
        try await withTemporaryFolder { folder in
            let parts = flavour == .redis62 ? [] : [#"appenddirname "p\x61rts""#]
            let config = [
                #"dbfilename 'it\'s a dump'"#, #"AppendFileName "my \"log\".aof""#, "databases 5", "MAXMEMORY 3gb",
                "maxmemory-policy allkeys-lru", "rdbchecksum no", "save 900 1", #"save "60" '1000'"#,
                "aof-use-rdb-preamble no", "appendonly yes", "appendonly no",
            ]
            try await withServer(flavour, in: folder, appendOnly: true, config: config + parts) { server in
                let read = try await ServerConfiguration.load(path: folder.appendingPathComponent("redis.conf").path)
                func says(_ name: String) async throws -> String? {
                    try await server.command("CONFIG", "GET", name).array?.last?.text
                }
                #expect(try await says("dir") == read.directory)
                #expect(try await says("dbfilename") == read.dumpFileName)
                if flavour != .redis62 {
                    #expect(try await says("appendfilename") == read.appendFileName)
                    #expect(try await says("appenddirname") == read.appendFolderName)
                }
                #expect(read.appendFileName == "my \"log\".aof")
                #expect(try await says("databases") == "\(read.databases)")
                #expect(try await says("maxmemory") == "\(read.maxMemoryBytes)")
                #expect(try await says("maxmemory-policy") == read.maxMemoryPolicy)
                #expect(try await says("rdbchecksum") == (read.writesChecksum ? "yes" : "no"))
                #expect(try await says("aof-use-rdb-preamble") == (read.usesRDBPreamble ? "yes" : "no"))
                #expect(try await says("appendonly") == (read.isAppendOnly ? "yes" : "no"))
                let points = read.savePoints?.map { "\($0.seconds) \($0.changes)" }.joined(separator: " ")
                #expect(try await says("save") == points)
            }
        }
    }
}
