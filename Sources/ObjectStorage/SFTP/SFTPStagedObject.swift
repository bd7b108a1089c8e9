// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport

/// A temporary file that is written and has the size that it must have.
final class SFTPStagedObject: StagedObject {
    let key: ObjectKey
    private let store: SFTPStore
    /// The path of the temporary file.
    private let temporary: [String]
    private let file: SFTPFile
    private let progress = SharedValue(Progress.untouched)

    private enum Progress: Sendable {
        case untouched
        /// The object may have become visible without our hearing of it.
        case attempted
        case committed(StoredObject)
    }

    /// How often a server is asked that refuses, and then shows no reason.
    private static let attemptsMax = 2

    init(store: SFTPStore, key: ObjectKey, temporary: [String], file: SFTPFile) {
        self.store = store
        self.key = key
        self.temporary = temporary
        self.file = file
    }

    var bytes: Int64 { file.bytes }

    func commit() async throws -> StoredObject {
        if case .committed(let object) = progress.value { return object }
        try Task.checkCancellation()
        let tree = store.tree
        var refusal: Failure?
        for _ in 0..<Self.attemptsMax {
            // Not every server refuses to rename over what is there. And an earlier attempt may have succeeded.
            if let there = try await tree.file(key.components) { return try accept(there) }
            progress.value = .attempted
            refusal = try await tree.rename(temporary, to: key.components)
            if let there = try await tree.file(key.components) { return try accept(there) }
            guard try await tree.file(temporary) != nil else {
                throw Failure(.inputOutput, "\(attempt): its temporary file was removed by somebody else")
            }
        }
        if let refusal { throw refusal.during(attempt) }
        throw Failure(.storeUnavailable, "\(attempt): the server renamed it and does not show it")
    }

    func discard() async {
        if case .committed = progress.value { return }
        await store.cleaningUp("remove the temporary file of \(store.tree.shown(key.components))") { [self] in
            if case .attempted = progress.value, try await store.tree.file(key.components)?.version == file.version {
                try await store.tree.remove(key.components)
            }
            try await store.tree.remove(temporary)
        }
    }

    /// Removes the temporary file, and nothing that has the final name: there is no older version to go back to.
    func discardTemporary() async {
        await store.cleaningUp("remove the temporary file of \(store.tree.shown(key.components))") { [self] in
            try await store.tree.remove(temporary)
        }
    }

    private var attempt: String { "commit \(store.tree.shown(key.components))" }

    /// A rename keeps the time, and with it the version.
    private func accept(_ there: SFTPFile) throws -> StoredObject {
        guard case .attempted = progress.value, there.version == file.version else {
            throw Failure(.alreadyExists, "\(attempt): there is already a file of that name")
        }
        let object = there.object(key)
        progress.value = .committed(object)
        return object
    }
}
