// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// What a child process wrote: at most `limitBytes` of it, the newest when there is more.
package final class BoundedLog: Sendable {
    private struct State {
        var bytes: [UInt8] = []
        var droppedBytes = 0
    }

    private let limitBytes: Int
    private let state = Mutex(State())
    private let ended = Completion<Void>()

    init(limitBytes: Int) {
        self.limitBytes = limitBytes
    }

    /// What is kept.
    package var bytes: [UInt8] { state.withLock { $0.bytes } }
    /// What is kept, as text.
    package var text: String { String(decoding: bytes, as: UTF8.self) }
    /// How many bytes from the beginning were dropped.
    package var droppedBytes: Int { state.withLock { $0.droppedBytes } }
    /// How many bytes were ever written.
    package var totalBytes: Int { state.withLock { $0.droppedBytes + $0.bytes.count } }

    /// The last `count` lines.
    package func tail(_ count: Int = 20) -> String {
        text.split(separator: "\n").suffix(count).joined(separator: "\n")
    }

    func waitUntilEnded(seconds: Double) async {
        _ = await ended.wait(seconds: seconds, shielded: true)
    }

    /// Reads a pipe to its end on a thread of its own, and closes it.
    func collect(from descriptor: Int32) {
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: 64 * 1024)
            while true {
                let count = read(descriptor, &buffer, buffer.count)
                if count > 0 {
                    self.append(buffer[..<count])
                } else if count == 0 || errno != EINTR {
                    break
                }
            }
            close(descriptor)
            self.ended.complete(())
        }
    }

    private func append(_ bytes: ArraySlice<UInt8>) {
        state.withLock { state in
            state.bytes += bytes
            // A quarter is dropped at a time, so that a chatty program does not move the whole log at each line.
            if state.bytes.count > limitBytes + limitBytes / 4 {
                let excess = state.bytes.count - limitBytes
                state.bytes.removeFirst(excess)
                state.droppedBytes += excess
            }
        }
    }
}
