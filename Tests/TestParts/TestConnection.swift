// SPDX-License-Identifier: Apache-2.0

/// A word of a command: text, or any bytes.
package protocol CommandWord: Sendable {
    /// Its length in bytes.
    var wordLength: Int { get }
    func append(to bytes: inout [UInt8])
}

extension String: CommandWord {
    package var wordLength: Int { utf8.count }
    package func append(to bytes: inout [UInt8]) { bytes += utf8 }
}

extension Array<UInt8>: CommandWord {
    package var wordLength: Int { count }
    package func append(to bytes: inout [UInt8]) { bytes += self }
}

extension Int: CommandWord {
    package var wordLength: Int { String(self).utf8.count }
    package func append(to bytes: inout [UInt8]) { bytes += String(self).utf8 }
}

/// A connection of the tests to a server, in RESP2. One task at a time uses it.
package final class TestConnection: Sendable {
    /// The bytes underneath, for what has no command form.
    package let channel: ByteChannel

    private init(_ channel: ByteChannel) {
        self.channel = channel
    }

    /// Connects, and logs in when a password is given.
    @discardableResult
    package static func open<Value>(
        host: String = "127.0.0.1",
        port: Int,
        user: String? = nil,
        password: String? = nil,
        _ body: (TestConnection) async throws -> Value
    ) async throws -> Value {
        let connection = TestConnection(try await .connect(host: host, port: port))
        return try await ending({ await connection.channel.close() }) {
            if let password { try await connection.command(["AUTH"] + (user.map { [$0] } ?? []) + [password]) }
            return try await body(connection)
        }
    }

    /// Sends a command and gives the reply.
    ///
    /// - Throws: `TestReplyError` when the reply is an error.
    @discardableResult
    package func command(_ words: [any CommandWord]) async throws -> TestReply {
        let reply = try await ask(words)
        if let message = reply.errorText { throw TestReplyError(command: Self.title(words), message: message) }
        return reply
    }

    @discardableResult
    package func command(_ words: any CommandWord...) async throws -> TestReply {
        try await command(words)
    }

    /// Sends a command and gives the reply, which may be an error.
    package func ask(_ words: [any CommandWord]) async throws -> TestReply {
        try await channel.write(Self.encode(words))
        return try await readReply()
    }

    package func ask(_ words: any CommandWord...) async throws -> TestReply {
        try await ask(words)
    }

    /// Sends many commands before it reads their replies; the bulk loader.
    ///
    /// - Throws: `TestReplyError` for the first reply that is an error.
    @discardableResult
    package func pipeline(_ commands: [[any CommandWord]]) async throws -> [TestReply] {
        var replies: [TestReply] = []
        replies.reserveCapacity(commands.count)
        var rest = commands[...]
        while !rest.isEmpty {
            // A batch whose replies fit into the buffers between us, so that nobody waits for the other for ever.
            let batch = rest.prefix(500)
            rest = rest.dropFirst(500)
            var bytes: [UInt8] = []
            for words in batch { Self.append(words, to: &bytes) }
            try await channel.write(bytes)
            for words in batch {
                let reply = try await readReply()
                if let message = reply.errorText { throw TestReplyError(command: Self.title(words), message: message) }
                replies.append(reply)
            }
        }
        return replies
    }

    /// Reads one reply, or a push of the server.
    package func readReply() async throws -> TestReply {
        let line = try await channel.readLine()
        let rest = String(line.dropFirst())
        switch line.first {
        case "+": return .simple(rest)
        case "-": return .error(rest)
        case ":": return .integer(try Self.number(rest, in: line))
        case "$":
            let length = try Self.number(rest, in: line)
            if length < 0 { return .null }
            return .bulk(Array(try await channel.readExactly(length + 2).dropLast(2)))
        case "*":
            let count = try Self.number(rest, in: line)
            if count < 0 { return .null }
            var items: [TestReply] = []
            for _ in 0..<count { items.append(try await readReply()) }
            return .array(items)
        default: throw UnretryableError("not RESP2: \(line)")
        }
    }

    private static func number(_ text: String, in line: String) throws -> Int {
        guard let number = Int(text) else { throw UnretryableError("not RESP2: \(line)") }
        return number
    }

    /// A command as RESP2 bytes.
    package static func encode(_ words: [any CommandWord]) -> [UInt8] {
        var bytes: [UInt8] = []
        append(words, to: &bytes)
        return bytes
    }

    private static func append(_ words: [any CommandWord], to bytes: inout [UInt8]) {
        bytes += "*\(words.count)\r\n".utf8
        for word in words {
            bytes += "$\(word.wordLength)\r\n".utf8
            word.append(to: &bytes)
            bytes += [13, 10]
        }
    }

    private static func title(_ words: [any CommandWord]) -> String {
        var bytes: [UInt8] = []
        for word in words.prefix(2) {
            if !bytes.isEmpty { bytes.append(UInt8(ascii: " ")) }
            word.append(to: &bytes)
        }
        return String(decoding: bytes.prefix(120), as: UTF8.self)
    }
}
