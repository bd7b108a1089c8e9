// SPDX-License-Identifier: Apache-2.0

import Failures
import SystemPackage

/// The folders of a file store, opened from the root downwards one by one, so that no symbolic link inside is followed.
///
/// Everything here blocks.
struct FolderTree: Sendable {
    /// The path of the root folder, without a slash at its end.
    let root: String
    let calls: FileSystemCalls

    /// How often folders are made again that another run prunes at the same time.
    private static let makingAttemptsMax = 16

    /// A path for people.
    func path(_ components: [String]) -> String {
        ([root] + components).joined(separator: "/")
    }

    func path(_ key: ObjectKey) -> String {
        path(key.components)
    }

    /// Opens the root and the folders below it and gives their descriptors to `body`, the root first.
    /// - Returns: `nil` when one of the folders is not there.
    /// - Throws: `.noSuchStore` when the root is not there.
    func withFolders<Result>(
        _ names: [String],
        _ body: (_ folders: [Int32]) throws -> Result
    ) throws -> Result? {
        try withRoot { root in
            try descend(into: names, from: root, making: false, body)
        }
    }

    /// The same, and makes what is not there, the root and its parents included.
    ///
    /// `body` gives `nil` when it found that its folder was removed under its hands; then all is made again.
    func withMadeFolders<Result>(
        _ names: [String],
        _ body: (_ folders: [Int32]) throws -> Result?
    ) throws -> Result {
        for _ in 0..<Self.makingAttemptsMax {
            let result = try withRoot(making: true) { root in
                try descend(into: names, from: root, making: true, body) ?? nil
            }
            if let result { return result }
        }
        throw Failure(.inputOutput, "make the folder \(path(names)): somebody removes it again and again")
    }

    /// Syncs folders, the deepest first, so that what was put into them is still there after a crash.
    func synchronize(_ folders: [Int32], _ names: [String]) throws {
        for (depth, folder) in folders.enumerated().reversed() {
            let name = path(Array(names.prefix(depth)))
            do throws(Errno) {
                try calls.synchronize(folder)
            } catch .invalidArgument {
                // Some network and user-space file systems cannot sync a folder and need not.
                continue
            } catch {
                throw Failure(error, attempting: "sync the folder \(name)")
            }
        }
    }

    /// Removes folders that are empty, the deepest first; never the root. Stops at the first that cannot be removed.
    func prune(_ folders: [Int32], _ names: [String]) {
        for depth in stride(from: names.count, to: 0, by: -1) {
            guard (try? calls.removeFolder(names[depth - 1], in: folders[depth - 1])) != nil else { return }
        }
    }

    /// Closes a descriptor that was only read from, or whose content nobody needs any more.
    func closeQuietly(_ descriptor: Int32) {
        try? calls.close(descriptor)
    }

    // MARK: Opening

    private func withRoot<Result>(making: Bool = false, _ body: (Int32) throws -> Result) throws -> Result {
        let descriptor: Int32
        do throws(Errno) {
            descriptor = try calls.openRoot(root)
        } catch .noSuchFileOrDirectory {
            guard making else {
                throw Failure(
                    .noSuchStore,
                    "open the store \(root): there is no such folder",
                    hint: "Look for a slip in the path, or mount the volume there: an empty folder is an empty store."
                )
            }
            try makeRoot()
            descriptor = try attempting("open the store \(root)", calls.openRoot(root))
        } catch {
            throw Failure(error, attempting: "open the store \(root)")
        }
        defer { closeQuietly(descriptor) }
        return try body(descriptor)
    }

    private func descend<Result>(
        into names: [String],
        from root: Int32,
        making: Bool,
        _ body: ([Int32]) throws -> Result
    ) throws -> Result? {
        var folders = [root]
        defer { folders.dropFirst().forEach(closeQuietly) }
        for (depth, name) in names.enumerated() {
            do throws(Errno) {
                folders.append(
                    try making ? openOrMake(name, in: folders[depth]) : calls.openFolder(name, in: folders[depth])
                )
            } catch .noSuchFileOrDirectory {
                return nil
            } catch .notDirectory where !making && isPlainFile(name, in: folders[depth]) {
                return nil
            } catch {
                throw Failure(error, attempting: "open the folder \(path(Array(names.prefix(depth + 1))))")
            }
        }
        return try body(folders)
    }

    /// Nothing is below a plain file; below a symbolic link there may be, and it is not looked at.
    private func isPlainFile(_ name: String, in folder: Int32) -> Bool {
        (try? calls.status(of: name, in: folder))?.kind == .file
    }

    private func openOrMake(_ name: String, in folder: Int32) throws(Errno) -> Int32 {
        do throws(Errno) {
            return try calls.openFolder(name, in: folder)
        } catch .noSuchFileOrDirectory {
            do throws(Errno) { try calls.makeFolder(name, in: folder) } catch .fileExists {}
            return try calls.openFolder(name, in: folder)
        }
    }

    /// Makes the root folder and the parents that are missing.
    private func makeRoot() throws {
        let names = root.split(separator: "/")
        for count in 1...max(1, names.count) {
            let path = "/" + names.prefix(count).joined(separator: "/")
            do throws(Errno) {
                try calls.makeFolder(path)
            } catch .fileExists {
                continue
            } catch {
                // Below a folder that may only be entered, mkdir of what is there already can answer so, too.
                if (try? calls.openRoot(path)).map(closeQuietly) != nil { continue }
                throw Failure(error, attempting: "make the folder \(path)")
            }
            try synchronizeParent(of: names.prefix(count).dropLast())
        }
    }

    private func synchronizeParent(of names: ArraySlice<Substring>) throws {
        let path = "/" + names.joined(separator: "/")
        // A parent that cannot be read cannot be synced; the folder in it is made all the same.
        guard let parent = try? calls.openRoot(path) else { return }
        defer { closeQuietly(parent) }
        do throws(Errno) {
            try calls.synchronize(parent)
        } catch .invalidArgument {
            return
        } catch {
            throw Failure(error, attempting: "sync the folder \(path)")
        }
    }
}
