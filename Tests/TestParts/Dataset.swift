// SPDX-License-Identifier: Apache-2.0

/// A dataset with every type and encoding that an RDB knows, the same on each run.
package struct Dataset: Sendable {
    /// 1 gives about 2,500 keys a database and, with three databases, 6 MB of RDB; 0.01 a handful.
    package var scale = 1.0
    package var databases = [0, 1, 9]
    /// The size of one more value that cannot be compressed, in bytes; 0 for none.
    package var bigValueBytes = 0
    /// Keys that expire after so many seconds, too. Without them the dataset does not change by itself.
    package var nearExpirySeconds: Int?
    package var functions = true
    package var seed: UInt64 = 1

    package init() {}

    /// The dataset, changed in place: `.with { $0.scale = 10 }`.
    package static func with(_ change: (inout Dataset) -> Void) -> Dataset {
        var dataset = Dataset()
        change(&dataset)
        return dataset
    }

    /// A handful of keys of each type.
    package static let small = Dataset.with { $0.scale = 0.01 }

    /// Writes the dataset. The server is empty before.
    package func load(into server: RedisServer) async throws {
        for database in databases {
            var random = SeededRandom(seed: seed &+ UInt64(database))
            try await server.withConnection(database: database) { connection in
                try await loadStrings(&random, connection)
                try await loadCollections(&random, connection)
                try await loadStreams(&random, connection)
            }
        }
        if functions && server.flavour.hasFunctions {
            try await server.command("FUNCTION", "LOAD", "REPLACE", Self.library)
        }
        if bigValueBytes > 0 { try await loadBigValue(server) }
    }

    private static let library = """
        #!lua name=tests
        redis.register_function('echoed', function(keys, args) return args[1] end)
        """
}

extension Dataset {
    private func count(_ usual: Int) -> Int { max(2, Int(Double(usual) * scale)) }

    private func loadStrings(_ random: inout SeededRandom, _ connection: TestConnection) async throws {
        var commands: [[any CommandWord]] = []
        for index in 0..<count(1000) {
            switch index % 6 {
            case 0:
                commands.append(["SET", "integer:\(index)", [0, -1, 127, -129, 65_536, 1 << 40][index % 5] + index])
            case 1: commands.append(["SET", "short:\(index)", random.bytes(index % 21)])
            case 2: commands.append(["SET", "long:\(index)", random.bytes(100 + index % 900)])
            case 3:
                commands.append([
                    "SET", "text:\(index)", String(repeating: "all work and no play ", count: 3 + index % 40),
                ])
            case 4: commands.append(["SET", [0, 10, 13] + Array("binary\(index)".utf8) + [0, 255], random.bytes(8)])
            default: commands.append(["SET", "far:\(index)", "expires", "EXAT", 4_000_000_000 + index])
            }
        }
        if let seconds = nearExpirySeconds {
            for index in 0..<count(50) { commands.append(["SET", "near:\(index)", "expires", "EX", seconds]) }
        }
        try await connection.pipeline(commands)
    }

    private func loadCollections(_ random: inout SeededRandom, _ connection: TestConnection) async throws {
        var commands: [[any CommandWord]] = []
        for index in 0..<count(300) {
            // Every tenth is too large for the compact encodings.
            let size = index % 10 == 9 ? 600 : 1 + index % 30
            let numbers = (0..<size).map { $0 * 7 + index }
            let words = numbers.map { "item-\($0)-\(random.next() % 1000)" }
            commands.append(["RPUSH", "list:\(index)"] + words)
            commands.append(["SADD", "numbers:\(index)"] + numbers)
            commands.append(["SADD", "set:\(index)"] + words)
            commands.append(["ZADD", "zset:\(index)"] + words.enumerated().flatMap { ["\(Double($0) / 3)", $1] })
            commands.append(["HSET", "hash:\(index)"] + words.flatMap { [$0, String($0.reversed())] })
        }
        commands.append(["RPUSH", "list:long-items"] + (0..<count(20)).map { _ in random.bytes(9000) })
        commands.append(["ZADD", "zset:odd-scores", "-inf", "low", "inf", "high", "0.1", "tenth", "1e300", "huge"])
        commands.append(["HSET", "hash:binary", [0, 1, 2] as [UInt8], random.bytes(300)])
        commands.append(["PEXPIREAT", "hash:binary", 4_000_000_000_123])
        try await connection.pipeline(commands)
    }

    private func loadStreams(_ random: inout SeededRandom, _ connection: TestConnection) async throws {
        for index in 0..<count(20) {
            let key = "stream:\(index)"
            var commands: [[any CommandWord]] = []
            for entry in 1...(20 + index * 3) {
                commands.append([
                    "XADD", key, "\(1000 + entry)-\(entry % 3)", "field", "\(entry)", "value", random.bytes(12),
                ])
            }
            commands.append(["XDEL", key, "1003-0"])
            commands.append(["XGROUP", "CREATE", key, "group-a", "0"])
            commands.append(["XGROUP", "CREATE", key, "group-b", "$"])
            commands.append(["XREADGROUP", "GROUP", "group-a", "alice", "COUNT", 7, "STREAMS", key, ">"])
            commands.append(["XREADGROUP", "GROUP", "group-a", "bob", "COUNT", 3, "STREAMS", key, ">"])
            commands.append(["XACK", key, "group-a", "1001-1", "1002-2"])
            try await connection.pipeline(commands)
        }
    }

    private func loadBigValue(_ server: RedisServer) async throws {
        var random = SeededRandom(seed: seed)
        try await server.withConnection { connection in
            try await connection.command("DEL", "big")
            var rest = bigValueBytes
            while rest > 0 {
                let bytes = random.bytes(min(rest, 4 << 20))
                try await connection.command("APPEND", "big", bytes)
                rest -= bytes.count
            }
        }
    }
}

/// What a server holds, for comparison: equal digests mean equal content.
package struct DatasetDigest: Sendable, Hashable {
    /// `DEBUG DIGEST`: keys, values and expiries of all databases.
    package var digest = ""
    /// `DBSIZE` of each database that holds keys.
    package var keys: [Int: Int] = [:]
    /// Consumer groups, which `DEBUG DIGEST` leaves out.
    package var groups: [String] = []
    /// Function libraries with their code, which `DEBUG DIGEST` leaves out.
    package var functions: [String] = []

    /// Reads it from a server.
    package init(of server: RedisServer) async throws {
        digest = try await server.command("DEBUG", "DIGEST").text ?? ""
        for (name, _) in try await server.info("keyspace") where name.hasPrefix("db") {
            guard let database = Int(name.dropFirst(2)) else { continue }
            keys[database] = try await server.command("DBSIZE", database: database).int
            groups += try await Self.groups(server, database)
        }
        groups.sort()
        if server.flavour.hasFunctions {
            let libraries = try await server.command("FUNCTION", "LIST", "WITHCODE").array ?? []
            functions = libraries.map(\.description).sorted()
        }
    }

    private static func groups(_ server: RedisServer, _ database: Int) async throws -> [String] {
        try await server.withConnection(database: database) { connection in
            var found: [String] = []
            var cursor = "0"
            repeat {
                let page = try await connection.command("SCAN", cursor, "TYPE", "stream", "COUNT", 1000).array ?? []
                cursor = page.first?.text ?? "0"
                for key in page.last?.array?.compactMap(\.bytes) ?? [] {
                    for group in try await connection.command("XINFO", "GROUPS", key).array ?? [] {
                        // Name, consumers, pending, last delivered id: the fields that every version has, in this
                        // order.
                        let fields = (group.array ?? []).prefix(8).map(\.description).joined(separator: " ")
                        found.append("\(database) \(String(decoding: key, as: UTF8.self)) \(fields)")
                    }
                }
            } while cursor != "0"
            return found
        }
    }
}
