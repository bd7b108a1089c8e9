// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures

/// The bytes of one file on their way to a server: those that wait, and those that were sent and that the server has
/// not acknowledged, so that they can be sent again over another connection. A few mebibytes at most.
package final class SFTPOutbox: Sendable {
    /// When this much waits, whoever puts more is suspended.
    private static let waitingBytesMax = 1024 * 1024

    private struct State: Sendable {
        /// How many bytes the server has acknowledged.
        var confirmed: Int64 = 0
        /// What was handed out last.
        var sent: [UInt8] = []
        var waiting: [UInt8] = []
        var isFinished = false
        /// Lets the transfer go on that found nothing to send.
        var resume: (@Sendable () -> Void)?
    }

    private let state = Monitor(State())

    package init() {}

    /// Suspends while there is no room.
    package func put(_ chunk: [UInt8]) async throws {
        let resume = try await state.wait { state -> (@Sendable () -> Void)?? in
            guard state.waiting.count < Self.waitingBytesMax else { return nil }
            state.waiting += chunk
            return .some(Self.takeResume(&state))
        }
        resume?()
    }

    /// Nothing more will be put.
    package func finish() {
        let resume = state.change { state in
            state.isFinished = true
            return Self.takeResume(&state)
        }
        resume?()
    }

    /// Suspends until there is something to send, or until it is known that there is nothing.
    package func waitForBytes() async throws {
        try await state.wait { state in
            state.isFinished || !state.sent.isEmpty || !state.waiting.isEmpty ? () : nil
        }
    }

    package var confirmedBytes: Int64 { state.quietly { $0.confirmed } }

    /// Prepares for another connection, to a file that holds so many bytes.
    /// - Returns: `false` when it does not hold what it must, or holds what was never sent.
    package func rewind(to offset: Int64) -> Bool {
        state.change { state in
            let arrived = offset - state.confirmed
            guard arrived >= 0, arrived <= state.sent.count else { return false }
            state.waiting = state.sent.dropFirst(Int(arrived)) + state.waiting
            state.sent = []
            state.confirmed = offset
            return true
        }
    }

    // MARK: The side of the thread

    var waitingBytes: Int { state.quietly { $0.waiting.count } }

    /// Hands bytes out. libcurl asks for more only when the server has acknowledged all that it got before.
    /// - Parameter resume: called once, later, when there are none yet.
    /// - Returns: how many; 0 at the end, `nil` when there are none yet.
    func take(into room: UnsafeMutableRawBufferPointer, orResume resume: @escaping @Sendable () -> Void) -> Int? {
        state.change { state in
            state.confirmed += Int64(state.sent.count)
            state.sent = []
            guard !state.waiting.isEmpty else {
                if state.isFinished { return 0 }
                state.resume = resume
                return nil
            }
            let count = min(room.count, state.waiting.count)
            if count == state.waiting.count {
                swap(&state.sent, &state.waiting)
            } else {
                state.sent = Array(state.waiting[..<count])
                state.waiting.removeFirst(count)
            }
            room.copyBytes(from: state.sent)
            return count
        }
    }

    /// The transfer is over; whoever puts more wakes nobody.
    func forgetTransfer() {
        state.quietly { $0.resume = nil }
    }

    private static func takeResume(_ state: inout State) -> (@Sendable () -> Void)? {
        defer { state.resume = nil }
        return state.resume
    }
}
