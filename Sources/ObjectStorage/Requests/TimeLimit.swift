// SPDX-License-Identifier: Apache-2.0

import Failures

/// Runs `body` for at most so long, then cancels it and waits until it has ended.
///
/// - Parameter attempt: what is attempted, for the message: `ask the store`.
/// - Throws: `.timeout`; what `body` throws.
package func withTimeLimit<Result: Sendable>(
    _ limit: Duration,
    to attempt: String,
    _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw Failure(.timeout, "\(attempt): no answer within \(SpokenTime.wait(limit))")
        }
        defer { group.cancelAll() }
        guard let result = try await group.next() else { throw CancellationError() }
        return result
    }
}
