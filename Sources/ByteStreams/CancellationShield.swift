// SPDX-License-Identifier: Apache-2.0

/// Runs clean-up to its end even when the calling task is already cancelled, and waits for it.
///
/// This is the one place where a task outside the tree is made: cancellation must not stop the very work that undoes what
/// was begun (abort an upload, release a lease). The caller bounds the time of `operation`.
package func withCancellationShield<Result: Sendable>(
    _ operation: @escaping @Sendable () async -> Result
) async -> Result {
    await Task { await operation() }.value
}
