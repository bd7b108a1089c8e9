// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// Small objects, written with one request.
extension S3Store {
    @discardableResult
    package func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject {
        let taken = Failure(.alreadyExists, "create \(shown(key)): there is already an object of that key")
        // Some providers ignore If-None-Match and overwrite.
        guard try await look(at: key) == nil else { throw taken }
        return try await put(
            key,
            bytes,
            attempt: "create \(shown(key))",
            condition: .absent(on: .absentOnPut),
            otherwise: taken
        )
    }

    package func replace(
        _ key: ObjectKey,
        version: ObjectVersion,
        with bytes: [UInt8]
    ) async throws -> StoredObject {
        let changed = Failure(.alreadyExists, "replace \(shown(key)): it is not the version that was read before")
        guard try await look(at: key)?.object.version == version else { throw changed }
        return try await put(
            key,
            bytes,
            attempt: "replace \(shown(key))",
            condition: .same(version),
            otherwise: changed
        )
    }

    /// Writes an object under a condition, and looks whose object is there then: a reply may be lost and the write be
    /// sent twice, and a provider may not know the condition.
    private func put(
        _ key: ObjectKey,
        _ bytes: [UInt8],
        attempt: String,
        condition: S3Condition,
        otherwise refused: Failure
    ) async throws -> StoredObject {
        let identity = Self.newIdentity()
        var operation = StoreOperation(attempt, action: options.action(writing: key), "PUT", key: fullKey(key))
        operation.carry(bytes, type: "application/octet-stream")
        operation.headers.append((Self.identityHeader, identity))
        operation.headers += headers(writing: key, isSmall: true)
        let checksum = dialect.settings.checksum
        let digest = checksum.map { Base64.text($0.digest(of: bytes)) }
        if let checksum, let digest { operation.headers.append((checksum.header, digest)) }
        operation.answers = [404, 412]
        let tag = try await perform(operation, under: condition) { response throws(StoreMalformed) in
            response.head.status == 200 ? try self.version(response.head) : nil
        }
        guard let look = try await look(at: key) else {
            throw tag == nil
                ? refused : Failure(.storeUnavailable, "\(attempt): the store took it and does not show it")
        }
        if let found = look.identity {
            guard found == identity else { throw refused }
        } else {
            // No metadata: then an ETag tells, or the bytes.
            let isOurs =
                try await tag == nil ? read(key, bytesMax: bytes.count + 1).bytes == bytes : tag == look.object.version
            guard isOurs else { throw refused }
        }
        guard look.object.bytes == bytes.count else {
            throw Failure(
                .digestMismatch,
                "\(attempt): the store holds \(look.object.bytes) of \(bytes.count) bytes"
            )
        }
        try prove(look, hasChecksum: digest, attempt)
        return look.object
    }
}
