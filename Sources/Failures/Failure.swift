// SPDX-License-Identifier: Apache-2.0

/// What went wrong, as a value: a stable code, what was attempted on which object, what came back, and what to type
/// next.
///
/// Every module throws this type (pure parsers may throw a typed error of their own, which the caller turns into one).
/// The command prints it once, on standard error. No secret ever stands in a `message`, a `cause` or a `hint`.
package struct Failure: Error, Sendable {
    /// What kind of failure this is; stable, because manifests, JSON output and exit codes carry it.
    package let code: Code

    /// What was attempted, on which object, and what came back, with numbers. Lower case, no final period.
    package let message: String

    /// The failure underneath, if there is one.
    package let cause: (any Error)?

    /// What the operator can do or type next: full sentences.
    package let hint: String?

    package init(_ code: Code, _ message: String, cause: (any Error)? = nil, hint: String? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
        self.hint = hint
    }
}

extension Failure {
    /// The same failure, seen from the step that attempted it: code and hint stay, the old text becomes the cause.
    package func during(_ attempt: String) -> Failure {
        Failure(code, attempt, cause: self, hint: hint)
    }

    /// Any error as a failure: a `Failure` stays what it is, a cancellation becomes `.interrupted`, the rest
    /// `.unclassified`.
    package init(wrapping error: any Error, attempting attempt: @autoclosure () -> String) {
        switch error {
        case let failure as Failure: self = failure
        case is CancellationError: self.init(.interrupted, "\(attempt()): cancelled")
        default: self.init(.unclassified, attempt(), cause: error)
        }
    }
}

extension Failure: CustomStringConvertible {
    /// One line: the message, then each cause after a colon. The hint is not part of it.
    package var description: String {
        guard let cause else { return message }
        return "\(message): \(cause)"
    }
}
