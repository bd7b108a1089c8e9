// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures

/// A folder as a store: each object is a file, its key the path below the root.
///
/// - Staged bytes are a temporary file beside the place of the object; `leftovers` finds those that a dead run left.
/// - What is committed is synced, and so are the folders up to the root.
/// - The root may be missing when something is written: it is made, with its parents. It may not when something is
///   read, because a volume that is not mounted must not look like a store that is empty.
/// - Below the root no symbolic link is followed.
/// - Folders that a removal leaves empty are removed.
package struct FileStore: ObjectStore {
    let tree: FolderTree

    /// - Parameters:
    ///   - root: absolute path of the folder.
    ///   - calls: the system calls; a test can make them fail.
    package init(root: String, calls: FileSystemCalls = FileSystemCalls()) {
        tree = FolderTree(root: root, calls: calls)
    }

    package var location: String { StoreLocation.folder(path: tree.root).description }

    package func stage(
        _ key: ObjectKey,
        estimatedBytes: Int64?,
        from chunks: ByteStream
    ) async throws -> any StagedObject {
        try await sealedFile(key, from: chunks)
    }

    @discardableResult
    package func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject {
        try await sealedFile(key, from: ByteStream([bytes])).commitOrDiscard()
    }

    package func replace(
        _ key: ObjectKey,
        version: ObjectVersion,
        with bytes: [UInt8]
    ) async throws -> StoredObject {
        // Asked first, so that nothing is made where there is nothing to replace.
        guard try await stat(key)?.version == version else {
            throw Failure(.alreadyExists, "replace \(tree.path(key)): it is not the version that was read before")
        }
        let staged = try await sealedFile(key, from: ByteStream([bytes]))
        do {
            try Task.checkCancellation()
            return try await onBlockingThread { [tree] in try tree.replace(staged.file, version: version) }
        } catch {
            // Not what replaced the old object, should it have come so far: there is no old one to go back to.
            try? await onBlockingThread { [tree] in tree.abandon(staged.file, takesBack: false) }
            throw error
        }
    }

    package func stat(_ key: ObjectKey) async throws -> StoredObject? {
        try await onBlockingThread { [tree] in try tree.status(of: key)?.object(key) }
    }

    package func list(under folder: KeyFolder) async throws -> [StoredObject] {
        try await onBlockingThread { [tree] in
            try tree.walk(folder).compactMap { found in
                if case .object(let object) = found { object } else { nil }
            }.sorted { $0.key < $1.key }
        }
    }

    @discardableResult
    package func remove(_ key: ObjectKey) async throws -> Removal {
        try await onBlockingThread { [tree] in try tree.remove(key) }
        return .gone
    }

    package func leftovers(under folder: KeyFolder) async throws -> [Leftover] {
        try await onBlockingThread { [tree] in
            try tree.walk(folder).compactMap { found in
                if case .leftover(let leftover) = found { leftover } else { nil }
            }.sorted { ($0.key, $0.handle) < ($1.key, $1.handle) }
        }
    }

    package func remove(_ leftover: Leftover) async throws {
        try await onBlockingThread { [tree] in try tree.remove(leftover) }
    }

    /// Writes the chunks to a temporary file and syncs it; removes it when that fails.
    private func sealedFile(_ key: ObjectKey, from chunks: ByteStream) async throws -> StagedFile {
        let file = try await onBlockingThread { [tree] in try tree.createTemporary(for: key) }
        do {
            var bytes: Int64 = 0
            for try await chunk in chunks {
                try await onBlockingThread { [tree] in try tree.append(chunk, to: file) }
                bytes += Int64(chunk.count)
            }
            try await onBlockingThread { [tree, bytes] in try tree.seal(file, bytes: bytes) }
            try Task.checkCancellation()
            return StagedFile(file: file, bytes: bytes, tree: tree)
        } catch {
            try? await onBlockingThread { [tree] in tree.abandon(file, takesBack: true) }
            throw error
        }
    }
}
