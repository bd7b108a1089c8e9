// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport

extension WebDAVStore {
    /// Uploads a stream to a temporary file, in one request: there is no other way that all servers know.
    func uploaded(_ key: ObjectKey, from chunks: ByteStream) async throws -> WebDAVStagedObject {
        let counted = SharedValue<Int64>(0)
        let file = try await temporary(key)
        do {
            let operation = putting(file, key)
            let body = chunks.observed { chunk in counted.change { $0 += Int64(chunk.count) } }
            let response = try await exchange.client.upload(
                try await exchange.signed(operation),
                body,
                bodyBytesMax: XMLLimits.bytesMax
            )
            do {
                try exchange.check(response.head, response.body, of: operation)
            } catch let answer as RefusedAnswer {
                throw answer.refusal.failure(of: operation)
            }
            return try await sealed(key, file, bytes: counted.value)
        } catch {
            await clean(file, of: key, afterBreak: true)
            throw error
        }
    }

    /// Uploads bytes that can be sent again.
    func put(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> WebDAVStagedObject {
        let file = try await temporary(key)
        do {
            var operation = putting(file, key)
            operation.body = bytes
            _ = try await exchange.perform(operation)
            return try await sealed(key, file, bytes: Int64(bytes.count))
        } catch {
            await clean(file, of: key)
            throw error
        }
    }

    /// Removes a temporary file, also in a cancelled task; does its best and no more.
    /// - Parameter wasBroken: whether its upload broke off: rclone writes the file when it notices,
    ///   also one that was removed meanwhile.
    func clean(_ file: [String], of key: ObjectKey, afterBreak wasBroken: Bool = false) async {
        await cleaningUp("remove the temporary file of \(shown(key))") {
            let deadlines = HTTPDeadlines(connectSeconds: 3, noProgressSeconds: 3)
            var absences = 0
            for _ in 0..<(wasBroken ? 12 : 1) {
                absences = try await removeFile(file, deadlines: deadlines) ? 0 : absences + 1
                if !wasBroken || absences == 3 { return }
                try await Task.sleep(for: .milliseconds(250))
            }
        }
    }

    private func putting(_ file: [String], _ key: ObjectKey) -> StoreOperation {
        var operation = StoreOperation(
            "upload \(shown(key))",
            action: "PUT",
            "PUT",
            key: file.joined(separator: "/")
        )
        operation.headers = [("Content-Type", "application/octet-stream")]
        operation.answers = [201, 204]
        return operation
    }

    /// What the server holds under the temporary name, against what was sent.
    private func sealed(_ key: ObjectKey, _ file: [String], bytes: Int64) async throws -> WebDAVStagedObject {
        try Task.checkCancellation()
        guard let held = try await entry(file), held.bytes == bytes, let modified = held.modifiedAtSeconds else {
            throw Failure(.digestMismatch, "upload \(shown(key)): the server does not hold the \(bytes) bytes")
        }
        return WebDAVStagedObject(store: self, key: key, file: file, bytes: bytes, modifiedAtSeconds: modified)
    }

    /// The path of a new temporary file, whose folder is there.
    private func temporary(_ key: ObjectKey) async throws -> [String] {
        let parents = Array(key.components.dropLast())
        try await makeFolder(parents)
        return parents + [TemporaryName(for: key.lastComponent).text]
    }

    /// Makes a folder and those above it, as far as they are missing.
    private func makeFolder(_ components: [String]) async throws {
        if folders.value.contains(components) { return }
        let name = components.joined(separator: "/")
        var operation = StoreOperation("make the folder \(location)/\(name)", action: "MKCOL", "MKCOL")
        if !components.isEmpty { operation.key = name + "/" }
        // 405 says that it is there already; 409 that the folder above is not.
        operation.answers = [201, 301, 405, 409]
        var status = try await exchange.perform(operation).head.status
        if status == 409 {
            guard !components.isEmpty else {
                throw Failure(
                    .noSuchStore,
                    "\(operation.attempt): the folder above it does not exist",
                    hint: "Make the folder that is to hold the store."
                )
            }
            try await makeFolder(Array(components.dropLast()))
            status = try await exchange.perform(operation).head.status
        }
        guard [200, 201, 301, 405].contains(status) else {
            throw Failure(.storeUnavailable, "\(operation.attempt): the server answered \(status)")
        }
        folders.change { $0.insert(components) }
    }
}

/// A temporary file on a WebDAV server.
final class WebDAVStagedObject: StagedObject {
    let key: ObjectKey
    let bytes: Int64
    private let store: WebDAVStore
    private let file: [String]
    /// Of the temporary file, by the clock of the server; a rename keeps it.
    private let modifiedAtSeconds: Int64
    private let progress = SharedValue(Progress.untouched)

    private enum Progress: Sendable {
        case untouched
        /// The file may have got its final name without our hearing of it.
        case attempted
        case committed(StoredObject)
    }

    init(store: WebDAVStore, key: ObjectKey, file: [String], bytes: Int64, modifiedAtSeconds: Int64) {
        self.modifiedAtSeconds = modifiedAtSeconds
        self.store = store
        self.key = key
        self.file = file
        self.bytes = bytes
    }

    func commit() async throws -> StoredObject {
        if case .committed(let object) = progress.value { return object }
        try Task.checkCancellation()
        if case .untouched = progress.value, try await store.entry(key.components) != nil { throw taken }
        progress.value = .attempted
        try await move(overwriting: false)
        guard let object = try await store.stat(key) else {
            throw Failure(.storeUnavailable, "\(attempt): the server moved it there and does not show it")
        }
        guard object.bytes == bytes else {
            throw Failure(.digestMismatch, "\(attempt): the server holds \(object.bytes) of \(bytes) bytes")
        }
        progress.value = .committed(object)
        return object
    }

    func discard() async {
        switch progress.value {
        case .committed: return
        case .untouched: await discardTemporary()
        case .attempted:
            await store.cleaningUp("take back \(store.shown(key))") { [self] in
                // While the temporary file is there, what has the final name is not ours.
                guard try await store.entry(file) == nil else { return }
                guard try await hasFinalName() else { return }
                try await store.remove(key)
            }
            await discardTemporary()
        }
    }

    func discardTemporary() async {
        await store.clean(file, of: key)
    }

    /// Gives the file its final name. A reply that got lost is found out by asking.
    /// - Throws: `.alreadyExists`.
    func move(overwriting: Bool) async throws {
        var operation = StoreOperation(attempt, action: "MOVE", "MOVE", key: file.joined(separator: "/"))
        operation.headers = [
            ("Destination", store.destination(key)), ("Overwrite", overwriting ? "T" : "F"),
        ]
        operation.answers = [201, 204, 404, 409, 412]
        let status = try await exchange.perform(operation).head.status
        if status / 100 == 2 { return }
        let isThere = try await store.entry(file) != nil
        if isThere, status == 412 { throw taken }
        guard !isThere, try await hasFinalName() else {
            throw Failure(
                .storeUnavailable,
                "\(attempt): the server answered \(status), and the temporary file is \(isThere ? "there" : "gone")"
            )
        }
    }

    /// Whether what has the final name is the file that had the temporary one, as far as a server tells.
    private func hasFinalName() async throws -> Bool {
        let found = try await store.stat(key)
        return found?.bytes == bytes && found?.modifiedAtSeconds == modifiedAtSeconds
    }

    private var exchange: StoreExchange { store.exchange }
    private var attempt: String { "commit \(store.shown(key))" }

    private var taken: Failure {
        Failure(.alreadyExists, "\(attempt): there is already a file of that name")
    }
}
