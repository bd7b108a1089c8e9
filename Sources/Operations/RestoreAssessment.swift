// SPDX-License-Identifier: Apache-2.0

import Catalog
import RDB
import RedisProtocol

/// How the rows of a plan come about. This file: whether the server can load the snapshot at all.
struct RestoreAssessment {
    typealias Row = RestorePlan.Row

    let manifest: Manifest
    let member: Manifest.Member
    let snapshot: Manifest.Snapshot
    let target: RestoreTargetFacts
    let expiries: ExpiryChoice
    let allowances: RestorePlan.Allowances
    let now: Timestamp

    static let ignoreFlag = "--ignore-compatibility"
    static let notKnown = "not known"

    // MARK: Rows

    func row(
        _ check: RestorePlan.Check,
        _ verdict: RestorePlan.Verdict,
        _ snapshot: String,
        _ target: String,
        _ detail: String = "",
        override: String? = nil
    ) -> Row {
        Row(
            check: check,
            verdict: verdict,
            snapshot: snapshot,
            target: target,
            detail: detail,
            override: override
        )
    }

    /// A row that keeps the restore from being done, unless it was said that compatibility does not matter.
    func obstacle(_ check: RestorePlan.Check, _ snapshot: String, _ target: String, _ detail: String) -> Row {
        guard allowances.ignoresCompatibility else {
            return row(check, .noGo, snapshot, target, detail, override: Self.ignoreFlag)
        }
        return row(check, .warning, snapshot, target, "\(detail) (\(Self.ignoreFlag))", override: Self.ignoreFlag)
    }
}

// MARK: What the server cannot load

extension RestoreAssessment {
    /// What keeps the server from loading it, of these kinds.
    private func obstacles(_ codes: Set<RDBObstacle.Code>) -> String? {
        let found = server.obstacles(toLoading: RDBRequirements(snapshot)).filter { codes.contains($0.code) }
        return found.isEmpty ? nil : found.map(\.description).joined(separator: "; ")
    }

    /// A version that is not known is taken for the newest of the product that wrote the snapshot: what is known of
    /// databases and memory counts all the same.
    private var server: RDBServer {
        let isValkey = target.version == nil ? isValkeySnapshot : target.product == .valkey
        return RDBServer(
            isValkey ? .valkey : .redis,
            target.version?.major ?? .max,
            target.version?.minor ?? .max,
            databases: target.databases.map { UInt64(clamping: $0) },
            modules: target.modules.map(Array.init),
            triesForeignVersions: target.triesForeignVersions
        )
    }

    /// RDB versions from here on belong to Valkey.
    private static let valkeyVersionMin = 80

    private var isValkeySnapshot: Bool { snapshot.version >= Self.valkeyVersionMin }

    var rdbVersion: Row {
        let writer = member.server.map { ", of \(Self.name($0.product)) \($0.version)" } ?? ""
        let cell = "RDB \(snapshot.version)\(writer)"
        guard target.version != nil else {
            return row(.rdbVersion, .warning, cell, Self.notKnown, "--server-version says whether it can load it")
        }
        let server = server
        let loads = "\(server), up to RDB \(server.rdbVersion)"
        guard let found = obstacles([.rdbVersion, .foreignVersion, .foreignValues]) else {
            return row(.rdbVersion, .go, cell, loads)
        }
        return obstacle(.rdbVersion, cell, loads, found)
    }

    private static func name(_ product: String) -> String {
        product == ServerInfo.Product.valkey.rawValue ? "Valkey" : "Redis"
    }

    var modules: Row {
        guard !snapshot.modules.isEmpty else { return row(.modules, .go, "none", modulesCell) }
        let cell = "data of \(snapshot.modules.joined(separator: ", "))"
        guard target.modules != nil else {
            let detail = "a server without the module that reads this data exits when it loads it"
            return row(.modules, .warning, cell, Self.notKnown, detail)
        }
        guard let found = obstacles([.moduleMissing, .moduleUnknown]) else {
            return row(.modules, .go, cell, modulesCell)
        }
        return obstacle(.modules, cell, modulesCell, found)
    }

    private var modulesCell: String {
        guard let modules = target.modules else { return Self.notKnown }
        return modules.isEmpty ? "none" : modules.sorted().joined(separator: ", ")
    }

    var functions: Row {
        let cell = snapshot.functions == 0 ? "none" : "\(snapshot.functions) libraries"
        let has =
            switch (target.version, target.product) {
            case (nil, _): Self.notKnown
            case (let version?, let product): product == .valkey || version.major >= 7 ? "yes" : "no, before 7.0"
            }
        guard let found = obstacles([.functions]) else { return row(.functions, .go, cell, has) }
        return obstacle(.functions, cell, has, found)
    }

    /// A server that finds a database it does not have exits (F43).
    var databases: Row {
        let highest = snapshot.keys.filter { $0.value > 0 }.keys.compactMap { Int($0) }.max()
        let cell = highest.map { "up to \($0)" } ?? "no keys"
        let has = target.databases.map { "\($0)" } ?? Self.notKnown
        guard let found = obstacles([.databases]) else { return row(.databases, .go, cell, has) }
        return obstacle(.databases, cell, has, found)
    }
}

// MARK: Whose keys they are

extension RestoreAssessment {
    /// A node of a cluster that loads keys of slots that are not its own takes them over, or marks them as imported;
    /// one that finds keys in another database than 0 ends (F42).
    var cluster: Row? {
        let slots = member.shard?.slots
        let isClustered = slots != nil || member.server?.mode == ServerInfo.Mode.cluster.rawValue
        let cell = isClustered ? "a node, slots \(Self.text(slots))" : "not clustered"
        if target.isClustered == true, let node = target.clusterNode {
            let has = "a node, slots \(ClusterNodeFile.named(SlotRanges(node.shardSlots)))"
            guard let trouble = ClusterNodeFile.trouble(node, with: member) else {
                return isClustered ? row(.cluster, .go, cell, has) : obstacle(.cluster, cell, has, Self.ofAllSlots)
            }
            return obstacle(.cluster, cell, has, "\(trouble): \(ClusterNodeFile.remedy)")
        }
        switch (isClustered, target.isClustered) {
        case (false, nil), (false, false?):
            return row(.cluster, .go, cell, target.isClustered == nil ? Self.notKnown : "not clustered")
        case (false, true?):
            return obstacle(.cluster, cell, "a node", Self.ofAllSlots)
        case (true, false?):
            let detail = "the snapshot holds one shard of several: the keys of its slots alone"
            return row(.cluster, .warning, cell, "not clustered", detail)
        case (true, nil):
            let detail = "the snapshot holds one shard: it belongs into the node that owns these slots"
            return row(.cluster, .warning, cell, Self.notKnown, detail)
        case (true, true?):
            return slotsRow(cell, slots)
        }
    }

    private static let ofAllSlots = "the keys are of all slots, and a node takes over every slot that it has keys of"

    private func slotsRow(_ cell: String, _ slots: String?) -> Row {
        // A node that has none yet owns the slots that it finds keys of.
        if target.slots == nil { return row(.cluster, .go, cell, "a node, which has no slots yet") }
        guard let own = target.slots, let theirs = slots.flatMap(SlotRanges.init) else {
            return row(.cluster, .warning, cell, "a node", "the slots of one of the two are not known")
        }
        let foreign = theirs.subtracting(own)
        let has = "a node, slots \(Self.text(own.description))"
        guard !foreign.isEmpty else { return row(.cluster, .go, cell, has) }
        return obstacle(.cluster, cell, has, "the node does not own the slots \(foreign)")
    }

    private static func text(_ slots: String?) -> String {
        slots.map { $0.isEmpty ? "none" : $0 } ?? notKnown
    }
}

extension RDBRequirements {
    /// What a snapshot asks of a server, by its manifest alone; memory is judged apart.
    fileprivate init(_ snapshot: Manifest.Snapshot) {
        self.init(
            version: snapshot.version,
            modules: snapshot.modules,
            functions: snapshot.functions,
            highestDatabase: snapshot.keys.keys.compactMap(UInt64.init).max()
        )
    }
}
