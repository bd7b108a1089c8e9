// SPDX-License-Identifier: Apache-2.0

import Failures

/// The primary's side of a full synchronization: what a replica asks before it gets a snapshot, and what it reports
/// afterwards. Pure.
///
/// A replica says `PING`, `AUTH` where it has a `masterauth`, several `REPLCONF`, then `PSYNC` (redis
/// src/replication.c, `syncWithMaster`). While it loads it sends bare newlines, afterwards `REPLCONF ACK <offset>` each
/// second. It may ask for a partial synchronization, and takes a full one all the same.
package struct SeedConversation: Sendable {
    /// What there is to do after bytes arrived.
    package enum Step: Sendable, Hashable {
        /// Send this.
        case answer(String)
        /// The replica waits for the snapshot.
        case synchronize
        /// The replica has the stream up to here, in bytes; it loaded the snapshot when this is the snapshot's offset.
        case acknowledged(offset: Int64)
    }

    private var decoder = RESPDecoder(
        limits: RESPLimits(replyBytes: 64 << 10, lineBytes: 4096, valueCount: 64, depth: 2)
    )
    /// Whether the replica takes a snapshot that ends with a mark, without a length (`REPLCONF capa eof`).
    package private(set) var takesMark = false
    /// Where the replica says that it listens (`REPLCONF listening-port`).
    package private(set) var listeningPort: Int?

    package init() {}

    /// - Throws: `.protocolViolation` when this is no replica.
    package mutating func receive(_ bytes: [UInt8]) throws(Failure) -> [Step] {
        decoder.append(bytes)
        var steps: [Step] = []
        while let value = try decoder.next() {
            guard let words = value.elements?.compactMap(\.text), let name = words.first?.uppercased() else {
                throw Failure(.protocolViolation, "read the request of a replica: it is no command")
            }
            if let step = try step(name, Array(words.dropFirst())) { steps.append(step) }
        }
        return steps
    }

    private mutating func step(_ name: String, _ arguments: [String]) throws(Failure) -> Step? {
        switch name {
        case "PING": return .answer("+PONG\r\n")
        // Whose password it is cannot be told here; who may connect at all is decided by address and certificate.
        case "AUTH": return .answer("+OK\r\n")
        case "REPLCONF": return replconf(arguments)
        case "PSYNC": return .synchronize
        case "SYNC":
            throw Failure(.unsupported, "synchronize a replica that knows no PSYNC: it is older than Redis 2.8")
        default: return .answer("-ERR unknown command\r\n")
        }
    }

    private mutating func replconf(_ arguments: [String]) -> Step? {
        let pairs = stride(from: 0, to: arguments.count - 1, by: 2).map { index in
            (name: arguments[index].lowercased(), value: arguments[index + 1])
        }
        // Never answered (replication.c, `replconfCommand`).
        if let ack = pairs.first(where: { $0.name == "ack" }) {
            return Int64(ack.value).map { .acknowledged(offset: $0) }
        }
        if let port = pairs.first(where: { $0.name == "listening-port" }) { listeningPort = Int(port.value) }
        if pairs.contains(where: { $0.name == "capa" && $0.value.lowercased() == "eof" }) { takesMark = true }
        return .answer("+OK\r\n")
    }
}

/// What a primary says before it sends a snapshot.
package struct SeedHeader: Sendable, Hashable {
    /// The history that the snapshot belongs to: 40 hexadecimal digits.
    package let replicationID: String
    /// The offset in it, in bytes.
    package let offset: Int64

    /// - Throws: `.unsupported` when this is no identity that a replica would take.
    package init(replicationID: String, offset: Int64) throws {
        let isHex = replicationID.utf8.allSatisfy { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
        }
        guard replicationID.utf8.count == 40, isHex, offset >= 0 else {
            throw Failure(
                .unsupported,
                "offer a snapshot of the history \(replicationID)@\(offset): it is no such identity"
            )
        }
        self.replicationID = replicationID
        self.offset = offset
    }

    /// The answer to `PSYNC`.
    package var answer: String { "+FULLRESYNC \(replicationID) \(offset)\r\n" }

    /// The line before a snapshot of known length.
    package static func length(_ bytes: Int64) -> String { "$\(bytes)\r\n" }

    /// The line before a snapshot that ends with a mark.
    package static func mark(_ mark: String) -> String { "$EOF:\(mark)\r\n" }
}
