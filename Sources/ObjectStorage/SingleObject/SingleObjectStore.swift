// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import FoundationEssentials
import HTTPTransport

/// One object that holds one backup set: a tar archive of the folder of a set, its manifest last.
///
/// A URL that gives the right to write one object gives no right to list, to look or to remove. So the set is made in a
/// temporary folder, and sent when it is complete: the write of its manifest is the write of the object. For reading it
/// is fetched whole, and taken apart into such a folder.
/// - The size of the object is announced, as such URLs want it: that is why it cannot be streamed.
/// - What was sent cannot be looked at with the same right. An answer of success is all that a store says, and
///   sometimes an MD5 (`tell`).
/// - Only leases and the one set can be written; leases stay in the folder, and guard nothing.
package struct SingleObjectStore: HTTPObjectStore {
    let exchange: StoreExchange
    let place: SingleObjectLocation
    let files: FileStore
    let isWritten: Bool
    /// Whether the object was sent, or may have been.
    let isSealed = SharedValue(false)

    /// What makes a set exist, and is written last: docs/backup-format.md.
    private static let lastName = "manifest.json"

    package var location: String { place.description }

    package func stage(
        _ key: ObjectKey,
        estimatedBytes: Int64?,
        from chunks: ByteStream
    ) async throws -> any StagedObject {
        try requireRoom(for: key)
        return try await files.stage(key, estimatedBytes: estimatedBytes, from: chunks)
    }

    @discardableResult
    package func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject {
        if key.isLease { return try await files.create(key, bytes) }
        try requireRoom(for: key)
        // What lies beside the manifest, as its signature, goes with it.
        if key.components.last == Self.lastName { try await send(finishing: key, bytes) }
        return try await files.create(key, bytes)
    }

    package func replace(
        _ key: ObjectKey,
        version: ObjectVersion,
        with bytes: [UInt8]
    ) async throws -> StoredObject {
        try await files.replace(key, version: version, with: bytes)
    }

    package func stat(_ key: ObjectKey) async throws -> StoredObject? { try await files.stat(key) }

    package func withObject<Result: Sendable>(
        _ key: ObjectKey,
        _ body: (StoredObject, ByteStream) async throws -> Result
    ) async throws -> Result {
        try await files.withObject(key, body)
    }

    package func list(under folder: KeyFolder) async throws -> [StoredObject] { try await files.list(under: folder) }

    @discardableResult
    package func remove(_ key: ObjectKey) async throws -> Removal {
        // What was sent stays where it is: only the copy in the folder goes.
        guard key.isLease || isWritten else { throw refused("remove \(shown(key))") }
        return try await files.remove(key)
    }

    package func leftovers(under folder: KeyFolder) async throws -> [Leftover] {
        try await files.leftovers(under: folder)
    }

    package func remove(_ leftover: Leftover) async throws { try await files.remove(leftover) }

    /// - Throws: `.permissionDenied` when this is no place for such an object; `.alreadyExists` when it is full.
    private func requireRoom(for key: ObjectKey) throws {
        guard isWritten, !key.components[0].hasPrefix(".") else { throw refused("write \(shown(key))") }
        guard !isSealed.value else {
            throw Failure(.alreadyExists, "write \(shown(key)): the object holds a backup set already")
        }
    }

    private func refused(_ attempt: String) -> Failure {
        Failure(
            .permissionDenied,
            "\(attempt): a single object holds one backup set and nothing else"
                + (isWritten ? "" : ", and this one is only read"),
            hint: "Use a store that can be listed: s3://, gs://, azblob://, sftp://, webdavs:// or file://."
        )
    }
}

extension ObjectKey {
    /// Leases guard runs from each other where there is a store to meet in.
    fileprivate var isLease: Bool { components[0] == ".locks" }
}

/// Gives `body` the store of a single object. Its temporary folder is gone when the scope is left.
func withSingleObjectStore<Result>(
    _ place: SingleObjectLocation,
    _ configuration: StoreConfiguration,
    _ body: (any ObjectStore) async throws -> Result
) async throws -> Result {
    let http = configuration.http(to: place.description, caFile: configuration.environment["AWS_CA_BUNDLE"])
    let parent = configuration.environment["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
    return try await withTemporaryFolder(in: parent) { folder in
        try await withHTTPClient(http) { client in
            let store = SingleObjectStore(
                exchange: StoreExchange(
                    SingleObjectDialect(place: place),
                    attemptsMax: configuration.attemptsMax ?? SingleObjectLocation.attemptsUsual,
                    client: client,
                    configuration: configuration
                ),
                place: place,
                files: FileStore(root: folder),
                isWritten: configuration.writesSingleObject
            )
            if !store.isWritten { try await store.fetch() }
            return try await body(store)
        }
    }
}

/// - Throws: `.configuration` when no folder can be made there.
private func withTemporaryFolder<Result>(
    in parent: String,
    _ body: (String) async throws -> Result
) async throws -> Result {
    let folder = "\(parent)/redoubt-object-" + String(UInt64.random(in: .min ... .max), radix: 16)
    do {
        try await onBlockingThread {
            try FileManager.default.createDirectory(
                atPath: folder,
                withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700]
            )
        }
    } catch {
        throw Failure(
            .configuration,
            "make a folder in \(parent), for the set on its way",
            cause: error,
            hint: "Set TMPDIR to a folder that exists, with room for the stored bytes of the set."
        )
    }
    func remove() async {
        await withCancellationShield {
            try? await onBlockingThread { try FileManager.default.removeItem(atPath: folder) }
        }
    }
    do {
        let result = try await body(folder)
        await remove()
        return result
    } catch {
        await remove()
        throw error
    }
}
