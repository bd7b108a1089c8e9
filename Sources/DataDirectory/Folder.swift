// SPDX-License-Identifier: Apache-2.0

import Failures
import Glibc
import SystemPackage

/// An open folder. Names are looked up from its descriptor, so that nothing that happens to its path leads elsewhere,
/// and a symbolic link inside it is never followed.
///
/// Its errors are failures that name the path. It closes its descriptor when it goes.
final class Folder: Sendable {
    let path: String
    let calls: FolderCalls
    private let descriptor: Int32

    private init(path: String, descriptor: Int32, calls: FolderCalls) {
        self.path = path
        self.descriptor = descriptor
        self.calls = calls
    }

    deinit { calls.close(descriptor) }

    static func open(_ path: String, calls: FolderCalls) throws -> Folder {
        let descriptor = try attempt("open the folder \(path)") { () throws(Errno) in try calls.openFolder(path: path) }
        return Folder(path: path, descriptor: descriptor, calls: calls)
    }

    func path(of name: String) -> String { "\(path)/\(name)" }

    /// Turns what a call throws into a failure that says what was attempted.
    private static func attempt<Value>(
        _ attempt: @autoclosure () -> String,
        _ body: () throws(Errno) -> Value
    ) throws -> Value {
        do throws(Errno) {
            return try body()
        } catch {
            throw Failure(error, attempting: attempt())
        }
    }

    private func attempt<Value>(_ attempt: @autoclosure () -> String, _ body: () throws(Errno) -> Value) throws -> Value
    {
        try Self.attempt(attempt(), body)
    }
}

// MARK: Looking

extension Folder {
    func names() throws -> [String] {
        try attempt("list \(path)") { () throws(Errno) in try calls.names(in: descriptor) }
    }

    func status() throws -> FileStatus {
        try attempt("look at \(path)") { () throws(Errno) in try calls.status(of: descriptor) }
    }

    /// - Returns: `nil` where there is nothing of that name.
    func status(of name: String, followingLinks: Bool = false) throws -> FileStatus? {
        try attempt("look at \(path(of: name))") { () throws(Errno) in
            try calls.status(of: name, in: descriptor, followingLinks: followingLinks)
        }
    }

    func openFolder(_ name: String) throws -> Folder {
        let inner = try attempt("open the folder \(path(of: name))") { () throws(Errno) in
            try calls.openFolder(name, in: descriptor)
        }
        return Folder(path: path(of: name), descriptor: inner, calls: calls)
    }

    /// - Throws: `.inputOutput` where the file is longer than `bytesMax`.
    func contents(of name: String, bytesMax: Int) throws -> [UInt8] {
        try attempt("read \(path(of: name))") { () throws(Errno) in
            let file = try calls.openFile(name, in: descriptor)
            defer { calls.close(file) }
            return try calls.contents(of: file, bytesMax: bytesMax)
        }
    }

    /// The first bytes of a file, or all of it where it is shorter.
    func head(of name: String, bytes: Int) throws -> [UInt8] {
        try attempt("read \(path(of: name))") { () throws(Errno) in
            let file = try calls.openFile(name, in: descriptor)
            defer { calls.close(file) }
            return try calls.read(file, bytesMax: bytes)
        }
    }

    func freeBytes() throws -> Int64 {
        try attempt("ask for the free space of \(path)") { () throws(Errno) in try calls.freeBytes(in: descriptor) }
    }
}

// MARK: Locks

extension Folder {
    /// Locks the folder, until `unlock` or as long as this object lives.
    ///
    /// - Returns: whether nobody else holds it. On a file system without locks it counts as free.
    fileprivate func lock() throws -> Bool {
        do throws(Errno) {
            try calls.lock(descriptor, exclusive: true)
            return true
        } catch {
            if error == .wouldBlock { return false }
            // NFS maps the lock to one of a byte range, which needs a file that is open for writing.
            if [.badFileDescriptor, .noLocks, .notSupported, .invalidArgument].contains(error) { return true }
            throw Failure(error, attempting: "lock \(path)")
        }
    }

    fileprivate func unlock() {
        calls.unlock(descriptor)
    }

    /// Whether somebody else holds the lock of a file.
    func isLocked(_ name: String) -> Bool {
        do throws(Errno) {
            let file = try calls.openFile(name, in: descriptor)
            defer { calls.close(file) }
            try calls.lock(file, exclusive: false)
            return false
        } catch {
            return error == .wouldBlock
        }
    }
}

// MARK: Making

extension Folder {
    func makeFolder(_ name: String, access: FileAccess) throws -> Folder {
        try attempt("make the folder \(path(of: name))") { () throws(Errno) in
            try calls.makeFolder(name, in: descriptor, mode: 0o700)
        }
        do {
            let folder = try openFolder(name)
            try folder.give(access)
            return folder
        } catch {
            try? removeFolder(name)
            throw error
        }
    }

    private func give(_ access: FileAccess) throws {
        try attempt("give \(path) to \(access.reader)") { () throws(Errno) in
            if let owner = access.owner { try calls.changeOwner(descriptor, to: owner) }
            try calls.changeMode(descriptor, to: access.folderMode)
        }
    }

    func createFile(_ name: String, access: FileAccess) throws -> NewFile {
        let filePath = path(of: name)
        let file = try attempt("create \(filePath)") { () throws(Errno) in
            try calls.createFile(name, in: descriptor, mode: 0o600)
        }
        let new = NewFile(path: filePath, descriptor: file, calls: calls)
        try new.give(access)
        return new
    }

    /// Creates a small file, whole and on the disk.
    func writeFile(_ name: String, _ bytes: [UInt8], access: FileAccess) throws {
        let file = try createFile(name, access: access)
        try file.write(bytes)
        try file.synchronize()
    }

    func synchronize() throws {
        try attempt("synchronize \(path)") { () throws(Errno) in try calls.synchronize(descriptor) }
    }
}

// MARK: Moving and removing

extension Folder {
    func link(_ name: String, to newName: String, in folder: Folder) throws {
        try attempt("link \(path(of: name)) to \(folder.path(of: newName))") { () throws(Errno) in
            try calls.link(name, in: descriptor, to: newName, in: folder.descriptor)
        }
    }

    /// Moves an entry, and puts it in the place of a file or an empty folder of that name.
    func rename(_ name: String, to newName: String, in folder: Folder) throws {
        try attempt("rename \(path(of: name)) to \(folder.path(of: newName))") { () throws(Errno) in
            try calls.rename(name, in: descriptor, to: newName, in: folder.descriptor)
        }
    }

    /// Moves an entry to a name that must be free.
    func move(_ name: String, to newName: String, in folder: Folder) throws {
        try attempt("move \(path(of: name)) to \(folder.path(of: newName))") { () throws(Errno) in
            do throws(Errno) {
                try calls.renameWithoutReplacing(name, in: descriptor, to: newName, in: folder.descriptor)
            } catch {
                guard Self.meansUnsupported(error) else { throw error }
                guard try calls.status(of: newName, in: folder.descriptor) == nil else { throw .fileExists }
                try calls.rename(name, in: descriptor, to: newName, in: folder.descriptor)
            }
        }
    }

    /// Lets two entries change places in one step.
    func exchange(_ name: String, with otherName: String, in folder: Folder) throws {
        try attempt("exchange \(path(of: name)) with \(folder.path(of: otherName))") { () throws(Errno) in
            try calls.exchange(name, in: descriptor, with: otherName, in: folder.descriptor)
        }
    }

    /// What `canExchange` tries it on.
    static let exchangeNames = ["exchange-a", "exchange-b"]

    /// Whether the file system lets two entries change places in one step: NFS and CephFS do not.
    func canExchange(access: FileAccess) throws -> Bool {
        let names = Self.exchangeNames
        for name in names { _ = try makeFolder(name, access: access) }
        var isPossible = true
        do throws(Errno) {
            try calls.exchange(names[0], in: descriptor, with: names[1], in: descriptor)
        } catch {
            guard Self.meansUnsupported(error) else {
                throw Failure(error, attempting: "exchange two folders in \(path)")
            }
            isPossible = false
        }
        for name in names { try removeFolder(name) }
        return isPossible
    }

    private static func meansUnsupported(_ error: Errno) -> Bool {
        error == .invalidArgument || error == .noFunction || error == .notSupported
    }

    func unlink(_ name: String) throws {
        try attempt("remove \(path(of: name))") { () throws(Errno) in try calls.unlink(name, in: descriptor) }
    }

    func removeFolder(_ name: String) throws {
        try attempt("remove the folder \(path(of: name))") { () throws(Errno) in
            try calls.removeFolder(name, in: descriptor)
        }
    }

    /// Removes a folder of ours with what is in it; symbolic links are removed, not followed.
    func removeTree(_ name: String, depthMax: Int = 4) throws {
        guard depthMax > 0 else { throw Failure(.inputOutput, "remove \(path(of: name)): too deep to be ours") }
        let folder = try openFolder(name)
        for inner in try folder.names() {
            switch try folder.status(of: inner)?.kind {
            case .folder: try folder.removeTree(inner, depthMax: depthMax - 1)
            case nil: break
            default: try folder.unlink(inner)
            }
        }
        try removeFolder(name)
    }
}

/// A data directory, locked against other restores.
final class FolderLock: Sendable {
    private let folder: Folder

    /// - Throws: `.locked`.
    init(_ folder: Folder) throws {
        // A description of its own: the lock belongs to it, and not to the folder.
        self.folder = try folder.openFolder(".")
        guard try self.folder.lock() else {
            throw Failure(
                .locked,
                "restore into \(folder.path): another restore is at work there",
                hint: "Wait for it to end, or end it, and run the command again."
            )
        }
    }

    /// Closing alone would not do: a process that is just being started holds the description, too, until it executes
    /// its program.
    func release() {
        folder.unlock()
    }
}

/// A file that is being written for the first time. It closes its descriptor when it goes.
final class NewFile: Sendable {
    let path: String
    private let descriptor: Int32
    private let calls: FolderCalls

    init(path: String, descriptor: Int32, calls: FolderCalls) {
        self.path = path
        self.descriptor = descriptor
        self.calls = calls
    }

    deinit { calls.close(descriptor) }

    func write(_ bytes: [UInt8]) throws {
        try attempt("write \(bytes.count) bytes to \(path)") { () throws(Errno) in
            try calls.write(bytes, to: descriptor)
        }
    }

    func synchronize() throws {
        try attempt("synchronize \(path)") { () throws(Errno) in try calls.synchronize(descriptor) }
    }

    func status() throws -> FileStatus {
        try attempt("look at \(path)") { () throws(Errno) in try calls.status(of: descriptor) }
    }

    fileprivate func give(_ access: FileAccess) throws {
        try attempt("give \(path) to \(access.reader)") { () throws(Errno) in
            if let owner = access.owner { try calls.changeOwner(descriptor, to: owner) }
            try calls.changeMode(descriptor, to: access.fileMode)
        }
        let status = try status()
        guard access.isUsable(status) else {
            throw Failure(
                .permissionDenied,
                "prepare \(path): it belongs to \(status.owner), which \(access.reader) cannot use",
                hint: "Run as the user that the server runs as (runAsUser, fsGroup), or as root with --owner uid:gid."
            )
        }
    }

    private func attempt<Value>(_ attempt: @autoclosure () -> String, _ body: () throws(Errno) -> Value) throws -> Value
    {
        do throws(Errno) {
            return try body()
        } catch {
            throw Failure(error, attempting: attempt())
        }
    }
}
