// SPDX-License-Identifier: Apache-2.0

import RDB
import Testing

struct RDBLoaderTests {
    @Test(
        arguments: [
            (2, "Redis 2.4", "Valkey 7.2", nil), (10, "Redis 7.0", "Valkey 7.2", nil),
            (11, "Redis 7.2", "Valkey 7.2", nil), (12, "Redis 7.4", nil, "Valkey 9.0"),
            (80, nil, "Valkey 9.0", nil),
        ] as [(Int, String?, String?, String?)]
    )
    func theOldestReleaseIsNamed(version: Int, redis: String?, valkey: String?, relaxed: String?) {
        let loader = RDBLoader(RDBRequirements(version: version))
        #expect(loader.oldestRedis?.description == redis && loader.oldestValkey?.description == valkey)
        #expect(loader.oldestRelaxedValkey?.description == relaxed)
    }

    @Test func functionsAndModulesAreNeeds() {
        let requirements = RDBRequirements(
            version: 9,
            modules: ["ReJSON-RL", "nobodysRs"],
            functions: 2,
            highestDatabase: 15,
            usedMemoryBytes: 77
        )
        let loader = RDBLoader(requirements)
        #expect(loader.oldestRedis?.description == "Redis 7.0", "6.2 has no functions")
        #expect(loader.modules.map(\.readers) == [["ReJSON", "json"], []])
        #expect(loader.databases == 16 && loader.functions == 2 && loader.memoryBytes == 77)
    }

    /// What it names loads the RDB, and what is older does not.
    @Test(arguments: Array(1...15) + [80], [UInt64(0), 1])
    func itAgreesWithTheObstacles(version: Int, functions: UInt64) {
        let requirements = RDBRequirements(version: version, functions: functions)
        let loader = RDBLoader(requirements)
        for (product, oldest) in [(RDBServer.Product.redis, loader.oldestRedis), (.valkey, loader.oldestValkey)] {
            for release in RDBServer.releases(of: product) {
                let isOlder = oldest.map { (release.major, release.minor) < ($0.major, $0.minor) } ?? true
                #expect(release.obstacles(toLoading: requirements).isEmpty == !isOlder, "\(release)")
            }
        }
    }
}
