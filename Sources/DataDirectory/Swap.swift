// SPDX-License-Identifier: Apache-2.0

import Failures

/// The exchange of what stands in a data directory for what a restore has prepared.
///
/// The staging folder `.restore-<id>` holds the new entries in `files/`, the marker, and the journal. From then on:
/// 1. Each new entry takes its place, the AOF first. Where an old one stands, the two change places in one step of the
///    kernel: at no moment is there none. The old one now lies in `files/`.
/// 2. What else was there of the old data is moved to `files/`.
/// 3. `files/` becomes `pre-restore-<id>`, or is removed if it is empty.
/// 4. The marker takes its place.
/// 5. The journal is removed, and with it the staging folder.
///
/// Each step is on the disk before the next one begins. A server that is started in the middle of it finds, by way of
/// its AOF or of its dump, the old data or the new, whole. Each step looks at what is there before it acts, so that a
/// later run can go through all of them again.
struct Swap {
    let directory: Folder
    let staging: Folder
    let journal: RestoreJournal

    static let filesName = "files"
    static let markerName = "marker.json"

    /// The new entries that are not placed yet, or the old ones that are not put away; `nil` once all is put away.
    private func files() throws -> Folder? {
        try staging.status(of: Self.filesName) == nil ? nil : try staging.openFolder(Self.filesName)
    }

    /// Whether a new entry stands in its place already.
    func hasBegun() throws -> Bool {
        guard let files = try files() else { return true }
        return try journal.placements.contains { try !isWaiting($0, in: files) }
    }

    private func isWaiting(_ placement: RestoreJournal.Placement, in files: Folder) throws -> Bool {
        try files.status(of: placement.name)?.inode == placement.inode
    }

    /// Goes through all steps that are not done yet.
    ///
    /// - Throws: `.guardRefused` where an entry is no longer what the journal says; nothing is touched from there on.
    func finish() throws {
        if let files = try files() {
            for placement in journal.placements where try isWaiting(placement, in: files) {
                try place(placement, from: files)
            }
            for removal in journal.removals { try takeAway(removal, to: files) }
            try putAway()
        }
        try placeMarker()
        try clear()
    }

    private func place(_ placement: RestoreJournal.Placement, from files: Folder) throws {
        let name = placement.name
        guard try Fingerprint(of: name, in: directory) == placement.previous else { throw changed(name) }
        if placement.previous != nil {
            try files.exchange(name, with: name, in: directory)
        } else if placement.isFolder {
            // It may take the place of an empty folder; one that is not empty makes the kernel refuse.
            try files.rename(name, to: name, in: directory)
        } else {
            try files.move(name, to: name, in: directory)
        }
        try directory.synchronize()
        try files.synchronize()
    }

    private func takeAway(_ removal: RestoreJournal.Removal, to files: Folder) throws {
        guard let present = try Fingerprint(of: removal.name, in: directory) else { return }
        guard present == removal.previous else { throw changed(removal.name) }
        try directory.move(removal.name, to: removal.name, in: files)
        try files.synchronize()
        try directory.synchronize()
    }

    private func putAway() throws {
        if let archive = journal.archive {
            try staging.move(Self.filesName, to: archive, in: directory)
        } else {
            try staging.removeFolder(Self.filesName)
        }
        try directory.synchronize()
        try staging.synchronize()
    }

    private func placeMarker() throws {
        guard try staging.status(of: Self.markerName) != nil else { return }
        try staging.rename(Self.markerName, to: RestoreMarker.fileName, in: directory)
        try directory.synchronize()
        try staging.synchronize()
    }

    private func clear() throws {
        try staging.unlink(RestoreJournal.fileName)
        try directory.removeFolder(RestoreJournal.stagingName(journal.restoreID))
        try directory.synchronize()
    }

    private func changed(_ name: String) -> Failure {
        let staging = RestoreJournal.stagingName(journal.restoreID)
        return Failure(
            .guardRefused,
            "restore \(journal.restoreID) in \(directory.path): \(name) changed since the swap was prepared",
            hint: """
                A server seems to have run there meanwhile. Nothing more was touched. To keep what is there now, \
                rename \(staging) to \(ReservedName.archivePrefix)\(journal.restoreID), which may hold the data from \
                before, and run the command again.
                """
        )
    }
}

extension RestoreJournal {
    static func stagingName(_ restoreID: String) -> String { ReservedName.stagingPrefix + restoreID }
}
