// SPDX-License-Identifier: Apache-2.0

import Failures
import Logging
import ObjectStorage

/// How long a guard holds, and what it may do then.
package struct GuardPolicy: Sendable {
    /// How long it holds; zero is one try.
    package var deadline: Duration
    /// Whether the server starts empty when the store could not be asked until then.
    package var startsAtDeadline: Bool
    /// Whether a primary without keys among the peers is as it should be.
    package var ignoresEmptyPrimary: Bool
    /// Whether whoever starts the servers makes a replica with data the primary.
    package var ignoresOrphans: Bool
    /// Hears each time why the pod is held, and for how long at most: the last word, should it be killed.
    package var onHold: @Sendable (Failure) -> Void

    package init(
        deadline: Duration,
        startsAtDeadline: Bool = false,
        ignoresEmptyPrimary: Bool = false,
        ignoresOrphans: Bool = false,
        onHold: @escaping @Sendable (Failure) -> Void = { _ in }
    ) {
        self.deadline = deadline
        self.startsAtDeadline = startsAtDeadline
        self.ignoresEmptyPrimary = ignoresEmptyPrimary
        self.ignoresOrphans = ignoresOrphans
        self.onHold = onHold
    }
}

/// Tries again and again what may end otherwise the next time, until the deadline.
struct GuardHold {
    /// Why the pod is held although the same try may end otherwise.
    struct Held: Error {
        let failure: Failure
        /// Whether the operator's word can start the server all the same.
        let mayStart: Bool

        init(_ failure: Failure, mayStart: Bool) {
            self.failure = failure
            self.mayStart = mayStart
        }
    }

    private let policy: GuardPolicy
    private let path: String
    private let logger: Logger

    /// It is not asked more often than that.
    private static let waitMin = Duration.milliseconds(250)

    init(_ policy: GuardPolicy, path: String, logger: Logger) {
        self.policy = policy
        self.path = path
        self.logger = logger
    }

    /// - Parameters:
    ///   - attempt: gets the seconds that are left.
    ///   - start: what is done at the deadline where the operator wants the server to start.
    /// - Throws: what `attempt` throws last, with how long it was tried; at once what no other try changes.
    func untilDecided(
        _ attempt: (_ secondsLeft: Double) async throws -> GuardOutcome,
        orStart start: (Failure) async throws -> GuardOutcome
    ) async throws -> GuardOutcome {
        let clock = ContinuousClock()
        let begun = clock.now
        let deadline = begun + policy.deadline
        var tries = 0
        while true {
            let held: Held
            do {
                return try await attempt(max(0, (deadline - clock.now) / .seconds(1)))
            } catch {
                try Task.checkCancellation()
                held = try Self.held(by: error)
            }
            tries += 1
            let left = deadline - clock.now
            guard left > .zero else {
                let failure = ended(held, after: clock.now - begun, tries)
                return try await held.mayStart && policy.startsAtDeadline ? start(failure) : throwing(failure)
            }
            tell(held.failure, left)
            let wait = max(Self.waitMin, Backoff.wait(retry: tries - 1, chance: .random(in: 0.5..<1)))
            try await clock.sleep(for: min(wait, left))
        }
    }

    private func throwing(_ failure: Failure) throws -> GuardOutcome { throw failure }

    /// - Throws: the error itself where no other try changes it.
    private static func held(by error: any Error) throws -> Held {
        switch error {
        case let held as Held: return held
        case let failure as Failure where failure.code.isTransient: return Held(failure, mayStart: true)
        case let failure as Failure where failure.code == .locked: return Held(failure, mayStart: false)
        default: throw error
        }
    }

    private func tell(_ failure: Failure, _ left: Duration) {
        let text = ReadableAmount.seconds(left / .seconds(1))
        logger.warning("holding the server of \(path), for \(text) more at most: \(failure)")
        policy.onHold(failure.during("hold the server of \(path)"))
    }

    private func ended(_ held: Held, after time: Duration, _ tries: Int) -> Failure {
        let text = "\(ReadableAmount.seconds(time / .seconds(1))), \(tries == 1 ? "1 try" : "\(tries) tries")"
        guard held.mayStart else {
            return Failure(
                held.failure.code,
                "hold the server of \(path) (\(text))",
                cause: held.failure,
                hint: held.failure.hint
            )
        }
        return Failure(
            held.failure.code,
            "hold the server of \(path) (\(text)): the folder is empty, and the store does not say if it should be",
            cause: held.failure,
            hint: (held.failure.hint.map { "\($0) " } ?? "")
                + "It is tried again when this container is started anew. --guard-on-deadline start starts the server "
                + "empty all the same."
        )
    }
}
