// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// A running server of the tests. Started and ended by `withRedis`.
package final class RedisServer: Sendable {
    package let flavour: RedisFlavour
    package var host: String { options.host }
    package let port: Int
    /// 0 when it has none.
    package let tlsPort: Int
    /// The data folder, with `redis.conf` in it.
    package let folder: URL
    package let options: RedisOptions

    private let process: Mutex<ChildProcess>
    private let held: [Port]

    fileprivate init(_ flavour: RedisFlavour, _ options: RedisOptions, folder: URL) async throws {
        self.flavour = flavour
        self.options = options
        self.folder = folder
        let plain = try options.port == nil ? Port() : nil
        let tls = try options.tls == nil ? nil : Port()
        held = [plain, tls].compactMap { $0 }
        port = options.port ?? plain?.number ?? 0
        tlsPort = tls?.number ?? 0
        let lines = options.lines(flavour, port: port, tlsPort: tlsPort, folder: folder)
        let file = folder.appendingPathComponent("redis.conf")
        try lines.joined(separator: "\n").write(to: file, atomically: false, encoding: .utf8)
        process = Mutex(try Self.launch(flavour, folder))
    }

    /// `redis://[:password@]host:port`
    package var url: String {
        "redis://\(options.password.map { ":\($0)@" } ?? "")\(host):\(port)"
    }

    /// The process that runs now, or ran last.
    package var child: ChildProcess { process.withLock { $0 } }
    /// What this run of the server wrote to its log.
    package var log: String { child.output.text }
    /// `dump.rdb` in its folder.
    package var dumpFile: URL { folder.appendingPathComponent("dump.rdb") }
    /// Its Unix socket, with the option `unixSocket`.
    package var socketFile: URL { folder.appendingPathComponent("redis.sock") }

    /// Sends one command over a connection of its own.
    ///
    /// - Throws: `TestReplyError` when the reply is an error.
    @discardableResult
    package func command(_ words: any CommandWord..., database: Int = 0) async throws -> TestReply {
        try await withConnection(database: database) { try await $0.command(words) }
    }

    /// Sends one command over a connection of its own; the reply may be an error.
    package func ask(_ words: any CommandWord..., database: Int = 0) async throws -> TestReply {
        try await withConnection(database: database) { try await $0.ask(words) }
    }

    /// Sends many commands at once.
    @discardableResult
    package func pipeline(_ commands: [[any CommandWord]], database: Int = 0) async throws -> [TestReply] {
        try await withConnection(database: database) { try await $0.pipeline(commands) }
    }

    /// A connection with the password of the default user.
    package func withConnection<Value>(
        database: Int = 0,
        _ body: (TestConnection) async throws -> Value
    ) async throws -> Value {
        try await TestConnection.open(host: host, port: port, password: options.password) { connection in
            if database != 0 { try await connection.command("SELECT", database) }
            return try await body(connection)
        }
    }

    /// The fields of `INFO section`.
    package func info(_ section: String = "everything") async throws -> [String: String] {
        let text = try await command("INFO", section).text ?? ""
        var fields: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[String(line[..<colon])] = String(line[line.index(after: colon)...])
        }
        return fields
    }

    /// Ends the server with `SHUTDOWN SAVE` or `SHUTDOWN NOSAVE`; the folder and the port stay.
    package func stop(save: Bool = false) async throws {
        // The server ends without a reply, so the broken connection is what success looks like.
        let refusal = try? await ask("SHUTDOWN", save ? "SAVE" : "NOSAVE").errorText
        if let refusal { throw UnretryableError("shut down \(flavour) on port \(port): \(refusal)") }
        try await child.waitUntilExit(withinSeconds: 30)
    }

    /// Kills the server (SIGKILL); the folder and the port stay.
    package func kill() async throws {
        child.kill(SIGKILL)
        try await child.waitUntilExit(withinSeconds: 30)
    }

    /// Starts it again after `stop` or `kill`, with the same folder, port and options.
    package func start() async throws {
        precondition(!child.isRunning, "the server runs already")
        let started = try Self.launch(flavour, folder)
        process.withLock { $0 = started }
        try await waitForPong()
    }

    /// Stops and starts it.
    package func restart(save: Bool = false) async throws {
        try await stop(save: save)
        try await start()
    }

    /// Waits until it answers PING and has loaded its dataset.
    package func waitForPong() async throws {
        let process = child
        try await eventually("\(flavour) on port \(port) to answer", withinSeconds: options.startSecondsMax) {
            if let exit = process.exit {
                throw UnretryableError("\(self.flavour) ended (\(exit.status)); its log:\n\(process.output.tail())")
            }
            let reply = try await self.ask("PING")
            if let error = reply.errorText, error.hasPrefix("LOADING") { return nil as Bool? }
            return true
        }
    }

    fileprivate func end() async {
        await child.end(graceSeconds: 1)
    }

    private static func launch(_ flavour: RedisFlavour, _ folder: URL) throws -> ChildProcess {
        try ChildProcess(Parts.server(flavour), [folder.appendingPathComponent("redis.conf").path], folder: folder)
    }
}

/// Runs a server for as long as the scope lasts.
@discardableResult
package func withRedis<Value>(
    _ flavour: RedisFlavour = .redis70,
    _ options: RedisOptions = RedisOptions(),
    _ body: (RedisServer) async throws -> Value
) async throws -> Value {
    guard let folder = options.folder else {
        return try await withTemporaryFolder { folder in
            var options = options
            options.folder = folder
            return try await withRedis(flavour, options, body)
        }
    }
    return try await Slots.taking {
        let server = try await RedisServer(flavour, options, folder: folder)
        return try await ending({ await server.end() }) {
            if options.waitsForPong { try await server.waitForPong() }
            return try await body(server)
        }
    }
}

/// Runs a primary with replicas that are in sync with it.
@discardableResult
package func withReplicatedRedis<Value>(
    _ flavour: RedisFlavour = .redis70,
    replicas count: Int = 1,
    _ options: RedisOptions = RedisOptions(),
    _ body: (_ primary: RedisServer, _ replicas: [RedisServer]) async throws -> Value
) async throws -> Value {
    try await withRedis(flavour, options) { primary in
        try await addingReplicas(count, of: primary, to: [], body)
    }
}

private func addingReplicas<Value>(
    _ count: Int,
    of primary: RedisServer,
    to replicas: [RedisServer],
    _ body: (_ primary: RedisServer, _ replicas: [RedisServer]) async throws -> Value
) async throws -> Value {
    guard replicas.count < count else {
        try await primary.waitUntilSynchronized(replicas)
        return try await body(primary, replicas)
    }
    var options = primary.options
    (options.folder, options.port, options.replicaOf) = (nil, nil, primary)
    return try await withRedis(primary.flavour, options) { replica in
        try await addingReplicas(count, of: primary, to: replicas + [replica], body)
    }
}

extension RedisServer {
    /// Waits until the links of the replicas are up and their offsets equal ours.
    package func waitUntilSynchronized(_ replicas: [RedisServer], withinSeconds seconds: Double = 60) async throws {
        for replica in replicas {
            try await eventually("port \(replica.port) to be in sync with port \(port)", withinSeconds: seconds) {
                let theirs = try await replica.info("replication")
                let ours = try await self.info("replication")
                let isUp = theirs["role"] == "slave" && theirs["master_link_status"] == "up"
                let isEqual = theirs["slave_repl_offset"] == ours["master_repl_offset"]
                return isUp && isEqual && ours["role"] == "master" ? true : nil
            }
        }
    }
}

extension RedisOptions {
    fileprivate func lines(_ flavour: RedisFlavour, port: Int, tlsPort: Int, folder: URL) -> [String] {
        var lines = [
            "bind \(host)", "port \(port)", "dir \"\(folder.path)\"", "daemonize no", "logfile \"\"",
            "databases \(databases)", "save \"\"", "appendonly \(appendOnly ? "yes" : "no")",
            // The default waits five seconds for more replicas before a diskless transfer.
            "repl-diskless-sync-delay 0",
        ]
        // DEBUG DIGEST needs it from 7.0 on; 6.2 always allows it and does not know the setting.
        if flavour != .redis62 { lines.append("enable-debug-command yes") }
        if let password { lines.append("requirepass \"\(password)\"") }
        lines += users.map { "user \($0)" }
        if unixSocket { lines.append("unixsocket \"\(folder.path)/redis.sock\"") }
        if let replicaOf {
            lines.append("replicaof \(replicaOf.host) \(replicaOf.port)")
            if let password = replicaOf.options.password { lines.append("masterauth \"\(password)\"") }
        }
        if let tls {
            lines += [
                "tls-port \(tlsPort)", "tls-cert-file \"\(tls.serverCertificate)\"",
                "tls-key-file \"\(tls.serverKey)\"",
                "tls-ca-cert-file \"\(tls.authority)\"", "tls-auth-clients \(tlsClients)",
            ]
        }
        return lines + config + [""]
    }
}
