// SPDX-License-Identifier: Apache-2.0

import Failures
import Glibc

/// The user and the group of a file, as numbers: a container has no names for the user of another one.
package struct FileOwner: Sendable, Hashable, CustomStringConvertible {
    package let user: UInt32
    package let group: UInt32

    package init(user: UInt32, group: UInt32) {
        self.user = user
        self.group = group
    }

    /// - Parameter text: `<uid>:<gid>`, both numbers, as in `999:1000`.
    /// - Throws: `.configuration`.
    package init(parsing text: String) throws {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        // The highest number means `leave it as it is` to chown(2).
        guard parts.count == 2, let user = UInt32(parts[0]), let group = UInt32(parts[1]),
            user != .max, group != .max
        else {
            throw Failure(
                .configuration,
                "owner \(text): not <uid>:<gid>",
                hint: "Give the numbers that the server's container runs as, such as 999:1000."
            )
        }
        self.init(user: user, group: group)
    }

    package var description: String { "\(user):\(group)" }

    /// Whom this process creates files for.
    static var current: FileOwner { FileOwner(user: geteuid(), group: getegid()) }
}

/// Whom restored files belong to and with which permissions, so that the server can use them (F48).
struct FileAccess: Sendable {
    /// Whom the files are given to; `nil` where this process may not give files away and is not asked to.
    let owner: FileOwner?
    /// Who is going to read them: the owner asked for, else that of the data directory.
    let reader: FileOwner
    let fileMode: mode_t
    let folderMode: mode_t

    /// A server makes its own files 0644 and its folders 0755; a dump needs no other readers than its owner and group.
    /// The group may write where it may write to the data directory, which is what an `fsGroup` does to a volume.
    init(directory: FileStatus, requested: FileOwner?) {
        let groupWrites = directory.mode & S_IWGRP != 0
        fileMode = groupWrites ? 0o660 : 0o640
        folderMode = (groupWrites ? 0o770 : 0o750) | directory.mode & S_ISGID
        reader = requested ?? directory.owner
        owner = requested ?? (geteuid() == 0 ? directory.owner : nil)
    }

    /// Whether the reader can read and write a file or folder of this status, as far as can be known: of a reader that
    /// is root by the data directory's owner, only the group counts, because a server hardly runs as root.
    func isUsable(_ status: FileStatus) -> Bool {
        let bits: mode_t = status.kind == .folder ? 0o7 : 0o6
        let mode = status.mode
        if reader.user == status.owner.user { return mode >> 6 & bits == bits }
        if reader.group == status.owner.group { return mode >> 3 & bits == bits }
        return mode & bits == bits || reader.user == 0
    }
}
