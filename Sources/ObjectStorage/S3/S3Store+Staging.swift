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
    let bytes: Int
    /// The checksum that it was sent with.
    let digest: [UInt8]?
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
            let (parts, bytes) = try await blocks.send(chunks, sizeBytes: size) { block, number in
                guard number <= Self.partsMax else { throw tooManyParts(upload.key, sizeBytes: size) }
                return try await send(block, as: number, of: upload)
            }
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
            action: options.action(writing: key),
            "POST",
            key: fullKey(key)
        )
        let identity = Self.newIdentity()
        operation.query = [("uploads", "")]
        operation.headers = [("Content-Type", "application/octet-stream"), (Self.identityHeader, identity)]
        operation.headers += headers(writing: key, isSmall: false)
        if let checksum = dialect.settings.checksum {
            operation.headers.append((S3Checksum.algorithmHeader, checksum.name))
            // What is not of the whole object is the usual thing, and older stores know of nothing else.
            if checksum.isOfWholeObject { operation.headers.append((S3Checksum.typeHeader, checksum.type)) }
        }
        // An upload that was begun without our hearing of its id could not be aborted.
        let id = try await withCancellationGrace(Self.cancellationGrace) { [exchange, operation] in
            try await exchange.perform(operation, read: S3Answers.uploadID)
        }
        findings.hasSeenBucket.value = true
        return S3Upload(key: key, id: id, identity: identity)
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
        operation.headers += keyHeaders
        let checksum = dialect.settings.checksum
        let digest = checksum?.digest(of: block)
        if let checksum, let digest { operation.headers.append((checksum.header, Base64.text(digest))) }
        let etag = try await exchange.perform(operation) { response throws(StoreMalformed) in
            try self.version(response.head).tag
        }
        return S3Part(number: number, etag: etag, bytes: block.count, digest: digest)
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
