// SPDX-License-Identifier: Apache-2.0

import Operations
import RedisProtocol
import Testing

/// What a run finds that comes after one that died.
struct TargetStateTests {
    private static let id = String(repeating: "a", count: 40)
    private static let next = String(repeating: "b", count: 40)
    private static let none = String(repeating: "0", count: 40)

    private static func info(
        _ role: String,
        id: String,
        offset: Int64 = 128,
        second: String = none,
        secondOffset: Int64 = -1,
        link: String? = nil,
        keys: Int
    ) -> ServerInfo {
        let fields = [
            "role:\(role)", "master_replid:\(id)", "master_replid2:\(second)", "master_repl_offset:\(offset)",
            "second_repl_offset:\(secondOffset)",
        ]
        return ServerInfo(
            "# Replication\r\n" + (fields + (link.map { ["master_link_status:\($0)"] } ?? [])).joined(separator: "\r\n")
                + "\r\n# Keyspace\r\n" + (keys > 0 ? "db0:keys=\(keys),expires=0,avg_ttl=0\r\n" : "")
        )
    }

    private struct Case: Sendable, CustomStringConvertible {
        let description: String
        let info: ServerInfo
        let state: TargetState
        /// Whether it is sent the snapshot, without and with leave to replace.
        let needs: (plain: Bool, replacing: Bool)
    }

    private static let cases: [Case] = [
        Case(
            description: "an empty primary",
            info: info("master", id: next, keys: 0),
            state: .fresh,
            needs: (true, true)
        ),
        Case(
            description: "an empty replica of an address where nobody answers",
            info: info("slave", id: next, link: "down", keys: 0),
            state: .fresh,
            needs: (true, true)
        ),
        Case(
            description: "seeded, and its seeder gone",
            info: info("slave", id: id, link: "down", keys: 7),
            state: .seeded,
            needs: (false, false)
        ),
        Case(
            description: "seeded in part: never seen, and not taken for seeded",
            info: info("slave", id: id, link: "down", keys: 6),
            state: .holdsData(keys: 6),
            needs: (true, true)
        ),
        Case(
            description: "promoted, and written to since",
            info: info("master", id: next, offset: 900, second: id, secondOffset: 129, keys: 9),
            state: .promoted(ahead: 772),
            needs: (false, true)
        ),
        Case(
            description: "promoted elsewhere in that history",
            info: info("master", id: next, offset: 900, second: id, secondOffset: 300, keys: 9),
            state: .holdsData(keys: 9),
            needs: (true, true)
        ),
        Case(
            description: "a replica of the promoted one",
            info: info("slave", id: next, offset: 900, link: "up", keys: 9),
            state: .rejoined,
            needs: (false, true)
        ),
        Case(
            description: "a replica of something else",
            info: info("slave", id: String(repeating: "c", count: 40), offset: 900, link: "up", keys: 9),
            state: .holdsData(keys: 9),
            needs: (true, true)
        ),
        Case(
            description: "the set as it was when it was backed up",
            info: info("master", id: id, keys: 7),
            state: .holdsData(keys: 7),
            needs: (true, true)
        ),
    ]

    /// A replica that was restarted loads the snapshot as a primary does.
    @Test func oneThatWasRestartedTakesTheSnapshotAnew() throws {
        let snapshot = try SeedHeader(replicationID: Self.id, offset: 128)
        let restarted = Self.info("master", id: Self.next, second: Self.id, secondOffset: 129, keys: 7)
        let state = TargetState(restarted, snapshot: snapshot, keys: 7, continued: [])
        #expect(state == .promoted(ahead: 0))
        #expect(state.needsSnapshot(isPrimary: false, replaces: false))
        #expect(!state.needsSnapshot(isPrimary: true, replaces: false))
    }

    @Test func oneThatWaitsForItsPrimaryIsLeftWaiting() throws {
        let snapshot = try SeedHeader(replicationID: Self.id, offset: 128)
        let waiting = Self.info("slave", id: String(repeating: "c", count: 40), link: "down", keys: 7)
        let state = TargetState(waiting, snapshot: snapshot, keys: 7, continued: [], followsPromoted: true)
        #expect(state == .rejoined)
    }

    @Test func everyStateIsKnown() throws {
        let snapshot = try SeedHeader(replicationID: Self.id, offset: 128)
        for one in Self.cases {
            let state = TargetState(one.info, snapshot: snapshot, keys: 7, continued: [Self.next])
            #expect(state == one.state, "\(one)")
            #expect(state.needsSnapshot(isPrimary: true, replaces: false) == one.needs.plain, "\(one)")
            #expect(state.needsSnapshot(isPrimary: true, replaces: true) == one.needs.replacing, "\(one)")
        }
    }

    @Test(arguments: [
        ("redis-0.redis-headless", "redis-0.redis-headless.prod.svc", true),
        ("redis-0.redis-headless.prod.svc.cluster.local", "redis-0.redis-headless", true),
        ("10.0.0.1", "10.0.0.1", true),
        ("redis-1", "redis-10", false),
        ("redis-0.redis-headless.stage.svc", "redis-0.redis-headless.prod.svc", false),
        ("10.0.0.1", "10.0.0.1.example", false),
        ("", "redis-0", false),
    ])
    func aNameMayLackItsEnd(one: String, other: String, isSame: Bool) {
        let address = ServerAddress(host: one, port: 6379)
        #expect(address.isNamed(as: ServerAddress(host: other, port: 6379)) == isSame)
        #expect(ServerAddress(host: other, port: 6379).isNamed(as: address) == isSame)
        #expect(!address.isNamed(as: ServerAddress(host: one, port: 6380)))
    }
}
