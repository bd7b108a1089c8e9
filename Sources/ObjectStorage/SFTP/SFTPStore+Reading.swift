// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport

extension SFTPStore {
    /// How many chunks are fetched ahead of the reader.
    private static let chunksAhead = 2

    package func withObject<Result: Sendable>(
        _ key: ObjectKey,
        _ body: (StoredObject, ByteStream) async throws -> Result
    ) async throws -> Result {
        let attempt = "read \(tree.shown(key.components))"
        guard let file = try await tree.file(key.components) else {
            throw Failure(.noSuchObject, "\(attempt): there is no such file")
        }
        if file.bytes == file.head.count { return try await body(file.object(key), ByteStream([file.head])) }
        return try await ByteStream.withProduced(depth: Self.chunksAhead) { put in
            try await fetch(key, file, attempt, put)
        } reading: { chunks in
            try await body(file.object(key), chunks)
        }
    }

    /// Fetches a file and puts its bytes, over as many connections as it takes.
    private func fetch(
        _ key: ObjectKey,
        _ file: SFTPFile,
        _ attempt: String,
        _ put: @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let changed = Failure(.alreadyExists, "it was replaced while it was read")
        var offset: Int64 = 0
        var known: Int64 = 0
        try await exchange.perform(attempt) {
            defer { known = offset }
            return offset > known
        } _: { client, options in
            if offset > 0 {
                guard try await tree.file(key.components)?.version == file.version else { throw changed }
            }
            try await client.withFile(tree.path(key.components), from: offset, options) { status, chunks in
                guard try tree.known(status.bytes) == file.bytes - offset,
                    try tree.known(status.modifiedAtSeconds) == file.modifiedAtSeconds
                else { throw changed }
                for try await chunk in chunks {
                    offset += Int64(chunk.count)
                    guard offset <= file.bytes else {
                        throw Failure(.unsupported, "more than the \(file.bytes) bytes come that were announced")
                    }
                    try await put(chunk)
                }
            }
            guard offset == file.bytes else {
                throw Failure(.truncated, "it ended after \(offset) of \(file.bytes) bytes")
            }
        }
    }
}
