// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Failures
import Testing

@Suite struct RestoreDecisionTests {
    private static let dump = Contents.DataEntry(name: "dump.rdb", kind: .snapshot, bytes: 7)
    private static let link = Contents.DataEntry(name: "dump.rdb", kind: .symbolicLink, bytes: 7)

    private func marker(backup: String = "b1", member: String = "m0", request: String? = nil) throws -> RestoreMarker {
        try Fixture.marker(backup: backup, member: member, request: request)
    }

    private func decide(_ contents: Contents, _ mode: RestoreMode, request: String? = nil) throws -> RestoreDecision {
        try contents.decision(for: Fixture.request(requestID: request, mode: mode), path: "/data")
    }

    @Test(arguments: RestoreMode.allCases)
    func freshFolderIsRestored(mode: RestoreMode) throws {
        #expect(try decide(Contents(), mode) == .restore(moving: []))
    }

    @Test func dataIsLeftAloneUnlessItMayBeMoved() throws {
        let full = Contents(data: [Self.dump], dataset: .present)
        #expect(try decide(full, .freshOnly) == .nothingToRestore(.holdsData([Self.dump])))
        #expect(try decide(full, .replaceEmpty) == .nothingToRestore(.holdsData([Self.dump])))
        #expect(try decide(full, .replace) == .restore(moving: ["dump.rdb"]))
    }

    @Test func emptyDatasetIsDataUnlessItMayBeReplaced() throws {
        let empty = Contents(data: [Self.dump], dataset: .empty)
        #expect(try decide(empty, .freshOnly) == .nothingToRestore(.holdsData([Self.dump])))
        #expect(try decide(empty, .replaceEmpty) == .restore(moving: ["dump.rdb"]))
        #expect(try decide(empty, .replace) == .restore(moving: ["dump.rdb"]))
    }

    @Test(arguments: RestoreMode.allCases)
    func sameRestoreIsNotRepeated(mode: RestoreMode) throws {
        let done = try marker()
        let contents = Contents(data: [Self.dump], dataset: .present, marker: done)
        #expect(try decide(contents, mode) == .nothingToRestore(.alreadyRestored(done)))
    }

    @Test func otherRestoreIsAnotherOne() throws {
        for other in [try marker(backup: "b2"), try marker(member: "m1")] {
            let contents = Contents(data: [Self.dump], dataset: .present, marker: other)
            #expect(try decide(contents, .replace) == .restore(moving: ["dump.rdb"]))
        }
    }

    @Test func requestIDDecidesWhereThereIsOne() throws {
        let done = try marker(backup: "older", request: "r1")
        let contents = Contents(data: [Self.dump], dataset: .present, marker: done)
        #expect(try decide(contents, .replace, request: "r1") == .nothingToRestore(.alreadyRestored(done)))
        #expect(try decide(contents, .replace, request: "r2") == .restore(moving: ["dump.rdb"]))
        let sameBackup = Contents(data: [Self.dump], dataset: .present, marker: try marker(request: "r1"))
        #expect(try decide(sameBackup, .replace, request: "r2") == .restore(moving: ["dump.rdb"]))
    }

    @Test func markerWithoutDataDoesNotStopARestore() throws {
        #expect(try decide(Contents(marker: try marker()), .freshOnly) == .restore(moving: []))
    }

    @Test(arguments: [
        RunningServer.process(pid: 7, name: "redis-server"), .lockedClusterFile("nodes.conf"), .savingTo("temp-7.rdb"),
    ])
    func runningServerIsNeverRestoredUnder(sign: RunningServer) throws {
        let fresh = #expect(throws: Failure.self) { try decide(Contents(runningServer: sign), .freshOnly) }
        #expect(fresh?.code == .guardRefused)
        let full = Contents(data: [Self.dump], dataset: .present, runningServer: sign)
        let replaced = #expect(throws: Failure.self) { try decide(full, .replace) }
        #expect(replaced?.code == .guardRefused)
        // To leave it alone is right whether or not a server runs.
        #expect(try decide(full, .freshOnly) == .nothingToRestore(.holdsData([Self.dump])))
    }

    @Test func symbolicLinkIsNotMoved() throws {
        let contents = Contents(data: [Self.link], dataset: .present)
        #expect(try decide(contents, .freshOnly) == .nothingToRestore(.holdsData([Self.link])))
        let failure = #expect(throws: Failure.self) { try decide(contents, .replace) }
        #expect(failure?.code == .guardRefused)
    }

    @Test(arguments: ["", ".", "..", "a/b", ".hidden", "a b", "ä", "a\0b", String(repeating: "a", count: 65)])
    func unsafeRestoreIDIsRefused(text: String) {
        let failure = #expect(throws: Failure.self) { try RestoreID(text) }
        #expect(failure?.code == .configuration)
    }

    @Test(arguments: ["999", "999:", ":1", "a:b", "1:2:3", "-1:0", "4294967295:0", ""])
    func unreadableOwnerIsRefused(text: String) {
        let failure = #expect(throws: Failure.self) { try FileOwner(parsing: text) }
        #expect(failure?.code == .configuration)
    }

    @Test func ownerIsRead() throws {
        #expect(try FileOwner(parsing: "999:1000") == FileOwner(user: 999, group: 1000))
    }
}
