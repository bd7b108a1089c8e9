// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Crypto
import Failures
import HTTPTransport
import Logging

/// How many chunks of the archive are read ahead of the connection.
private let chunksAhead = 2

extension SingleObjectStore {
    private static let answerBytesMax = 64 << 10

    /// What a file becomes in the archive.
    private struct Part: Sendable {
        let key: ObjectKey
        let bytes: Int64
        let header: [UInt8]
        /// In memory, where it is in no file yet.
        var content: [UInt8]?

        init(_ key: ObjectKey, bytes: Int64, modifiedAtSeconds: Int64, content: [UInt8]? = nil) {
            self.key = key
            self.bytes = bytes
            self.content = content
            header = TarHeader.encoded(
                path: key.description,
                bytes: bytes,
                modifiedAtSeconds: modifiedAtSeconds
            )
        }

        var length: Int64 { Int64(header.count) + bytes + Int64(TarHeader.padding(after: bytes)) }
    }

    // MARK: Writing

    /// Sends the set: what lies in the folder of its last object, and that object at the end.
    /// - Throws: `.guardRefused` when there is an object already, perhaps since an earlier try of this very run.
    func send(finishing key: ObjectKey, _ bytes: [UInt8]) async throws {
        let members = try await files.list(under: try KeyFolder(Array(key.components.dropLast())))
        var parts = members.map { Part($0.key, bytes: $0.bytes, modifiedAtSeconds: $0.modifiedAtSeconds) }
        parts.append(
            Part(key, bytes: Int64(bytes.count), modifiedAtSeconds: exchange.clock.secondsSince1970(), content: bytes)
        )
        let length = parts.reduce(Int64(TarHeader.end.count)) { $0 + $1.length }
        var operation = StoreOperation("write \(location)", action: "PUT", "PUT")
        if !place.overwrites { operation.headers.append(("If-None-Match", "*")) }
        if place.isSharedAccess { operation.headers.append(("x-ms-blob-type", "BlockBlob")) }
        operation.answers = [201, 204]
        isSealed.value = true
        do {
            try await send(parts, length: length, operation)
        } catch let failure as Failure where failure.code.meansNothingWasSent {
            isSealed.value = false
            throw failure
        }
    }

    private func send(_ parts: [Part], length: Int64, _ operation: StoreOperation) async throws {
        var tries = StoreTries(operation: operation, exchange: exchange)
        var mayBeOurs = false
        while true {
            do {
                let digest = SharedValue(Insecure.MD5())
                let head = try await ByteStream.withProduced(depth: chunksAhead) { put in
                    try await produce(parts) { chunk in
                        digest.change { $0.update(data: chunk) }
                        try await put(chunk)
                    }
                } reading: { body in
                    try await put(operation, body, length: length)
                }
                tries.succeeded()
                return tell(head, digest.value.finalize(), bytes: length)
            } catch let answer as RefusedAnswer where answer.head.status == 412 && mayBeOurs {
                throw unsure(answer.failure(of: operation))
            } catch {
                mayBeOurs = mayBeOurs || !(error is RefusedAnswer)
                try await tries.waitAfter(error)
            }
        }
    }

    private func put(_ operation: StoreOperation, _ body: ByteStream, length: Int64) async throws -> HTTPResponseHead {
        let response = try await exchange.client.upload(
            try await exchange.signed(operation),
            body,
            length: length,
            bodyBytesMax: Self.answerBytesMax
        )
        try exchange.check(response.head, response.body, of: operation)
        return response.head
    }

    private func produce(_ parts: [Part], _ put: @Sendable ([UInt8]) async throws -> Void) async throws {
        for part in parts {
            try await put(part.header)
            if let content = part.content {
                try await put(content)
            } else {
                try await files.withObject(part.key) { object, chunks in
                    guard object.bytes == part.bytes else {
                        throw Failure(.digestMismatch, "write \(location): \(part.key) changed on its way")
                    }
                    for try await chunk in chunks { try await put(chunk) }
                }
            }
            let padding = TarHeader.padding(after: part.bytes)
            if padding > 0 { try await put([UInt8](repeating: 0, count: padding)) }
        }
        try await put(TarHeader.end)
    }

    /// Says how sure it is that the store has what was sent: with the right to write alone nobody can look.
    private func tell(_ head: HTTPResponseHead, _ digest: Insecure.MD5.Digest, bytes: Int64) {
        let tag = head["etag"]?.filter { $0 != "\"" }.lowercased()
        let isConfirmed = tag == Hexadecimal.text(digest)
        exchange.logger.notice(
            isConfirmed
                ? "the store has the object: its ETag is the MD5 of what was sent"
                : "the store took the object; prove it with a URL for GET: redoubt verify --from",
            metadata: ["object": "\(location)", "bytes": "\(bytes)"]
        )
    }

    private func unsure(_ failure: Failure) -> Failure {
        Failure(
            .guardRefused,
            "\(failure.message), after a try whose answer did not arrive: it may be the one that was sent",
            cause: failure.cause,
            hint: "The object may be this run's own: look with a URL for GET (redoubt verify --from). If it is not: "
                + SingleObjectRefusal.keptHint
        )
    }

    // MARK: Reading

    /// Fetches the object and takes it apart.
    /// - Throws: `.noSuchStore` when there is none; `.truncated` when it is cut off; `.unsupported` when it is
    ///   something else.
    func fetch() async throws {
        do {
            // One object, whatever its key: the URL says it.
            try await fetched(try ObjectKey(["object.tar"])) { _, chunks in try await takeApart(chunks) }
        } catch let failure as Failure where failure.code == .noSuchObject {
            throw Failure(.noSuchStore, failure.message, cause: failure.cause, hint: failure.hint)
        } catch let damage as TarDamage {
            throw Failure(
                .unsupported,
                "read \(location): it is no archive of a backup set, \(damage.reason)",
                hint: "Such an object is written by redoubt backup --to, or copy --to, with a URL of this kind."
            )
        } catch is TarCutOff {
            throw Failure(.truncated, "read \(location): the archive ends before its end")
        }
    }

    private func takeApart(_ chunks: ByteStream) async throws {
        let archive = TarReader(chunks)
        while let entry = try await archive.next() {
            let path = entry.path.hasPrefix("./") ? String(entry.path.dropFirst(2)) : entry.path
            guard let key = ObjectKey(parsing: path), !key.components[0].hasPrefix(".") else {
                throw TarDamage(reason: "a file in it is not named as one of a set")
            }
            let bytes = ByteStream { try await archive.chunk() }
            _ = try await files.stage(key, estimatedBytes: entry.bytes, from: bytes).commitOrDiscard()
        }
    }

    func reading(_ key: ObjectKey, after offset: Int64, of object: StoredObject?) -> StoreOperation {
        var operation = StoreOperation("read \(location)", action: "GET", "GET")
        guard let object else { return operation }
        if object.version.tag.hasPrefix("\"") { operation.headers = [("If-Match", object.version.tag)] }
        if offset > 0 { operation.headers.append(("Range", "bytes=\(offset)-")) }
        operation.answers = [206, 412, 416]
        return operation
    }

    func object(_ key: ObjectKey, _ head: HTTPResponseHead) throws(StoreMalformed) -> StoredObject {
        guard let bytes = head["content-length"].flatMap({ Int64($0) }), bytes >= 0 else {
            throw StoreMalformed(reason: "the store did not say how large the object is")
        }
        let modified = head["last-modified"].flatMap(CivilTime.init(httpDate:))?.secondsSince1970 ?? 0
        return StoredObject(key: key, bytes: bytes, modifiedAtSeconds: modified, version: try version(head))
    }

    func version(_ head: HTTPResponseHead) throws(StoreMalformed) -> ObjectVersion {
        if let tag = head["etag"], !tag.isEmpty { return ObjectVersion(tag: tag) }
        let whole = head["content-range"].flatMap { $0.split(separator: "/").last } ?? head["content-length"]?[...]
        guard let whole else { throw StoreMalformed(reason: "the store did not say how large the object is") }
        return ObjectVersion(tag: "\(head["last-modified"] ?? "")-\(whole)")
    }
}

extension Failure.Code {
    /// Whether the store said of each try that it was refused.
    fileprivate var meansNothingWasSent: Bool {
        switch self {
        case .permissionDenied, .noSuchObject, .noSpace, .unsupported, .configuration: true
        default: false
        }
    }
}
