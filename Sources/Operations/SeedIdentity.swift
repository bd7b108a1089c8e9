// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import RDB
import RedisClient
import RedisProtocol

/// What is sent to every server of a restore, and the place in a history that it is given there.
struct SeedIdentity: Sendable {
    let header: SeedHeader
    /// What is changed on the way; `nil` where the snapshot is sent as it is.
    let rewriting: RDBRewriting?

    /// A snapshot that is sent as it is stands where it stood. Another content is another history (F41), whose id is
    /// made of the snapshot and of what is changed: so a run after one that was broken off, which moves expiries by
    /// what those servers say was the way then, gives the others the same.
    /// - Parameter found: what the servers say of themselves.
    init(
        _ member: Manifest.Member,
        _ snapshot: Manifest.Snapshot,
        of manifest: Manifest,
        expiries: ExpiryChoice,
        found: [ServerInfo],
        now: Timestamp
    ) throws {
        let family = snapshot.sha256.prefix(24)
        switch expiries {
        case .keep:
            rewriting = nil
            // One without a place in a history is given one of its own, the same in each run.
            header =
                try member.replication.map { try SeedHeader(replicationID: $0.id, offset: $0.offset) }
                ?? SeedHeader(replicationID: "\(family)0\(Self.digits(0))", offset: 1)
        case .persist:
            rewriting = expiries.rewriting(of: member, in: manifest, at: now)
            header = try SeedHeader(replicationID: "\(family)9\(Self.digits(0))", offset: 1)
        case .shift:
            let known = found.flatMap { [$0.replicationID, $0.secondReplicationID] }.compactMap(\.self)
                .first { $0.hasPrefix("\(family)5") }
            let taken = snapshot.createdAt ?? manifest.startedAt
            let milliseconds =
                known.flatMap { Int64($0.suffix(Self.digitCount), radix: 16) }
                ?? max(0, (now.secondsSince1970 - taken.secondsSince1970) * 1000)
            rewriting = RDBRewriting(expiries: .shift(milliseconds: milliseconds), identity: .drop)
            header = try SeedHeader(replicationID: "\(family)5\(Self.digits(milliseconds))", offset: 1)
        }
    }

    private static let digitCount = 15

    private static func digits(_ number: Int64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: max(0, digitCount - text.count)) + text
    }
}
