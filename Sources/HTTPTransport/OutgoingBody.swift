// SPDX-License-Identifier: Apache-2.0

import ByteStreams

/// A body that is made while it is sent, where the task that makes it and the thread that sends it meet.
final class OutgoingBody: Sendable {
    /// When this much waits to be sent, its maker waits too.
    private static let waitingBytesMax = 1024 * 1024

    private struct State: Sendable {
        var waiting: [UInt8] = []
        var sent = 0
        var isEnded = false
        /// The thread asked for bytes when there were none.
        var isAwaited = false
    }

    /// How many bytes it has, where that is known before.
    let length: Int64?
    private let state = Monitor(State())

    init(length: Int64? = nil) {
        self.length = length
    }

    /// Adds bytes, as soon as there is room for them.
    /// - Returns: whether the thread waits for them.
    func put(_ chunk: [UInt8]) async throws -> Bool {
        try await state.wait { state -> Bool? in
            guard state.waiting.count - state.sent < Self.waitingBytesMax else { return nil }
            state.waiting.removeFirst(state.sent)
            state.sent = 0
            state.waiting += chunk
            defer { state.isAwaited = false }
            return state.isAwaited
        }
    }

    /// Nothing more comes.
    func end() {
        state.change { $0.isEnded = true }
    }

    /// How many bytes wait to be sent; `nil` when that is none, and there will be more.
    func waitingBytes() -> Int? {
        state.quietly { state in
            let count = state.waiting.count - state.sent
            state.isAwaited = count == 0 && !state.isEnded
            return state.isAwaited ? nil : count
        }
    }

    /// Takes so many of the bytes that wait.
    func take(_ count: Int, into room: UnsafeMutableRawBufferPointer) {
        state.change { state in
            state.waiting.withUnsafeBytes { bytes in
                room.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[state.sent..<state.sent + count]))
            }
            state.sent += count
        }
    }
}
