// SPDX-License-Identifier: Apache-2.0

import Failures
import Operations
import RedisProtocol
import Testing

/// Whether a fork fits, judged by what the server and its container say.
struct MemoryHeadRoomTests {
    private static func info(
        used: Int64 = 1000,
        resident: Int64? = nil,
        lastCopy: Int64? = nil,
        copy: Int64? = nil,
        system: Int64? = nil
    ) -> ServerInfo {
        let fields: [(String, Int64?)] = [
            ("used_memory", used), ("used_memory_rss", resident), ("rdb_last_cow_size", lastCopy),
            ("current_cow_size", copy), ("total_system_memory", system),
        ]
        return ServerInfo(fields.compactMap { name, value in value.map { "\(name):\($0)" } }.joined(separator: "\r\n"))
    }

    @Test(
        arguments: [
            // A tenth, where no save was seen.
            (info(), 1100, true), (info(), 1099, false),
            // What the last save copied, and a fifth more.
            (info(lastCopy: 400), 1480, true), (info(lastCopy: 400), 1479, false),
            // But never less than a tenth, nor more than all there is.
            (info(lastCopy: 1), 1100, true), (info(lastCopy: 1), 1099, false),
            (info(lastCopy: 5000), 2000, true), (info(lastCopy: 5000), 1999, false),
            // What the kernel counts, where that is more.
            (info(resident: 1500), 1600, true), (info(resident: 1500), 1599, false),
            (info(resident: 500), 1100, true),
            // Over its limit already.
            (info(used: 2000), 1000, false),
        ] as [(ServerInfo, Int64, Bool)]
    )
    func aForkFitsOrNot(info: ServerInfo, limit: Int64, fits: Bool) throws {
        let room = try #require(MemoryHeadRoom(info, containerLimitBytes: limit))
        #expect(room.isEnough == fits)
        if fits {
            #expect(throws: Never.self) { try room.require(for: "redis-1") }
        } else {
            let failure = #expect(throws: Failure.self) { try room.require(for: "redis-1") }
            #expect(failure?.code == .guardRefused)
            #expect(failure?.hint?.contains("--ignore-memory-headroom") == true)
        }
    }

    @Test func theMachineCountsWhereNoContainerIsKnown() throws {
        let room = try #require(MemoryHeadRoom(Self.info(system: 1050), containerLimitBytes: nil))
        #expect(room.limitBytes == 1050 && room.limitOwner == "its machine" && !room.isEnough)
        #expect(MemoryHeadRoom(Self.info(), containerLimitBytes: nil) == nil)
        #expect(MemoryHeadRoom(ServerInfo(""), containerLimitBytes: 1000) == nil)
    }

    @Test func aSaveThatComesCloseToTheLimitIsSeen() {
        #expect(!MemoryHeadRoom.isRunningOut(Self.info(used: 10_000, copy: 8_900), limitBytes: 20_000))
        #expect(MemoryHeadRoom.isRunningOut(Self.info(used: 10_000, copy: 9_100), limitBytes: 20_000))
        #expect(MemoryHeadRoom.isRunningOut(Self.info(used: 1, resident: 19_100), limitBytes: 20_000))
    }
}
