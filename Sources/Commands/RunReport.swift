// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials

/// How a run ended, for people and for programs that were not there.
struct RunReport: Sendable {
    let command: String
    let exitCode: Int32
    let failure: Failure?
    let runID: String
    let startedAt: Date
    let seconds: Double
    let facts: RunFacts
    let subject: WatchedSubject

    /// `succeeded`, `partial` or `failed`.
    private var outcome: String {
        switch exitCode {
        case 0: "succeeded"
        case ExitCode.partial.rawValue: "partial"
        default: "failed"
        }
    }

    private var names: [String] {
        if !facts.subjects.isEmpty { return facts.subjects.keys.sorted() }
        if case .named(let name) = subject { return [name] }
        return []
    }

    /// A few lines, without secrets.
    var text: String {
        let message = TerminationMessage(command: command, exitCode: exitCode, failure: failure)
        let lines = [
            "redoubt \(command) \(outcome), exit code \(exitCode)", message.result, message.error?.message,
            message.error?.hint,
        ]
        return lines.compactMap { $0 }.joined(separator: "\n") + "\n"
    }

    private struct Document: Encodable {
        let format = 1
        let runId: String
        let host: String
        let version: String
        let command: String
        let outcome: String
        let exitCode: Int32
        let names: [String]
        /// The set of each subject that the run was about.
        let backups: [String: String]
        let startedAt: String
        let finishedAt: String
        let seconds: Double
        let result: String?
        let error: TerminationMessage.Problem?
        let metrics: [String: Double]
    }

    /// As JSON: docs/monitoring.md has the fields.
    func document() throws -> [UInt8] {
        let message = TerminationMessage(command: command, exitCode: exitCode, failure: failure)
        let single = facts.subjects.count == 1 ? facts.subjects.first?.value.values ?? [] : []
        let plain = single.filter(\.labels.isEmpty).map { ($0.family.name, $0.value) }
        let document = Document(
            runId: runID,
            host: ProcessInfo.processInfo.hostName,
            version: redoubtVersion,
            command: command,
            outcome: outcome,
            exitCode: exitCode,
            names: names,
            backups: facts.subjects.compactMapValues(\.backup),
            startedAt: startedAt.formatted(.iso8601),
            finishedAt: startedAt.addingTimeInterval(seconds).formatted(.iso8601),
            seconds: seconds,
            result: message.result,
            error: message.error,
            metrics: Dictionary(plain) { $1 }
        )
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(document))
    }
}
