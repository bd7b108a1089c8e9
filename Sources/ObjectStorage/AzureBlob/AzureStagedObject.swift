// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport

/// Blocks that are all there, and that no list names yet.
final class AzureStagedObject: StagedObject {
    let bytes: Int64
    private let store: AzureStore
    private let upload: AzureUpload
    private let blocks: [String]
    private let progress = SharedValue(Progress.untouched)

    private enum Progress: Sendable {
        case untouched
        /// The object may have become visible without our hearing of it.
        case attempted
        case committed(StoredObject)
        case discarded
    }

    /// For as long as a large list may take.
    private static let commitSecondsMax = 5 * 60

    init(store: AzureStore, upload: AzureUpload, blocks: [String], bytes: Int64) {
        self.store = store
        self.upload = upload
        self.blocks = blocks
        self.bytes = bytes
    }

    var key: ObjectKey { upload.key }

    func commit() async throws -> StoredObject {
        switch progress.value {
        case .committed(let object): return object
        case .discarded: throw Failure(.storeUnavailable, "\(attempt): it was given up")
        case .untouched, .attempted: break
        }
        try Task.checkCancellation()
        progress.value = .attempted
        let operation = self.operation
        let outcome = try await store.perform(operation) { response throws(StoreMalformed) in
            _ = try self.store.version(response.head)
        }
        let look = try await store.look(at: key)
        if let look, look.identity == upload.identity { return try await accept(look) }
        switch outcome {
        case .refused(let failure) where failure.code == .alreadyExists:
            throw Failure(.alreadyExists, "\(attempt): there is already an object of that key")
        case .refused(let failure): throw failure
        case .result where look != nil:
            throw Failure(.alreadyExists, "\(attempt): another object has taken its place")
        case .result:
            throw Failure(.storeUnavailable, "\(attempt): the store completed it and does not show it")
        }
    }

    func discard() async {
        let before = progress.value
        if case .committed = before { return }
        progress.value = .discarded
        await store.abandon(upload)
        guard case .attempted = before else { return }
        await store.cleaningUp("take back \(store.shown(key))") { [self] in
            guard let look = try await store.look(at: key), look.identity == upload.identity else { return }
            try await store.remove(key)
        }
    }

    private var attempt: String { "complete the upload of \(store.shown(key))" }

    /// Names the blocks, all of them uncommitted: those of a blob that is there already are none of ours.
    private var operation: StoreOperation {
        var operation = StoreOperation(attempt, action: AzureStore.Right.write, "PUT", key: store.fullKey(key))
        operation.query = [("comp", "blocklist")]
        let list = blocks.map { "<Uncommitted>\($0)</Uncommitted>" }.joined()
        operation.carry(
            Array("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>\(list)</BlockList>".utf8),
            type: "application/xml"
        )
        operation.headers += [
            ("x-ms-blob-content-type", "application/octet-stream"), ("If-None-Match", "*"),
            (AzureStore.header(AzureStore.identityName), upload.identity),
        ]
        if let tier = store.dialect.settings.location.tier {
            operation.headers.append(("x-ms-access-tier", tier.rawValue))
        }
        operation.headers += store.tagHeaders + store.scopeHeaders
        operation.deadlines = HTTPDeadlines(noProgressSeconds: Self.commitSecondsMax)
        return operation
    }

    /// - Throws: `.digestMismatch` when it is not as large as what was sent; then it is taken away again.
    private func accept(_ look: AzureLook) async throws -> StoredObject {
        guard look.object.bytes == bytes else {
            await store.cleaningUp("remove the damaged \(store.shown(key))") { [store, key] in
                try await store.remove(key)
            }
            throw Failure(
                .digestMismatch,
                "\(attempt): the store holds \(look.object.bytes) bytes of the \(bytes) that were sent"
            )
        }
        progress.value = .committed(look.object)
        return look.object
    }
}
