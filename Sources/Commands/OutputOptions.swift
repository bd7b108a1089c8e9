// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Failures
import FoundationEssentials
import Logging
import ObjectStorage
import Operations

/// How a result is written.
enum OutputFormat: String, Sendable, CaseIterable, ExpressibleByArgument {
    case text
    case json
}

extension LogFormat: ExpressibleByArgument {}
extension ProgressChoice: ExpressibleByArgument {}

/// What every subcommand says and how.
struct OutputOptions: ParsableArguments, Sendable {
    @Option(help: "How the result is written on standard output: text, or one JSON document.")
    var output: OutputFormat = .text

    @Option(help: "How log lines are written on standard error.")
    var logFormat: LogFormat = .text

    @Option(help: "Progress on standard error: auto shows it on a terminal, and as a log line elsewhere.")
    var progress: ProgressChoice = .auto

    @Option(
        help: ArgumentHelp(
            "File that gets the verdict as JSON when the run ends, if it exists. Otherwise /dev/termination-log.",
            valueName: "file"
        )
    )
    var terminationLog: String?

    @Flag(name: .shortAndLong, help: "Log every step.")
    var verbose = false

    @Flag(name: .shortAndLong, help: "Log only warnings and errors.")
    var quiet = false

    /// The level that the switches mean.
    private var logLevel: Logger.Level {
        if quiet { return .warning }
        return verbose ? .debug : .info
    }

    func validate() throws {
        if verbose && quiet { throw ValidationError("--verbose and --quiet exclude each other") }
    }

    /// What a command needs to speak while it runs.
    func session() -> Session {
        let environment = ProcessInfo.processInfo.environment
        Session.secretVariables.forEach { Redaction.learn(environment[$0]) }
        let runID = String(UInt64.random(in: .min ... .max), radix: 16)
        let handler = LineLogHandler(format: logFormat, level: logLevel, runID: runID)
        let logger = Logger(label: "redoubt") { _ in handler }
        let meter = ProgressMeter()
        return Session(
            environment: environment,
            runID: runID,
            output: output,
            logger: logger,
            meter: meter,
            progress: ProgressDisplay(
                quiet ? .never : progress,
                meter: meter,
                logFormat: logFormat,
                logger: logger
            )
        )
    }
}

/// What a command needs while it runs: the environment, the log, the progress, and where the result goes.
struct Session: Sendable {
    let environment: [String: String]
    /// Random, new for each run.
    let runID: String
    let output: OutputFormat
    let logger: Logger
    let meter: ProgressMeter
    let progress: ProgressDisplay
    /// What all stores of the run share.
    let traffic = StoreTraffic()

    /// Environment variables whose values are never printed.
    static let secretVariables = [
        "REDISCLI_AUTH", "VALKEYCLI_AUTH", "REDIS_PASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
        "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_CLIENT_SECRET",
    ]

    /// Writes the result: the text for people, or the document for programs.
    ///
    /// - Parameter verdict: the result in a sentence, for where a run ends in a cluster.
    func result(_ text: @autoclosure () -> String, _ document: some Encodable, verdict: String? = nil) throws {
        if let verdict { TerminationMessage.note(verdict) }
        switch output {
        case .text: try Console.result(text())
        case .json: try Console.result(try JSONText.encode(document))
        }
    }
}

/// JSON as this program prints it.
enum JSONText {
    static func encode(_ document: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }
}
