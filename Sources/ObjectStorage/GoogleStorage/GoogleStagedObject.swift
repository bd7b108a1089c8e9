// SPDX-License-Identifier: Apache-2.0

import Failures

/// A resumable upload of which the store has everything but the last piece.
final class GoogleStagedObject: StagedObject {
    let bytes: Int64
    private let store: GoogleStore
    private let upload: GoogleUpload
    private let last: GooglePiece
    private let checksum: String
    private let progress = SharedValue(Progress.untouched)

    private enum Progress: Sendable {
        case untouched
        /// The object may have become visible without our hearing of it.
        case attempted
        case committed(StoredObject)
        case discarded
    }

    init(store: GoogleStore, upload: GoogleUpload, last: GooglePiece, checksum: CastagnoliChecksum) {
        self.store = store
        self.upload = upload
        self.checksum = checksum.text
        var last = last
        bytes = last.end
        last.ending = (last.end, checksum.text)
        self.last = last
    }

    var key: ObjectKey { upload.key }

    func commit() async throws -> StoredObject {
        var asksFirst = false
        switch progress.value {
        case .committed(let object): return object
        case .discarded: throw Failure(.storeUnavailable, "\(attempt): it was given up")
        case .attempted: asksFirst = true
        case .untouched: break
        }
        try Task.checkCancellation()
        progress.value = .attempted
        let pushed = try await store.push(last, to: upload, asksFirst: asksFirst)
        guard let look = try await store.look(at: key) else {
            if case .finished = pushed {
                throw Failure(.storeUnavailable, "\(attempt): the store completed it and does not show it")
            }
            throw Failure(.storeUnavailable, "\(attempt): the store does not know the upload any more")
        }
        // Also after 404 or 412 it may be ours: completed before, and the reply was lost.
        guard isOurs(look, pushed) else {
            throw Failure(.alreadyExists, "\(attempt): there is already an object of that key")
        }
        return try await accept(look)
    }

    func discard() async {
        switch progress.value {
        case .committed, .discarded: return
        case .untouched: await store.abort(upload)
        case .attempted:
            await store.abort(upload)
            await store.cleaningUp("take back \(store.shown(key))") { [self] in
                guard let look = try await store.look(at: key), look.identity == upload.identity else { return }
                try await store.remove(key, version: look.object.version)
            }
        }
        progress.value = .discarded
    }

    private var attempt: String { "complete the upload of \(store.shown(key))" }

    private func isOurs(_ look: GoogleLook, _ pushed: GooglePushed) -> Bool {
        if let identity = look.identity { return identity == upload.identity }
        // Somebody took the metadata away.
        if case .finished(let object) = pushed { return object.generation == look.object.version.tag }
        return false
    }

    /// - Throws: `.digestMismatch` when it is not what was sent; then it is taken away again.
    private func accept(_ look: GoogleLook) async throws -> StoredObject {
        guard look.object.bytes == bytes, look.checksum == nil || look.checksum == checksum else {
            await store.cleaningUp("remove the damaged \(store.shown(key))") { [store, key] in
                try await store.remove(key, version: look.object.version)
            }
            throw Failure(
                .digestMismatch,
                look.object.bytes == bytes
                    ? "\(attempt): the store holds other bytes than were sent, by their CRC-32C"
                    : "\(attempt): the store holds \(look.object.bytes) bytes of the \(bytes) that were sent"
            )
        }
        progress.value = .committed(look.object)
        return look.object
    }
}
