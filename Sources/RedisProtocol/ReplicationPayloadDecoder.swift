// SPDX-License-Identifier: Apache-2.0

import Failures

/// Reads what a server sends after `PSYNC ? -1`: its answer, then one RDB in a frame.
///
///     \n …                                 keep-alives, before each of the lines
///     +FULLRESYNC <id> <offset>\r\n
///     \n …
///     $<length>\r\n <RDB>                  from a file of the server
///     $EOF:<mark>\r\n <RDB> <mark>         straight from the child that saves; the mark has 40 bytes
///
/// See replication.c of Redis: `syncCommand`, `sendBulkToSlave`, `rdbSaveRioWithEOFMark`.
///
/// The mark ends the RDB only where it is the last that comes. A server draws it in the child that saves, from a state
/// that each child inherits anew, so that one process uses the same mark for all its transfers (measured on 6.2, 7.0
/// and 9.1): a value can hold it, for example where somebody stores what a replica received. The last 40 bytes are
/// therefore held back until the connection ends, or until the reader, having waited, calls `finish`.
package struct ReplicationPayloadDecoder: Sendable {
    /// How far the stream is.
    package enum Phase: Sendable, Hashable {
        /// No line has come yet.
        case awaitingReply
        /// The request is granted; the save runs, or waits to be started.
        case awaitingPayload
        /// The RDB is coming.
        case payload
        /// Every byte of the announced length was there. A stream that ends with a mark is never complete by itself.
        case complete
        /// The server answered with an error, before the payload.
        case refused(RESPError)
    }

    /// What to do with bytes behind a payload of known length.
    package enum TrailingBytes: Sendable, Hashable {
        /// Fail: a server that knows `rdb-only` sends nothing more.
        case refused
        /// Drop them: an older server goes on with the stream of commands.
        case discarded
    }

    /// The length of the mark in bytes (`RDB_EOF_MARK_SIZE` of server.h).
    package static let markBytes = 40
    /// The longest line that may stand before the payload, in bytes.
    package static let lineBytesMax = 4096

    package private(set) var phase = Phase.awaitingReply
    /// The point in the history that the RDB stands at, once the server granted the request.
    package private(set) var replication: (id: String, offset: Int64)?
    /// The announced length of the RDB, where there is one.
    package private(set) var announcedBytes: Int64?
    /// How many bytes of the RDB were given out.
    package private(set) var payloadBytes: Int64 = 0

    private let trailingBytes: TrailingBytes
    private var line: [UInt8] = []
    private var mark: [UInt8]?
    /// The last bytes of a payload with a mark, at most 40: part of the RDB, or the mark.
    private var tail: [UInt8] = []

    package init(trailingBytes: TrailingBytes = .refused) {
        self.trailingBytes = trailingBytes
    }

    /// Whether the last bytes that came are the mark: the stream may end here.
    package var isAtMark: Bool {
        mark.map { tail == $0 } ?? false
    }

    /// How many bytes of an RDB of known length have not come yet.
    package var missingBytes: Int64? {
        announcedBytes.map { $0 - payloadBytes }
    }

    /// Takes what arrived; appends to `payload` what is part of the RDB. Bytes after a refusal are left out.
    /// - Throws: `.protocolViolation`, `.trailingBytes`.
    package mutating func decode(
        _ input: UnsafeRawBufferPointer,
        appendingPayloadTo payload: inout [UInt8]
    ) throws(Failure) {
        var rest = input[...]
        while !rest.isEmpty {
            switch phase {
            case .awaitingReply, .awaitingPayload:
                try readLine(&rest)
            case .payload:
                readPayload(&rest, into: &payload)
            case .complete:
                guard trailingBytes == .discarded else {
                    throw Failure(
                        .trailingBytes,
                        "the server sent more than the \(payloadBytes) bytes that it had announced"
                    )
                }
                rest = rest[rest.endIndex...]
            case .refused:
                rest = rest[rest.endIndex...]
            }
        }
    }

    /// Call when the connection has ended, or when nothing came for a while after the mark.
    /// - Throws: `.truncated` when the RDB is not whole.
    package mutating func finish() throws(Failure) {
        switch phase {
        case .awaitingReply:
            throw Failure(.truncated, "the connection ended before the server answered the request for a snapshot")
        case .awaitingPayload:
            throw Failure(.truncated, "the connection ended before the first byte of the snapshot")
        case .payload:
            guard isAtMark else { throw truncated() }
            tail = []
            phase = .complete
        case .complete, .refused:
            break
        }
    }

    private func truncated() -> Failure {
        guard let announcedBytes else {
            let bytes = payloadBytes + Int64(tail.count)
            return Failure(.truncated, "the snapshot ended after \(bytes) bytes without the mark of its end")
        }
        return Failure(.truncated, "the snapshot ended after \(payloadBytes) of \(announcedBytes) bytes")
    }
}

extension ReplicationPayloadDecoder {
    private mutating func readPayload(_ rest: inout Slice<UnsafeRawBufferPointer>, into payload: inout [UInt8]) {
        if let announcedBytes {
            let count = Int(min(Int64(rest.count), announcedBytes - payloadBytes))
            append(rest.prefix(count), to: &payload)
            rest = rest.dropFirst(count)
            if payloadBytes == announcedBytes { phase = .complete }
        } else {
            holdBack(rest, into: &payload)
            rest = rest[rest.endIndex...]
        }
    }

    /// Gives out everything but the last 40 bytes of the stream.
    private mutating func holdBack(_ input: Slice<UnsafeRawBufferPointer>, into payload: inout [UInt8]) {
        if input.count >= Self.markBytes {
            payloadBytes += Int64(tail.count)
            payload.append(contentsOf: tail)
            append(input.dropLast(Self.markBytes), to: &payload)
            tail.removeAll(keepingCapacity: true)
            tail.append(contentsOf: input.suffix(Self.markBytes))
        } else {
            tail.append(contentsOf: input)
            let surplus = tail.count - Self.markBytes
            guard surplus > 0 else { return }
            payloadBytes += Int64(surplus)
            payload.append(contentsOf: tail.prefix(surplus))
            tail.removeFirst(surplus)
        }
    }

    private mutating func append(_ bytes: Slice<UnsafeRawBufferPointer>, to payload: inout [UInt8]) {
        payloadBytes += Int64(bytes.count)
        payload.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes))
    }
}

extension ReplicationPayloadDecoder {
    /// Takes bytes up to the end of a line, and reads the line once it is whole.
    private mutating func readLine(_ rest: inout Slice<UnsafeRawBufferPointer>) throws(Failure) {
        guard let newline = rest.firstIndex(of: UInt8(ascii: "\n")) else {
            line.append(contentsOf: rest.prefix(Self.lineBytesMax + 1))
            rest = rest[rest.endIndex...]
            try checkLineLength()
            return
        }
        line.append(contentsOf: rest[..<newline].prefix(Self.lineBytesMax + 1))
        rest = rest[(newline + 1)...]
        try checkLineLength()
        defer { line.removeAll(keepingCapacity: true) }
        // A bare newline keeps the connection alive while the save runs (replication.c, `replicationCron`).
        if line.isEmpty || line == [UInt8(ascii: "\r")] { return }
        guard line.last == UInt8(ascii: "\r") else { throw unexpected("a line without a carriage return") }
        try read(String(decoding: line.dropLast(), as: UTF8.self))
    }

    private func checkLineLength() throws(Failure) {
        guard line.count <= Self.lineBytesMax else {
            throw unexpected("a line of more than \(Self.lineBytesMax) bytes")
        }
    }

    private mutating func read(_ text: String) throws(Failure) {
        if text.first == "-" {
            phase = .refused(RESPError(line: text.dropFirst()))
        } else if phase == .awaitingReply {
            try readReply(text)
        } else {
            try readHeader(text)
        }
    }

    private mutating func readReply(_ text: String) throws(Failure) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 3, words[0] == "+FULLRESYNC" else {
            throw unexpected("\"\(text.prefix(80))\" instead of +FULLRESYNC")
        }
        let isIdentity = words[1].utf8.count == 40 && words[1].utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        guard isIdentity, let offset = Int64(words[2]), offset >= 0 else {
            throw unexpected("+FULLRESYNC without an identity of 40 characters and an offset")
        }
        replication = (String(words[1]), offset)
        phase = .awaitingPayload
    }

    private mutating func readHeader(_ text: String) throws(Failure) {
        guard text.first == "$" else { throw unexpected("\"\(text.prefix(80))\" instead of the header of a snapshot") }
        if text.hasPrefix("$EOF:") {
            let mark = Array(text.utf8.dropFirst(5))
            guard mark.count == Self.markBytes else { throw unexpected("a mark of \(mark.count) bytes") }
            self.mark = mark
        } else {
            guard let length = Int64(text.dropFirst()), length > 0 else {
                throw unexpected("a snapshot without a length or with a length that is none")
            }
            announcedBytes = length
        }
        phase = .payload
    }

    private func unexpected(_ what: String) -> Failure {
        Failure(.protocolViolation, "the server answered the request for a snapshot with \(what)")
    }
}
