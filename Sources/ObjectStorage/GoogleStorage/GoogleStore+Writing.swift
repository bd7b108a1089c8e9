// SPDX-License-Identifier: Apache-2.0

import Crypto
import Failures
import FoundationEssentials
import HTTPTransport

/// What Cloud Storage shall keep beside the bytes of an object.
struct GoogleMetadata: Encodable {
    let name: String
    let contentType = "application/octet-stream"
    let metadata: [String: String]
    let storageClass: String?
    var md5Hash: String?
    var crc32c: String?
}

/// Small objects, written with one request.
extension GoogleStore {
    @discardableResult
    package func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject {
        let attempt = "create \(shown(key))"
        let taken = Failure(.alreadyExists, "\(attempt): there is already an object of that key")
        return try await put(key, bytes, attempt: attempt, generation: "0", otherwise: taken)
    }

    package func replace(
        _ key: ObjectKey,
        version: ObjectVersion,
        with bytes: [UInt8]
    ) async throws -> StoredObject {
        let attempt = "replace \(shown(key))"
        let changed = Failure(.alreadyExists, "\(attempt): it is not the version that was read before")
        // 0 would mean that there is none.
        guard let generation = Int64(version.tag), generation > 0 else { throw changed }
        return try await put(key, bytes, attempt: attempt, generation: version.tag, otherwise: changed)
    }

    /// Writes an object if what is there is of that generation. When it is not, whose object is there decides: a reply
    /// may be lost and the write be sent twice.
    private func put(
        _ key: ObjectKey,
        _ bytes: [UInt8],
        attempt: String,
        generation: String,
        otherwise refused: Failure
    ) async throws -> StoredObject {
        let identity = Self.newIdentity()
        var checksum = CastagnoliChecksum()
        checksum.update(bytes)
        var metadata = metadata(of: key, identity)
        metadata.md5Hash = Base64.text(Array(Insecure.MD5.hash(data: bytes)))
        metadata.crc32c = checksum.text
        var operation = StoreOperation(attempt, action: "storage.objects.create", "POST", key: fullKey(key))
        operation.url = endpoint.uploads(writing(key, generation) + [("uploadType", "multipart")])
        operation.answers = [412]
        try operation.carry(bytes, metadata, boundary: identity)
        let written = try await exchange.perform(operation) { response throws(StoreMalformed) -> GoogleLook? in
            response.head.status == 412 ? nil : try GoogleLook(try GoogleObject(response), as: key)
        }
        hasSeenBucket.value = true
        var look = written
        if look == nil { look = try await self.look(at: key) }
        guard let look, written != nil || look.identity == identity else { throw refused }
        guard look.object.bytes == bytes.count, look.checksum == nil || look.checksum == checksum.text else {
            throw Failure(.digestMismatch, "\(attempt): the store holds other bytes than the \(bytes.count) sent")
        }
        return look.object
    }

    func metadata(of key: ObjectKey, _ identity: String) -> GoogleMetadata {
        GoogleMetadata(
            name: fullKey(key),
            metadata: [GoogleObject.identityName: identity],
            storageClass: dialect.settings.location.storageClass
        )
    }

    /// The query of a write that takes effect only on that generation; 0 is none.
    func writing(_ key: ObjectKey, _ generation: String) -> [(name: String, value: String)] {
        let encryption = dialect.settings.location.kmsKey.map { [("kmsKeyName", $0)] } ?? []
        return [("name", fullKey(key)), ("ifGenerationMatch", generation)] + encryption
    }
}

extension StoreOperation {
    /// Sets the body to the metadata and the bytes, as the two parts of one message (RFC 2387).
    fileprivate mutating func carry(_ bytes: [UInt8], _ metadata: GoogleMetadata, boundary: String) throws {
        let document = Array(try JSONEncoder().encode(metadata))
        body.reserveCapacity(bytes.count + document.count + 256)
        body += Array("--\(boundary)\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n".utf8)
        body += document
        body += Array("\r\n--\(boundary)\r\nContent-Type: \(metadata.contentType)\r\n\r\n".utf8)
        body += bytes
        body += Array("\r\n--\(boundary)--\r\n".utf8)
        headers.append(("Content-Type", "multipart/related; boundary=\(boundary)"))
    }
}
