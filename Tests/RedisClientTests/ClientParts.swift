// SPDX-License-Identifier: Apache-2.0

import Failures
import Logging
import RedisClient
import RedisProtocol
import Synchronization
import TestParts
import Testing

extension RedisEndpoint {
    /// A server on the loopback, with deadlines that suit tests.
    init(
        port: Int,
        host: String = "127.0.0.1",
        user: String? = nil,
        password: String? = nil,
        tls: RedisTLS? = nil,
        noProgressSeconds: Double = 30
    ) {
        self.init(
            url: RedisURL(host: host, port: port, usesTLS: tls != nil),
            credentials: password.map { RedisCredentials(user: user, password: Secret($0)) },
            tls: tls ?? RedisTLS(),
            deadlines: RedisDeadlines(connectSeconds: 60, noProgressSeconds: noProgressSeconds)
        )
    }

    init(_ server: RedisServer) {
        self.init(port: server.port, password: server.options.password)
    }
}

/// Runs what must fail, and gives the failure.
func failure<Value>(of body: () async throws -> Value) async throws -> Failure {
    do {
        _ = try await body()
    } catch let failure as Failure {
        return failure
    }
    throw UnretryableError("succeeded where a failure was expected")
}

/// Keeps what is logged.
final class LogRecord: Sendable {
    private let lines = Mutex<[String]>([])

    /// Each line: its level, its text, its metadata.
    var text: String { lines.withLock { $0.joined(separator: "\n") } }

    var logger: Logger {
        var logger = Logger(label: "test") { [lines = self] _ in Handler(record: lines) }
        logger.logLevel = .trace
        return logger
    }

    private struct Handler: LogHandler {
        let record: LogRecord
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let details = (event.metadata ?? [:]).map { "\($0)=\($1)" }.sorted().joined(separator: " ")
            record.lines.withLock { $0.append("\(event.level) \(event.message) \(details)") }
        }
    }
}
