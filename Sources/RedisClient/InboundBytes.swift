// SPDX-License-Identifier: Apache-2.0

import NIOCore
import Synchronization

/// What arrived on a connection and was not read yet: filled by the event loop, emptied by one reader.
///
/// The event loop copies each socket read into one growing array, so that the buffer of the socket is free again at
/// once; the reader takes the whole array. Above `highWaterBytes` the event loop stops reading, and TCP makes the
/// server wait.
final class InboundBytes: Sendable {
    /// Above this, nothing more is read from the socket. When the peer has closed, NIO reads what the kernel still
    /// holds all the same, which is at most the receive buffer of the socket.
    static let highWaterBytes = 512 * 1024
    /// The most that is given out at once.
    static let takenBytesMax = 768 * 1024

    /// How a connection ended.
    enum End: Sendable {
        /// The peer closed it.
        case closed
        /// It broke, or was given up.
        case failed(any Error)
    }

    private struct Reader {
        let continuation: CheckedContinuation<Void, any Error>
        let wantedBytes: Int
        let since: NIODeadline
    }

    private struct State {
        var bytes: [UInt8] = []
        var end: End?
        var reader: Reader?
        var isCancelled = false
        /// A read of the socket that was held back because of the high-water mark.
        var hasHeldRead = false
        var lastArrival = NIODeadline.uptimeNanoseconds(0)
        var deadline = TimeAmount.seconds(60)

        /// Whether a reader that wants so many bytes has waited enough.
        func satisfies(_ wantedBytes: Int) -> Bool {
            bytes.count >= wantedBytes || end != nil
        }

        mutating func takeReader() -> Reader? {
            defer { reader = nil }
            return reader
        }
    }

    private let state = Mutex(State())

    /// How long a reader waits for the next byte.
    func setDeadline(_ deadline: TimeAmount) {
        state.withLock { $0.deadline = deadline }
    }

    // MARK: - The event loop

    /// Adds what the socket gave.
    func append(_ buffer: ByteBuffer, at now: NIODeadline) {
        let reader = state.withLock { state -> Reader? in
            buffer.withUnsafeReadableBytes { state.bytes.append(contentsOf: $0) }
            state.lastArrival = now
            guard let reader = state.reader, state.satisfies(reader.wantedBytes) else { return nil }
            return state.takeReader()
        }
        reader?.continuation.resume()
    }

    /// Ends the stream; the first end counts. What arrived before can still be read.
    func end(_ end: End) {
        let reader = state.withLock { state -> Reader? in
            if state.end == nil { state.end = end }
            return state.takeReader()
        }
        reader?.continuation.resume()
    }

    /// Lets the reader go on with what is there.
    func wake() {
        state.withLock { $0.takeReader() }?.continuation.resume()
    }

    /// Whether the socket may be read now; if not, the reader will ask for it once there is room.
    func admitsRead() -> Bool {
        state.withLock { state in
            state.hasHeldRead = state.bytes.count >= Self.highWaterBytes
            return !state.hasHeldRead
        }
    }

    /// For how long the reader has waited too long, or `nil`.
    func overdue(at now: NIODeadline) -> TimeAmount? {
        state.withLock { state -> TimeAmount? in
            guard let reader = state.reader, !state.isCancelled else { return nil }
            let waited = now - max(reader.since, state.lastArrival)
            return waited >= state.deadline ? waited : nil
        }
    }

    // MARK: - The reader

    /// Waits until so many bytes are there, or the end. At most one task waits at a time.
    /// - Throws: `CancellationError`; a cancelled wait is the last one of the connection.
    func wait(forBytes wantedBytes: Int) async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                register(continuation, wantedBytes: wantedBytes)
            }
        } onCancel: {
            let reader = state.withLock { state -> Reader? in
                state.isCancelled = true
                return state.takeReader()
            }
            reader?.continuation.resume(throwing: CancellationError())
        }
    }

    private func register(_ continuation: CheckedContinuation<Void, any Error>, wantedBytes: Int) {
        enum Outcome {
            case waits
            case satisfied
            case cancelled
        }
        let outcome = state.withLock { state -> Outcome in
            precondition(state.reader == nil, "two tasks read from one connection")
            if state.isCancelled { return .cancelled }
            if state.satisfies(wantedBytes) { return .satisfied }
            state.reader = Reader(continuation: continuation, wantedBytes: wantedBytes, since: .now())
            return .waits
        }
        switch outcome {
        case .waits: break
        case .satisfied: continuation.resume()
        case .cancelled: continuation.resume(throwing: CancellationError())
        }
    }

    /// Takes what is there, which may be nothing, up to `takenBytesMax`.
    /// - Returns: the bytes; the end, if nothing follows them; and whether a read of the socket must be asked for.
    func take() -> (bytes: [UInt8], end: End?, resumesReading: Bool) {
        state.withLock { state in
            let resumesReading = state.hasHeldRead
            state.hasHeldRead = false
            guard state.bytes.count <= Self.takenBytesMax else {
                let first = Array(state.bytes.prefix(Self.takenBytesMax))
                state.bytes.removeFirst(Self.takenBytesMax)
                return (first, nil, resumesReading)
            }
            var bytes: [UInt8] = []
            swap(&bytes, &state.bytes)
            return (bytes, state.end, resumesReading)
        }
    }
}
