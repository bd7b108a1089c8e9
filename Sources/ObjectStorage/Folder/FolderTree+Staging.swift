// SPDX-License-Identifier: Apache-2.0

import Failures
import Glibc
import SystemPackage

/// From a temporary file to an object: create, append, seal, publish; or abandon.
extension FolderTree {
    /// Makes the temporary file of a key, beside the place of the object: on the same file system.
    func createTemporary(for key: ObjectKey) throws -> TemporaryFile {
        let folders = Array(key.components.dropLast())
        let name = TemporaryName(for: key.lastComponent)
        return try withMadeFolders(folders) { descriptors in
            let folder = descriptors[folders.count]
            do throws(Errno) {
                let file = try calls.createFile(name.text, in: folder)
                do throws(Errno) {
                    let identity = try calls.status(of: file).identity
                    return TemporaryFile(key: key, name: name, identity: identity, descriptor: file)
                } catch {
                    closeQuietly(file)
                    try? calls.unlink(name.text, in: folder)
                    throw error
                }
            } catch .noSuchFileOrDirectory {
                return nil
            } catch {
                prune(descriptors, folders)
                throw Failure(error, attempting: "create a temporary file for \(path(key))")
            }
        }
    }

    func append(_ bytes: [UInt8], to file: TemporaryFile) throws {
        guard let descriptor = file.openDescriptor else { preconditionFailure("a sealed file is not written to") }
        try attempting("write \(path(file.key))", calls.write(bytes, to: descriptor))
    }

    /// Syncs and closes a temporary file, and holds its size against what was written.
    ///
    /// After a failed sync the kernel may drop the bytes and call the next sync a success, so nothing is tried again:
    /// the caller abandons the file (F30).
    func seal(_ file: TemporaryFile, bytes: Int64) throws {
        guard let descriptor = file.takeDescriptor() else { preconditionFailure("a file is sealed once") }
        let attempt = "sync \(path(file.key))"
        let held: Int64
        do {
            try attempting(attempt, calls.synchronize(descriptor))
            held = try attempting(attempt, calls.status(of: descriptor).bytes)
        } catch {
            closeQuietly(descriptor)
            throw error
        }
        // Network file systems and quotas report what could not be written as late as here.
        try attempting("close \(path(file.key))", calls.close(descriptor))
        guard held == bytes else {
            throw Failure(.digestMismatch, "write \(path(file.key)): the file holds \(held) of \(bytes) bytes")
        }
    }

    /// Gives a sealed file its final name, unless another file has it, and makes that last. May be repeated.
    func publish(_ file: TemporaryFile, bytes: Int64) throws -> StoredObject {
        let folders = file.folders
        let published = try withFolders(folders) { descriptors -> StoredObject in
            let folder = descriptors[folders.count]
            try nameFinally(file, in: folder)
            try synchronize(descriptors, folders)
            let status = try attempting(
                "look at \(path(file.key))",
                calls.status(of: file.key.lastComponent, in: folder)
            )
            guard status.identity == file.identity else { throw taken(file.key) }
            guard status.bytes == bytes else {
                throw Failure(.digestMismatch, "commit \(path(file.key)): it holds \(status.bytes) of \(bytes) bytes")
            }
            return status.object(file.key)
        }
        guard let published else { throw lost(file) }
        return published
    }

    /// Removes a temporary file. Never throws: what cannot be removed is a leftover.
    /// - Parameter takesBack: whether the file also loses its final name, which it may have got without being
    ///   committed.
    func abandon(_ file: TemporaryFile, takesBack: Bool) {
        if let descriptor = file.takeDescriptor() { closeQuietly(descriptor) }
        let folders = file.folders
        _ = try? withFolders(folders) { descriptors in
            let folder = descriptors[folders.count]
            try? calls.unlink(file.name.text, in: folder)
            if takesBack, (try? status(of: file.key.lastComponent, in: folder))??.identity == file.identity {
                try? calls.unlink(file.key.lastComponent, in: folder)
            }
            prune(descriptors, folders)
        }
    }

    /// What a name stands for, or `nil`.
    func status(of name: String, in folder: Int32) throws(Errno) -> FileStatus? {
        do throws(Errno) {
            return try calls.status(of: name, in: folder)
        } catch .noSuchFileOrDirectory {
            return nil
        }
    }

    private func nameFinally(_ file: TemporaryFile, in folder: Int32) throws {
        let (name, finalName) = (file.name.text, file.key.lastComponent)
        let attempt = "commit \(path(file.key))"
        let present = try attempting(attempt, status(of: finalName, in: folder))
        if let present, present.identity != file.identity { throw taken(file.key) }
        do throws(Errno) {
            if present == nil { try linkOrRename(name, to: finalName, in: folder) }
            do throws(Errno) { try calls.unlink(name, in: folder) } catch .noSuchFileOrDirectory {}
        } catch .fileExists {
            // Over NFS this can be the second answer to our own request, whose first one was lost.
            guard (try? status(of: finalName, in: folder))??.identity == file.identity else { throw taken(file.key) }
            try? calls.unlink(name, in: folder)
        } catch .noSuchFileOrDirectory {
            throw lost(file)
        } catch {
            throw Failure(error, attempting: attempt)
        }
    }

    /// `link` refuses a name that is taken, in one step. File systems without hard links (FAT, SMB, most of FUSE) get a
    /// rename, after the look for the name that was just made: two writers of one key at one instant could both believe
    /// that they won. Keys of a backup carry a random id, so that there are no two.
    private func linkOrRename(_ name: String, to finalName: String, in folder: Int32) throws(Errno) {
        do throws(Errno) {
            try calls.link(name, to: finalName, in: folder)
        } catch {
            switch error {
            case .notPermitted, .notSupported, .noFunction, .invalidArgument, .tooManyLinks, .permissionDenied:
                try calls.rename(name, to: finalName, in: folder)
            default:
                throw error
            }
        }
    }

    private func taken(_ key: ObjectKey) -> Failure {
        Failure(.alreadyExists, "commit \(path(key)): there is already a file of that name")
    }

    private func lost(_ file: TemporaryFile) -> Failure {
        Failure(
            .inputOutput,
            "commit \(path(file.key)): its temporary file \(file.name.text) was removed by somebody else"
        )
    }
}

extension ObjectKey {
    /// The last component: the name of the file.
    var lastComponent: String { components[components.count - 1] }
}

extension FileStatus {
    func object(_ key: ObjectKey) -> StoredObject {
        StoredObject(key: key, bytes: bytes, modifiedAtSeconds: modifiedAtSeconds, version: version)
    }
}
