// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures

/// What is asked of a drill.
package struct DrillRequest: Sendable {
    /// Which members of the set.
    package enum Choice: Sendable, Hashable {
        /// The one that is furthest, of each shard: what a restore would take.
        case furthestOfEachShard
        case named(String)
        case all
    }

    /// The server that the snapshots are restored into.
    package enum Target: Sendable {
        /// One that is started for it and killed after it.
        case program(ServerProgram)
        /// One that somebody else runs, and that may be filled: a sidecar.
        case running(RestoreServer)
    }

    package var choice: Choice
    package var target: Target
    /// How a server that runs reaches this program.
    package var route = SeedRoute()
    /// Where the folder of the server is made.
    package var workDirectory: String
    /// Whether the server runs with `appendonly yes`, and loads the snapshot by way of its AOF.
    package var appendOnly: Bool
    /// Paths of modules that the server loads.
    package var modules: [String]
    /// Whether to try although the server, by its version, cannot load the snapshot.
    package var ignoresObstacles: Bool
    /// Whether what was found is written into the store.
    package var keepsRecord: Bool
    package var tool: Manifest.Tool
    /// The variables that the server inherits from, secrets left out.
    package var environment: [String: String]

    package init(
        choice: Choice = .furthestOfEachShard,
        target: Target,
        workDirectory: String,
        appendOnly: Bool = false,
        modules: [String] = [],
        ignoresObstacles: Bool = false,
        keepsRecord: Bool = true,
        tool: Manifest.Tool,
        environment: [String: String]
    ) {
        self.choice = choice
        self.target = target
        self.workDirectory = workDirectory
        self.appendOnly = appendOnly
        self.modules = modules
        self.ignoresObstacles = ignoresObstacles
        self.keepsRecord = keepsRecord
        self.tool = tool
        self.environment = environment
    }
}

extension DrillRequest.Choice {
    /// The members to drill, in the order of the manifest.
    /// - Throws: `.noSuchBackup` when the set holds no snapshot of them.
    package func members(of manifest: Manifest) throws -> [Manifest.Member] {
        let stored = manifest.storedMembers
        let chosen: [Manifest.Member]
        switch self {
        case .all: chosen = stored
        case .named(let name): chosen = [try MemberChoice(manifest).member(named: name)]
        case .furthestOfEachShard:
            var furthest: [String: Manifest.Member] = [:]
            for member in stored {
                let shard = member.shard?.primaryId ?? member.replication?.id ?? member.member
                if let other = furthest[shard], other.offset >= member.offset { continue }
                furthest[shard] = member
            }
            let names = Set(furthest.values.map(\.member))
            chosen = stored.filter { names.contains($0.member) }
        }
        guard !chosen.isEmpty else {
            throw Failure(.noSuchBackup, "drill \(manifest.name)/\(manifest.id): it holds no snapshot")
        }
        return chosen
    }
}

extension Manifest.Member {
    /// How far it is in its history; -1 where that is not known.
    fileprivate var offset: Int64 { replication?.offset ?? -1 }
}
