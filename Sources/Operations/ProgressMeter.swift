// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How far the steps that are under way have come; written by the pipeline, read by whoever shows it.
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

    /// A step that is under way, until `end`.
    package struct Step: Sendable {
        fileprivate let meter: ProgressMeter
        fileprivate let number: Int

        func advance(by bytes: Int) {
            meter.state.withLock { $0.readings[number]?.bytes += Int64(bytes) }
        }

        func end() {
            meter.state.withLock { state in
                if state.readings.removeValue(forKey: number) != nil { state.ended += 1 }
            }
        }
    }

    private struct State: Sendable {
        var readings: [Int: Reading] = [:]
        var begun = 0
        var ended = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// The steps that are under way, in the order in which they began.
    package var current: [Reading] {
        state.withLock { $0.readings.sorted { $0.key < $1.key }.map(\.value) }
    }

    /// How many steps have ended.
    package var endedCount: Int { state.withLock { $0.ended } }

    func begin(_ step: String, expectedBytes: Int64?) -> Step {
        let number = state.withLock { state in
            state.begun += 1
            state.readings[state.begun] = Reading(
                step: step,
                bytes: 0,
                expectedBytes: expectedBytes,
                startedAt: .now
            )
            return state.begun
        }
        return Step(meter: self, number: number)
    }
}
