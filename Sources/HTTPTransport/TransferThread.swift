// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Glibc
import Synchronization

/// The thread that owns all of libcurl for one client, as its tasks see it: they give it commands.
final class TransferThread: Sendable {
    enum Command: Sendable {
        case start(any QueuedTransfer)
        /// The reader took what was waiting.
        case resume(any QueuedTransfer)
        /// Nobody wants the transfer any more.
        case abort(any QueuedTransfer)
        case stop
    }

    private struct Inbox {
        var commands: [Command] = []
        /// What wakes the thread: there from when it runs until it ends.
        var waker: MultiHandle.Waker?
        var isClosed = false
    }

    private let inbox = Mutex(Inbox())
    private let hasEnded = Monitor(false)
    private let handle = Mutex<pthread_t?>(nil)

    private init() {}

    /// Starts the thread; `stop` must follow.
    static func start(maxConnections: Int) throws -> TransferThread {
        let thread = TransferThread()
        let handle = try startThread {
            thread.run(maxConnections)
            thread.hasEnded.change { $0 = true }
        }
        thread.handle.withLock { $0 = handle }
        return thread
    }

    /// Ends what still runs, then the thread; returns when both are gone.
    func stop() async {
        obey(.stop)
        await hasEnded.waitThroughCancellation { $0 ? () : nil }
        // The thread has nothing left to do but to return.
        if let handle = handle.withLock({ $0 }) { pthread_join(handle, nil) }
    }

    func obey(_ command: Command) {
        let isTaken = inbox.withLock { inbox in
            guard !inbox.isClosed else { return false }
            inbox.commands.append(command)
            inbox.waker?.wake()
            return true
        }
        if !isTaken, case .start(let transfer) = command { transfer.end(.failure(Self.closed(transfer))) }
    }

    static func closed(_ transfer: any QueuedTransfer) -> Failure {
        Failure(.interrupted, "\(transfer.shown): the client is closed")
    }

    func takeCommands() -> [Command] {
        inbox.withLock { inbox in
            defer { inbox.commands = [] }
            return inbox.commands
        }
    }

    /// The whole life of the thread.
    private func run(_ maxConnections: Int) {
        do {
            let multi = try MultiHandle(keptConnectionsMax: maxConnections)
            let waker = multi.waker
            inbox.withLock { $0.waker = waker }
            let loop = TransferLoop(multi, maxConnections: maxConnections)
            // Only when nobody can wake the multi any more may it go.
            withExtendedLifetime(multi) {
                while !loop.isStopping { loop.turn(takeCommands()) }
                close(ending: { .failure(Self.closed($0)) })
            }
        } catch {
            close(ending: { _ in .failure(error) })
        }
    }

    /// From here on nobody touches the multi, and who sends gets an error.
    private func close(ending: (any QueuedTransfer) -> Result<Void, any Error>) {
        let left = inbox.withLock { inbox in
            defer { inbox = Inbox(isClosed: true) }
            return inbox.commands
        }
        for case .start(let transfer) in left { transfer.end(ending(transfer)) }
    }
}

/// Runs `body` on a new thread that no signal reaches: signals are for the others, and a broken connection must not
/// raise SIGPIPE out of OpenSSL.
private func startThread(_ body: @escaping @Sendable () -> Void) throws -> pthread_t {
    final class Entry {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    let entry = Unmanaged.passRetained(Entry(body))
    var handle = pthread_t()
    let code = pthread_create(
        &handle,
        nil,
        { raw in
            guard let raw else { return nil }
            var signals = sigset_t()
            sigfillset(&signals)
            pthread_sigmask(SIG_BLOCK, &signals, nil)
            Unmanaged<Entry>.fromOpaque(raw).takeRetainedValue().body()
            return nil
        },
        entry.toOpaque()
    )
    guard code == 0 else {
        entry.release()
        throw Failure(.unclassified, "start a thread for HTTP: \(String(cString: strerror(code)))")
    }
    return handle
}
