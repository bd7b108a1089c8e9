// SPDX-License-Identifier: Apache-2.0

// This file is the one place where tasks outside the tree are made.

/// Runs clean-up to its end even when the calling task is already cancelled, and waits for it.
///
/// Cancellation must not stop the very work that undoes what was begun (abort an upload, release a lease). The caller
/// bounds the time of `operation`.
package func withCancellationShield<Result: Sendable>(
    _ operation: @escaping @Sendable () async -> Result
) async -> Result {
    await Task { await operation() }.value
}

/// Runs a request whose answer is needed to undo it later: cancellation waits for it, but not longer than `grace`.
///
/// A request that is cancelled on its way may have been carried out all the same. Whoever does not hear the answer (the
/// id of an upload, the version of a lease) cannot take it back.
/// - Throws: what `operation` throws; `CancellationError` when it is cancelled and does not end in time.
package func withCancellationGrace<Result: Sendable>(
    _ grace: Duration,
    _ operation: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try Task.checkCancellation()
    let task = Task { try await operation() }
    return try await withTaskCancellationHandler {
        try await task.value
    } onCancel: {
        Task {
            try? await Task.sleep(for: grace)
            task.cancel()
        }
    }
}
