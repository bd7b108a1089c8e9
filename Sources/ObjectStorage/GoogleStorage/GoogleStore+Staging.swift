// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import FoundationEssentials
import HTTPTransport

extension GoogleStore {
    /// All pieces but the last are multiples of this, or Google refuses them.
    package static let quantumBytes = 256 << 10
    /// How much is sent with a request, where nothing else is said.
    package static let pieceSizeBytesUsual = 8 << 20
    private static let cancellationGrace = Duration.seconds(3)

    package func stage(
        _ key: ObjectKey,
        estimatedBytes: Int64?,
        from chunks: ByteStream
    ) async throws -> any StagedObject {
        let upload = try await begin(key)
        do {
            let last = try await send(chunks, to: upload)
            try Task.checkCancellation()
            return GoogleStagedObject(store: self, upload: upload, last: last.piece, checksum: last.checksum)
        } catch {
            await abort(upload)
            throw error
        }
    }

    private func begin(_ key: ObjectKey) async throws -> GoogleUpload {
        let identity = Self.newIdentity()
        var operation = StoreOperation(
            "begin to upload \(shown(key))",
            action: "storage.objects.create",
            "POST",
            key: fullKey(key)
        )
        operation.url = endpoint.uploads(writing(key, "0") + [("uploadType", "resumable")])
        operation.headers = [
            ("Content-Type", "application/json; charset=UTF-8"), ("X-Upload-Content-Type", "application/octet-stream"),
        ]
        operation.body = Array(try JSONEncoder().encode(metadata(of: key, identity)))
        operation.answers = [201]
        // An upload that was begun without our hearing of its URL could not be given up.
        let url = try await withCancellationGrace(Self.cancellationGrace) { [exchange, operation, endpoint] in
            try await exchange.perform(operation) { response throws(StoreMalformed) in
                guard let url = response.head["location"],
                    let address = try? HTTPAddress(url, of: "the URL of an upload"),
                    address.isPrivate || address.origin == endpoint.origin
                else { throw StoreMalformed(reason: "the store began an upload and gave it no URL that is safe") }
                return url
            }
        }
        hasSeenBucket.value = true
        return GoogleUpload(key: key, url: url, identity: identity)
    }

    /// Sends what comes, but the last 1 to 262144 bytes, with which the object would appear.
    private func send(
        _ chunks: ByteStream,
        to upload: GoogleUpload
    ) async throws -> (piece: GooglePiece, checksum: CastagnoliChecksum) {
        let size =
            max(1, (configuration.partSizeBytes ?? Self.pieceSizeBytesUsual) / Self.quantumBytes) * Self.quantumBytes
        return try await withThrowingTaskGroup(of: Void.self) { group in
            var checksum = CastagnoliChecksum()
            var (block, start) = (blocks.spare(), Int64(0))
            func sendBlock() async throws {
                // The one before has arrived; so that its failure is noticed, too.
                try await group.next()
                try await blocks.takePlace()
                group.addTask { [piece = GooglePiece(bytes: block, start: start)] in
                    defer { self.blocks.leavePlace(piece.bytes) }
                    try await self.keep(piece, of: upload)
                }
                start += Int64(block.count)
                block = blocks.spare()
            }
            for try await chunk in chunks {
                checksum.update(chunk)
                var rest = chunk[...]
                while !rest.isEmpty {
                    // Only when more follows, so that there is a last piece.
                    if block.count == size { try await sendBlock() }
                    if block.capacity < size { block.reserveCapacity(size) }
                    let more = rest.prefix(size - block.count)
                    block += more
                    rest = rest.dropFirst(more.count)
                }
            }
            let lastCount = block.isEmpty ? 0 : (block.count - 1) % Self.quantumBytes + 1
            let last = Array(block.suffix(lastCount))
            block.removeLast(lastCount)
            if !block.isEmpty { try await sendBlock() }
            try await group.waitForAll()
            return (GooglePiece(bytes: last, start: start), checksum)
        }
    }

    private func keep(_ piece: GooglePiece, of upload: GoogleUpload) async throws {
        switch try await push(piece, to: upload) {
        case .kept, .finished: return
        case .gone:
            throw Failure(.storeUnavailable, "upload \(shown(upload.key)): the store does not know the upload any more")
        case .refused:
            throw Failure(.alreadyExists, "upload \(shown(upload.key)): there is already an object of that key")
        }
    }

    /// Gives an upload up, also in a cancelled task; does its best and no more.
    func abort(_ upload: GoogleUpload) async {
        await cleaningUp("abort the upload of \(shown(upload.key))") {
            var operation = StoreOperation(
                "abort the upload of \(shown(upload.key))",
                action: "storage.objects.create",
                "DELETE",
                key: fullKey(upload.key)
            )
            operation.url = upload.url
            operation.answers = Self.goneStatuses.union([204])
            operation.deadlines = HTTPDeadlines(connectSeconds: 3, noProgressSeconds: 3)
            _ = try await exchange.perform(operation)
        }
    }
}
