// SPDX-License-Identifier: Apache-2.0

import NIOPosix

/// Runs blocking system calls on the threads that are made for them, never on the cooperative pool.
///
/// A cancelled task still runs its work to the end: system calls cannot be stopped halfway, and clean-up must not be
/// skipped. Whoever loops asks for cancellation between two calls.
func onBlockingThread<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        NIOThreadPool.singleton.submit { state in
            switch state {
            case .active: continuation.resume(with: Swift.Result(catching: work))
            case .cancelled: continuation.resume(throwing: CancellationError())
            }
        }
    }
}
