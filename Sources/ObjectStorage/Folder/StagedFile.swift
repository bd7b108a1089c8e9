// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A temporary file that is synced and closed.
final class StagedFile: StagedObject {
    let file: TemporaryFile
    let bytes: Int64
    private let tree: FolderTree
    private let committed = Mutex<StoredObject?>(nil)

    init(file: TemporaryFile, bytes: Int64, tree: FolderTree) {
        self.file = file
        self.bytes = bytes
        self.tree = tree
    }

    var key: ObjectKey { file.key }

    func commit() async throws -> StoredObject {
        if let object = committed.withLock({ $0 }) { return object }
        try Task.checkCancellation()
        let object = try await onBlockingThread { [tree, file, bytes] in try tree.publish(file, bytes: bytes) }
        committed.withLock { $0 = object }
        return object
    }

    func discard() async {
        guard committed.withLock({ $0 }) == nil else { return }
        try? await onBlockingThread { [tree, file] in tree.abandon(file, takesBack: true) }
    }
}
