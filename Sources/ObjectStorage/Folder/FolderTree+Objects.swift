// SPDX-License-Identifier: Apache-2.0

import Failures
import SystemPackage

/// Objects that are there: look at, open, remove.
extension FolderTree {
    /// - Returns: `nil` when there is no file of that key.
    func status(of key: ObjectKey) throws -> FileStatus? {
        let attempt = "look at \(path(key))"
        let found = try withFolders(key.components.dropLast()) { folders in
            try attempting(attempt, status(of: key.lastComponent, in: folders[folders.count - 1]))
        }
        guard let status = found ?? nil, status.kind != .folder else { return nil }
        guard status.kind == .file else { throw notAFile(attempt) }
        return status
    }

    /// Opens an object for reading. Whoever calls this closes the descriptor.
    /// - Throws: `.noSuchObject`.
    func open(_ key: ObjectKey) throws -> (descriptor: Int32, status: FileStatus) {
        let attempt = "read \(path(key))"
        let opened = try withFolders(key.components.dropLast()) { folders -> (Int32, FileStatus)? in
            do throws(Errno) {
                let descriptor = try calls.openFile(key.lastComponent, in: folders[folders.count - 1])
                do throws(Errno) {
                    return (descriptor, try calls.status(of: descriptor))
                } catch {
                    closeQuietly(descriptor)
                    throw error
                }
            } catch .noSuchFileOrDirectory {
                return nil
            } catch {
                throw Failure(error, attempting: attempt)
            }
        }
        guard let (descriptor, status) = opened ?? nil else { throw absent(attempt) }
        guard status.kind == .file else {
            closeQuietly(descriptor)
            throw status.kind == .folder ? absent(attempt) : notAFile(attempt)
        }
        return (descriptor, status)
    }

    /// Removes an object, makes that last, and removes the folders that are empty then.
    func remove(_ key: ObjectKey) throws {
        try unlink(key.lastComponent, in: key.components.dropLast())
    }

    /// Removes the temporary file that a leftover names, under the rules of `remove`.
    func remove(_ leftover: Leftover) throws {
        let folders = Array(leftover.key.components.dropLast())
        let components = leftover.handle.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard components.dropLast().elementsEqual(folders), let name = components.last.flatMap(TemporaryName.init),
            name.finalName == leftover.key.lastComponent
        else {
            throw Failure(.inputOutput, "remove the leftover \(leftover.handle) in \(root): that is no temporary file")
        }
        try unlink(name.text, in: folders)
    }

    private func unlink(_ name: String, in folders: [String]) throws {
        let attempt = "remove \(path(folders + [name]))"
        _ = try withFolders(folders) { descriptors in
            let folder = descriptors[folders.count]
            do throws(Errno) {
                // Linux says EISDIR of a folder: nothing of that key is there.
                do throws(Errno) { try calls.unlink(name, in: folder) } catch .isDirectory { return }
            } catch .noSuchFileOrDirectory {
                return
            } catch {
                throw Failure(error, attempting: attempt)
            }
            // A manifest must not come back after a crash when what it names was removed after it.
            try synchronize([folder], [])
            prune(descriptors, folders)
        }
    }

    private func absent(_ attempt: String) -> Failure {
        Failure(.noSuchObject, "\(attempt): there is no such file")
    }

    private func notAFile(_ attempt: String) -> Failure {
        Failure(
            .inputOutput,
            "\(attempt): it is a symbolic link or a special file",
            hint: "Nothing but plain files is read inside a store. Remove it."
        )
    }
}
