// SPDX-License-Identifier: Apache-2.0

import Failures
import Glibc
import NIOPosix
import SystemPackage

/// The folder into which a server saves, as it is mounted here. Only read.
struct DataFolder: Sendable {
    let path: String

    /// What tells one file from the one that replaces it under the same name.
    struct Identity: Sendable, Hashable {
        let device: UInt64
        let inode: UInt64
        let bytes: Int64
        let modifiedSeconds: Int64
        let modifiedNanoseconds: Int64

        init(_ status: stat) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
            bytes = Int64(status.st_size)
            modifiedSeconds = Int64(status.st_mtim.tv_sec)
            modifiedNanoseconds = Int64(status.st_mtim.tv_nsec)
        }
    }

    /// The path of a file in it.
    /// - Throws: `.configuration` when the name is not one of a file right in this folder; servers tell it, and are not
    ///   trusted.
    func path(of name: String) throws -> String {
        guard !name.isEmpty, name != ".", name != "..", !name.utf8.contains(where: { $0 == 0 || $0 == 0x2F }) else {
            throw Failure(.configuration, "the name of the RDB file is not one of a file right in \(path)")
        }
        return path.hasSuffix("/") ? path + name : "\(path)/\(name)"
    }

    /// Which file has this name now; `nil` when none has. Symbolic links are not followed.
    func identity(of name: String) async throws -> Identity? {
        let path = try path(of: name)
        return try await NIOThreadPool.singleton.runIfActive {
            var status = stat()
            if lstat(path, &status) == 0 { return Identity(status) }
            let error = errno
            guard error == ENOENT else { throw Failure(Errno(rawValue: error), reading: path) }
            return nil
        }
    }

    /// How many bytes are free for the server to save into.
    func freeBytes() async throws -> Int64 {
        try await NIOThreadPool.singleton.runIfActive { [path] in
            var status = statvfs()
            guard statvfs(path, &status) == 0 else { throw Failure(Errno(rawValue: errno), reading: path) }
            return Int64(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
        }
    }

    /// Files that an interrupted save left behind (`temp-<pid>.rdb`), with their sizes in bytes.
    func leftovers() async throws -> [(name: String, bytes: Int64)] {
        try await NIOThreadPool.singleton.runIfActive { [path] in
            guard let folder = opendir(path) else { throw Failure(Errno(rawValue: errno), reading: path) }
            defer { closedir(folder) }
            var found: [(name: String, bytes: Int64)] = []
            while let entry = readdir(folder) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                guard name.hasPrefix("temp-"), name.hasSuffix(".rdb") else { continue }
                var status = stat()
                guard lstat("\(path)/\(name)", &status) == 0 else { continue }
                found.append((name, Int64(status.st_size)))
            }
            return found
        }
    }
}

extension Failure {
    /// A file or folder of a server that cannot be read.
    init(_ errno: Errno, reading path: String) {
        let message = "cannot read \(path): \(errno.description.lowercased())"
        switch errno {
        case .noSuchFileOrDirectory, .notDirectory:
            self.init(
                .configuration,
                message,
                hint: "Give the folder of the server, as it is mounted here, with --data-dir."
            )
        case .permissionDenied, .notPermitted:
            self.init(
                .permissionDenied,
                message,
                hint: "Run redoubt as the user that the server runs as (runAsUser, fsGroup)."
            )
        case .tooManySymbolicLinkLevels:
            self.init(.inputOutput, "\(path) is a symbolic link, which is not followed")
        default:
            self.init(.inputOutput, message)
        }
    }
}
