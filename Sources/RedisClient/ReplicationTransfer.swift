// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Logging
import RedisProtocol
import Synchronization

/// One `PSYNC` and the RDB that answers it. One task at a time uses it.
final class ReplicationTransfer: Sendable {
    /// What is known once the RDB begins.
    struct Header: Sendable {
        let replication: ReplicationPoint
        let announcedBytes: Int64?
        let saveSeconds: Double
    }

    /// How long nothing may come after the mark before it counts as the end. A server since 7.0 closes the connection
    /// within a tenth of a second; 6.2 leaves it open, waiting for an acknowledgement that no snapshot gives.
    private static let quietMilliseconds: Int64 = 50

    /// How many bytes of a long RDB the socket collects before it is read.
    static let bulkBytes = ByteStream.chunkSizeBytes

    private let connection: RedisConnection
    private let logger: Logger
    private let state = Mutex(State())

    /// How the socket is read.
    private enum Pace {
        /// At whatever comes: the replies, and the beginning of an RDB, which may be short.
        case eager
        case bulk
        /// At whatever comes, because not much is missing.
        case ending
    }

    private struct State {
        var decoder = ReplicationPayloadDecoder()
        /// Bytes of the RDB that came with its header.
        var first: [UInt8] = []
        var pace = Pace.eager
    }

    init(connection: RedisConnection, logger: Logger) {
        self.connection = connection
        self.logger = logger
    }
}

// MARK: - The request

extension ReplicationTransfer {
    /// Says what we want, then asks for it. No port is announced, so that the server counts us as no replica to fail
    /// over to.
    func request(from info: ServerInfo) async throws {
        let wish = RESPCommand("REPLCONF", "rdb-only", "1")
        let reply = try await connection.reply(to: wish)
        if let error = reply.error {
            // Before 6.2. Such a server goes on with its stream, which its output buffer limits must bear until the RDB
            // is read; from a file the RDB has a known length, so the stream behind it can be told apart.
            guard error.message.contains("Unrecognized REPLCONF option") else {
                throw Failure(error, replyTo: wish, from: connection.endpoint)
            }
            state.withLock { $0.decoder = ReplicationPayloadDecoder(trailingBytes: .discarded) }
            logger.warning(
                "the server knows no rdb-only (6.2 does): its client-output-buffer-limit may end the backup",
                metadata: ["member": "\(connection.endpoint)"]
            )
        } else {
            try await announceCapabilities(info)
        }
        connection.send(RESPCommand("PSYNC", "?", "-1"))
    }

    private func announceCapabilities(_ info: ServerInfo) async throws {
        // With the capabilities of a real replica we may share a save that runs for one. Without `eof` the server saves
        // into its file, and then sends that; it is no reason to fail.
        _ = try await connection.reply(to: RESPCommand("REPLCONF", "capa", "eof", "capa", "psync2"))
        // Valkey since 9.0 writes RDB version 11 for a replica whose version it does not know, or refuses where the
        // data needs more (valkey-io/valkey#2735). Its own version is what the snapshot is to be loaded with.
        if info.product == .valkey, let version = info.versionText {
            _ = try await connection.reply(to: RESPCommand("REPLCONF", "version", version))
        }
    }

    /// Waits until the RDB begins. Newlines, which come each second, keep the connection alive but not for ever.
    /// - Throws: `.timeout`, `.replicaLinkDown`, `.memberLoading`, `.saveFailed`, `.permissionDenied`, …
    func begin(withinSeconds seconds: Double) async throws -> Header {
        let clock = ContinuousClock()
        let start = clock.now
        let deadline = start.advanced(by: .seconds(seconds))
        while true {
            guard clock.now < deadline else {
                throw Failure(
                    .timeout,
                    "\(connection.endpoint) did not begin to send its snapshot within \(seconds) s",
                    hint: "Look there whether an AOF rewrite or another save runs: `INFO persistence`."
                )
            }
            let bytes = try await nextBytes(atLeast: 1)
            let phase = try feed(bytes)
            switch phase {
            case .awaitingReply, .awaitingPayload: continue
            case .refused(let error): throw refusal(error)
            case .payload, .complete: return try header(saveTook: clock.now - start)
            }
        }
    }

    private func header(saveTook duration: Duration) throws -> Header {
        let (replication, announcedBytes) = state.withLock { ($0.decoder.replication, $0.decoder.announcedBytes) }
        guard let replication else {
            throw Failure(.protocolViolation, "\(connection.endpoint) sends a snapshot without saying where it stands")
        }
        return Header(
            replication: ReplicationPoint(id: replication.id, offset: replication.offset),
            announcedBytes: announcedBytes,
            saveSeconds: duration / .seconds(1)
        )
    }

    private func refusal(_ error: RESPError) -> Failure {
        if error.message.contains("BGSAVE failed") {
            return Failure(
                .saveFailed,
                "\(connection.endpoint) could not save for us: \(error)",
                hint: "Its log says why. If fork failed, set vm.overcommit_memory=1 there, or give it more memory."
            )
        }
        if error.message.contains("not connected with my master") || error.message.contains("failing over") {
            return Failure(
                RESPError(kind: "NOMASTERLINK", message: error.message),
                replyTo: RESPCommand("PSYNC"),
                from: connection.endpoint
            )
        }
        return Failure(error, replyTo: RESPCommand("PSYNC"), from: connection.endpoint)
    }
}

// MARK: - The RDB

extension ReplicationTransfer {
    /// The next part of the RDB, about as large as a chunk should be; `nil` at its proven end.
    /// - Throws: `.truncated`, `.trailingBytes`, `.timeout`, `.unreachable`.
    func nextChunk() async throws -> [UInt8]? {
        var chunk = state.withLock { state in
            defer { state.first = [] }
            return state.first
        }
        while chunk.count < ByteStream.chunkSizeBytes {
            let (isComplete, isAtMark, missing) = state.withLock { state in
                (state.decoder.phase == .complete, state.decoder.isAtMark, state.decoder.missingBytes)
            }
            if isComplete || (isAtMark && !chunk.isEmpty) { break }
            if chunk.isEmpty { chunk.reserveCapacity(ByteStream.chunkSizeBytes) }
            if isAtMark {
                try await continueAfterMark(into: &chunk)
            } else {
                // Where the end is unknown, waiting for a whole chunk could wait for ever.
                try await setPace(missing)
                let wanted = missing.map { Int(min(Int64(ByteStream.chunkSizeBytes - chunk.count), $0)) } ?? 1
                try decode(try await nextBytes(atLeast: wanted), into: &chunk)
            }
        }
        return chunk.isEmpty ? nil : chunk
    }

    /// Has the socket collect bytes once the RDB turns out to be longer than a chunk, and while its end is not near.
    private func setPace(_ missingBytes: Int64?) async throws {
        let isNearEnd = missingBytes.map { $0 < Int64(Self.bulkBytes) } ?? false
        let (pace, payloadBytes) = state.withLock { ($0.pace, $0.decoder.payloadBytes) }
        switch pace {
        case .eager where !isNearEnd && payloadBytes >= Int64(ByteStream.chunkSizeBytes):
            state.withLock { $0.pace = .bulk }
            try await connection.beginBulkReading(markBytes: Self.bulkBytes)
        case .bulk where isNearEnd:
            endBulkReading(.ending)
        default:
            break
        }
    }

    private func endBulkReading(_ pace: Pace) {
        state.withLock { $0.pace = pace }
        connection.endBulkReading()
    }

    /// The mark has come. It is the end if the server closes, or sends nothing more; else it was part of a value.
    private func continueAfterMark(into chunk: inout [UInt8]) async throws {
        // What follows counts from its first byte.
        if state.withLock({ $0.pace == .bulk }) { endBulkReading(.eager) }
        let bytes = try await connection.nextBytes(
            orQuietAfter: .milliseconds(Self.quietMilliseconds),
            during: Self.attempt
        )
        try decode(bytes ?? [], into: &chunk)
    }

    private static let attempt = "was asked for a snapshot"

    private func nextBytes(atLeast count: Int) async throws -> [UInt8] {
        try await connection.nextBytes(atLeast: count, during: Self.attempt)
    }

    private func feed(_ bytes: [UInt8]) throws -> ReplicationPayloadDecoder.Phase {
        var first: [UInt8] = []
        try decode(bytes, into: &first)
        return state.withLock { state in
            state.first = first
            return state.decoder.phase
        }
    }

    /// - Parameter bytes: empty at the end of the connection.
    private func decode(_ bytes: [UInt8], into chunk: inout [UInt8]) throws {
        do {
            try state.withLock { state in
                if bytes.isEmpty { return try state.decoder.finish() }
                try bytes.withUnsafeBytes { try state.decoder.decode($0, appendingPayloadTo: &chunk) }
            }
        } catch let failure as Failure {
            // What breaks off here may go well the next time; only what rests in a store is beyond repair when it is
            // short.
            let code = failure.code == .truncated ? .unreachable : failure.code
            throw Failure(code, "cannot read the snapshot of \(connection.endpoint)", cause: failure)
        }
    }
}
