// SPDX-License-Identifier: Apache-2.0

import ByteStreams

typealias HTTPTransfer = Transfer<HTTPRequest, HTTPResponseHead>

/// When this much waits for the reader, libcurl is told to stop reading.
private let waitingBytesMax = 1024 * 1024

/// One request and its answer, where the task that wants it and the thread that moves it meet.
final class Transfer<Request: Sendable, Head: Sendable>: QueuedTransfer {
    private struct State: Sendable {
        var head: Head?
        var waiting = WaitingBytes()
        /// The thread told libcurl to stop reading, until the reader asks for more.
        var isPaused = false
        var isAbandoned = false
        var ending: Result<Void, any Error>?
    }

    let request: Request
    /// The request for messages.
    let shown: String
    private let thread: TransferThread
    private let make: @Sendable (Transfer, _ mayAsk: Bool) throws -> any MovedTransfer
    private let state = Monitor(State())

    /// - Parameter make: on the thread, makes what libcurl moves.
    init(
        _ request: Request,
        shown: String,
        on thread: TransferThread,
        moving make: @escaping @Sendable (Transfer, _ mayAsk: Bool) throws -> any MovedTransfer
    ) {
        self.request = request
        self.shown = shown
        self.thread = thread
        self.make = make
    }

    // MARK: The side of the task

    /// Waits for the status and the headers.
    func head() async throws -> Head {
        try await state.wait { state -> Result<Head, any Error>? in
            if let head = state.head { return .success(head) }
            guard case .failure(let error)? = state.ending else { return nil }
            return .failure(error)
        }.get()
    }

    /// Waits for bytes of the body and takes what is there, up to a block; `nil` at the end.
    func nextChunk() async throws -> [UInt8]? {
        let (chunk, resumes) = try await state.wait { state -> Result<([UInt8]?, Bool), any Error>? in
            if let block = state.waiting.next() {
                // Half of what may wait has to be there again before the reader is through with the rest.
                let resumes = state.isPaused && state.waiting.count <= waitingBytesMax / 2
                if resumes { state.isPaused = false }
                return .success((block, resumes))
            }
            return state.ending?.map { (nil, false) }
        }.get()
        if resumes { thread.obey(.resume(self)) }
        return chunk
    }

    /// Ends the transfer if it has not ended, and waits until the thread has let go of it: that is soon.
    func abandon() async {
        let runs = state.quietly { state in
            state.isAbandoned = true
            return state.ending == nil
        }
        if runs { thread.obey(.abort(self)) }
        await state.waitThroughCancellation { $0.ending == nil ? nil : () }
    }

    /// Lets the transfer go on that waits for the caller.
    func resume() {
        thread.obey(.resume(self))
    }

    // MARK: The side of the thread

    func begin(mayAsk: Bool) throws -> any MovedTransfer {
        try make(self, mayAsk)
    }

    /// Whether nobody waits for it any more; for what libcurl does without letting go of the thread.
    var isAbandoned: Bool { state.quietly { $0.isAbandoned } }

    /// Shows the head to the task.
    func publish(_ head: Head) {
        state.change { $0.head = head }
    }

    /// Takes bytes of the body, or refuses them because enough are waiting. Tells nobody: `wake` does, for many.
    func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        state.quietly { state in
            guard state.waiting.count < waitingBytesMax else {
                state.isPaused = true
                return false
            }
            state.waiting.append(bytes)
            return true
        }
    }

    /// The same for what cannot be held back.
    func appendAnyway(_ bytes: UnsafeRawBufferPointer) {
        state.quietly { $0.waiting.append(bytes) }
    }

    func wake() {
        state.change { _ in }
    }

    /// Forgets an answer that nobody has seen, because another one follows it. `false` when it was seen.
    func restart() -> Bool {
        state.quietly { state in
            guard state.head == nil else { return false }
            state.waiting = WaitingBytes()
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
