// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport

/// A multipart upload that has begun.
struct S3Upload: Sendable {
    let key: ObjectKey
    let id: String
    let identity: String
}

/// A part that the store took.
struct S3Part: Sendable {
    let number: Int
    let etag: String
}

extension S3Store {
    /// The smallest part that is chosen; together with the parts in flight it bounds the memory.
    package static let partSizeBytesMin = 8 << 20
    /// What S3 allows.
    package static let partSizeBytesMax = 5 << 30
    /// What S3 allows.
    package static let partsMax = 10_000
    private static let cancellationGrace = Duration.seconds(3)
    /// How many parts are planned for; the rest is room for an estimate that was too low.
    private static let partsPlanned: Int64 = 9_000

    /// All parts but the last have this size, because some providers want them equal.
    package static func partSizeBytes(estimatedBytes: Int64?) -> Int {
        guard let estimatedBytes, estimatedBytes > 0 else { return partSizeBytesMin }
        // A quarter more than estimated, in whole mebibytes.
        let wanted = (estimatedBytes / partsPlanned + 1) * 5 / 4
        let mebibytes = (wanted + (1 << 20) - 1) >> 20
        return min(max(partSizeBytesMin, Int(mebibytes) << 20), partSizeBytesMax)
    }

    package func stage(
        _ key: ObjectKey,
        estimatedBytes: Int64?,
        from chunks: ByteStream
    ) async throws -> any StagedObject {
        let upload = try await begin(key)
        do {
            let size = configuration.partSizeBytes ?? Self.partSizeBytes(estimatedBytes: estimatedBytes)
            let (parts, bytes) = try await uploadParts(of: upload, sizeBytes: size, from: chunks)
            try Task.checkCancellation()
            return S3StagedObject(store: self, upload: upload, parts: parts, bytes: bytes)
        } catch {
            await abort(upload)
            throw error
        }
    }

    private func begin(_ key: ObjectKey) async throws -> S3Upload {
        try await confirmBucket()
        var operation = StoreOperation(
            "begin to upload \(shown(key))",
            action: "s3:PutObject",
            "POST",
            key: fullKey(key)
        )
        let identity = Self.newIdentity()
        operation.query = [("uploads", "")]
        operation.headers = [("Content-Type", "application/octet-stream"), (Self.identityHeader, identity)]
        // An upload that was begun without our hearing of its id could not be aborted.
        let id = try await withCancellationGrace(Self.cancellationGrace) { [exchange, operation] in
            try await exchange.perform(operation, read: S3Answers.uploadID)
        }
        provider.hasSeenBucket.value = true
        return S3Upload(key: key, id: id, identity: identity)
    }

    /// Uploads a stream as parts, some at a time.
    private func uploadParts(
        of upload: S3Upload,
        sizeBytes: Int,
        from chunks: ByteStream
    ) async throws -> (parts: [S3Part], bytes: Int64) {
        try await withThrowingTaskGroup(of: S3Part.self) { group in
            var parts: [S3Part] = []
            var (begun, bytes) = (0, Int64(0))
            var block = blocks.spare()
            func sendBlock() async throws {
                // Also how the failure of a part is noticed before the stream has come to its end.
                while begun - parts.count >= blocks.placesMax, let part = try await group.next() { parts.append(part) }
                begun += 1
                bytes += Int64(block.count)
                guard begun <= Self.partsMax else { throw tooManyParts(upload.key, sizeBytes: sizeBytes) }
                try await blocks.takePlace()
                group.addTask { [block, number = begun] in
                    defer { blocks.leavePlace(block) }
                    return try await send(block, as: number, of: upload)
                }
                block = blocks.spare()
            }
            for try await chunk in chunks {
                var rest = chunk[...]
                while fill(&block, to: sizeBytes, from: &rest) { try await sendBlock() }
            }
            // An upload without a part cannot be completed.
            if begun == 0 || !block.isEmpty { try await sendBlock() }
            for try await part in group { parts.append(part) }
            return (parts.sorted { $0.number < $1.number }, bytes)
        }
    }

    /// Moves bytes into a block; tells whether it is full.
    private func fill(_ block: inout [UInt8], to sizeBytes: Int, from rest: inout ArraySlice<UInt8>) -> Bool {
        if block.capacity < sizeBytes { block.reserveCapacity(sizeBytes) }
        let piece = rest.prefix(sizeBytes - block.count)
        block += piece
        rest = rest.dropFirst(piece.count)
        return block.count == sizeBytes
    }

    private func send(_ block: [UInt8], as number: Int, of upload: S3Upload) async throws -> S3Part {
        var operation = StoreOperation(
            "upload part \(number) of \(shown(upload.key))",
            action: "s3:PutObject",
            "PUT",
            key: fullKey(upload.key)
        )
        operation.query = [("partNumber", "\(number)"), ("uploadId", upload.id)]
        operation.carry(block, type: "application/octet-stream")
        let etag = try await exchange.perform(operation) { response throws(StoreMalformed) in
            try self.version(response.head).tag
        }
        return S3Part(number: number, etag: etag)
    }

    private func tooManyParts(_ key: ObjectKey, sizeBytes: Int) -> Failure {
        Failure(
            .unsupported,
            "upload \(shown(key)): more bytes come than were estimated, and \(Self.partsMax) parts of "
                + "\(sizeBytes) bytes cannot hold them"
        )
    }

    /// Gives an upload up, also in a cancelled task; does its best and no more.
    func abort(_ upload: S3Upload) async {
        await cleaningUp("abort the upload of \(shown(upload.key))") {
            var operation = StoreOperation(
                "abort the upload of \(shown(upload.key))",
                action: "s3:AbortMultipartUpload",
                "DELETE",
                key: fullKey(upload.key)
            )
            operation.query = [("uploadId", upload.id)]
            operation.answers = [204, 404]
            operation.deadlines = HTTPDeadlines(connectSeconds: 3, noProgressSeconds: 3)
            _ = try await exchange.perform(operation)
        }
    }
}
