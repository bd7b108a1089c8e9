// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import TestParts
import Testing

/// Sets of two small members each in a folder, which are pruned and asked whether they are whole.
struct PruneRig: Sendable {
    let store: FileStore
    let folder: URL

    var catalog: Catalog { Catalog(store: store) }

    static func with(sets: Int = 0, _ body: (PruneRig) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            let rig = PruneRig(store: FileStore(root: folder.path), folder: folder)
            for index in 0..<sets { try await rig.put(day: index + 1) }
            try await body(rig)
        }
    }

    /// `20261101T000000Z-0001` and so on.
    static func id(_ day: Int) throws -> BackupID {
        try #require(BackupID("202611\(day < 10 ? "0" : "")\(day)T000000Z-0001"))
    }

    /// An RDB of one string, without checksum.
    private static func rdb(_ value: UInt8) -> [UInt8] {
        let record = [0, 1, UInt8(ascii: "k"), 0x40, 200] + [UInt8](repeating: value, count: 200)
        return Array("REDIS0011".utf8) + [0xFE, 0] + record + [0xFF] + [UInt8](repeating: 0, count: 8)
    }

    static func members(
        _ value: UInt8,
        _ names: [String] = ["redis-0", "redis-1"]
    ) async throws -> [(Manifest.Member, [UInt8])] {
        var members: [(Manifest.Member, [UInt8])] = []
        for name in names {
            let bytes = rdb(value)
            let prover = SnapshotProver(name)
            try await prover.proving(ByteStream([bytes])) { for try await _ in $0 {} }
            var member = Manifest.Member(member: name)
            member.rdb = Manifest.Snapshot(try #require(prover.proof))
            members.append((member, bytes))
        }
        return members
    }

    static func manifest(_ id: BackupID, of name: String, _ members: [(Manifest.Member, [UInt8])]) -> Manifest {
        Manifest(
            id: id,
            name: name,
            startedAt: id.time,
            finishedAt: id.time,
            tool: .init(name: "redoubt", version: "0"),
            source: .init(kind: "endpoints"),
            members: members.map { member, bytes in
                var member = member
                member.stored = Manifest.Stored(
                    key: "\(name)/\(id)/\(member.member).rdb",
                    bytes: Int64(bytes.count),
                    sha256: SHA256Digest.hex(of: bytes),
                    compression: "none"
                )
                return member
            }
        )
    }

    func put(day: Int, of name: String = "demo") async throws {
        let members = try await Self.members(UInt8(day))
        let manifest = Self.manifest(try Self.id(day), of: name, members)
        for (member, (_, bytes)) in zip(manifest.members, members) {
            try await store.create(try #require(ObjectKey(parsing: member.stored?.key ?? "")), bytes)
        }
        try await store.create(
            try Catalog.manifestKey(name: name, id: manifest.id),
            try manifest.encoded()
        )
    }

    func prune(
        _ store: (any ObjectStore)? = nil,
        grace: Int64 = 0,
        ignoresDamaged: Bool = false,
        _ change: (inout RetentionPolicy) -> Void = { $0.last = 2 }
    ) -> Prune {
        var policy = RetentionPolicy()
        change(&policy)
        var limits = RetentionPlan.Limits(graceSeconds: grace)
        limits.ignoresDamaged = ignoresDamaged
        let request = PruneRequest(
            policy: policy,
            calendar: RetentionCalendar(),
            limits: limits,
            tool: .init(name: "redoubt", version: "0"),
            runID: String(UInt64.random(in: .min ... .max), radix: 16)
        )
        return Prune(
            request,
            in: Catalog(store: store ?? self.store),
            timing: LeaseTiming(lifetime: .seconds(30), interval: .seconds(10)),
            logger: PlanParts.logger
        )
    }

    /// The run that held the lease is dead; this process, which lives on, must not be taken for it.
    func forgetLease() async throws { try await store.remove(try Lease.key(of: "demo")) }

    /// Every key but that of the lease.
    func keys() async throws -> [String] {
        try await store.list(under: .root).map(\.key.description).filter { !$0.hasPrefix(".locks/") }
    }

    /// Every set that is listed is whole and proves itself; their ids.
    func soundSets() async throws -> [BackupID] {
        var ids: [BackupID] = []
        for entry in try await catalog.entries(of: nil) {
            guard case .complete(let manifest) = entry else {
                Issue.record("\(entry.id) is listed and cannot be read")
                continue
            }
            let findings = try await Verify(catalog, meter: ProgressMeter(), logger: PlanParts.logger).run(manifest)
            #expect(
                findings.count == manifest.members.count && findings.allSatisfy { $0.failure == nil },
                "\(entry.id)"
            )
            ids.append(entry.id)
        }
        return ids
    }
}

extension PruneFinding.Outcome {
    /// Its name, for comparisons.
    var word: String { String(describing: self).prefix { $0.isLetter }.description }
}
