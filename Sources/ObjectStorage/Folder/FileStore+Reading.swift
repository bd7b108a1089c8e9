// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Synchronization
import SystemPackage

extension FileStore {
    package func withObject<Result: Sendable>(
        _ key: ObjectKey,
        _ body: (StoredObject, ByteStream) async throws -> Result
    ) async throws -> Result {
        let (object, reader) = try await onBlockingThread { [tree] in
            let (descriptor, status) = try tree.open(key)
            return (status.object(key), FileReader(tree, key, descriptor: descriptor, bytes: status.bytes))
        }
        let result: Swift.Result<Result, any Error>
        do {
            result = .success(try await body(object, reader.stream))
        } catch {
            result = .failure(error)
        }
        try? await onBlockingThread { reader.close() }
        return try result.get()
    }
}

/// Reads one file from its start to the size it had when it was opened.
private final class FileReader: Sendable {
    /// Each chunk costs a change of threads.
    private static let chunkSizeBytes = 2 * ByteStream.chunkSizeBytes

    private struct State {
        var descriptor: Int32?
        var readBytes: Int64 = 0
    }

    private let tree: FolderTree
    private let key: ObjectKey
    private let bytes: Int64
    private let state: Mutex<State>

    init(_ tree: FolderTree, _ key: ObjectKey, descriptor: Int32, bytes: Int64) {
        self.tree = tree
        self.key = key
        self.bytes = bytes
        state = Mutex(State(descriptor: descriptor))
    }

    var stream: ByteStream {
        ByteStream { try await onBlockingThread { try self.next() } }
    }

    /// Held under the lock while it blocks, so that the descriptor cannot become another file's under our hands.
    private func next() throws -> [UInt8]? {
        try state.withLock { state in
            guard let descriptor = state.descriptor else {
                throw Failure(.inputOutput, "read \(tree.path(key)): it is no longer open")
            }
            let wanted = min(bytes - state.readBytes, Int64(Self.chunkSizeBytes))
            guard wanted > 0 else { return nil }
            let chunk = try attempting("read \(tree.path(key))", tree.calls.read(descriptor, bytesMax: Int(wanted)))
            guard !chunk.isEmpty else {
                throw Failure(
                    .truncated,
                    "read \(tree.path(key)): it ended after \(state.readBytes) of \(bytes) bytes"
                )
            }
            state.readBytes += Int64(chunk.count)
            return chunk
        }
    }

    func close() {
        state.withLock { state in
            if let descriptor = state.descriptor { tree.closeQuietly(descriptor) }
            state.descriptor = nil
        }
    }
}
