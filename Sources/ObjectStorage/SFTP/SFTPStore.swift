// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport

/// A folder on an SFTP server as a store: each object is a file, its key the path below the root.
///
/// - Staged bytes are a temporary file beside the place of the object; `leftovers` finds those that a dead run left. A
///   connection that breaks while it is written goes on where the server has come to, from a buffer of a few mebibytes.
/// - A commit is a rename, which OpenSSH refuses when the name is taken. Other servers (rclone) rename over what is
///   there: then the look at the name just before leaves a window of one request. Keys of a backup carry a random id.
/// - A replacement takes the old file away by a rename, which one of several writers wins, looks whether it is the
///   version that was read, and gives the new one its name. For these three requests the object is not there: who looks
///   then finds none, and who creates one then wins. A lease is confirmed before a commit for that reason too. Two
///   writers whose server stands still between the two system calls of a rename may both believe that they won.
/// - SFTP as libcurl speaks it cannot sync: after a crash of the server, the last seconds before it may be lost,
///   although they were committed.
/// - The root may be missing when something is written: it is made, with its parents. It may not when something is
///   read.
/// - Links are followed by name and not listed. Folders that a removal leaves empty are removed.
package struct SFTPStore: ObjectStore {
    let tree: SFTPTree

    var exchange: SFTPExchange { tree.exchange }

    init(settings: SFTPSettings, client: SFTPClient, configuration: StoreConfiguration) {
        tree = SFTPTree(
            exchange: SFTPExchange(settings: settings, client: client, configuration: configuration)
        )
    }

    package var location: String { exchange.settings.location.description }

    package func stat(_ key: ObjectKey) async throws -> StoredObject? {
        try await tree.file(key.components)?.object(key)
    }

    /// Looks at every file: a listing tells neither the second nor the zone of a time.
    package func list(under folder: KeyFolder) async throws -> [StoredObject] {
        let files = try await tree.files(below: folder.components).compactMap { file in
            (try? ObjectKey(file.components)).map { (key: $0, bytes: file.bytes) }
        }
        let objects = try await tree.concurrently(files) { [tree] file in
            try await tree.file(file.key.components, listedBytes: file.bytes)?.object(file.key)
        }
        return objects.compactMap { $0 }.sorted { $0.key < $1.key }
    }

    @discardableResult
    package func remove(_ key: ObjectKey) async throws -> Removal {
        try await tree.remove(key.components)
        return .gone
    }

    package func leftovers(under folder: KeyFolder) async throws -> [Leftover] {
        let files = try await tree.files(below: folder.components).filter { file in
            file.components.last.flatMap(TemporaryName.init) != nil
        }
        let leftovers = try await tree.concurrently(files) { [tree] file -> Leftover? in
            guard let name = file.components.last.flatMap(TemporaryName.init),
                let key = try? ObjectKey(file.components.dropLast() + [name.finalName]),
                let status = try await tree.status(file.components)
            else { return nil }
            return Leftover(
                key: key,
                handle: file.components.joined(separator: "/"),
                startedAtSeconds: try tree.known(status.modifiedAtSeconds)
            )
        }
        return leftovers.compactMap { $0 }.sorted { ($0.key, $0.handle) < ($1.key, $1.handle) }
    }

    package func remove(_ leftover: Leftover) async throws {
        let components = leftover.handle.split(separator: "/").map(String.init)
        guard components.dropLast().elementsEqual(leftover.key.components.dropLast()),
            let name = components.last.flatMap(TemporaryName.init), name.finalName == leftover.key.lastComponent
        else {
            throw Failure(
                .inputOutput,
                "remove the leftover \(leftover.handle) in \(location): that is no temporary file"
            )
        }
        try await tree.remove(components)
    }

    func cleaningUp(_ attempt: String, _ work: @escaping @Sendable () async throws -> Void) async {
        await ObjectStorage.cleaningUp(attempt, exchange.policy.logger, work)
    }
}
