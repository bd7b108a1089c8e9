// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport

/// An object as Cloud Storage describes it.
struct GoogleLook: Sendable {
    let object: StoredObject
    /// The identity that its writer gave it; `nil` when somebody else wrote it.
    let identity: String?
    /// Its CRC-32C, as Google writes it.
    let checksum: String?

    init(_ answer: GoogleObject, as key: ObjectKey) throws(StoreMalformed) {
        object = try answer.stored(as: key)
        identity = answer.identity
        checksum = answer.crc32c
    }
}

extension GoogleStore {
    /// What the bucket holds under a key, or `nil`.
    func look(at key: ObjectKey) async throws -> GoogleLook? {
        var operation = StoreOperation(
            "look at \(shown(key))",
            action: "storage.objects.get",
            "GET",
            key: fullKey(key)
        )
        operation.query = [("fields", GoogleObject.fields)]
        operation.answers = [404]
        let look = try await exchange.perform(operation) { response throws(StoreMalformed) -> GoogleLook? in
            response.head.status == 404 ? nil : try GoogleLook(try GoogleObject(response), as: key)
        }
        if look == nil { try await confirmBucket() } else { hasSeenBucket.value = true }
        return look
    }

    /// A key that is not there may also mean that the bucket is not. Asked by a list, because the right to look at
    /// buckets is in none of the roles for objects.
    /// - Throws: `.noSuchStore`.
    private func confirmBucket() async throws {
        if hasSeenBucket.value { return }
        var operation = StoreOperation("look at the bucket of \(location)", action: "storage.objects.list", "GET")
        operation.query = [("maxResults", "1"), ("prefix", fullPrefix(.root)), ("fields", "kind")]
        operation.answers = [403]
        _ = try await exchange.perform(operation)
        // Refused, it is there all the same, or the next request will say why.
        hasSeenBucket.value = true
    }
}

extension GoogleStore {
    package func withObject<Result: Sendable>(
        _ key: ObjectKey,
        _ body: (StoredObject, ByteStream) async throws -> Result
    ) async throws -> Result {
        // The answer with the bytes does not say when the object was written.
        guard let look = try await look(at: key) else {
            throw Failure(.noSuchObject, "read \(shown(key)): there is no such object")
        }
        let checksum = SharedValue(CastagnoliChecksum())
        return try await download(key, of: look.object) { [shown = shown(key)] chunk in
            if let chunk { return checksum.change { $0.update(chunk) } }
            guard look.checksum == nil || look.checksum == checksum.value.text else {
                throw Failure(
                    .digestMismatch,
                    "read \(shown): its bytes are not those that the store has a checksum of"
                )
            }
        } reading: {
            try await body(look.object, $0)
        }
    }

    func reading(_ key: ObjectKey, after offset: Int64, of object: StoredObject?) -> StoreOperation {
        var operation = StoreOperation("read \(shown(key))", action: "storage.objects.get", "GET", key: fullKey(key))
        operation.query = [("alt", "media")]
        // The bytes as they are stored, should somebody have stored them compressed.
        operation.headers = [("Accept-Encoding", "gzip")]
        guard let object else { return operation }
        operation.query.append(("ifGenerationMatch", object.version.tag))
        if offset > 0 { operation.headers.append(("Range", "bytes=\(offset)-")) }
        operation.answers = [206, 412, 416]
        return operation
    }

    func object(_ key: ObjectKey, _ head: HTTPResponseHead) throws(StoreMalformed) -> StoredObject {
        // Nobody asks such an answer for the time: the object was looked at before.
        StoredObject(key: key, bytes: try bytes(head), modifiedAtSeconds: 0, version: try version(head))
    }

    func version(_ head: HTTPResponseHead) throws(StoreMalformed) -> ObjectVersion {
        guard let generation = head["x-goog-generation"], !generation.isEmpty else {
            throw StoreMalformed(reason: "the store did not say which generation of the object it sent")
        }
        return ObjectVersion(tag: generation)
    }
}
