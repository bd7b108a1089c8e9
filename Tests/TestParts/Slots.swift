// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// How many tests of this process have servers and programs running at the same time. `make test` runs four at a time;
/// a bare `swift test` starts all at once, and a hundred servers on two cores would only run into their deadlines.
enum Slots {
    private struct State {
        var free = 4 * ProcessInfo.processInfo.activeProcessorCount
        var waiters: [Completion<Void>] = []
    }

    private static let state = Mutex(State())
    /// A scope inside another takes no second slot, so nobody waits for a slot while holding one.
    @TaskLocal private static var isHeld = false

    /// Runs the body when a slot is free.
    static func taking<Value>(_ body: () async throws -> Value) async throws -> Value {
        if isHeld { return try await body() }
        try await take()
        defer { give() }
        return try await $isHeld.withValue(true) { try await body() }
    }

    private static func take() async throws {
        let turn: Completion<Void>? = state.withLock { state in
            if state.free > 0 {
                state.free -= 1
                return nil
            }
            let turn = Completion<Void>()
            state.waiters.append(turn)
            return turn
        }
        guard let turn, await turn.wait() == nil else { return }
        // Cancelled. A slot that was given to us meanwhile goes to the next.
        let wasWaiting = state.withLock { state in
            guard let place = state.waiters.firstIndex(where: { $0 === turn }) else { return false }
            state.waiters.remove(at: place)
            return true
        }
        if !wasWaiting { give() }
        throw CancellationError()
    }

    private static func give() {
        let next: Completion<Void>? = state.withLock { state in
            if !state.waiters.isEmpty { return state.waiters.removeFirst() }
            state.free += 1
            return nil
        }
        next?.complete(())
    }
}
