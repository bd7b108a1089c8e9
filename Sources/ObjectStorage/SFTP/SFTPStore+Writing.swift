// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport

extension SFTPStore {
    /// When less is free, a write that failed is believed to have failed for that: most servers have no code for it.
    private static let freeBytesMin: Int64 = 1 << 20

    package func stage(
        _ key: ObjectKey,
        estimatedBytes: Int64?,
        from chunks: ByteStream
    ) async throws -> any StagedObject {
        try await staged(key, from: chunks)
    }

    @discardableResult
    package func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject {
        try await staged(key, from: ByteStream([bytes])).commitOrDiscard()
    }

    package func replace(
        _ key: ObjectKey,
        version: ObjectVersion,
        with bytes: [UInt8]
    ) async throws -> StoredObject {
        // Asked first, so that nothing is made where there is nothing to replace.
        guard try await stat(key)?.version == version else { throw changed(key) }
        let staged = try await staged(key, from: ByteStream([bytes]))
        let aside = Self.temporary(for: key)
        do {
            try Task.checkCancellation()
            // From here to the end nobody may stop: in between the object is not there.
            let object = try await withCancellationGrace(.seconds(10)) {
                try await exchange(staged, for: key, version: version, by: aside)
            }
            await cleaningUp("remove the replaced \(tree.shown(key.components))") { [tree] in
                try await tree.remove(aside)
            }
            return object
        } catch {
            await putBack(aside, to: key)
            await staged.discardTemporary()
            throw error
        }
    }

    private func exchange(
        _ staged: SFTPStagedObject,
        for key: ObjectKey,
        version: ObjectVersion,
        by aside: [String]
    ) async throws -> StoredObject {
        if let refusal = try await tree.rename(key.components, to: aside) {
            // Its reply may have been lost, and then it was asked for twice.
            guard try await tree.file(aside) != nil else {
                throw [.noSuchObject, .inputOutput].contains(refusal.code) ? changed(key) : refusal
            }
        }
        guard try await tree.file(aside)?.version == version else { throw changed(key) }
        return try await staged.commit()
    }

    /// Gives an object its name back, unless somebody has taken it meanwhile.
    private func putBack(_ aside: [String], to key: ObjectKey) async {
        await cleaningUp("put \(tree.shown(key.components)) back") { [tree] in
            guard try await tree.file(aside) != nil else { return }
            if try await tree.file(key.components) == nil, try await tree.rename(aside, to: key.components) == nil {
                return
            }
            try await tree.remove(aside)
        }
    }

    private func changed(_ key: ObjectKey) -> Failure {
        Failure(.alreadyExists, "replace \(tree.shown(key.components)): it is not the version that was read before")
    }

    // MARK: Staging

    /// The path of a file that nobody has used yet.
    private static func temporary(for key: ObjectKey) -> [String] {
        Array(key.components.dropLast()) + [TemporaryName(for: key.lastComponent).text]
    }

    /// Writes the chunks to a temporary file; removes it when that fails.
    private func staged(_ key: ObjectKey, from chunks: ByteStream) async throws -> SFTPStagedObject {
        let place = SharedValue(Self.temporary(for: key))
        let attempt = "write \(tree.shown(key.components))"
        do {
            let outbox = SFTPOutbox()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await send(outbox, of: key, to: place, attempt) }
                group.addTask {
                    for try await chunk in chunks { try await outbox.put(chunk) }
                    outbox.finish()
                }
                for try await _ in group {}
            }
            try Task.checkCancellation()
            let components = place.value
            // libcurl does not tell whether the server could close the file.
            guard let file = try await tree.file(components), file.bytes == outbox.confirmedBytes else {
                throw Failure(
                    .digestMismatch,
                    "\(attempt): the server does not hold the \(outbox.confirmedBytes) bytes that it took"
                )
            }
            return SFTPStagedObject(store: self, key: key, temporary: components, file: file)
        } catch {
            await cleaningUp("remove the temporary file of \(tree.shown(key.components))") { [tree] in
                try await tree.remove(place.value)
            }
            throw error
        }
    }

    /// Sends what comes into an outbox, over as many connections as it takes.
    ///
    /// A file that was not begun for sure is begun under another name: what a broken connection has asked for may still
    /// be carried out, and would empty the file after the new connection has written to it.
    private func send(
        _ outbox: SFTPOutbox,
        of key: ObjectKey,
        to place: SharedValue<[String]>,
        _ attempt: String
    ) async throws {
        // A server closes a connection over which nothing comes.
        try await outbox.waitForBytes()
        var isBegun = false
        var known: Int64 = 0
        try await exchange.perform(attempt) {
            defer { known = outbox.confirmedBytes }
            return outbox.confirmedBytes > known
        } _: { client, options in
            let confirmed = outbox.confirmedBytes
            if isBegun, confirmed == 0 {
                let abandoned = place.value
                place.value = Self.temporary(for: key)
                try? await tree.remove(abandoned)
            }
            isBegun = true
            let path = tree.path(place.value)
            // libcurl opens a file that it does not begin anew for appending, at the end that it has.
            let offset = confirmed == 0 ? 0 : try tree.known(try await client.look(at: path, options).bytes)
            guard outbox.rewind(to: offset) else {
                throw Failure(.inputOutput, "the file holds \(offset) bytes, of which \(confirmed) were acknowledged")
            }
            do {
                try await client.write(outbox, to: path, at: offset, options)
            } catch let failure as Failure where [.unreachable, .inputOutput].contains(failure.code) {
                if let free = await tree.freeBytes(), free < Self.freeBytesMin {
                    throw Failure(.noSpace, "only \(free) bytes are free on the server", cause: failure)
                }
                throw failure
            } catch let failure as Failure where failure.code == .noSuchObject {
                // libcurl makes the folders, and says nothing when it may not.
                throw Failure(.permissionDenied, "its folder is not there, and could not be made", cause: failure)
            }
        }
    }
}
