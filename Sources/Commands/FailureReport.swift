// SPDX-License-Identifier: Apache-2.0

import Failures

/// A failure as a person reads it, once, on standard error.
package struct FailureReport {
    package let failure: Failure
    package let exitCode: ExitCode

    /// - Parameter exitCode: that of the failure's code, unless something else says more.
    package init(_ failure: Failure, exitCode: ExitCode? = nil) {
        self.failure = failure
        self.exitCode = exitCode ?? ExitCode(failure.code)
    }

    /// `redoubt: …`, a line for each cause, a line for the hint.
    package var text: String {
        var lines = ["redoubt: \(failure.message) [\(failure.code.rawValue)]"]
        var cause = failure.cause
        while let current = cause {
            let next = (current as? Failure)
            lines.append("  because: \(next?.message ?? "\(current)")")
            cause = next?.cause
        }
        if let hint = failure.hint { lines.append("  hint: \(hint)") }
        return lines.joined(separator: "\n")
    }

    /// The same for programs.
    package struct Document: Encodable {
        package let error: Error

        package struct Error: Encodable {
            package let code: String
            package let message: String
            package let hint: String?
            package let exitCode: Int32
        }
    }

    package var document: Document {
        Document(
            error: .init(
                code: failure.code.rawValue,
                message: Redaction.apply(to: failure.description),
                hint: failure.hint.map(Redaction.apply(to:)),
                exitCode: exitCode.rawValue
            )
        )
    }
}
