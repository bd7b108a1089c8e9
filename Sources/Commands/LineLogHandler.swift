// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Logging

/// How log lines look.
package enum LogFormat: String, Sendable, CaseIterable {
    case text
    case json
}

/// Writes one line an event on standard error: for people, or one JSON object.
package struct LineLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level
    private let format: LogFormat
    private let runID: String

    package init(format: LogFormat, level: Logger.Level, runID: String) {
        self.format = format
        self.logLevel = level
        self.runID = runID
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let metadata = metadata.merging(event.metadata ?? [:]) { $1 }
        switch format {
        case .text: Console.talk(Self.text(event.level, "\(event.message)", metadata))
        case .json: Console.talk(redacted: json(event.level, "\(event.message)", metadata))
        }
    }

    private static func text(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String {
        let details = metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        return level >= .warning ? "\(level): \(message)\(details)" : "\(message)\(details)"
    }

    /// Redacted before it is encoded: JSON escapes what a password may hold.
    package func json(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String {
        let message = Redaction.apply(to: message)
        var line = ["ts": Self.now(), "level": level.rawValue, "msg": message, "run_id": runID]
        for (key, value) in metadata where line[key] == nil { line[key] = Redaction.apply(to: "\(value)") }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        guard let bytes = try? encoder.encode(line) else { return "{}" }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func now() -> String {
        Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}
