// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How far the step that is under way has come; written by the pipeline, read by whoever shows it.
package final class ProgressMeter: Sendable {
    /// A step as it stands at one moment.
    package struct Reading: Sendable, Hashable {
        /// What is being done, for people: `backup redis-1`.
        package var step: String
        /// Bytes that went through.
        package var bytes: Int64
        /// Bytes that will, where that is known or can be estimated.
        package var expectedBytes: Int64?
        package var startedAt: ContinuousClock.Instant
    }

    private let reading = Mutex<Reading?>(nil)

    package init() {}

    /// The step that is under way, or `nil` between steps.
    package var current: Reading? { reading.withLock { $0 } }

    func begin(_ step: String, expectedBytes: Int64?) {
        reading.withLock { $0 = Reading(step: step, bytes: 0, expectedBytes: expectedBytes, startedAt: .now) }
    }

    func advance(by bytes: Int) {
        reading.withLock { $0?.bytes += Int64(bytes) }
    }

    func end() {
        reading.withLock { $0 = nil }
    }
}
