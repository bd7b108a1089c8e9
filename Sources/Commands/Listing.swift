// SPDX-License-Identifier: Apache-2.0

import Catalog
import Failures
import Operations

/// The listing as programs read it.
package struct Listing: Encodable {
    package private(set) var backups: [Backup] = []
    package private(set) var damaged: [Damaged] = []
    /// Where there is none of a subject, those that have some.
    private let others: [String]
    /// The first of those that cannot be read; one that is damaged before one of a later program.
    private var unread: Failure?

    private enum CodingKeys: CodingKey {
        case backups, damaged
    }

    package struct Backup: Encodable {
        let name: String
        let id: String
        let startedAt: Timestamp
        let finishedAt: Timestamp
        let status: String
        let members: Int
        let failedMembers: Int
        /// Each shard counted once, as `status` counts.
        package let keys: UInt64
        package let rawBytes: Int64
        /// Of all members.
        package let storedBytes: Int64
        let encrypted: Bool
        /// Absent where nobody needs a key.
        let recipients: [String]?
        let tags: [String]
        /// Absent where the store did not say.
        let pinned: Bool?
    }

    package struct Damaged: Encodable {
        let name: String
        let id: String
        let code: String
        let message: String
    }

    /// - Parameters:
    ///   - pins: the sets that are pinned, by subject.
    ///   - others: where there is none, the subjects that have some.
    package init(_ entries: [Catalog.Entry], pins: [String: Set<BackupID>]?, others: [String] = []) {
        self.others = others
        for entry in entries.sorted(by: { ($0.id, $0.name) < ($1.id, $1.name) }) {
            switch entry {
            case .complete(let manifest):
                let isPinned = pins.map { $0[manifest.name]?.contains(manifest.id) == true }
                backups.append(Backup(manifest, isPinned: isPinned))
            case .damaged(let name, let id, let failure):
                if unread == nil || (unread?.code == .unsupported && failure.code != .unsupported) { unread = failure }
                damaged.append(
                    Damaged(name: name, id: id.text, code: failure.code.rawValue, message: failure.description)
                )
            }
        }
    }

    /// What there is to say when not all could be read.
    package var failure: Failure? {
        guard let unread else { return nil }
        return Failure(
            unread.code,
            "read \(damaged.count) of \(backups.count + damaged.count) manifests",
            cause: unread,
            hint: unread.hint
        )
    }

    package var text: String {
        let unreadable = damaged.map { "damaged   \($0.name)/\($0.id): \($0.message)" }
        guard !backups.isEmpty else {
            if damaged.isEmpty {
                return others.isEmpty
                    ? "no backups"
                    : "no backups of that name: the store holds backups of \(others.joined(separator: ", "))"
            }
            let verdict = "no backup that can be read, \(damaged.count) whose manifest cannot be"
            return ([verdict] + unreadable).joined(separator: "\n")
        }
        var table = TextTable([
            ("NAME", .left), ("ID", .left), ("STATUS", .left), ("MEMBERS", .right), ("KEYS", .right), ("RAW", .right),
            ("STORED", .right),
        ])
        for backup in backups {
            table.append([
                backup.name, backup.id, backup.status + (backup.pinned == true ? ", pinned" : ""),
                "\(backup.members - backup.failedMembers)/\(backup.members)",
                Quantity.count(backup.keys), Quantity.bytes(backup.rawBytes), Quantity.bytes(backup.storedBytes),
            ])
        }
        return ([table.text] + (unreadable.isEmpty ? [] : [""] + unreadable)).joined(separator: "\n")
    }
}

extension Listing.Backup {
    fileprivate init(_ manifest: Manifest, isPinned: Bool?) {
        name = manifest.name
        id = manifest.id.text
        startedAt = manifest.startedAt
        finishedAt = manifest.finishedAt
        status = manifest.isPartial ? "partial" : "complete"
        members = manifest.members.count
        failedMembers = manifest.members.count - manifest.storedMembers.count
        let extent = DatasetExtent(of: manifest)
        keys = extent.keys
        rawBytes = extent.rawBytes
        storedBytes = manifest.storedBytes
        let encryption = SetEncryption(manifest)
        encrypted = encryption.isWhole
        recipients = encryption.recipients.isEmpty ? nil : encryption.recipients
        tags = manifest.tags ?? []
        pinned = isPinned
    }
}
