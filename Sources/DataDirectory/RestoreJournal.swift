// SPDX-License-Identifier: Apache-2.0

import Failures

/// What a file or folder looked like, so that it is known again, and known to be unchanged.
struct Fingerprint: Sendable, Hashable, Codable {
    struct Part: Sendable, Hashable, Codable {
        let name: String
        let inode: UInt64
        let bytes: Int64
        let modifiedNanoseconds: Int64
    }

    let inode: UInt64
    let isFolder: Bool
    /// Of a folder: what is in it. Of a file: itself.
    let parts: [Part]

    /// - Returns: `nil` where there is nothing of that name, and for a folder with nothing in it, which holds nothing
    ///   that could be lost.
    init?(of name: String, in folder: Folder) throws {
        guard let status = try folder.status(of: name) else { return nil }
        inode = status.inode
        isFolder = status.kind == .folder
        if isFolder {
            let inner = try folder.openFolder(name)
            parts = try inner.names().compactMap { name in try inner.status(of: name).map { Part(name, $0) } }
            if parts.isEmpty { return nil }
        } else {
            parts = [Part(name, status)]
        }
    }
}

extension Fingerprint.Part {
    fileprivate init(_ name: String, _ status: FileStatus) {
        self.init(
            name: name,
            inode: status.inode,
            bytes: status.bytes,
            modifiedNanoseconds: status.modifiedNanoseconds
        )
    }
}

/// What a swap is going to do, written down before its first step, so that a later run can finish it.
struct RestoreJournal: Sendable, Hashable, Codable {
    /// A new entry takes its place in the data directory.
    struct Placement: Sendable, Hashable, Codable {
        let name: String
        let isFolder: Bool
        /// The new entry's inode: as long as it is found in the staging folder, the entry is not placed.
        let inode: UInt64
        /// What stands in the place, if anything does.
        let previous: Fingerprint?
    }

    /// An old entry that nothing new replaces is taken away.
    struct Removal: Sendable, Hashable, Codable {
        let name: String
        let previous: Fingerprint
    }

    static let fileName = "journal.json"
    /// As long as it is being written.
    static let temporaryName = "\(fileName).new"
    /// Longer than any journal, in bytes: an AOF has a handful of parts, and a line of the journal for each.
    static let bytesMax = 16 << 20

    var format = 1
    let restoreID: String
    let placements: [Placement]
    let removals: [Removal]
    /// Where what was there before goes, if anything was.
    let archive: String?
}
