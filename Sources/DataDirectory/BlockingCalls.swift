// SPDX-License-Identifier: Apache-2.0

import NIOPosix

/// The door to the threads on which blocking system calls run.
enum BlockingCalls {
    /// Runs `body` on a thread that may block, to its end: a cancelled task waits for it like any other, because half
    /// of a step on a data directory is worse than a late end.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            NIOThreadPool.singleton.submit { _ in
                continuation.resume(with: Result(catching: body))
            }
        }
    }
}
