// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// The system calls of the file store, the only place that makes them. All of them block.
///
/// Each goes through `attempt`, where a test can make the n-th one fail, as a full or broken disk would.
package struct FileSystemCalls: Sendable {
    /// What can be made to fail.
    package enum Call: String, Sendable, CaseIterable {
        case openFolder
        case makeFolder
        case listFolder
        case removeFolder
        case createFile
        case openFile
        case read
        case write
        case synchronize
        case close
        case link
        case rename
        case unlink
        case status
        case lock
    }

    /// Files are for the owner and the group of the volume.
    private static let fileMode: mode_t = 0o640
    private static let folderMode: mode_t = 0o750

    private let fault: (@Sendable (Call) -> Errno?)?

    /// - Parameter fault: asked before each call; what it gives is what the call fails with. For tests.
    package init(fault: (@Sendable (Call) -> Errno?)? = nil) {
        self.fault = fault
    }

    /// Makes a call until it is not interrupted.
    private func attempt(_ call: Call, _ body: () -> Int) throws(Errno) -> Int {
        if let errno = fault?(call) { throw errno }
        while true {
            let result = body()
            if result >= 0 { return result }
            if errno != EINTR { throw Errno(rawValue: errno) }
        }
    }

    private func attempt(_ call: Call, _ body: () -> Int32) throws(Errno) {
        _ = try attempt(call) { Int(body()) }
    }
}

// MARK: Folders

extension FileSystemCalls {
    /// Opens the root folder of a store. It may be a symbolic link: the operator chose it.
    func openRoot(_ path: String) throws(Errno) -> Int32 {
        Int32(try attempt(.openFolder) { Int(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) })
    }

    /// Opens a folder inside another one. A symbolic link gives `ENOTDIR` or `ELOOP`.
    func openFolder(_ name: String, in folder: Int32) throws(Errno) -> Int32 {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        return Int32(try attempt(.openFolder) { Int(openat(folder, name, flags)) })
    }

    func makeFolder(_ path: String, in folder: Int32 = AT_FDCWD) throws(Errno) {
        try attempt(.makeFolder) { mkdirat(folder, path, Self.folderMode) }
    }

    func removeFolder(_ name: String, in folder: Int32) throws(Errno) {
        try attempt(.removeFolder) { unlinkat(folder, name, AT_REMOVEDIR) }
    }

    /// The names in an open folder, without `.` and `..`; all of them, or it throws. Names that are not UTF-8 are left
    /// out: no key of ours has such a name.
    func names(in folder: Int32) throws(Errno) -> [String] {
        // A description of its own, because reading moves the offset, which `dup` would share.
        let copy = try openFolder(".", in: folder)
        guard let stream = fdopendir(copy) else {
            let reason = Errno(rawValue: errno)
            _ = Glibc.close(copy)
            throw reason
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let name = try nextName(of: stream) {
            if let name = name.text, name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// The next name, `nil` at the end. The end and an error look the same to `readdir` but for `errno`.
    private func nextName(of stream: OpaquePointer) throws(Errno) -> (text: String?, Void)? {
        if let errno = fault?(.listFolder) { throw errno }
        errno = 0
        guard let entry = readdir(stream) else {
            if errno != 0 { throw Errno(rawValue: errno) }
            return nil
        }
        let text = withUnsafeBytes(of: &entry.pointee.d_name) { name in
            String(validating: name.prefix { $0 != 0 }, as: UTF8.self)
        }
        return (text, ())
    }
}

// MARK: Files

extension FileSystemCalls {
    /// Creates a file that must not be there yet, for writing.
    func createFile(_ name: String, in folder: Int32) throws(Errno) -> Int32 {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        return Int32(try attempt(.createFile) { Int(openat(folder, name, flags, Self.fileMode)) })
    }

    /// Opens a file that is there. A symbolic link gives `ELOOP`; a pipe does not make it wait.
    func openFile(_ name: String, in folder: Int32, writable: Bool = false) throws(Errno) -> Int32 {
        let flags = (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
        return Int32(try attempt(.openFile) { Int(openat(folder, name, flags)) })
    }

    /// Reads at most `bytesMax`; nothing at the end.
    func read(_ file: Int32, bytesMax: Int) throws(Errno) -> [UInt8] {
        var reason: Errno?
        let bytes = [UInt8](unsafeUninitializedCapacity: bytesMax) { buffer, count in
            do throws(Errno) {
                count = try attempt(.read) { Glibc.read(file, buffer.baseAddress, bytesMax) }
            } catch {
                reason = error
            }
        }
        if let reason { throw reason }
        return bytes
    }

    /// Writes all.
    func write(_ bytes: [UInt8], to file: Int32) throws(Errno) {
        var written = 0
        while written < bytes.count {
            let count = try attempt(.write) {
                bytes.withUnsafeBytes { buffer in
                    Glibc.write(file, buffer.baseAddress?.advanced(by: written), buffer.count - written)
                }
            }
            // POSIX leaves it open what a write of nothing means; looping on it would never end.
            if count == 0 { throw .ioError }
            written += count
        }
    }

    func synchronize(_ file: Int32) throws(Errno) {
        try attempt(.synchronize) { fsync(file) }
    }

    /// Closes a descriptor. After an error it is closed all the same (Linux, close(2)), so it is never tried again.
    func close(_ descriptor: Int32) throws(Errno) {
        let fault = fault?(.close)
        let result = Glibc.close(descriptor)
        if let fault { throw fault }
        if result < 0 && errno != EINTR { throw Errno(rawValue: errno) }
    }

    /// Gives a file a second name, unless that is taken.
    func link(_ name: String, to newName: String, in folder: Int32) throws(Errno) {
        try attempt(.link) { linkat(folder, name, folder, newName, 0) }
    }

    /// Renames a file over whatever has the new name.
    func rename(_ name: String, to newName: String, in folder: Int32) throws(Errno) {
        try attempt(.rename) { renameat(folder, name, folder, newName) }
    }

    func unlink(_ name: String, in folder: Int32) throws(Errno) {
        try attempt(.unlink) { unlinkat(folder, name, 0) }
    }

    /// Locks an open file against others who lock it, without waiting; it is unlocked when it is closed.
    func lock(_ file: Int32) throws(Errno) {
        try attempt(.lock) { flock(file, LOCK_EX | LOCK_NB) }
    }

    /// What a name stands for; symbolic links are not followed.
    func status(of name: String, in folder: Int32) throws(Errno) -> FileStatus {
        var status = stat()
        try attempt(.status) { fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) }
        return FileStatus(status)
    }

    func status(of file: Int32) throws(Errno) -> FileStatus {
        var status = stat()
        try attempt(.status) { fstat(file, &status) }
        return FileStatus(status)
    }
}

/// What the file system says of a name.
struct FileStatus: Sendable, Hashable {
    /// Which file it is, whatever its name.
    struct Identity: Sendable, Hashable {
        let device: UInt64
        let inode: UInt64
    }

    enum Kind: Sendable {
        case file
        case folder
        /// A symbolic link, a pipe, a device: never ours.
        case other
    }

    let identity: Identity
    let kind: Kind
    let bytes: Int64
    let modifiedAtSeconds: Int64
    private let modifiedNanoseconds: Int64

    init(_ status: stat) {
        identity = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            default: .other
            }
        bytes = Int64(status.st_size)
        modifiedAtSeconds = Int64(status.st_mtim.tv_sec)
        modifiedNanoseconds = Int64(status.st_mtim.tv_nsec)
    }

    /// Another content has another inode: files of a store are never written to once they have their name.
    var version: ObjectVersion {
        ObjectVersion(tag: "\(identity.inode)-\(bytes)-\(modifiedAtSeconds).\(modifiedNanoseconds)")
    }
}
