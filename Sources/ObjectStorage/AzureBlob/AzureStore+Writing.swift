// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// Small objects, written with one request.
extension AzureStore {
    @discardableResult
    package func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject {
        try await put(
            key,
            bytes,
            attempt: "create \(shown(key))",
            condition: ("If-None-Match", "*"),
            more: tagHeaders,
            otherwise: Failure(.alreadyExists, "create \(shown(key)): there is already an object of that key")
        )
    }

    package func replace(
        _ key: ObjectKey,
        version: ObjectVersion,
        with bytes: [UInt8]
    ) async throws -> StoredObject {
        try await put(
            key,
            bytes,
            attempt: "replace \(shown(key))",
            condition: ("If-Match", version.tag),
            otherwise: Failure(
                .alreadyExists,
                "replace \(shown(key)): it is not the version that was read before"
            )
        )
    }

    /// Writes an object under a condition. When that does not hold, looks whose object is there: a reply may have been
    /// lost and the write be sent twice.
    private func put(
        _ key: ObjectKey,
        _ bytes: [UInt8],
        attempt: String,
        condition: (name: String, value: String),
        more headers: [(name: String, value: String)] = [],
        otherwise refused: Failure
    ) async throws -> StoredObject {
        let identity = newIdentity()
        var operation = StoreOperation(attempt, action: Right.write, "PUT", key: fullKey(key))
        operation.carry(bytes, type: "application/octet-stream")
        operation.headers += [
            ("x-ms-blob-type", "BlockBlob"), condition, (Self.header(Self.identityName), identity),
        ]
        operation.headers += headers + scopeHeaders
        let outcome = try await perform(operation) { response throws(StoreMalformed) in
            try self.object(key, response.head, bytes: Int64(bytes.count))
        }
        switch outcome {
        case .result(let object): return object
        case .refused(let failure):
            guard let look = try await look(at: key), look.identity == identity else {
                throw [.alreadyExists, .noSuchObject].contains(failure.code) ? refused : failure
            }
            return look.object
        }
    }

    enum Outcome<Result> {
        case result(Result)
        /// What is there decides what this means. `.alreadyExists` when a condition did not hold.
        case refused(Failure)
    }

    /// Sends a write that a lost reply may have made twice.
    func perform<Result>(
        _ operation: StoreOperation,
        read: (HTTPResponse) throws(StoreMalformed) -> Result
    ) async throws -> Outcome<Result> {
        var operation = operation
        // Not 403, which a clock may be the reason of.
        operation.answers = [201, 400, 404, 409, 412]
        do {
            return try await exchange.perform(operation) { response throws(StoreMalformed) -> Outcome<Result> in
                if response.head.status == 201 { return .result(try read(response)) }
                guard response.head.status != 200 else {
                    throw StoreMalformed(reason: "the store answered 200 where it creates something")
                }
                return .refused(dialect.error(response.head, response.body).failure(of: operation))
            }
        } catch let failure as Failure where failure.code == .alreadyExists {
            // A SAS that may create and not overwrite.
            return .refused(failure)
        }
    }

    var tagHeaders: [(name: String, value: String)] {
        let tags = dialect.settings.location.tags
        return tags.isEmpty ? [] : [("x-ms-tags", BlobTag.header(tags))]
    }

    var scopeHeaders: [(name: String, value: String)] {
        dialect.settings.location.encryptionScope.map { [("x-ms-encryption-scope", $0)] } ?? []
    }
}
