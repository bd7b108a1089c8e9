// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Dispatch
import Failures

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// SIGTERM and SIGINT end the run in order: its task is cancelled, uploads are aborted, locks released, within 10 s.
///
/// A second signal, or clean-up that does not end in time, ends the process at once.
package enum SignalWatch {
    /// How long clean-up may take, in seconds, before the process is ended without it.
    package static let cleanUpSecondsMax = 9

    /// The run was ended by a signal.
    package struct Interrupted: Error {
        package let signal: Int32
        /// What the run says of what it leaves behind, where that is more than nothing.
        package var leavesBehind: String?
        /// Whether a clean-up failed, so that nothing can be promised.
        package var hasLeftovers = false

        package init(signal: Int32) {
            self.signal = signal
        }

        /// What is left, in a sentence.
        package var lastWord: String {
            if let leavesBehind { return leavesBehind }
            return hasLeftovers
                ? "not all could be taken away again, as the warnings say: `redoubt list --incomplete` shows what is "
                    + "left in a store, and the next backup removes it"
                : "nothing was left half-made"
        }

        package var exitCode: ExitCode { signal == SIGINT ? .interrupted : .terminated }
    }

    /// Runs `operation`; when a signal arrives, cancels it and throws `Interrupted` once it has cleaned up.
    package static func run<Result: Sendable>(
        _ operation: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let signals = AsyncStream<Int32>.makeStream()
        let sources = [SIGTERM, SIGINT].map { source(for: $0, to: signals.continuation) }
        defer { for source in sources { source.cancel() } }
        let hasLeftovers = Monitor(false)
        return try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask {
                for await signal in signals.stream {
                    throw Interrupted(signal: signal)
                }
                return nil
            }
            group.addTask {
                try await CleanUpTrouble.hearing {
                    hasLeftovers.change { $0 = true }
                } _: {
                    try await operation()
                }
            }
            defer { group.cancelAll() }
            do {
                while let finished = try await group.next() {
                    if let finished { return finished }
                }
            } catch var interrupted as Interrupted {
                group.cancelAll()
                interrupted.leavesBehind = await lastWords(of: &group)
                interrupted.hasLeftovers = hasLeftovers.quietly { $0 }
                throw interrupted
            }
            throw CancellationError()
        }
    }

    /// Waits for the run to clean up. One that has something to say about what stays says it with a hint.
    private static func lastWords<Result: Sendable>(
        of group: inout ThrowingTaskGroup<Result?, any Error>
    ) async -> String? {
        do {
            while try await group.next() != nil {}
            return nil
        } catch let failure as Failure where failure.code == .interrupted {
            return failure.hint.map { "\(failure.message). \($0)" }
        } catch {
            return nil
        }
    }

    private static func source(
        for number: Int32,
        to continuation: AsyncStream<Int32>.Continuation
    ) -> any DispatchSourceSignal {
        signal(number, SIG_IGN)
        let queue = DispatchQueue(label: "redoubt.signals")
        let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
        var arrived = 0
        source.setEventHandler {
            arrived += 1
            if arrived > 1 { _exit(128 + number) }
            continuation.yield(number)
            queue.asyncAfter(deadline: .now() + .seconds(cleanUpSecondsMax)) {
                Console.talk("redoubt: clean-up took longer than \(cleanUpSecondsMax) s; ending without it")
                _exit(128 + number)
            }
        }
        source.resume()
        return source
    }
}
