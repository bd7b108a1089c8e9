// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport

/// A folder of a WebDAV server as a store (RFC 4918).
///
/// - Staged bytes are a file beside the place of the object, uploaded in one request; `leftovers` finds those that a
///   dead run left. The upload cannot be resumed, and so a connection that breaks in it is the end of the stage.
/// - A file gets its final name by `MOVE` with `Overwrite: F`. Servers look for the name, then rename: of two writers
///   of one key at one instant both could believe that they won.
/// - `replace` compares, and then overwrites: the window is one request.
/// - Every read of a broken connection goes on where it broke, if the file is the same still.
/// - Folders are made when something is written, the root too. Folders that a removal leaves empty stay: removing a
///   folder removes what another run just put into it.
package struct WebDAVStore: HTTPObjectStore {
    let exchange: StoreExchange
    let folders = SharedValue<Set<[String]>>([])
    private let place: WebDAVLocation

    init(_ settings: WebDAVSettings, client: HTTPClient, configuration: StoreConfiguration) {
        place = settings.location
        exchange = StoreExchange(
            WebDAVDialect(location: settings.location, credentials: settings.credentials),
            attemptsMax: configuration.attemptsMax ?? WebDAVSettings.attemptsUsual,
            client: client,
            configuration: configuration
        )
    }

    /// The URL of an object, as `MOVE` wants it.
    func destination(_ key: ObjectKey) -> String {
        "\(place.root)/\(PercentEncoding.path(key.description))"
    }

    package var location: String { place.description }

    package func stage(
        _ key: ObjectKey,
        estimatedBytes: Int64?,
        from chunks: ByteStream
    ) async throws -> any StagedObject {
        try await uploaded(key, from: chunks)
    }

    @discardableResult
    package func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject {
        // Not by `stat`, which wants the folder of the store to be there: the first thing that is written makes it.
        guard try await entry(key.components) == nil else {
            throw Failure(.alreadyExists, "create \(shown(key)): there is already a file of that name")
        }
        return try await put(key, bytes).commitOrDiscard()
    }

    package func replace(
        _ key: ObjectKey,
        version: ObjectVersion,
        with bytes: [UInt8]
    ) async throws -> StoredObject {
        let changed = Failure(.alreadyExists, "replace \(shown(key)): it is not the version that was read before")
        guard try await stat(key)?.version == version else { throw changed }
        let staged = try await put(key, bytes)
        do {
            guard try await stat(key)?.version == version else { throw changed }
            try await staged.move(overwriting: true)
            let found = try await read(key, bytesMax: bytes.count + 1)
            guard found.bytes == bytes, let object = try await stat(key) else { throw changed }
            return object
        } catch {
            await staged.discardTemporary()
            throw error
        }
    }

    package func stat(_ key: ObjectKey) async throws -> StoredObject? {
        guard let entry = try await entry(key.components), !entry.isFolder else {
            try await confirmStore()
            return nil
        }
        // The version is that of `GET`: not every server tells by `PROPFIND` what it calls a file there.
        return entry.tag == nil ? try await head(key) : try object(key, entry)
    }

    private func head(_ key: ObjectKey) async throws -> StoredObject? {
        var operation = StoreOperation("look at \(shown(key))", action: "HEAD", "HEAD", key: key.description)
        operation.answers = [404]
        return try await exchange.perform(operation) { response throws(StoreMalformed) -> StoredObject? in
            response.head.status == 404 ? nil : try object(key, response.head)
        }
    }

    @discardableResult
    package func remove(_ key: ObjectKey) async throws -> Removal {
        try await removeFile(key.components)
        return .gone
    }

    package func remove(_ leftover: Leftover) async throws {
        let components = leftover.handle.split(separator: "/").map(String.init)
        guard components.dropLast().elementsEqual(leftover.key.components.dropLast()),
            components.last.flatMap(TemporaryName.init)?.finalName == leftover.key.lastComponent
        else {
            throw Failure(
                .inputOutput,
                "remove the leftover \(leftover.handle) in \(location): it is no temporary file"
            )
        }
        try await removeFile(components)
    }

    /// Removes a file. A folder is left alone: to remove one is to remove everything in it.
    /// - Returns: whether there was one.
    @discardableResult
    func removeFile(_ components: [String], deadlines: HTTPDeadlines? = nil) async throws -> Bool {
        guard let entry = try await entry(components, deadlines: deadlines), !entry.isFolder else { return false }
        let name = components.joined(separator: "/")
        var operation = StoreOperation("remove \(location)/\(name)", action: "DELETE", "DELETE", key: name)
        operation.answers = [204, 404]
        operation.deadlines = deadlines
        _ = try await exchange.perform(operation)
        return true
    }
}
