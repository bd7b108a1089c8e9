// SPDX-License-Identifier: Apache-2.0

import Catalog
import RDB
import RedisClient
import RedisProtocol

/// What is asked of a restore of some keys into a running server.
package struct KeysRequest: Sendable {
    package var reference: BackupReference
    /// The subject; may be `nil` where the store holds only one.
    package var name: String?
    /// The member; the one that is furthest in its history when `nil`.
    package var member: String?
    package var target: RedisEndpoint
    /// A key is restored that one of them matches.
    package var patterns: [KeyPattern]
    /// The only database whose keys are restored; all of them when `nil`.
    package var database: UInt64?
    /// Whether keys that are there are overwritten.
    package var replaces = false
    package var expiries = ExpiryChoice.keep
    /// The largest value that is held in memory, in bytes of its `DUMP`.
    package var valueBytesMax: Int
    /// How closely the snapshot is read; as it was proven, and no closer than deep, when `nil`.
    package var proof: RDBLevel?
    /// Whether to write although the memory of the server will not suffice.
    package var ignoresMemory = false
    package var isDryRun = false

    package init(
        reference: BackupReference,
        name: String?,
        target: RedisEndpoint,
        patterns: [KeyPattern],
        valueBytesMax: Int
    ) {
        self.reference = reference
        self.name = name
        self.target = target
        self.patterns = patterns
        self.valueBytesMax = valueBytesMax
    }

    var selection: RDBKeyExtractor.Selection {
        { [database, patterns] number, name in
            (database ?? number) == number && patterns.contains { $0.matches(name) }
        }
    }
}

/// The keys of a snapshot that are meant.
package struct KeysFindings: Sendable, Hashable {
    package struct Tally: Sendable, Hashable, Encodable {
        package var keys: UInt64 = 0
        /// Of their `DUMP`.
        package var bytes: Int64 = 0
    }

    /// By database and type.
    package var tallies: [UInt64: [String: Tally]] = [:]
    /// How many have an expiry, and how many of those are past.
    package var expires: UInt64 = 0
    package var expired: UInt64 = 0
    /// The largest `DUMP`, in bytes.
    package var bytesMax: Int64 = 0
    /// The types of the modules' data that occurs.
    var modules: Set<String> = []
    /// The first key of each kind that cannot be written, and how many there are.
    var obstacles: [RDBKeyObstacle: (first: RDBExtractedKey, count: UInt64)] = [:]

    package var keys: UInt64 { total.keys }
    package var bytes: Int64 { total.bytes }

    private var total: Tally {
        tallies.values.flatMap(\.values).reduce(into: Tally()) { total, tally in
            total.keys += tally.keys
            total.bytes += tally.bytes
        }
    }

    mutating func add(_ key: RDBExtractedKey, now: Int64) {
        tallies[key.database, default: [:]][key.type, default: Tally()].keys += 1
        tallies[key.database, default: [:]][key.type, default: Tally()].bytes += key.payloadBytes
        if let expiry = key.expiry {
            expires += 1
            if expiry <= now { expired += 1 }
        }
        bytesMax = max(bytesMax, key.payloadBytes)
        if let module = key.moduleType { modules.insert(module) }
        if let obstacle = key.obstacle { obstacles[obstacle, default: (key, 0)].count += 1 }
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.tallies == right.tallies && left.expires == right.expires && left.expired == right.expired
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(tallies) }
}

/// What became of them.
package struct KeysWritten: Sendable, Hashable {
    /// Written; with `--dry-run`, what would be.
    package var keys: UInt64 = 0
    package var bytes: Int64 = 0
    /// How many of them took the place of a key that was there.
    package var replaced: UInt64 = 0
    /// Left alone, because a key of that name was there.
    package var existing: UInt64 = 0
    /// Left out, because they have expired.
    package var expired: UInt64 = 0
}

/// How a restore of some keys ended.
package struct KeysOutcome: Sendable {
    package let manifest: Manifest
    package let member: Manifest.Member
    /// What the server is called.
    package let target: String
    package let found: KeysFindings
    package let written: KeysWritten
    /// With `--dry-run`: it would be so.
    package let isDryRun: Bool
}
