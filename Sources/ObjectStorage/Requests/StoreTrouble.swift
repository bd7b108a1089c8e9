// SPDX-License-Identifier: Apache-2.0

import Failures
import Synchronization

/// Why a store is asked again: whoever ends the tries from outside has to say what they came to until then.
package enum StoreTrouble {
    /// Hears of each try that failed and is made again.
    @TaskLocal static var heard: (@Sendable (Failure) -> Void)?

    /// Runs `body`, which has a limit of its own; when its time runs out, the last trouble of the store is the cause.
    package static func named<Result: Sendable>(
        _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        let last = Mutex<Failure?>(nil)
        do {
            return try await $heard.withValue({ failure in last.withLock { $0 = failure } }, operation: body)
        } catch let failure as Failure where failure.code == .timeout && failure.cause == nil {
            guard let trouble = last.withLock(\.self) else { throw failure }
            throw Failure(.timeout, failure.message, cause: trouble, hint: failure.hint ?? trouble.hint)
        }
    }
}
