// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Logging
import Operations
import Synchronization
import Testing

/// Who holds the server up is told, once, that there is a spool; who keeps up is not. By a clock that is set.
struct StoreLagTests {
    private final class Clock: Sendable {
        private let time = Mutex(ContinuousClock.now)
        var now: ContinuousClock.Instant { time.withLock { $0 } }
        func pass(_ duration: Duration) { time.withLock { $0 += duration } }
    }

    /// Reads so many chunks, of which each takes the server and the store so long.
    /// - Returns: what was logged.
    private func lines(of chunks: Int, server: Duration, store: Duration) async throws -> [String] {
        let (clock, log) = (Clock(), LoggedLines())
        let number = Mutex(0)
        let source = ByteStream {
            clock.pass(server)
            return number.withLock { number in
                number += 1
                return number > chunks ? nil : [1, 2, 3]
            }
        }
        var bytes = 0
        let lag = StoreLag(of: "redis-0 to s3://bucket", logger: log.logger, now: { clock.now })
        for try await chunk in lag.watching(source) {
            bytes += chunk.count
            clock.pass(store)
        }
        #expect(bytes == 3 * chunks)
        return log.lines
    }

    @Test func aStoreThatIsSlowerThanTheServerIsNamedOnce() async throws {
        let lines = try await lines(of: 100, server: .milliseconds(100), store: .seconds(1))
        #expect(lines.count == 1, "\(lines)")
        let line = try #require(lines.first)
        for word in ["redis-0 to s3://bucket", "--spool", "15"] { #expect(line.contains(word), "\(line)") }
    }

    /// Fifteen seconds are not over; and a server that is slower still waits for nobody.
    @Test func whoKeepsUpIsNotNamed() async throws {
        let short = try await lines(of: 14, server: .zero, store: .seconds(1))
        #expect(short == [])
        let slow = try await lines(of: 100, server: .seconds(2), store: .seconds(1))
        #expect(slow == [])
    }
}

/// What is logged, as lines.
private final class LoggedLines: Sendable {
    private let all = Mutex<[String]>([])
    var lines: [String] { all.withLock { $0 } }
    var logger: Logger { Logger(label: "tests") { _ in Handler(log: self) } }

    private struct Handler: LogHandler {
        let log: LoggedLines
        var logLevel = Logger.Level.warning
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { log.all.withLock { $0.append("\(event.message)") } }
    }
}
