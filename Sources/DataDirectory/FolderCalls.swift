// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import SystemPackage

/// The system calls on a data directory, the only place that makes them. All of them block.
///
/// Each goes through `attempt`, where a test can make the n-th one fail, or end the process before it, as a power cut
/// would.
package struct FolderCalls: Sendable {
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
        case link
        case rename
        case exchange
        case unlink
        case status
        case changeOwner
        case changeMode
        case lock
        case freeSpace

        /// Whether the call changes what is on the disk.
        package var changesSomething: Bool {
            switch self {
            case .openFolder, .listFolder, .openFile, .read, .status, .lock, .freeSpace: false
            case .makeFolder, .removeFolder, .createFile, .write, .synchronize, .link, .rename, .exchange, .unlink,
                .changeOwner, .changeMode:
                true
            }
        }
    }

    private let fault: (@Sendable (Call) -> Errno?)?

    /// - Parameter fault: asked before each call; what it gives is what the call fails with. For tests.
    package init(fault: (@Sendable (Call) -> Errno?)? = nil) {
        self.fault = fault
    }

    /// Makes a call until it is not interrupted.
    @discardableResult
    private func attempt<Result: FixedWidthInteger & SignedInteger>(
        _ call: Call,
        _ body: () -> Result
    ) throws(Errno) -> Result {
        if let errno = fault?(call) { throw errno }
        while true {
            let result = body()
            if result >= 0 { return result }
            if errno != EINTR { throw Errno(rawValue: errno) }
        }
    }
}

// MARK: Folders

extension FolderCalls {
    /// Opens a folder by its path; symbolic links are followed, because the operator chose it.
    func openFolder(path: String) throws(Errno) -> Int32 {
        try attempt(.openFolder) { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    }

    /// Opens a folder inside another one. A symbolic link gives `ENOTDIR` or `ELOOP`.
    func openFolder(_ name: String, in folder: Int32) throws(Errno) -> Int32 {
        try attempt(.openFolder) { openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
    }

    func makeFolder(_ name: String, in folder: Int32, mode: mode_t) throws(Errno) {
        try attempt(.makeFolder) { mkdirat(folder, name, mode) }
    }

    func removeFolder(_ name: String, in folder: Int32) throws(Errno) {
        try attempt(.removeFolder) { unlinkat(folder, name, AT_REMOVEDIR) }
    }

    /// The names in a folder, without `.` and `..`; all of them, or it throws. A name that is not UTF-8 is shown with
    /// replacement characters, and is then no name of ours or of a server.
    func names(in folder: Int32) throws(Errno) -> [String] {
        // A description of its own, because reading moves the offset.
        let copy = try openFolder(".", in: folder)
        guard let stream = fdopendir(copy) else {
            let reason = Errno(rawValue: errno)
            close(copy)
            throw reason
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let name = try nextName(of: stream) {
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The next name, `nil` at the end. The end and an error look the same to `readdir` but for `errno`.
    private func nextName(of stream: OpaquePointer) throws(Errno) -> String? {
        if let errno = fault?(.listFolder) { throw errno }
        errno = 0
        guard let entry = readdir(stream) else {
            if errno != 0 { throw Errno(rawValue: errno) }
            return nil
        }
        return withUnsafeBytes(of: &entry.pointee.d_name) { name in
            String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    /// How many bytes somebody without privileges may still write there.
    func freeBytes(in folder: Int32) throws(Errno) -> Int64 {
        var space = statvfs()
        try attempt(.freeSpace) { fstatvfs(folder, &space) }
        let (bytes, overflow) = Int64(clamping: space.f_bavail)
            .multipliedReportingOverflow(by: Int64(clamping: space.f_frsize))
        return overflow ? .max : bytes
    }

    /// Takes the lock of a folder or a file, or gives `EWOULDBLOCK` where somebody else holds it.
    func lock(_ descriptor: Int32, exclusive: Bool) throws(Errno) {
        try attempt(.lock) { flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) }
    }

    func unlock(_ descriptor: Int32) {
        // It can fail only for a descriptor that is none.
        _ = flock(descriptor, LOCK_UN)
    }

    func close(_ descriptor: Int32) {
        // The data was synchronized before, so a late error has nothing to say.
        _ = Glibc.close(descriptor)
    }
}

// MARK: Files

extension FolderCalls {
    /// Creates a file that must not be there yet, for writing.
    func createFile(_ name: String, in folder: Int32, mode: mode_t) throws(Errno) -> Int32 {
        try attempt(.createFile) {
            openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        }
    }

    /// Opens a file for reading. A symbolic link gives `ELOOP`; a pipe does not make it wait.
    func openFile(_ name: String, in folder: Int32) throws(Errno) -> Int32 {
        try attempt(.openFile) { openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) }
    }

    /// Reads at most `bytesMax`; nothing at the end.
    func read(_ file: Int32, bytesMax: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        let count = try attempt(.read) { bytes.withUnsafeMutableBytes { Glibc.read(file, $0.baseAddress, bytesMax) } }
        bytes.removeLast(bytesMax - count)
        return bytes
    }

    /// Reads a file to its end.
    ///
    /// - Throws: `EFBIG` where it is longer than `bytesMax`.
    func contents(of file: Int32, bytesMax: Int) throws(Errno) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let more = try read(file, bytesMax: min(64 * 1024, bytesMax + 1 - bytes.count))
            if more.isEmpty { return bytes }
            bytes += more
            if bytes.count > bytesMax { throw .fileTooLarge }
        }
    }

    /// Reads a file that the operator named, wherever it is.
    func contents(ofFile path: String, bytesMax: Int) throws(Errno) -> [UInt8] {
        let file = try attempt(.openFile) { open(path, O_RDONLY | O_CLOEXEC) }
        defer { close(file) }
        return try contents(of: file, bytesMax: bytesMax)
    }

    /// Writes all.
    func write(_ bytes: [UInt8], to file: Int32) throws(Errno) {
        var written = 0
        while written < bytes.count {
            let count = try attempt(.write) {
                bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress?.advanced(by: written), $0.count - written) }
            }
            // POSIX leaves it open what a write of nothing means; looping on it would never end.
            if count == 0 { throw .ioError }
            written += count
        }
    }

    /// Puts what was written onto the disk. After a failure the kernel may have dropped it: never try again on the same
    /// descriptor.
    func synchronize(_ descriptor: Int32) throws(Errno) {
        try attempt(.synchronize) { fsync(descriptor) }
    }

    func changeOwner(_ descriptor: Int32, to owner: FileOwner) throws(Errno) {
        try attempt(.changeOwner) { fchown(descriptor, owner.user, owner.group) }
    }

    func changeMode(_ descriptor: Int32, to mode: mode_t) throws(Errno) {
        try attempt(.changeMode) { fchmod(descriptor, mode) }
    }

    func status(of descriptor: Int32) throws(Errno) -> FileStatus {
        var status = stat()
        try attempt(.status) { fstat(descriptor, &status) }
        return FileStatus(status)
    }

    /// - Returns: `nil` where there is nothing of that name.
    func status(of name: String, in folder: Int32, followingLinks: Bool = false) throws(Errno) -> FileStatus? {
        var status = stat()
        do throws(Errno) {
            try attempt(.status) { fstatat(folder, name, &status, followingLinks ? 0 : AT_SYMLINK_NOFOLLOW) }
        } catch {
            if error == .noSuchFileOrDirectory { return nil }
            throw error
        }
        return FileStatus(status)
    }
}

// MARK: Names

extension FolderCalls {
    /// `RENAME_NOREPLACE` and `RENAME_EXCHANGE` of linux/fs.h.
    private static let noReplace: UInt32 = 1
    private static let exchange: UInt32 = 2

    /// A second name for a file; `EEXIST` where the name is taken.
    func link(_ name: String, in folder: Int32, to newName: String, in newFolder: Int32) throws(Errno) {
        try attempt(.link) { linkat(folder, name, newFolder, newName, 0) }
    }

    /// Moves, and puts it in the place of a file or an empty folder of that name.
    func rename(_ name: String, in folder: Int32, to newName: String, in newFolder: Int32) throws(Errno) {
        try attempt(.rename) { renameat(folder, name, newFolder, newName) }
    }

    /// Moves; `EEXIST` where the name is taken, `EINVAL` where the file system cannot tell.
    func renameWithoutReplacing(
        _ name: String,
        in folder: Int32,
        to newName: String,
        in newFolder: Int32
    ) throws(Errno) {
        try attempt(.rename) { linux_renameat2(folder, name, newFolder, newName, Self.noReplace) }
    }

    /// Lets two entries change places, in one step; `EINVAL` where the file system cannot do it.
    func exchange(_ name: String, in folder: Int32, with otherName: String, in otherFolder: Int32) throws(Errno) {
        try attempt(.exchange) { linux_renameat2(folder, name, otherFolder, otherName, Self.exchange) }
    }

    func unlink(_ name: String, in folder: Int32) throws(Errno) {
        try attempt(.unlink) { unlinkat(folder, name, 0) }
    }
}
