// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// Blocks that nobody will commit any more.
///
/// Azure knows no uploads and removes no block by itself before a week has passed. It forgets the blocks of a blob when
/// the blob is written whole; so an empty blob is written, which is removed at once. It carries a mark, by which every
/// look and list of ours knows that there is no object. Blocks of another upload to the same key would be forgotten
/// with them: where there are such, nothing is done.
extension AzureStore {
    package func leftovers(under folder: KeyFolder) async throws -> [Leftover] {
        let entries = try await entries(
            under: folder,
            "list the uploads under \(location)/\(folder)",
            including: ["metadata", "uncommittedblobs"]
        )
        var leftovers: [Leftover] = []
        for entry in entries {
            if let discarded = entry.discarded {
                leftovers += leftover(of: discarded, entry.key)
            } else if entry.object?.bytes ?? 0 == 0 {
                for identity in try await uploads(to: entry.key) ?? [] {
                    leftovers += leftover(of: identity, entry.key)
                }
            }
        }
        return leftovers.sorted { ($0.key, $0.handle) < ($1.key, $1.handle) }
    }

    private func leftover(of identity: String, _ key: ObjectKey) -> [Leftover] {
        guard let started = AzureUpload.startedAtSeconds(identity) else { return [] }
        return [Leftover(key: key, handle: identity, startedAtSeconds: started)]
    }

    package func remove(_ leftover: Leftover) async throws {
        try await takeAway(leftover.handle, of: leftover.key)
        // What a run wrote over the blocks, and could not remove any more.
        guard let look = try await lookClosely(at: leftover.key), look.discarded == leftover.handle else { return }
        try await removeDiscarded(leftover.key, look.object.version)
    }

    /// Takes the blocks of an upload away; it is no error if they are gone.
    func takeAway(_ identity: String, of key: ObjectKey) async throws {
        guard let found = try await uploads(to: key), found.contains(identity) else { return }
        guard found == [identity] else {
            throw Failure(
                .unsupported,
                "remove the blocks of an upload of \(shown(key)): those of another upload are beside them",
                hint: "Azure cannot remove the ones without the others; it forgets them itself in a week."
            )
        }
        var operation = StoreOperation(
            "write over the blocks of \(shown(key))",
            action: Right.write,
            "PUT",
            key: fullKey(key)
        )
        operation.carry([], type: "application/octet-stream")
        operation.headers += [
            ("x-ms-blob-type", "BlockBlob"), ("If-None-Match", "*"), (Self.header(Self.discardedName), identity),
        ]
        operation.headers += scopeHeaders
        let outcome = try await perform(operation) { response throws(StoreMalformed) in
            try self.version(response.head)
        }
        switch outcome {
        case .result(let version): try await removeDiscarded(key, version)
        // Somebody has written the blob, and the blocks are forgotten.
        case .refused(let failure) where failure.code == .alreadyExists:
            guard let look = try await lookClosely(at: key), look.discarded == identity else { return }
            try await removeDiscarded(key, look.object.version)
        case .refused(let failure): throw failure
        }
    }

    /// The identities of the uploads that have blocks there, `""` for one that is none of ours; `nil` when there is
    /// nothing at all.
    private func uploads(to key: ObjectKey) async throws -> Set<String>? {
        var operation = StoreOperation(
            "list the blocks of \(shown(key))",
            action: Right.read,
            "GET",
            key: fullKey(key)
        )
        operation.query = [("comp", "blocklist"), ("blocklisttype", "uncommitted")]
        operation.answers = [404]
        return try await exchange.perform(operation) { response throws(StoreMalformed) -> Set<String>? in
            if response.head.status == 404 { return nil }
            return Set(try AzureAnswers.uncommittedBlocks(response).map { AzureUpload.identity(ofBlock: $0) ?? "" })
        }
    }

    private func removeDiscarded(_ key: ObjectKey, _ version: ObjectVersion) async throws {
        var operation = StoreOperation(
            "remove what was written over the blocks of \(shown(key))",
            action: Right.delete,
            "DELETE",
            key: fullKey(key)
        )
        operation.headers = [("If-Match", version.tag)]
        operation.answers = [202, 404, 412]
        _ = try await exchange.perform(operation)
    }
}
