// SPDX-License-Identifier: Apache-2.0

import HTTPTransport

/// A blob as `HEAD` shows it.
struct AzureLook: Sendable {
    let object: StoredObject
    /// The identity that its writer gave it; `nil` when somebody else wrote it.
    let identity: String?
    /// The upload that was given up and that this empty blob wrote over: then there is no object here.
    let discarded: String?
}

extension AzureStore {
    /// The metadata that carries the identity of a write. Names of metadata have no hyphens.
    static let identityName = "redoubtupload"
    /// The metadata of a blob that is there only to take blocks away.
    static let discardedName = "redoubtdiscarded"
    /// How accounts with a hierarchical namespace mark a folder.
    static let folderName = "hdi_isfolder"

    static func header(_ name: String) -> String { "x-ms-meta-\(name)" }

    /// What the container holds under a key as an object, or `nil`.
    func look(at key: ObjectKey) async throws -> AzureLook? {
        guard let look = try await lookClosely(at: key), look.discarded == nil else { return nil }
        return look
    }

    /// Sees also what is no object any more.
    func lookClosely(at key: ObjectKey) async throws -> AzureLook? {
        var operation = StoreOperation("look at \(shown(key))", action: Right.read, "HEAD", key: fullKey(key))
        operation.answers = [404]
        return try await exchange.perform(operation) { response throws(StoreMalformed) -> AzureLook? in
            let head = response.head
            if head.status == 404 {
                // Azure always says what is missing; a proxy that does not find the account does not.
                guard head["x-ms-error-code"] != nil else {
                    throw StoreMalformed(reason: "the answer was 404 without a word about what is missing")
                }
                return nil
            }
            if head[Self.header(Self.folderName)] == "true" || head["x-ms-resource-type"] == "directory" { return nil }
            return AzureLook(
                object: try self.object(key, head),
                identity: head[Self.header(Self.identityName)],
                discarded: head[Self.header(Self.discardedName)]
            )
        }
    }

    func reading(_ key: ObjectKey, after offset: Int64, of object: StoredObject?) -> StoreOperation {
        var operation = StoreOperation("read \(shown(key))", action: Right.read, "GET", key: fullKey(key))
        guard let object else { return operation }
        operation.headers = [("If-Match", object.version.tag)]
        if offset > 0 { operation.headers.append(("x-ms-range", "bytes=\(offset)-")) }
        operation.answers = [206, 412, 416]
        return operation
    }
}
