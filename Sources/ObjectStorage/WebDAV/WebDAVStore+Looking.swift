// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport

extension WebDAVStore {
    package func list(under folder: KeyFolder) async throws -> [StoredObject] {
        var objects: [StoredObject] = []
        try await walk(folder) { components, entry throws(StoreMalformed) in
            guard let key = try? ObjectKey(components), TemporaryName(parsing: key.lastComponent) == nil else { return }
            objects.append(try object(key, entry))
        }
        return objects.sorted { $0.key < $1.key }
    }

    package func leftovers(under folder: KeyFolder) async throws -> [Leftover] {
        var found: [Leftover] = []
        try await walk(folder) { components, entry throws(StoreMalformed) in
            guard let name = components.last.flatMap(TemporaryName.init),
                let key = try? ObjectKey(components.dropLast() + [name.finalName])
            else { return }
            let seconds = try object(key, entry).modifiedAtSeconds
            found.append(Leftover(key: key, handle: components.joined(separator: "/"), startedAtSeconds: seconds))
        }
        return found.sorted { ($0.key, $0.handle) < ($1.key, $1.handle) }
    }

    /// What the server says of one file or folder, or `nil`.
    func entry(_ components: [String], deadlines: HTTPDeadlines? = nil) async throws -> WebDAVEntry? {
        var operation = finding("look at \(location)/\(components.joined(separator: "/"))", components, depth: "0")
        operation.deadlines = deadlines
        return try await exchange.perform(operation) { response throws(StoreMalformed) -> WebDAVEntry? in
            if response.head.status == 404 { return nil }
            guard let entry = try WebDAVAnswers.entries(response).first else {
                throw StoreMalformed(reason: "the server told nothing of the file")
            }
            return entry
        }
    }

    func confirmStore() async throws {
        if folders.value.contains([]) { return }
        guard let root = try await entry([]), root.isFolder else {
            throw Failure(
                .noSuchStore,
                "look at \(location): there is no such folder",
                hint: "Check the URL. A backup makes the folder; nothing else does."
            )
        }
        folders.change { $0.insert([]) }
    }

    /// A file as an object.
    func object(_ key: ObjectKey, _ entry: WebDAVEntry) throws(StoreMalformed) -> StoredObject {
        guard let bytes = entry.bytes, bytes >= 0, let modified = entry.modifiedAtSeconds else {
            throw StoreMalformed(reason: "the server says too little about \(key)")
        }
        let version = ObjectVersion(tag: entry.tag ?? "\(modified)-\(bytes)")
        return StoredObject(key: key, bytes: bytes, modifiedAtSeconds: modified, version: version)
    }

    /// How many folders are listed at a time.
    private static let listsAtOnce = 8

    /// Shows every file at and below a folder, one request a folder: servers refuse to list deeper.
    private func walk(
        _ folder: KeyFolder,
        _ visit: ([String], WebDAVEntry) throws(StoreMalformed) -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: (folder: [String], entries: [WebDAVEntry]?).self) { group in
            var waiting = [folder.components]
            var running = 0
            while true {
                while running < Self.listsAtOnce, let next = waiting.popLast() {
                    group.addTask { (next, try await children(next)) }
                    running += 1
                }
                guard let found = try await group.next() else { break }
                running -= 1
                // Gone since it was listed, or never there.
                if found.entries == nil, found.folder == folder.components { try await confirmStore() }
                for entry in found.entries ?? [] {
                    guard let name = entry.components.last, ObjectKey.isValid(component: name) || isTemporary(name)
                    else { continue }
                    let path = found.folder + [name]
                    if !entry.isFolder {
                        try visiting(path) { () throws(StoreMalformed) in try visit(path, entry) }
                    } else if path.count < ObjectKey.componentsMax {
                        waiting.append(path)
                    }
                }
            }
        }
        folders.change { $0.insert([]) }
    }

    private func visiting(_ path: [String], _ visit: () throws(StoreMalformed) -> Void) throws {
        do {
            try visit()
        } catch {
            throw Failure(.protocolViolation, "list \(location)/\(path.joined(separator: "/")): \(error.reason)")
        }
    }

    private func isTemporary(_ name: String) -> Bool { TemporaryName(parsing: name) != nil }

    /// What is directly in a folder; `nil` when there is no such folder.
    private func children(_ components: [String]) async throws -> [WebDAVEntry]? {
        let attempt = "list \(location)/\(components.map { $0 + "/" }.joined())"
        let operation = finding(attempt, components, depth: "1")
        return try await exchange.perform(operation) { response throws(StoreMalformed) -> [WebDAVEntry]? in
            if response.head.status == 404 { return nil }
            let entries = try WebDAVAnswers.entries(response)
            // The folder itself is among them. Its path may not be ours, behind a proxy, but is the shortest.
            guard let own = entries.map(\.components.count).min() else {
                throw StoreMalformed(reason: "the list does not hold the folder itself")
            }
            guard entries.count(where: { $0.components.count == own }) == 1,
                entries.allSatisfy({ $0.components.count <= own + 1 })
            else { throw StoreMalformed(reason: "the list is not that of one folder") }
            let children = entries.filter { $0.components.count == own + 1 }
            // A file is no folder with nothing in it.
            if children.isEmpty, !entries[0].isFolder { return nil }
            return children
        }
    }

    private func finding(_ attempt: String, _ components: [String], depth: String) -> StoreOperation {
        var operation = StoreOperation(attempt, action: "PROPFIND", "PROPFIND", key: nil)
        if !components.isEmpty { operation.key = components.joined(separator: "/") }
        operation.headers = [("Depth", depth), ("Content-Type", "application/xml")]
        operation.body = WebDAVAnswers.propertyRequest
        operation.answers = [207, 404]
        return operation
    }

    // MARK: Reading

    /// Looked at first: servers answer `GET` of a folder with a page about it, or with an error of their own.
    package func withObject<Result: Sendable>(
        _ key: ObjectKey,
        _ body: (StoredObject, ByteStream) async throws -> Result
    ) async throws -> Result {
        guard let object = try await stat(key) else {
            throw Failure(.noSuchObject, "read \(shown(key)): there is no such file")
        }
        return try await download(key, of: object, check: { _ in }) { chunks in try await body(object, chunks) }
    }

    func reading(_ key: ObjectKey, after offset: Int64, of object: StoredObject?) -> StoreOperation {
        var operation = StoreOperation("read \(shown(key))", action: "GET", "GET", key: key.description)
        guard let object else { return operation }
        // A weak tag never matches; `version` looks at what the answer says all the same.
        if object.version.tag.hasPrefix("\"") { operation.headers = [("If-Match", object.version.tag)] }
        if offset > 0 { operation.headers.append(("Range", "bytes=\(offset)-")) }
        operation.answers = [206, 412, 416]
        return operation
    }

    func version(_ head: HTTPResponseHead) throws(StoreMalformed) -> ObjectVersion {
        if let tag = head["etag"], !tag.isEmpty { return ObjectVersion(tag: tag) }
        let whole = head["content-range"].flatMap { $0.split(separator: "/").last } ?? head["content-length"]?[...]
        guard let whole else { throw StoreMalformed(reason: "the store did not say how large the object is") }
        return ObjectVersion(tag: "\(try modified(head))-\(whole)")
    }
}
