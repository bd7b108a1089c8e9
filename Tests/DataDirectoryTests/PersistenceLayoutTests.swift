// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Testing

@Suite struct PersistenceLayoutTests {
    @Test(
        arguments: [
            // A version that is known decides; the RDB decides where it is not.
            (7, 9, .parts), (7, 10, .parts), (8, 12, .parts), (9, 80, .parts),
            (6, 9, .singleFile), (5, 9, .singleFile), (4, 8, .singleFile),
            (nil, 9, .singleFile), (nil, 10, .parts), (nil, 80, .parts),
        ] as [(Int?, Int, PersistenceLayout.AppendOnlyShape)]
    )
    func versionDecidesOnTheShape(server: Int?, rdb: Int, shape: PersistenceLayout.AppendOnlyShape) throws {
        let layout = try PersistenceLayout(serverMajorVersion: server, rdbVersion: rdb)
        #expect(layout.shape == shape)
        #expect(layout.purpose == .either)
    }

    @Test(arguments: PersistenceLayout.Purpose.allCases)
    func serverThatLoadsNoRDBByItsAOFGetsOnlyTheDump(purpose: PersistenceLayout.Purpose) throws {
        if purpose == .snapshot {
            let layout = try PersistenceLayout(purpose: purpose, serverMajorVersion: 3, rdbVersion: 6)
            #expect(layout.filePaths == ["dump.rdb"])
        } else {
            let failure = #expect(throws: Failure.self) {
                try PersistenceLayout(purpose: purpose, serverMajorVersion: 3, rdbVersion: 6)
            }
            #expect(failure?.code == .unsupported)
        }
    }

    @Test(
        arguments: [
            (
                .either, .parts, ["appendonlydir", "dump.rdb"],
                ["appendonlydir/appendonly.aof.1.base.rdb", "appendonlydir/appendonly.aof.manifest", "dump.rdb"]
            ),
            (.either, .singleFile, ["appendonly.aof", "dump.rdb"], ["appendonly.aof", "dump.rdb"]),
            (
                .appendOnly, .parts, ["appendonlydir"],
                ["appendonlydir/appendonly.aof.1.base.rdb", "appendonlydir/appendonly.aof.manifest"]
            ),
            (.appendOnly, .singleFile, ["appendonly.aof"], ["appendonly.aof"]),
            (.snapshot, .parts, ["dump.rdb"], ["dump.rdb"]),
            (.snapshot, .singleFile, ["dump.rdb"], ["dump.rdb"]),
        ] as [(PersistenceLayout.Purpose, PersistenceLayout.AppendOnlyShape, [String], [String])]
    )
    func filesOfALayout(
        purpose: PersistenceLayout.Purpose,
        shape: PersistenceLayout.AppendOnlyShape,
        names: [String],
        paths: [String]
    ) {
        let layout = PersistenceLayout(purpose: purpose, shape: shape)
        #expect(layout.topLevelNames == names)
        #expect(layout.filePaths == paths)
    }

    @Test func namesOfTheConfigurationAreUsed() throws {
        let names = try DataFileNames(dump: "d.rdb", appendFile: "a.aof", appendFolder: "parts")
        #expect(
            PersistenceLayout(names: names, shape: .parts).filePaths
                == ["parts/a.aof.1.base.rdb", "parts/a.aof.manifest", "d.rdb"]
        )
        #expect(PersistenceLayout(names: names, shape: .singleFile).filePaths == ["a.aof", "d.rdb"])
    }
}
