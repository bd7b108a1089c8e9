// SPDX-License-Identifier: Apache-2.0

import RedisClient
import RedisProtocol
import TestParts

/// A member that answers like a server, and to `PSYNC` with exactly what a test wants.
struct ScriptedMember: Sendable {
    static let identity = "06f818d294be6629b7a1bf2e5cb36d69213f9031"
    static let mark = "009e58d0c74cc5924e4344921f715e9e74a481a0"
    /// The clock of the server, in seconds since 1970.
    static let now = 1_800_000_000

    /// The fields of `INFO`.
    var info: [String: String] = [
        "redis_version": "7.0.15", "run_id": "a", "role": "master", "loading": "0", "rdb_bgsave_in_progress": "0",
        "repl_backlog_active": "1", "master_replid": identity, "master_repl_offset": "100", "used_memory": "5000000",
    ]
    /// Replies to `REPLCONF`, by the name of the first option; `+OK` to others.
    var configuration: [String: String] = [:]
    /// What follows `PSYNC`. The connection is closed after it.
    var answer: @Sendable (ByteChannel) async throws -> Void

    init(_ answer: @escaping @Sendable (ByteChannel) async throws -> Void) {
        self.answer = answer
    }

    static func replica(_ answer: @escaping @Sendable (ByteChannel) async throws -> Void) -> ScriptedMember {
        var member = ScriptedMember(answer)
        member.info["role"] = "slave"
        member.info["master_link_status"] = "up"
        return member
    }

    /// Commands that came, as text.
    typealias Seen = Shared<[String]>

    func serve(_ connection: ByteChannel, seen: Seen) async throws {
        var decoder = RESPDecoder()
        while let bytes = try await connection.read() {
            decoder.append(bytes)
            while let words = try decoder.next()?.elements?.compactMap(\.text) {
                seen.change { $0.append(words.joined(separator: " ")) }
                if words[0] == "PSYNC" { return try await answer(connection) }
                try await connection.write(reply(to: words))
            }
        }
    }

    private func reply(to words: [String]) -> String {
        switch words[0] {
        case "INFO":
            let text = info.map { "\($0):\($1)\r\n" }.joined()
            return "$\(text.utf8.count)\r\n\(text)\r\n"
        case "TIME":
            return "*2\r\n$10\r\n\(Self.now)\r\n$1\r\n0\r\n"
        case "PUBSUB":
            return "*2\r\n$18\r\n__sentinel__:hello\r\n:0\r\n"
        case "CONFIG":
            return "*0\r\n"
        case "REPLCONF":
            return configuration[words[1]] ?? "+OK\r\n"
        default:
            return "+OK\r\n"
        }
    }
}

extension ScriptedMember {
    /// An RDB without keys, whose AUX fields say what they are given; without checksum.
    static func rdb(
        identity: String? = identity,
        offset: Int? = 100,
        createdAt: Int? = now,
        filler: [UInt8] = []
    ) -> [UInt8] {
        var aux = [("redis-ver", "7.0.15")]
        if let createdAt { aux.append(("ctime", "\(createdAt)")) }
        if let identity { aux.append(("repl-id", identity)) }
        if let offset { aux.append(("repl-offset", "\(offset)")) }
        var bytes = Array("REDIS0011".utf8)
        for (name, value) in aux {
            bytes += [0xFA, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.utf8.count)] + Array(value.utf8)
        }
        if !filler.isEmpty {
            // One key `k` in database 0, with a string of 32-bit length.
            bytes += [0xFE, 0, 0, 1, UInt8(ascii: "k"), 0x80]
            bytes += withUnsafeBytes(of: UInt32(filler.count).bigEndian) { Array($0) } + filler
        }
        return bytes + [0xFF] + [UInt8](repeating: 0, count: 8)
    }

    static let granted = "+FULLRESYNC \(identity) 100\r\n"

    static func bulk(_ rdb: [UInt8]) -> [UInt8] { Array("\(granted)$\(rdb.count)\r\n".utf8) + rdb }

    static func marked(_ rdb: [UInt8]) -> [UInt8] {
        Array("\(granted)$EOF:\(mark)\r\n".utf8) + rdb + Array(mark.utf8)
    }

    /// Takes a snapshot of this member.
    /// - Returns: what was captured, and the commands that the member saw.
    func capture(
        options: ReplicationSource.Options = .init(loadingWaitSecondsMax: 0, pollMilliseconds: 20),
        noProgressSeconds: Double = 20,
        log: LogRecord = LogRecord(),
        midway: @Sendable () async throws -> Void = {}
    ) async throws -> (captured: Captured, seen: [String]) {
        let seen = Seen([])
        return try await withScriptedServer { connection, _ in
            try await serve(connection, seen: seen)
        } body: { port in
            let source = ReplicationSource(
                endpoint: RedisEndpoint(port: port, noProgressSeconds: noProgressSeconds),
                options: options,
                logger: log.logger
            )
            return (try await source.capture(midway: midway), seen.value)
        }
    }
}
