// SPDX-License-Identifier: Apache-2.0

import Logging
import Operations

/// When progress is shown.
package enum ProgressChoice: String, Sendable, CaseIterable {
    /// On a terminal, unless logs are JSON.
    case auto
    case always
    case never
}

/// Shows how far a run has come: a line that is written over on a terminal, a log line every half minute elsewhere.
package struct ProgressDisplay: Sendable {
    private static let terminalInterval = Duration.milliseconds(250)
    private static let logInterval = Duration.seconds(30)

    private let meter: ProgressMeter
    private let logger: Logger
    private let onTerminal: Bool
    private let isOn: Bool

    package init(_ choice: ProgressChoice, meter: ProgressMeter, logFormat: LogFormat, logger: Logger) {
        self.meter = meter
        self.logger = logger
        onTerminal = logFormat == .text && (choice == .always || Console.errorsGoToTerminal)
        isOn = choice != .never
    }

    /// Runs `operation` with its progress shown.
    package func show<Result: Sendable>(
        during operation: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        guard isOn else { return try await operation() }
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await operation() }
            group.addTask {
                await refresh()
                return nil
            }
            defer {
                group.cancelAll()
                if onTerminal { Console.talk("\u{1B}[2K\r") }
            }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw CancellationError()
        }
    }

    private func refresh() async {
        while (try? await Task.sleep(for: onTerminal ? Self.terminalInterval : Self.logInterval)) != nil {
            guard let line = Self.line(meter.current, ended: meter.endedCount, at: .now) else { continue }
            if onTerminal {
                Console.talk("\u{1B}[2K\(line)\r")
            } else {
                logger.info("\(line)")
            }
        }
    }

    /// One line, however many steps are under way: `8 at work, 12 done  1.2 GiB  95.2 MiB/s`.
    static func line(
        _ readings: [ProgressMeter.Reading],
        ended: Int,
        at now: ContinuousClock.Instant
    ) -> String? {
        guard let first = readings.first else { return nil }
        guard readings.count > 1 else { return line(first, at: now) }
        let bytes = readings.reduce(0) { $0 + $1.bytes }
        let rate = readings.reduce(0.0) { sum, reading in
            let elapsed = (now - reading.startedAt) / .seconds(1)
            return sum + (elapsed > 0 ? Double(reading.bytes) / elapsed : 0)
        }
        return "\(readings.count) at work, \(ended) done  \(Quantity.bytes(bytes))  \(Quantity.bytes(Int64(rate)))/s"
    }

    /// `backup redis-1  120.0 MiB of 300.0 MiB  40%  95.2 MiB/s  about 1.9 s left`
    static func line(_ reading: ProgressMeter.Reading, at now: ContinuousClock.Instant) -> String {
        let elapsed = (now - reading.startedAt) / .seconds(1)
        let rate = elapsed > 0 ? Double(reading.bytes) / elapsed : 0
        var parts = [reading.step]
        if let expected = reading.expectedBytes, expected > 0, expected >= reading.bytes {
            parts.append("\(Quantity.bytes(reading.bytes)) of \(Quantity.bytes(expected))")
            parts.append("\(reading.bytes * 100 / expected)%")
        } else {
            parts.append(Quantity.bytes(reading.bytes))
        }
        parts.append("\(Quantity.bytes(Int64(rate)))/s")
        if let expected = reading.expectedBytes, rate > 0, expected > reading.bytes {
            parts.append("about \(Quantity.seconds(Double(expected - reading.bytes) / rate)) left")
        }
        return parts.joined(separator: "  ")
    }
}
