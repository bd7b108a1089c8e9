// SPDX-License-Identifier: Apache-2.0

import Failures
import FoundationEssentials
import Kubernetes

/// How the pod of a Job ended, by its exit code and its last words.
package struct JobVerdict: Sendable, Hashable {
    /// `nil` when its container is not known to have ended.
    let exitCode: Int?
    /// `OOMKilled`, `Error` …; what Kubernetes says of the pod, where nothing of the container is known.
    let reason: String?
    /// What it said, in one line.
    let words: String?
    /// What it did, where it says so.
    package let result: String?
    /// What kind of failure it says that it was.
    package let code: Failure.Code?

    private static let wordsLengthMax = 400
    /// A process that is ended by a signal has an exit code from here on.
    private static let signalCodeMin = 128
    /// SIGINT and SIGTERM end the program in order, and it says so.
    private static let orderlySignals = [130, 143]

    /// The termination message of the program.
    private struct Message: Decodable {
        let result: String?
        let error: Problem?

        struct Problem: Decodable {
            let code: String
            let message: String
        }
    }

    init?(_ pod: Pod?) {
        guard let pod else { return nil }
        let exit = pod.containers.first { $0.name == "redoubt" }?.lastExit ?? pod.containers.first?.lastExit
        self.init(exitCode: exit?.code, reason: exit?.reason ?? pod.remark, message: exit?.message)
    }

    package init(exitCode: Int?, reason: String?, message: String?) {
        let said = message.flatMap { try? JSONDecoder().decode(Message.self, from: Data($0.utf8)) }
        self.exitCode = exitCode
        self.reason = reason
        // The rest says the same at length.
        result = said?.result.flatMap { $0.split(whereSeparator: \.isNewline).first }.map { Self.line(String($0)) }
        code = said?.error.flatMap { Failure.Code(rawValue: $0.code) }
        // Without a termination message it is the end of the log.
        words = (said?.error.map { "\($0.message) [\($0.code)]" } ?? (said == nil ? message : nil)).map(Self.line)
    }

    private static func line(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).joined(separator: " ")
        return line.count <= wordsLengthMax ? line : "…\(line.suffix(wordsLengthMax))"
    }

    /// Whether the program came to its own end: then the volume is whole.
    var isOrderly: Bool {
        guard let exitCode else { return false }
        return exitCode < Self.signalCodeMin || Self.orderlySignals.contains(exitCode)
    }

    /// What the volume holds, when the Job has failed.
    /// - Parameter job: what the Job controller says.
    package func stateOfFailure(_ job: String) -> VolumeState {
        let exit = exitCode.map { "exit \($0)" }
        let what = [exit, reason].compactMap { $0 }.joined(separator: ", ")
        let text = (words ?? job) + (what.isEmpty ? "" : " (\(what))")
        return isOrderly ? .asBefore(text) : .unknown(text)
    }
}
