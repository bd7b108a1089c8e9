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
    /// The shard of a cluster whose best member is restored, where no member is named.
    package var shard: ShardReference?
    /// The data directory.
    package var path: String
    package var mode: RestoreMode
    /// How the server calls its files.
    package var fileNames: DataFileNames
    /// For which setting of `appendonly` the files are made.
    package var purpose: PersistenceLayout.Purpose
    /// The server that will start there, as far as it is known.
    package var target: RestoreTargetFacts
    package var owner: FileOwner?
    /// What the operator calls this restore; the same restore is not done twice.
    package var requestID: String?
    /// How closely the snapshot is read; as it was proven, and no closer than deep, when `nil`.
    package var proof: RDBLevel?
    package var isDryRun: Bool
    /// Whether to restore although the server, as far as it is known, could not load it.
    package var ignoresCompatibility: Bool
    /// What becomes of expiries.
    package var expiries = ExpiryChoice.keep

    package init(
        reference: BackupReference,
        name: String?,
        member: String?,
        shard: ShardReference? = nil,
        path: String,
        mode: RestoreMode,
        fileNames: DataFileNames,
        purpose: PersistenceLayout.Purpose,
        target: RestoreTargetFacts,
        owner: FileOwner?,
        requestID: String?,
        proof: RDBLevel? = nil,
        isDryRun: Bool,
        ignoresCompatibility: Bool = false
    ) {
        self.reference = reference
        self.name = name
        self.member = member
        self.shard = shard
        self.path = path
        self.mode = mode
        self.fileNames = fileNames
        self.purpose = purpose
        self.target = target
        self.owner = owner
        self.requestID = requestID
        self.proof = proof
        self.isDryRun = isDryRun
        self.ignoresCompatibility = ignoresCompatibility
    }

    /// `latest` names another backup each day. A pod that asks for it, with leave to replace, at each of its starts
    /// would be taken back to the last backup each time (F39): so it is one request for each subject, which is answered
    /// once.
    func requestID(for manifest: Manifest) -> String? {
        requestID ?? (reference == .latest ? "latest \(manifest.name) \(chosen)" : nil)
    }

    private var chosen: String { member ?? shard.map { "shard \($0)" } ?? "" }

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

extension DataDirectoryRequest {
    /// What is known of the server, with what its folder tells.
    func facts(_ contents: Contents, freeBytes: Int64?) -> RestoreTargetFacts {
        var facts = target
        facts.filePurpose = purpose
        facts.freeDiskBytes = freeBytes
        facts.filesHeld = Dictionary(contents.data.map { ($0.name, $0.bytes) }, uniquingKeysWith: +)
        facts.clusterNode = contents.clusterNode
        if contents.clusterNode != nil { facts.isClustered = facts.isClustered ?? true }
        return facts
    }
}
