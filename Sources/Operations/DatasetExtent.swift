// SPDX-License-Identifier: Apache-2.0

import Catalog

/// How much a set says of its dataset: each shard counted once, however many of its replicas gave a snapshot.
///
/// Members of one shard, or of one history of replication, hold the same data; the one that is furthest speaks for all.
package struct DatasetExtent: Sendable, Hashable, Codable {
    package var keys: UInt64
    /// Keys by type.
    package var types: [String: UInt64]
    /// Bytes of the snapshots, without compression.
    package var rawBytes: Int64

    package init(keys: UInt64 = 0, types: [String: UInt64] = [:], rawBytes: Int64 = 0) {
        self.keys = keys
        self.types = types
        self.rawBytes = rawBytes
    }

    package init(of manifest: Manifest) {
        self.init()
        let shards = Dictionary(grouping: manifest.storedMembers, by: Self.shard)
        for members in shards.values {
            let speaker = members.max { ($0.replication?.offset ?? 0) < ($1.replication?.offset ?? 0) }
            guard let rdb = speaker?.rdb else { continue }
            // A manifest may say any number of keys: a sum that is too large must not look like a small one.
            keys = keys.saturatingSum(rdb.keyCount)
            rawBytes += rdb.bytes
            types.merge(rdb.types) { $0.saturatingSum($1) }
        }
    }

    private static func shard(of member: Manifest.Member) -> String {
        if let slots = member.shard?.slots, !slots.isEmpty { return "slots \(slots)" }
        if let history = member.replication?.id { return "history \(history)" }
        return "member \(member.member)"
    }

    /// The middle of several, number by number; `nil` of none.
    static func median(of extents: [DatasetExtent]) -> DatasetExtent? {
        guard !extents.isEmpty else { return nil }
        func middle<Number: Comparable>(_ numbers: [Number]) -> Number { numbers.sorted()[numbers.count / 2] }
        let types = Set(extents.flatMap(\.types.keys))
        return DatasetExtent(
            keys: middle(extents.map(\.keys)),
            types: Dictionary(
                uniqueKeysWithValues: types.map { type in
                    (type, middle(extents.map { $0.types[type] ?? 0 }))
                }
            ),
            rawBytes: middle(extents.map(\.rawBytes))
        )
    }
}
