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
        self.isDryRun = isDryRun
    }

    /// `latest` names another backup each day. A pod that asks for it, with leave to replace, at each of its starts
    /// would be taken back to the last backup each time (F39): so it is one request, which is answered once.
    var effectiveRequestID: String? {
        requestID ?? (reference == .latest ? "latest" : nil)
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
        guard stored.count == 1 || Set(stored.map { $0.replication?.id ?? $0.member }).count == 1 else {
            throw Failure(
                .usage,
                "choose a member of \(set): its members do not share one history",
                hint: "Add --member with one of: \(names)."
            )
        }
        return best
    }
}
