// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What the file system says about a file or folder.
struct FileStatus: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        case file
        case folder
        case symbolicLink
        /// A socket, a pipe, a device.
        case other
    }

    let kind: Kind
    let device: UInt64
    let inode: UInt64
    let bytes: Int64
    /// When the content changed last, in nanoseconds since 1970.
    let modifiedNanoseconds: Int64
    let owner: FileOwner
    /// The permissions, without the kind.
    let mode: mode_t

    init(_ status: stat) {
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            case S_IFLNK: .symbolicLink
            default: .other
            }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        bytes = Int64(status.st_size)
        modifiedNanoseconds = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
        owner = FileOwner(user: status.st_uid, group: status.st_gid)
        mode = status.st_mode & 0o7777
    }
}
