// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport

/// The folders and files of an SFTP store.
///
/// That something is not there is believed when a listing of the folder, which came to its end, does not name it.
struct SFTPTree: Sendable {
    let exchange: SFTPExchange

    /// Files up to this size are known whole when they were looked at; of larger ones the version holds a digest of
    /// so much.
    static let headBytes = 4096
    /// How many folders or files are looked at at a time.
    private static let looksAtATime = 6
    /// Answers behind which something may be that is not there, or a folder.
    private static let doubtful: Set<Failure.Code> = [.noSuchObject, .inputOutput, .permissionDenied, .unreachable]

    private var root: String { exchange.settings.location.path }

    func path(_ components: [String]) -> String {
        ([root] + components).joined(separator: "/")
    }

    /// As people see it.
    func shown(_ components: [String]) -> String {
        (["\(exchange.settings.location)"] + components).joined(separator: "/")
    }

    // MARK: Files

    /// - Parameter listedBytes: the size, if a listing has just told.
    /// - Returns: `nil` when there is no file.
    /// - Throws: `.noSuchStore` when the root is not there.
    func file(_ components: [String], listedBytes: Int64? = nil) async throws -> SFTPFile? {
        let attempt = "look at \(shown(components))"
        do {
            return try await exchange.perform(attempt, passing: Self.doubtful) { client, options in
                try await look(components, listedBytes, client, options)
            }
        } catch let failure as Failure where Self.doubtful.contains(failure.code) {
            guard let entry = try await entry(components), entry.kind == .file else { return nil }
            return try await goneAsNil {
                try await exchange.perform(attempt) { client, options in
                    try await look(components, entry.bytes, client, options)
                }
            }
        }
    }

    private func look(
        _ components: [String],
        _ listedBytes: Int64?,
        _ client: SFTPClient,
        _ options: SFTPClient.Options
    ) async throws -> SFTPFile {
        let (status, head) = try await client.head(of: path(components), bytesMax: Self.headBytes, options)
        var bytes = Int64(head.count)
        if head.count == Self.headBytes {
            if let listedBytes, listedBytes >= bytes {
                bytes = listedBytes
            } else {
                let whole = try await client.look(at: path(components), options)
                guard whole.modifiedAtSeconds == status.modifiedAtSeconds else {
                    throw Failure(.storeUnavailable, "it changes while it is looked at")
                }
                bytes = try known(whole.bytes)
            }
        }
        return SFTPFile(bytes: bytes, modifiedAtSeconds: try known(status.modifiedAtSeconds), head: head)
    }

    /// What a server must say of a file that is not empty; when it does not, the connection broke.
    func known<Value>(_ value: Value?) throws -> Value {
        guard let value else { throw Failure(.unreachable, "the server does not say how large it is, and how old") }
        return value
    }

    /// When a file that is not committed was last written to, and how large it is; `nil` when it is not there.
    func status(_ components: [String]) async throws -> SFTPStatus? {
        let attempt = "look at \(shown(components))"
        do {
            return try await exchange.perform(attempt, passing: Self.doubtful) { client, options in
                try await client.look(at: path(components), options)
            }
        } catch let failure as Failure where Self.doubtful.contains(failure.code) {
            guard try await entry(components) != nil else { return nil }
            return try await goneAsNil {
                try await exchange.perform(attempt) { client, options in
                    try await client.look(at: path(components), options)
                }
            }
        }
    }

    /// Removes a file, and the folders that are empty then; it is no error if it is not there.
    func remove(_ components: [String]) async throws {
        let attempt = "remove \(shown(components))"
        do {
            try await exchange.perform(attempt, passing: Self.doubtful.subtracting([.unreachable])) { client, options in
                _ = try await client.perform([.remove(path(components))], options)
            }
        } catch let failure as Failure where Self.doubtful.contains(failure.code) && failure.cause == nil {
            guard let entry = try await entry(components), entry.kind != .folder else { return }
            let removed: Void? = try await goneAsNil {
                try await exchange.perform(attempt) { client, options in
                    _ = try await client.perform([.remove(path(components))], options)
                }
            }
            if removed == nil { return }
        }
        await prune(components.dropLast())
    }

    /// Removes folders that are empty, the deepest first; never the root.
    func prune(_ folders: [String]) async {
        guard !folders.isEmpty else { return }
        let commands = stride(from: folders.count, to: 0, by: -1).map {
            SFTPCommand.removeFolderIfEmpty(path(Array(folders.prefix($0))))
        }
        _ = try? await exchange.client.perform(commands)
    }

    /// - Returns: the codes that the server refused it with, if it did; what is behind them is to be looked at.
    func rename(_ components: [String], to others: [String]) async throws -> Failure? {
        do {
            try await exchange.perform(
                "rename \(shown(components)) to \(others.last ?? "")",
                passing: [.noSuchObject, .inputOutput, .permissionDenied, .alreadyExists, .unsupported]
            ) { client, options in
                _ = try await client.perform([.rename(path(components), to: path(others))], options)
            }
            return nil
        } catch let failure as Failure where !failure.code.isTransient && failure.cause == nil {
            return failure
        }
    }

    /// Bytes that are free at the root; `nil` where the server does not tell.
    func freeBytes() async -> Int64? {
        let options = SFTPClient.Options(deadlines: HTTPDeadlines(connectSeconds: 5, noProgressSeconds: 5))
        guard let text = try? await exchange.client.perform([.statFileSystem(root)], options) else { return nil }
        var values: [Substring: Int64] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, let value = Int64(words[1]) { values[words[0]] = value }
        }
        guard let blocks = values["f_bavail:"], let size = values["f_frsize:"] else { return nil }
        return blocks.multipliedReportingOverflow(by: size).partialValue
    }

    // MARK: Folders

    /// What the folder of this entry says of it; `nil` when it is not there.
    func entry(_ components: [String]) async throws -> SFTPEntry? {
        try await entries(in: components.dropLast())?.first { $0.name == components.last }
    }

    /// - Returns: `nil` when there is no such folder.
    /// - Throws: `.noSuchStore` when the root is not there.
    func entries(in folder: [String]) async throws -> [SFTPEntry]? {
        let attempt = "list \(shown(folder))"
        do {
            return try await exchange.perform(attempt, passing: [.noSuchObject, .inputOutput]) { client, options in
                try await list(folder, client, options)
            }
        } catch let failure as Failure where failure.cause == nil {
            if !folder.isEmpty {
                guard let entry = try await entry(folder), entry.kind == .folder else { return nil }
            }
            let found = try await goneAsNil {
                try await exchange.perform(attempt) { client, options in try await list(folder, client, options) }
            }
            if found == nil, folder.isEmpty { throw noSuchStore }
            return found
        }
    }

    private func list(
        _ folder: [String],
        _ client: SFTPClient,
        _ options: SFTPClient.Options
    ) async throws -> [SFTPEntry] {
        try await client.list(path(folder), options).compactMap { try SFTPEntry(line: $0) }
    }

    private var noSuchStore: Failure {
        Failure(
            .noSuchStore,
            "open \(exchange.settings.location): there is no such folder",
            hint: "Look for a slip in the path. The first backup makes the folder."
        )
    }

    /// Every file at and below a folder, with the components of its path, in no order.
    func files(below folder: [String]) async throws -> [(components: [String], bytes: Int64)] {
        var found: [(components: [String], bytes: Int64)] = []
        var level = [folder]
        while !level.isEmpty {
            let listed = try await concurrently(level) { folder in
                (folder, try await entries(in: folder) ?? [])
            }
            level = []
            for (folder, entries) in listed {
                for entry in entries where ObjectKey.isValid(component: entry.name) && entry.kind == .folder {
                    if folder.count < ObjectKey.componentsMax { level.append(folder + [entry.name]) }
                }
                found += entries.filter { $0.kind == .file }.map { (folder + [$0.name], $0.bytes) }
            }
        }
        return found
    }

    /// Transforms some at a time; in no order.
    func concurrently<Value: Sendable, Result: Sendable>(
        _ values: [Value],
        _ transform: @escaping @Sendable (Value) async throws -> Result
    ) async throws -> [Result] {
        try await withThrowingTaskGroup(of: Result.self) { group in
            var results: [Result] = []
            for (number, value) in values.enumerated() {
                if number >= Self.looksAtATime, let result = try await group.next() { results.append(result) }
                group.addTask { try await transform(value) }
            }
            for try await result in group { results.append(result) }
            return results
        }
    }

    /// What was there a moment ago and is gone now, after it was asked for twice.
    private func goneAsNil<Result>(_ body: () async throws -> Result) async throws -> Result? {
        do {
            return try await body()
        } catch let failure as Failure where failure.code == .noSuchObject {
            return nil
        }
    }
}

/// A file as it was looked at.
struct SFTPFile: Sendable, Hashable {
    let bytes: Int64
    let modifiedAtSeconds: Int64
    /// Its first bytes.
    let head: [UInt8]

    /// The time has whole seconds only, and within one a lease may be replaced by another of the same size.
    var version: ObjectVersion {
        ObjectVersion(tag: "\(bytes)-\(modifiedAtSeconds)-\(SHA256Digest.hex(of: head).prefix(16))")
    }

    func object(_ key: ObjectKey) -> StoredObject {
        StoredObject(key: key, bytes: bytes, modifiedAtSeconds: modifiedAtSeconds, version: version)
    }
}
