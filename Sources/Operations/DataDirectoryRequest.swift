// SPDX-License-Identifier: Apache-2.0

import Catalog
import DataDirectory
import Failures
import RDB

/// What is asked of a restore into a data directory.
package struct DataDirectoryRequest: Sendable {
    package var reference: BackupReference
    /// The subject; may be `nil` where the store holds only one.
    package var name: String?
    /// The member; the one that is furthest in its history when `nil`.
    package var member: String?
    /// The data directory.
    package var path: String
    package var mode: RestoreMode
    /// How the server calls its files.
    package var fileNames: DataFileNames
    /// For which setting of `appendonly` the files are made.
    package var purpose: PersistenceLayout.Purpose
    /// The server that will start there, as far as it is known.
    package var target: RestoreTargetServer
    package var owner: FileOwner?
    /// What the operator calls this restore; the same restore is not done twice.
    package var requestID: String?
    /// How closely the snapshot is read; as it was proven, and no closer than deep, when `nil`.
    package var proof: RDBLevel?
    package var isDryRun: Bool

    package init(
        reference: BackupReference,
        name: String?,
        member: String?,
        path: String,
        mode: RestoreMode,
        fileNames: DataFileNames,
        purpose: PersistenceLayout.Purpose,
        target: RestoreTargetServer,
        owner: FileOwner?,
        requestID: String?,
        proof: RDBLevel? = nil,
        isDryRun: Bool
    ) {
        self.reference = reference
        self.name = name
        self.member = member
        self.path = path
        self.mode = mode
        self.fileNames = fileNames
        self.purpose = purpose
        self.target = target
        self.owner = owner
        self.requestID = requestID
        self.proof = proof
        self.isDryRun = isDryRun
    }

    /// `latest` names another backup each day. A pod that asks for it, with leave to replace, at each of its starts
    /// would be taken back to the last backup each time (F39): so it is one request for each subject, which is answered
    /// once.
    func requestID(for manifest: Manifest) -> String? {
        requestID ?? (reference == .latest ? "latest \(manifest.name) \(member ?? "")" : nil)
    }

    /// The files that make the server load a snapshot.
    func layout(rdbVersion: Int) throws -> PersistenceLayout {
        try PersistenceLayout(
            names: fileNames,
            purpose: purpose,
            serverMajorVersion: target.version?.major,
            rdbVersion: rdbVersion
        )
    }
}

/// Which member of a set is restored.
struct MemberChoice {
    private let manifest: Manifest

    init(_ manifest: Manifest) {
        self.manifest = manifest
    }

    /// The member of that name; without a name, the one that is furthest in its history, where all share one history.
    /// - Throws: `.noSuchBackup`; `.usage` when the members are of several shards.
    func member(named name: String?) throws -> Manifest.Member {
        let set = "\(manifest.name)/\(manifest.id)"
        let stored = manifest.storedMembers
        let names = stored.map(\.member).joined(separator: ", ")
        if let name {
            if let member = stored.first(where: { $0.member == name }) { return member }
            let reason = manifest.members.first { $0.member == name }?.error?.message
            throw Failure(
                .noSuchBackup,
                "restore \(name) of \(set): the set holds no snapshot of it\(reason.map { ": \($0)" } ?? "")",
                hint: "It holds: \(names)."
            )
        }
        guard let best = stored.max(by: { ($0.replication?.offset ?? -1) < ($1.replication?.offset ?? -1) }) else {
            throw Failure(.noSuchBackup, "restore \(set): it holds no snapshot")
        }
        guard sharesOneHistory else {
            throw Failure(
                .usage,
                "choose a member of \(set): its members do not share one history, as far as is known",
                hint: "Add --member with one of: \(names)."
            )
        }
        return best
    }

    /// Members that failed count too: the one that is missing may be of another shard, whose data must not be replaced
    /// by what happens to be there. One whose history is not known is taken for a replica only where two others share
    /// theirs.
    private var sharesOneHistory: Bool {
        let stored = manifest.storedMembers
        if manifest.members.count == 1 { return true }
        let failed = manifest.members.filter { $0.stored == nil }.map { $0.replication?.id }
        guard stored.count > 1 || !failed.contains(nil) else { return false }
        return Set(stored.map { $0.replication?.id ?? $0.member } + failed.compactMap { $0 }).count == 1
    }
}
