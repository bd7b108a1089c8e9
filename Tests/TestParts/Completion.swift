// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Synchronization

/// A value that comes once, for any number of waiters.
final class Completion<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var nextWaiter = 0
        var waiters: [Int: CheckedContinuation<Value?, Never>] = [:]
    }

    private let state = Mutex(State())

    var current: Value? { state.withLock { $0.value } }

    func complete(_ value: Value) {
        let waiters = state.withLock { state in
            guard state.value == nil else { return [CheckedContinuation<Value?, Never>]() }
            state.value = value
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume(returning: value) }
    }

    /// The value; `nil` when the time is over, or the task is cancelled. With `shielded`, a cancellation does not end
    /// the wait.
    func wait(seconds: Double? = nil, shielded: Bool = false) async -> Value? {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let (answer, isReady) = state.withLock { state -> (Value?, Bool) in
                    if let value = state.value { return (value, true) }
                    if Task.isCancelled && !shielded { return (nil, true) }
                    state.waiters[id] = continuation
                    return (nil, false)
                }
                if isReady { return continuation.resume(returning: answer) }
                if let seconds {
                    DispatchQueue.global().asyncAfter(deadline: .now() + seconds) { self.giveUp(id) }
                }
            }
        } onCancel: {
            if !shielded { giveUp(id) }
        }
    }

    private func giveUp(_ id: Int) {
        state.withLock { $0.waiters.removeValue(forKey: id) }?.resume(returning: nil)
    }
}

/// Runs a blocking call on a thread of its own, because the cooperative pool has no thread to spare.
func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Swift.Result(catching: work)) }
    }
}

/// Asks again and again until the answer is there; the tests' only way to wait for something that does not tell when it
/// happens.
///
/// - Throws: `WaitedTooLong` with `what` and the last error, when the time is over.
@discardableResult
package func eventually<Value>(
    _ what: @autoclosure () -> String,
    withinSeconds limitSeconds: Double = 30,
    everyMilliseconds pauseMilliseconds: Int = 20,
    _ question: () async throws -> Value?
) async throws -> Value {
    let end = ContinuousClock.now + .seconds(limitSeconds)
    var lastError: (any Error)?
    while true {
        do {
            if let answer = try await question() { return answer }
            lastError = nil
        } catch is CancellationError {
            throw CancellationError()
        } catch let error as UnretryableError {
            throw error
        } catch {
            lastError = error
        }
        guard ContinuousClock.now < end else {
            throw WaitedTooLong(what: what(), seconds: limitSeconds, lastError: lastError)
        }
        try await Task.sleep(for: .milliseconds(pauseMilliseconds))
    }
}

/// `eventually` gave up.
package struct WaitedTooLong: Error, CustomStringConvertible {
    let what: String
    let seconds: Double
    let lastError: (any Error)?

    package var description: String {
        "waited \(seconds) s for \(what)" + (lastError.map { ", last error: \($0)" } ?? "")
    }
}

/// An error that asking again will not change; it ends `eventually` at once.
package struct UnretryableError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// Raised once.
final class Flag: Sendable {
    private let raised = Mutex(false)

    /// Whether this call raised it.
    func raise() -> Bool {
        raised.withLock { raised in
            defer { raised = true }
            return !raised
        }
    }
}

/// A variable that several tasks of a test share.
package final class Shared<Value: Sendable>: Sendable {
    private let state: Mutex<Value>

    package init(_ value: Value) {
        state = Mutex(value)
    }

    package var value: Value { state.withLock { $0 } }

    /// Changes it, and gives what the change returns.
    @discardableResult
    package func change<Result: Sendable>(_ body: (inout sending Value) -> Result) -> Result {
        state.withLock { body(&$0) }
    }
}
