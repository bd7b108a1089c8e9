// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport

/// How many chunks are fetched ahead of the reader.
private let chunksAhead = 2

extension HTTPObjectStore {
    package func withObject<Result: Sendable>(
        _ key: ObjectKey,
        _ body: (StoredObject, ByteStream) async throws -> Result
    ) async throws -> Result {
        try await fetched(key, body)
    }

    /// Reads an object over as many connections as it takes, on the same version.
    func fetched<Result: Sendable>(
        _ key: ObjectKey,
        _ body: (StoredObject, ByteStream) async throws -> Result
    ) async throws -> Result {
        let download = StoreDownload(store: self, key: key)
        return try await ByteStream.withProduced(depth: chunksAhead) { put in
            try await download.run(put)
        } reading: { chunks in
            try await body(try await download.object(), chunks)
        }
    }

    /// Reads an object that was looked at before, if it still is that version.
    /// - Parameter check: sees each chunk before the reader does, and `nil` at the end; what it throws, the stream
    ///   throws.
    func download<Result: Sendable>(
        _ key: ObjectKey,
        of known: StoredObject,
        check: @escaping @Sendable (_ chunk: [UInt8]?) throws -> Void,
        reading body: (ByteStream) async throws -> Result
    ) async throws -> Result {
        let download = StoreDownload(store: self, key: key, known: known)
        return try await ByteStream.withProduced(depth: chunksAhead) { put in
            try await download.run { chunk in
                try check(chunk)
                try await put(chunk)
            }
            try check(nil)
        } reading: { chunks in
            _ = try await download.object()
            return try await body(chunks)
        }
    }
}

/// One object on its way here, over as many connections as it takes.
private final class StoreDownload: Sendable {
    private let store: any HTTPObjectStore
    private let key: ObjectKey
    private let known: StoredObject?
    /// What the first answer said; every later one must say the same.
    private let opened = Monitor<Result<StoredObject, any Error>?>(nil)

    private static let errorBytesMax = 64 << 10

    /// - Parameter known: what is known of the object already; then the first answer is about that version, too.
    init(store: any HTTPObjectStore, key: ObjectKey, known: StoredObject? = nil) {
        self.store = store
        self.key = key
        self.known = known
    }

    /// Waits for the first answer.
    func object() async throws -> StoredObject {
        try await opened.wait { $0 }.get()
    }

    /// Fetches the object and puts its bytes, until all are there or nothing more comes.
    func run(_ put: @Sendable ([UInt8]) async throws -> Void) async throws {
        do {
            do {
                try await fetch(put)
            } catch let failure as Failure where failure.code == .noSuchObject {
                try await store.confirmStore()
                throw failure
            }
        } catch {
            opened.change { opened in if opened == nil { opened = .failure(error) } }
            throw error
        }
    }

    private func fetch(_ put: @Sendable ([UInt8]) async throws -> Void) async throws {
        var tries = StoreTries(operation: store.reading(key, after: 0, of: nil), exchange: store.exchange)
        var object = known
        var offset: Int64 = 0
        while true {
            do {
                let operation = store.reading(key, after: offset, of: object)
                let request = try await tries.signed(operation)
                try await store.exchange.client.withResponse(to: request) { head, chunks in
                    if ![200, 206].contains(head.status) { try await refuse(operation, head, chunks) }
                    let current = try accept(head, resuming: object, at: offset)
                    object = current
                    // A provider that does not know ranges starts from the beginning.
                    var skip = head.isOfPart ? 0 : offset
                    for try await chunk in chunks {
                        let news = skip == 0 ? chunk : Array(chunk.dropFirst(Int(min(skip, Int64(chunk.count)))))
                        skip -= min(skip, Int64(chunk.count))
                        if news.isEmpty { continue }
                        offset += Int64(news.count)
                        guard offset <= current.bytes else { throw tooLong(current) }
                        try await put(news)
                        tries.progressed()
                    }
                }
                guard let object, offset < object.bytes else { return }
                throw StoreShortfall(bytes: offset, announced: object.bytes)
            } catch {
                try await tries.waitAfter(error)
            }
        }
    }

    /// Reads what an answer says that is not the object.
    private func refuse(_ operation: StoreOperation, _ head: HTTPResponseHead, _ chunks: ByteStream) async throws
        -> Never
    {
        var body: [UInt8] = []
        for try await chunk in chunks where body.count < Self.errorBytesMax { body += chunk }
        try store.exchange.check(head, body, of: operation)
        throw changed
    }

    /// Takes the headers of an answer.
    /// - Throws: `.alreadyExists` when it is about another version than the bytes that are here already.
    private func accept(
        _ head: HTTPResponseHead,
        resuming known: StoredObject?,
        at offset: Int64
    ) throws -> StoredObject {
        guard let known else {
            guard !head.isOfPart else {
                throw StoreMalformed(reason: "the store sent a part of the object, not asked for")
            }
            let object = try store.object(key, head)
            opened.change { $0 = .success(object) }
            return object
        }
        guard try store.version(head) == known.version else { throw changed }
        if head.isOfPart {
            let range = head["content-range"] ?? ""
            guard range == "bytes \(offset)-\(known.bytes - 1)/\(known.bytes)" else {
                throw StoreMalformed(reason: "the store sent another range than was asked for: \(range.prefix(60))")
            }
        } else {
            guard try store.object(key, head).bytes == known.bytes else { throw changed }
        }
        opened.change { opened in if opened == nil { opened = .success(known) } }
        return known
    }

    // What is attempted is said by whoever counts the tries.

    private var changed: Failure { Failure(.alreadyExists, "it was replaced while it was read") }

    private func tooLong(_ object: StoredObject) -> Failure {
        Failure(.unsupported, "more than the \(object.bytes) bytes come that were announced")
    }
}

/// A body that ended, as it seems in good order, before the object did.
struct StoreShortfall: Error {
    let bytes: Int64
    let announced: Int64
}

extension HTTPResponseHead {
    /// Whether the body is a part of an object: `rclone serve s3` says so with the status 200 and `Content-Range`.
    fileprivate var isOfPart: Bool { status == 206 || self["content-range"] != nil }
}
