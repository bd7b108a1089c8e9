// SPDX-License-Identifier: Apache-2.0

import ByteStreams

/// One request and its answer, where the task that wants it and the thread that moves it meet.
final class Transfer: Sendable {
    /// When this much waits for the reader, libcurl is told to stop reading.
    static let waitingBytesMax = 1024 * 1024

    private struct State: Sendable {
        var head: HTTPResponseHead?
        var waiting: [UInt8] = []
        /// The thread told libcurl to stop reading, until the reader asks for more.
        var isPaused = false
        var ending: Result<Void, any Error>?
    }

    let request: HTTPRequest
    private let thread: TransferThread
    private let state = Monitor(State())

    init(_ request: HTTPRequest, on thread: TransferThread) {
        self.request = request
        self.thread = thread
    }

    // MARK: The side of the task

    /// Waits for the status and the headers.
    func head() async throws -> HTTPResponseHead {
        try await state.wait { state -> Result<HTTPResponseHead, any Error>? in
            if let head = state.head { return .success(head) }
            guard case .failure(let error)? = state.ending else { return nil }
            return .failure(error)
        }.get()
    }

    /// Waits for bytes of the body and takes all that are there; `nil` at the end.
    func nextChunk() async throws -> [UInt8]? {
        let (chunk, resumes) = try await state.wait { state -> Result<([UInt8]?, Bool), any Error>? in
            guard state.waiting.isEmpty else {
                defer { (state.waiting, state.isPaused) = ([], false) }
                return .success((state.waiting, state.isPaused))
            }
            return state.ending?.map { (nil, false) }
        }.get()
        if resumes { thread.obey(.resume(self)) }
        return chunk
    }

    /// Ends the transfer if it has not ended, and waits until the thread has let go of it: that is soon.
    func abandon() async {
        if state.quietly({ $0.ending == nil }) { thread.obey(.abort(self)) }
        await state.waitThroughCancellation { $0.ending == nil ? nil : () }
    }

    // MARK: The side of the thread

    /// Shows the head to the task.
    func publish(_ head: HTTPResponseHead) {
        state.change { $0.head = head }
    }

    /// Takes bytes of the body, or refuses them because enough are waiting. Tells nobody: `wake` does, for many.
    func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        state.quietly { state in
            guard state.waiting.count < Self.waitingBytesMax else {
                state.isPaused = true
                return false
            }
            state.waiting.append(contentsOf: bytes)
            return true
        }
    }

    func wake() {
        state.change { _ in }
    }

    /// Forgets an answer that nobody has seen, because another one follows it. `false` when it was seen.
    func restart() -> Bool {
        state.quietly { state in
            guard state.head == nil else { return false }
            state.waiting = []
            return true
        }
    }

    /// The last word about this transfer.
    func end(_ ending: Result<Void, any Error>) {
        state.change { state in
            if state.ending == nil { state.ending = ending }
        }
    }
}
