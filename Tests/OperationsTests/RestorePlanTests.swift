// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Foundation
import Operations
import RedisProtocol
import TestParts
import Testing

private typealias Made = RestorePlanParts

/// What a restore would come to, told before anything is touched.
struct RestorePlanTests {
    @Test func aSnapshotThatFitsIsAGoInEveryRow() throws {
        let plan = try Made.plan(Made.snapshot()) { target in
            target.databases = 16
            target.maxMemoryBytes = 0
            target.freeDiskBytes = 1 << 30
            target.isAppendOnly = false
            target.filePurpose = .snapshot
            target.modules = []
            target.isClustered = false
            target.filesHeld = [:]
        }
        #expect(plan.verdict == .go && plan.isGo)
        #expect(plan.rows.map(\.check) == RestorePlan.Check.allCases)
        try plan.requireGo("x")
    }

    /// Each fact that keeps a server from loading, or from keeping what it loaded, is a no-go of its own.
    struct Case: CustomTestStringConvertible, Sendable {
        let check: RestorePlan.Check
        let name: String
        let verdict: RestorePlan.Verdict
        var snapshot = RestorePlanParts.snapshot()
        var mode = "standalone"
        var slots: String?
        var override: String? = "--ignore-compatibility"
        let facts: @Sendable (inout RestoreTargetFacts) throws -> Void

        var testDescription: String { "\(check.rawValue): \(name)" }
    }

    static let cases: [Case] = loadingCases + clusterCases + roomCases + contentCases

    private static let loadingCases = [
        Case(check: .rdbVersion, name: "newer than the server", verdict: .noGo, snapshot: Made.snapshot(version: 11)) {
            $0 = try RestoreTargetFacts(parsing: "7.0")
        },
        Case(check: .rdbVersion, name: "of Valkey", verdict: .noGo, snapshot: Made.snapshot(version: 80)) {
            $0 = try RestoreTargetFacts(parsing: "redis-8.0")
        },
        Case(check: .rdbVersion, name: "of Redis", verdict: .noGo, snapshot: Made.snapshot(version: 12)) {
            $0 = try RestoreTargetFacts(parsing: "valkey-9.1")
        },
        Case(
            check: .rdbVersion,
            name: "of Redis, tried",
            verdict: .go,
            snapshot: Made.snapshot(version: 12),
            override: nil
        ) {
            $0 = try RestoreTargetFacts(parsing: "valkey-9.1")
            $0.triesForeignVersions = true
        },
        Case(check: .rdbVersion, name: "unknown server", verdict: .warning, override: nil) {
            $0 = RestoreTargetFacts()
        },
        Case(check: .modules, name: "missing", verdict: .noGo, snapshot: Made.snapshot(modules: ["ReJSON-RL"])) {
            $0.modules = ["bf"]
        },
        Case(
            check: .modules,
            name: "there",
            verdict: .go,
            snapshot: Made.snapshot(modules: ["ReJSON-RL"]),
            override: nil
        ) { $0.modules = ["ReJSON"] },
        Case(
            check: .modules,
            name: "not known",
            verdict: .warning,
            snapshot: Made.snapshot(modules: ["ReJSON-RL"]),
            override: nil
        ) { $0.modules = nil },
        Case(check: .functions, name: "before 7.0", verdict: .noGo, snapshot: Made.snapshot(functions: 1)) {
            $0 = try RestoreTargetFacts(parsing: "6.2")
        },
        Case(check: .databases, name: "too few", verdict: .noGo, snapshot: Made.snapshot(keys: ["0": 1, "9": 1])) {
            $0.databases = 9
        },
        Case(
            check: .databases,
            name: "just enough",
            verdict: .go,
            snapshot: Made.snapshot(keys: ["0": 1, "9": 1]),
            override: nil
        ) { $0.databases = 10 },
    ]

    private static let clusterCases = [
        Case(check: .cluster, name: "plain into a node", verdict: .noGo) { $0.isClustered = true },
        Case(
            check: .cluster,
            name: "a node into a plain one",
            verdict: .warning,
            mode: "cluster",
            slots: "0-5460",
            override: nil
        ) { $0.isClustered = false },
        Case(
            check: .cluster,
            name: "a node into one that is not known",
            verdict: .warning,
            slots: "0-5460",
            override: nil
        ) { $0.isClustered = nil },
        Case(check: .cluster, name: "a node into another", verdict: .noGo, slots: "0-5460") {
            $0.isClustered = true
            $0.slots = SlotRanges([0...5000])
        },
        Case(check: .cluster, name: "a node into its own", verdict: .go, slots: "0-5460", override: nil) {
            $0.isClustered = true
            $0.slots = SlotRanges([0...8000])
        },
    ]

    private static let roomCases = [
        Case(check: .memory, name: "over maxmemory", verdict: .noGo) {
            $0.maxMemoryBytes = 950_000
            $0.maxMemoryPolicy = "allkeys-lru"
        },
        Case(check: .memory, name: "over the container", verdict: .noGo) { $0.containerLimitBytes = 999_999 },
        Case(check: .memory, name: "no room to fork", verdict: .warning, override: nil) {
            $0.containerLimitBytes = 1_050_000
        },
        Case(check: .memory, name: "maxmemory over the container", verdict: .warning, override: nil) {
            $0.containerLimitBytes = 10_000_000
            $0.maxMemoryBytes = 10_000_000
        },
        Case(check: .memory, name: "nearly full", verdict: .warning, override: nil) { $0.maxMemoryBytes = 1_050_000 },
        // A full cache says a little more than its limit, and must come back.
        Case(check: .memory, name: "just over", verdict: .warning, override: nil) { $0.maxMemoryBytes = 960_000 },
        Case(check: .memory, name: "beside the old data", verdict: .noGo) {
            $0.maxMemoryBytes = 1_900_000
            $0.usedMemoryBytes = 1_000_000
            $0.keysHeld = 5
            $0.keepsDataWhileLoading = true
        },
        Case(
            check: .memory,
            name: "not told",
            verdict: .warning,
            snapshot: Made.snapshot(usedMemory: nil),
            override: nil
        ) { $0.maxMemoryBytes = 1 },
        Case(
            check: .memory,
            name: "a number that is none",
            verdict: .warning,
            snapshot: Made.snapshot(usedMemory: .max),
            override: nil
        ) { $0.containerLimitBytes = .max },
        Case(check: .disk, name: "too little", verdict: .noGo, override: nil) { $0.freeDiskBytes = (1 << 20) + 999 },
        Case(check: .disk, name: "just enough", verdict: .warning, override: nil) {
            $0.freeDiskBytes = (1 << 20) + 1000
        },
        Case(check: .persistence, name: "the wrong file", verdict: .warning, override: nil) {
            $0.filePurpose = .snapshot
            $0.isAppendOnly = true
        },
        Case(check: .persistence, name: "both files, AOF on", verdict: .warning, override: nil) {
            $0.filePurpose = .either
            $0.isAppendOnly = true
        },
        Case(check: .persistence, name: "a server that runs", verdict: .go, override: nil) { $0.isAppendOnly = true },
    ]

    private static let contentCases = [
        Case(
            check: .expiries,
            name: "kept",
            verdict: .warning,
            snapshot: Made.snapshot(expires: 3),
            override: "--ttl shift"
        ) { _ in },
        Case(check: .dataHeld, name: "keys", verdict: .noGo, override: "--replace") { $0.keysHeld = 1 },
        Case(check: .dataHeld, name: "files", verdict: .noGo, override: "--replace") {
            $0.filesHeld = ["dump.rdb": 88]
        },
        Case(check: .dataHeld, name: "nothing", verdict: .go, override: nil) { $0.keysHeld = 0 },
        Case(check: .acl, name: "whatever", verdict: .go, override: nil) { $0.hasACLFile = true },
    ]

    @Test(arguments: cases)
    func eachFactHasItsVerdict(_ each: Case) throws {
        let plan = try Made.plan(each.snapshot, mode: each.mode, slots: each.slots, each.facts)
        let row = try #require(plan[each.check])
        #expect(row.verdict == each.verdict, "\(row)")
        #expect(row.override == each.override)
        #expect(plan.isGo == (each.verdict != .noGo))
        if each.verdict != .go { #expect(!row.detail.isEmpty) }
        guard each.verdict == .noGo else { return }
        let failure = #expect(throws: Failure.self) { try plan.requireGo("redis-0 into /data") }
        #expect(failure?.code == .guardRefused)
        #expect(failure?.message.contains("redis-0 into /data") == true)
        #expect(failure?.message.contains(row.detail) == true)
        if let override = each.override { #expect(failure?.hint?.contains(override) == true) }
    }

    @Test(arguments: cases.filter { $0.verdict == .noGo && $0.override != nil })
    func whatIsAllowedIsAWarning(_ each: Case) throws {
        let all = RestorePlan.Allowances(ignoresCompatibility: true, replacesData: true)
        let plan = try Made.plan(each.snapshot, mode: each.mode, slots: each.slots, allowing: all, each.facts)
        let row = try #require(plan[each.check])
        #expect(row.verdict == .warning && plan.isGo)
        #expect(row.detail.contains(each.override ?? ""))
    }

    /// Each check has its line in docs/restore-plan.md.
    @Test func thePageNamesEveryCheck() throws {
        let root = Parts.testsFolder.deletingLastPathComponent()
        let page = root.appendingPathComponent("docs/restore-plan.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        for check in RestorePlan.Check.allCases {
            #expect(text.contains("\n| `\(check.rawValue)` |"), "\(check.rawValue)")
        }
    }

    /// F44: what happens at the limit depends on the policy, and the worst of it makes no noise.
    @Test(arguments: [
        ("noeviction", "refuses writes"), ("allkeys-lru", "in silence"), ("volatile-ttl", "with an expiry in silence"),
    ])
    func theMemoryRowNamesWhatThePolicyDoes(policy: String, consequence: String) throws {
        let plan = try Made.plan(Made.snapshot()) { target in
            target.maxMemoryBytes = 1
            target.maxMemoryPolicy = policy
        }
        #expect(plan[.memory]?.detail.contains(consequence) == true)
    }

    /// A manifest that was made up may hold any number: none of them ends the program.
    @Test func noNumberIsTooLarge() throws {
        let snapshot = Made.snapshot(bytes: .max, keys: ["0": .max, "1": .max], expires: .max, usedMemory: .max)
        let plan = try Made.plan(snapshot) { target in
            target.databases = -1
            target.maxMemoryBytes = .max
            target.containerLimitBytes = .max
            target.freeDiskBytes = .max
            target.usedMemoryBytes = .max
            target.keysHeld = .max
            target.keepsDataWhileLoading = true
        }
        #expect(!plan.isGo)
    }

    @Test func aMemberThatFailedIsNoGo() throws {
        var failed = Made.member(nil)
        failed.error = .init(code: "unreachable", message: "nobody answered")
        let plan = RestorePlan.assess(failed, of: try Made.manifest([failed]), for: .init(), now: Made.now)
        #expect(!plan.isGo && plan[.set]?.detail.contains("nobody answered") == true)
    }

    @Test func aPartialSetIsAWarning() throws {
        let whole = Made.member(Made.snapshot())
        var failed = Made.member(nil, name: "redis-1")
        failed.error = .init(code: "unreachable", message: "nobody answered")
        let plan = RestorePlan.assess(whole, of: try Made.manifest([whole, failed]), for: .init(), now: Made.now)
        #expect(plan.isGo && plan[.set]?.verdict == .warning)
        #expect(plan[.set]?.detail.contains("redis-1") == true)
    }

    @Test(arguments: [(ExpiryChoice.shift, RestorePlan.Verdict.go), (.persist, .warning)])
    func theRowSaysWhatBecomesOfExpiries(expiries: ExpiryChoice, verdict: RestorePlan.Verdict) throws {
        let row = try Made.plan(Made.snapshot(expires: 3), expiries: expiries)[.expiries]
        #expect(row?.verdict == verdict && row?.target == expiries.rawValue && row?.snapshot == "3 of 10 keys")
        if expiries == .shift { #expect(row?.detail.contains("24h 00m") == true) }
    }
}

/// What a server that runs says of itself.
struct RestoreTargetFactsTests {
    private static let info = """
        # Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n# Memory\r\nused_memory:900\r\nmaxmemory:5\r
        maxmemory_policy:allkeys-lru\r\n# Persistence\r\naof_enabled:1\r\n# Keyspace\r\ndb0:keys=2,expires=0\r
        db3:keys=1,expires=0\r\n
        """

    @Test func infoAloneTellsMuch() {
        let facts = RestoreTargetFacts(ServerInfo(Self.info), settings: nil)
        #expect(facts.product == .redis && facts.version == ServerVersion(7, 0, 15))
        #expect(facts.maxMemoryBytes == 5 && facts.maxMemoryPolicy == "allkeys-lru")
        #expect(facts.isAppendOnly == true && facts.keysHeld == 3 && facts.usedMemoryBytes == 900)
        #expect(facts.databases == nil && facts.modules == nil && facts.hasACLFile == nil)
        #expect(facts.isClustered == false && facts.filesHeld == nil && facts.filePurpose == nil)
    }

    @Test func settingsTellTheRest() {
        let settings = [
            "databases": "4", "maxmemory": "7", "maxmemory-policy": "noeviction", "appendonly": "no",
            "aclfile": "/etc/users.acl", "rdb-version-check": "relaxed", "repl-diskless-load": "swapdb",
        ]
        let modules = RESPValue.array([
            .array([.bulk(Array("name".utf8)), .bulk(Array("ReJSON".utf8)), .bulk(Array("ver".utf8)), .integer(20607)]),
            .map([RESPEntry(key: .simple("name"), value: .simple("bf"))]),
        ])
        let facts = RestoreTargetFacts(ServerInfo(Self.info), settings: settings, modules: modules)
        #expect(facts.databases == 4 && facts.maxMemoryBytes == 7 && facts.maxMemoryPolicy == "noeviction")
        #expect(facts.isAppendOnly == false && facts.hasACLFile == true && facts.modules == ["ReJSON", "bf"])
        #expect(facts.triesForeignVersions && facts.keepsDataWhileLoading)
    }

    /// In cluster mode `databases` counts for nothing.
    @Test func aNodeOfAClusterHasOneDatabaseAndTheSlotsOfItsShard() throws {
        let topology = try #require(
            ClusterTopology(
                parsing: """
                    a 10.0.0.1:6379@16379 master - 0 0 1 connected 0-100
                    b 10.0.0.2:6379@16379 myself,slave a 0 0 1 connected
                    """
            )
        )
        let info = ServerInfo("redis_mode:cluster\r\n")
        let facts = RestoreTargetFacts(info, settings: ["databases": "16"], topology: topology)
        #expect(facts.databases == 1 && facts.isClustered == true && facts.slots == SlotRanges([0...100]))
        let valkey = RestoreTargetFacts(info, settings: ["databases": "16", "cluster-databases": "8"])
        #expect(valkey.databases == 8)
    }

    @Test(arguments: [("7.0.15", "7.0.15"), ("redis-7.2", "7.2.0"), ("valkey-9.1", "9.1.0")])
    func aVersionIsReadWithItsProduct(text: String, version: String) throws {
        let facts = try RestoreTargetFacts(parsing: text)
        #expect(facts.version?.description == version)
        #expect(facts.product == (text.hasPrefix("valkey") ? .valkey : .redis))
    }
}
