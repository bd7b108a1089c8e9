// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Foundation
import ObjectStorage
import Operations
import TestParts

/// A store with sets, each of which names the one before, and is signed.
struct ChainRig: Sendable {
    static let name = "demo"
    static let pem = """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
        -----END PRIVATE KEY-----
        """

    let store: FileStore
    let folder: URL
    let key: SigningKey
    var ids: [BackupID] = []

    var catalog: Catalog { Catalog(store: store) }

    /// - Parameter isReal: whether its snapshot can be proven; otherwise it is five bytes.
    mutating func add(signed: Bool = true, linked: Bool = true, isReal: Bool = false) async throws {
        let id = BackupID(time: Timestamp(secondsSince1970: 1_800_000_000 + Int64(ids.count) * 3600), suffix: 1)
        var (member, bytes) = (Self.member(keys: ids.count), [UInt8](1...5))
        if isReal { (member, bytes) = try await PruneRig.members(UInt8(ids.count), ["redis-0"])[0] }
        member.stored = .init(
            key: "\(Self.name)/\(id)/redis-0.rdb",
            bytes: Int64(bytes.count),
            sha256: SHA256Digest.hex(of: bytes),
            compression: "none"
        )
        let previous = linked ? try await catalog.newestLink(of: Self.name, logger: PlanParts.logger) : nil
        let manifest = Manifest(
            id: id,
            name: Self.name,
            startedAt: id.time,
            finishedAt: id.time,
            tool: .init(name: "redoubt", version: "1"),
            source: .init(kind: "endpoints"),
            previous: previous,
            members: [member]
        )
        let writer = SetWriter(
            name: Self.name,
            id: id,
            store: store,
            signingKey: signed ? self.key : nil,
            logger: PlanParts.logger
        )
        let staged = try await writer.stage(
            member: "redis-0",
            suffix: ".rdb",
            estimatedBytes: nil,
            from: ByteStream([bytes])
        )
        try await writer.commit(manifest, staged: [staged], under: [])
        ids.append(id)
    }

    private static func member(keys: Int) -> Manifest.Member {
        var member = Manifest.Member(member: "redis-0")
        member.rdb = .init(
            version: 10,
            bytes: 5,
            sha256: String(repeating: "0a", count: 32),
            crc64: "00000000000000ff",
            createdAt: nil,
            keys: ["0": UInt64(keys)],
            expires: 0,
            types: [:],
            usedMemory: nil,
            modules: [],
            functions: 0
        )
        return member
    }

    func file(_ index: Int, _ name: String = "manifest.json") -> URL {
        folder.appendingPathComponent("\(Self.name)/\(ids[index])/\(name)")
    }

    func removeByHand(_ index: Int) throws {
        try FileManager.default.removeItem(at: file(index).deletingLastPathComponent())
    }

    /// The bytes of a manifest.
    func bytes(_ index: Int) throws -> [UInt8] { Array(try Data(contentsOf: file(index))) }

    /// What prune puts on record of a set.
    func removal(of index: Int, policy: String = "--keep-last 1") throws -> SetRemoval {
        SetRemoval(
            of: ids[index],
            name: Self.name,
            policy: policy,
            reason: "no rule keeps it",
            tool: .init(name: "redoubt", version: "1"),
            manifest: try bytes(index)
        )
    }

    /// As prune does it.
    func prune(_ index: Int, signed: Bool = true) async throws {
        _ = try await catalog.write(removal(of: index), signedWith: signed ? key : nil)
        try removeByHand(index)
    }

    func verify(
        keyed: Bool = true,
        keys: [SigningKey]? = nil,
        since: Int? = nil,
        anchor: Manifest.Link? = nil
    ) async throws -> VerifyChain.Outcome {
        var trust = VerifyChain.Trust()
        if keyed { trust.keys = (keys ?? [key]).map(\.verificationKey) }
        trust.signedSince = since.map { ids[$0] }
        trust.anchor = anchor
        return try await VerifyChain(catalog, name: Self.name, trusting: trust).run()
    }

    /// The verdicts by the numbers of the sets, newest first.
    func verdicts(keyed: Bool = true, since: Int? = nil) async throws -> [String] {
        try await verify(keyed: keyed, since: since).findings.map { finding in
            "\(ids.firstIndex(of: finding.id).map { "\($0)" } ?? "?") \(finding.verdict.rawValue)"
        }
    }

    static func with(sets: Int = 4, signed: Bool = true, _ body: (inout ChainRig) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            var rig = try ChainRig(in: folder)
            for _ in 0..<sets { try await rig.add(signed: signed) }
            try await body(&rig)
        }
    }

    init(in folder: URL) throws {
        self.folder = folder
        store = FileStore(root: folder.path)
        key = try SigningKey(pem: Self.pem, file: "sign.pem")
    }

    /// A second key.
    static func otherKey() throws -> SigningKey {
        try SigningKey(pem: pem.replacingOccurrences(of: "J1hsZ3v", with: "J1hsZ3w"), file: "other.pem")
    }
}
