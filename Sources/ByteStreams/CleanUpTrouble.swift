// SPDX-License-Identifier: Apache-2.0

/// Who hears that something could not be taken away again: the last word of a run that was interrupted must not promise
/// that nothing was left. What it was is in the log.
package enum CleanUpTrouble {
    @TaskLocal private static var heard: (@Sendable () -> Void)?

    /// Runs `body`; `listener` hears of every clean-up in it that fails.
    package static func hearing<Result: Sendable>(
        _ listener: @escaping @Sendable () -> Void,
        _ body: @Sendable () async throws -> Result
    ) async throws -> Result {
        try await $heard.withValue(listener, operation: body)
    }

    /// Says that a clean-up failed.
    package static func note() { heard?() }
}
