// SPDX-License-Identifier: Apache-2.0

import RDB
import Testing

struct RDBCompatibilityTests {
    @Test(arguments: [
        (RDBServer(.redis, 2, 2), 1), (.init(.redis, 2, 6), 6), (.init(.redis, 3, 0), 6), (.init(.redis, 3, 2), 7),
        (.init(.redis, 4, 0), 8), (.init(.redis, 5, 0), 9), (.init(.redis, 6, 2), 9), (.init(.redis, 7, 0), 10),
        (.init(.redis, 7, 2), 11), (.init(.redis, 7, 4), 12), (.init(.redis, 8, 0), 12), (.init(.redis, 8, 4), 12),
        (.init(.redis, 8, 6), 13), (.init(.redis, 8, 8), 14), (.init(.redis, 8, 10), 15),
        (.init(.redis, 255, 255), 15), (.init(.valkey, 7, 2), 11), (.init(.valkey, 8, 1), 11),
        (.init(.valkey, 9, 0), 80), (.init(.valkey, 9, 1), 80),
    ])
    func eachReleaseHasItsVersion(server: RDBServer, version: Int) {
        #expect(server.rdbVersion == version)
        #expect(server.obstacles(toLoading: RDBRequirements(version: version)).isEmpty)
    }

    @Test(arguments: [
        (9, RDBServer(.redis, 4, 0), RDBObstacle.Code.rdbVersion), (10, .init(.redis, 6, 2), .rdbVersion),
        (12, .init(.redis, 7, 2), .rdbVersion), (80, .init(.redis, 8, 10), .foreignVersion),
        (12, .init(.valkey, 8, 0), .foreignVersion), (12, .init(.valkey, 9, 1), .foreignVersion),
        (15, .init(.valkey, 9, 1), .foreignVersion), (80, .init(.valkey, 8, 1), .rdbVersion),
        (80, .init(.valkey, 8, 0, triesForeignVersions: true), .rdbVersion),
        (12, .init(.valkey, 8, 0, triesForeignVersions: true), .foreignVersion),
    ])
    func versionsThatAServerRefusesAreObstacles(version: Int, server: RDBServer, code: RDBObstacle.Code) {
        #expect(server.obstacles(toLoading: RDBRequirements(version: version)).map(\.code) == [code])
    }

    @Test func valkeyCanBeToldToTryForeignVersions() {
        let strict = RDBServer(.valkey, 9, 1)
        let relaxed = RDBServer(.valkey, 9, 1, triesForeignVersions: true)
        let plain = RDBRequirements(version: 12, records: [0, 4, 21, 244, 250, 255])
        #expect(strict.obstacles(toLoading: plain).first?.description.contains("rdb-version-check") == true)
        #expect(relaxed.obstacles(toLoading: plain).isEmpty)
        let expiring = RDBRequirements(version: 12, records: [0, 24, 25, 255])
        let obstacles = relaxed.obstacles(toLoading: expiring)
        #expect(obstacles.map(\.code) == [.foreignValues])
        #expect(obstacles.first?.description.hasSuffix("24, 25") == true)
        let older = RDBServer(.valkey, 8, 1, triesForeignVersions: true)
        #expect(older.obstacles(toLoading: RDBRequirements(version: 80, records: [0, 255])).isEmpty)
        #expect(older.obstacles(toLoading: RDBRequirements(version: 80, records: [22])).map(\.code) == [.foreignValues])
        #expect(strict.obstacles(toLoading: RDBRequirements(version: 80, records: [22, 243])).isEmpty)
    }

    @Test func modulesMustBeLoaded() {
        let rdb = RDBRequirements(version: 10, modules: ["MBbloom--", "ReJSON-RL", "mymodule1"])
        func codes(_ modules: [String]?) -> [RDBObstacle.Code] {
            RDBServer(.redis, 7, 0, modules: modules).obstacles(toLoading: rdb).map(\.code)
        }
        #expect(codes(nil).isEmpty)
        #expect(codes([]) == [.moduleMissing, .moduleMissing, .moduleUnknown])
        #expect(codes(["bf"]) == [.moduleMissing, .moduleUnknown])
        #expect(codes(["bf", "ReJSON"]) == [.moduleUnknown])
        #expect(codes(["bf", "json"]) == [.moduleUnknown])
    }

    @Test func functionsDatabasesAndMemoryMustFit() {
        let rdb = RDBRequirements(version: 9, functions: 2, highestDatabase: 15, usedMemoryBytes: 1000)
        func codes(_ server: RDBServer) -> [RDBObstacle.Code] { server.obstacles(toLoading: rdb).map(\.code) }
        #expect(codes(RDBServer(.redis, 7, 0)).isEmpty)
        #expect(codes(RDBServer(.redis, 6, 2)) == [.functions])
        #expect(codes(RDBServer(.valkey, 9, 1, databases: 16)).isEmpty)
        #expect(codes(RDBServer(.redis, 7, 2, databases: 15)) == [.databases])
        #expect(codes(RDBServer(.redis, 7, 2, memoryBytesMax: 0)).isEmpty)
        #expect(codes(RDBServer(.redis, 7, 2, memoryBytesMax: 1000)).isEmpty)
        #expect(codes(RDBServer(.redis, 7, 2, memoryBytesMax: 999)) == [.memory])
    }

    /// Release candidates of 7.0 wrote libraries in another form, which only servers of 7.0 load.
    @Test(arguments: [false, true])
    func librariesOfReleaseCandidatesAreRead(hasDescription: Bool) throws {
        var rdb = RDBWriter("REDIS0010")
        rdb.raw(246)
        rdb.string("library")
        rdb.string("LUA")
        rdb.length(hasDescription ? 1 : 0)
        if hasDescription { rdb.string("what it is for") }
        rdb.string("local function f() end")
        for level in RDBLevel.allCases {
            #expect(try scan(rdb.ended(), level: level, chunk: 1).functions == 1)
        }
        let requirements = RDBRequirements(try scan(rdb.ended()))
        func codes(_ server: RDBServer) -> [RDBObstacle.Code] {
            server.obstacles(toLoading: requirements).map(\.code)
        }
        #expect(codes(RDBServer(.redis, 7, 0)).isEmpty)
        #expect(codes(RDBServer(.redis, 7, 2)) == [.functions])
        #expect(codes(RDBServer(.valkey, 9, 1)) == [.functions])
    }

    @Test func requirementsComeFromASummary() throws {
        let valkey = RDBRequirements(try scan(Fixture.manyDatabases.bytes))
        #expect(valkey == RDBRequirements(version: 80, highestDatabase: 15, records: [0, 254, 255]))
        let redis = RDBRequirements(try scan(Fixture.opcodes.bytes))
        #expect(redis.functions == 2)
        #expect(redis.usedMemoryBytes == 900_000)
        #expect(redis.records == [0, 244, 245, 250, 251, 254, 255])
        #expect(RDBRequirements(try scan(Fixture.modules.bytes)).modules == ["MBbloom--", "ReJSON-RL"])
    }

    @Test func obstaclesReadLikeMessages() {
        let obstacles = RDBServer(.redis, 6, 2, databases: 1, modules: [], memoryBytesMax: 1).obstacles(
            toLoading: RDBRequirements(
                version: 12,
                modules: ["TSDB-TYPE"],
                functions: 1,
                highestDatabase: 3,
                usedMemoryBytes: 5
            )
        )
        #expect(obstacles.count == 5)
        #expect(obstacles.first?.description == "the RDB has version 12, Redis 6.2 loads up to 9")
        for obstacle in obstacles { #expect(!obstacle.description.hasSuffix(".")) }
    }
}
