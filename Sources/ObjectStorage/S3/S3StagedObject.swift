// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Crypto
import Failures
import HTTPTransport

/// A multipart upload whose parts are all there.
final class S3StagedObject: StagedObject {
    let bytes: Int64
    private let store: S3Store
    private let upload: S3Upload
    private let parts: [S3Part]
    private let progress = SharedValue(Progress.untouched)

    private enum Progress: Sendable {
        case untouched
        /// The object may have become visible without our hearing of it.
        case attempted
        case committed(StoredObject)
    }

    /// S3 may be busy with a large object for minutes before it answers.
    private static let completionSecondsMax = 15 * 60

    init(store: S3Store, upload: S3Upload, parts: [S3Part], bytes: Int64) {
        self.store = store
        self.upload = upload
        self.parts = parts
        self.bytes = bytes
    }

    var key: ObjectKey { upload.key }

    func commit() async throws -> StoredObject {
        if case .committed(let object) = progress.value { return object }
        try Task.checkCancellation()
        // Some providers ignore If-None-Match; and an earlier attempt may have succeeded without a reply.
        if let look = try await store.look(at: key) {
            guard isOurs(look, tag: nil) else { throw taken }
            return try await accept(look)
        }
        progress.value = .attempted
        let tag = try await complete()
        guard let look = try await store.look(at: key) else {
            throw Failure(
                .storeUnavailable,
                tag == nil
                    ? "\(attempt): the store does not know the upload any more"
                    : "\(attempt): the store completed it and does not show it"
            )
        }
        guard isOurs(look, tag: tag) else { throw taken }
        return try await accept(look)
    }

    func discard() async {
        switch progress.value {
        case .committed: return
        case .untouched: await store.abort(upload)
        case .attempted:
            await store.abort(upload)
            await store.cleaningUp("take back \(store.shown(key))") { [self] in
                guard let look = try await store.look(at: key), look.identity == upload.identity else { return }
                try await store.remove(key)
            }
        }
    }

    private var attempt: String { "complete the upload of \(store.shown(key))" }

    private var taken: Failure {
        Failure(.alreadyExists, "\(attempt): there is already an object of that key")
    }

    /// - Returns: the ETag of the object; `nil` when it has to be found out whether the object is there.
    private func complete() async throws -> ObjectVersion? {
        var operation = StoreOperation(attempt, action: "s3:PutObject", "POST", key: store.fullKey(key))
        operation.query = [("uploadId", upload.id)]
        operation.carry(body, type: "application/xml")
        operation.headers += store.keyHeaders
        if let checksum = store.dialect.settings.checksum, checksum.isOfWholeObject, let digest {
            operation.headers += [(checksum.header, digest), (S3Checksum.typeHeader, checksum.type)]
        }
        operation.answers = [404, 412]
        operation.deadlines = HTTPDeadlines(noProgressSeconds: Self.completionSecondsMax)
        return try await store.perform(operation, under: .absent(on: .absentOnComplete)) {
            response throws(StoreMalformed) in
            // Completed before, and the reply was lost; or somebody else was faster (F25).
            if [404, 412].contains(response.head.status) || S3Answers.errorCode(response) == "NoSuchUpload" {
                return nil
            }
            let document = try S3Answers.document(response, root: "CompleteMultipartUploadResult")
            guard let tag = document["ETag"], !tag.isEmpty else {
                throw StoreMalformed(reason: "the store completed the upload and gave no ETag")
            }
            return ObjectVersion(quoting: tag)
        }
    }

    private var body: [UInt8] {
        let list = parts.map { part in
            "<Part><PartNumber>\(part.number)</PartNumber><ETag>\(Self.escaped(part.etag))</ETag>"
                + "\(checksum(of: part))</Part>"
        }
        return Array(
            ("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\(list.joined())"
                + "</CompleteMultipartUpload>").utf8
        )
    }

    private func checksum(of part: S3Part) -> String {
        guard let checksum = store.dialect.settings.checksum, let digest = part.digest else { return "" }
        return "<\(checksum.element)>\(Base64.text(digest))</\(checksum.element)>"
    }

    /// The checksum that the object must have, as the store shows it.
    private var digest: String? {
        store.dialect.settings.checksum?.text(of: parts.map { ($0.digest ?? [], $0.bytes) })
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }

    /// - Parameter tag: the ETag that the store gave when it completed the upload.
    private func isOurs(_ look: S3Look, tag: ObjectVersion?) -> Bool {
        if let identity = look.identity { return identity == upload.identity }
        // The provider drops metadata.
        return look.object.version == (tag ?? expectedTag)
    }

    /// The ETag that most providers give to an object of these parts: an MD5 of their MD5s, and their number. Where
    /// objects are encrypted it is something else, and then it proves nothing (F27).
    private var expectedTag: ObjectVersion? {
        var digests = Insecure.MD5()
        for part in parts {
            let digits = part.etag.filter { $0 != "\"" }
            guard let digest = Hexadecimal.bytes(digits), digest.count == 16 else { return nil }
            digests.update(data: digest)
        }
        return ObjectVersion(tag: "\"\(Hexadecimal.text(digests.finalize()))-\(parts.count)\"")
    }

    /// - Throws: `.digestMismatch` when it is not what was sent; then it is taken away again.
    private func accept(_ look: S3Look) async throws -> StoredObject {
        do {
            guard look.object.bytes == bytes else {
                throw Failure(
                    .digestMismatch,
                    "\(attempt): the store holds \(look.object.bytes) bytes of the \(bytes) that were sent"
                )
            }
            try store.prove(look, hasChecksum: digest, attempt)
        } catch {
            await store.cleaningUp("remove the damaged \(store.shown(key))") { [store, key] in
                try await store.remove(key)
            }
            throw error
        }
        progress.value = .committed(look.object)
        return look.object
    }
}
