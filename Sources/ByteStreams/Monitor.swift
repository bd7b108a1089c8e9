// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A value that tasks and threads change, and that tasks wait on: the condition variable of structured concurrency.
///
/// Whoever waits is suspended, never blocked. A wait ends with its condition, or when its task is cancelled.
package final class Monitor<Value: Sendable>: Sendable {
    private struct Guarded {
        var value: Value
        var waiters: [CheckedContinuation<Void, Never>] = []

        mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
            defer { waiters = [] }
            return waiters
        }
    }

    private let guarded: Mutex<Guarded>

    package init(_ value: Value) {
        guarded = Mutex(Guarded(value: value))
    }

    /// Changes the value, then lets everyone who waits look at it again.
    package func change<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        let (result, woken) = guarded.withLock { (body(&$0.value), $0.takeWaiters()) }
        for waiter in woken { waiter.resume() }
        return result
    }

    /// Reads or changes the value and wakes nobody: for what nobody waits for, or where a `change` follows soon.
    package func quietly<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        guarded.withLock { body(&$0.value) }
    }

    /// Suspends until `condition` gives something. When it does it may have changed the value: the others are woken.
    /// - Throws: `CancellationError` when the task is cancelled and the condition does not hold.
    package func wait<Result: Sendable>(for condition: (inout Value) -> Result?) async throws -> Result {
        while true {
            var found: Result?
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    found = enter(continuation, unless: condition)
                }
            } onCancel: {
                change { _ in }
            }
            if let found { return found }
            try Task.checkCancellation()
        }
    }

    /// Like `wait`, but not for longer than the limit.
    ///
    /// The condition only looks: what it changed could be lost when it comes true at the very end.
    /// - Returns: `nil` when the time is over.
    package func wait<Result: Sendable>(
        atMost limit: Duration,
        for condition: @escaping @Sendable (borrowing Value) -> Result?
    ) async throws -> Result? {
        if let found = guarded.withLock({ condition($0.value) }) { return found }
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await self.wait { value in condition(value) } }
            group.addTask {
                try await Task.sleep(for: limit)
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }

    /// Like `wait`, but the cancellation of the task does not end it. Only for what is sure to come soon.
    package func waitThroughCancellation<Result: Sendable>(for condition: (inout Value) -> Result?) async -> Result {
        while true {
            var found: Result?
            await withCheckedContinuation { continuation in
                found = enter(continuation, unless: condition, endsWhenCancelled: false)
            }
            if let found { return found }
        }
    }

    /// Looks once more and joins the waiters, under one lock: a change between the two would never be noticed.
    private func enter<Result: Sendable>(
        _ continuation: CheckedContinuation<Void, Never>,
        unless condition: (inout Value) -> Result?,
        endsWhenCancelled: Bool = true
    ) -> Result? {
        let (found, woken) = guarded.withLock { guarded -> (Result?, [CheckedContinuation<Void, Never>]) in
            if let found = condition(&guarded.value) {
                return (found, guarded.takeWaiters() + [continuation])
            }
            // A cancellation that came before this had nobody to wake.
            if endsWhenCancelled, Task.isCancelled { return (nil, [continuation]) }
            guarded.waiters.append(continuation)
            return (nil, [])
        }
        for waiter in woken { waiter.resume() }
        return found
    }
}
