// SPDX-License-Identifier: Apache-2.0

import Failures
import SystemPackage

extension FolderTree {
    /// Renames a sealed temporary file over an object that is still of the version given.
    ///
    /// Of all runs on this machine (and, where the file system carries `flock` over the network, of all machines) at
    /// most one wins: each locks the file that has the name, then looks whether that file still has it. On a file
    /// system without locks, two that look within the same instant may both believe that they won; the later one holds
    /// the name. Removing an object takes no lock.
    func replace(_ file: TemporaryFile, version: ObjectVersion) throws -> StoredObject {
        let folders = file.folders
        let replaced = try withFolders(folders) { descriptors in
            try withLocked(file.key, in: descriptors[folders.count]) { status -> StoredObject? in
                guard status.version == version else { return nil }
                return try overwrite(with: file, in: descriptors)
            }
        }
        guard let object = replaced ?? nil else {
            throw Failure(.alreadyExists, "replace \(path(file.key)): it is not the version that was read before")
        }
        return object
    }

    private func overwrite(with file: TemporaryFile, in descriptors: [Int32]) throws -> StoredObject {
        let (folders, folder) = (file.folders, descriptors[file.folders.count])
        try attempting(
            "replace \(path(file.key))",
            calls.rename(file.name.text, to: file.key.lastComponent, in: folder)
        )
        try synchronize([folder], folders)
        return try attempting(
            "look at \(path(file.key))",
            calls.status(of: file.key.lastComponent, in: folder).object(file.key)
        )
    }

    /// Calls `body` while nobody else replaces the object.
    /// - Returns: `nil` when it is not there, or when somebody replaces it or has just replaced it.
    private func withLocked<Result>(
        _ key: ObjectKey,
        in folder: Int32,
        _ body: (FileStatus) throws -> Result?
    ) throws -> Result? {
        let (attempt, name) = ("lock \(path(key))", key.lastComponent)
        let file: Int32
        do throws(Errno) {
            // Over NFS, an exclusive lock needs a descriptor that may write.
            file = try calls.openFile(name, in: folder, writable: true)
        } catch .noSuchFileOrDirectory {
            return nil
        } catch {
            throw Failure(error, attempting: attempt)
        }
        defer { closeQuietly(file) }
        do throws(Errno) {
            try calls.lock(file)
        } catch {
            switch error {
            case .wouldBlock: return nil
            case .noLocks, .notSupported, .noFunction, .invalidArgument, .badFileDescriptor: break
            default: throw Failure(error, attempting: attempt)
            }
        }
        let (locked, named) = try attempting(attempt, (calls.status(of: file), status(of: name, in: folder)))
        return locked.identity == named?.identity ? try body(locked) : nil
    }
}
