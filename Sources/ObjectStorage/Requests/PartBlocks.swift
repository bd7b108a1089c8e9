// SPDX-License-Identifier: Apache-2.0

import ByteStreams

/// The memory of parts: how many may be on their way at a time, over all uploads of a store, and the blocks of those
/// that have arrived.
///
/// Blocks are used again, because memory of this size, given back and asked for at that rate, makes the heap grow by
/// several blocks more than are ever in use.
final class PartBlocks: Sendable {
    private struct State: Sendable {
        var places: Int
        var spare: [[UInt8]] = []
    }

    let placesMax: Int
    private let state: Monitor<State>

    init(places: Int) {
        placesMax = max(1, places)
        state = Monitor(State(places: placesMax))
    }

    /// Suspends until one more part may be on its way.
    func takePlace() async throws {
        try await state.wait { state -> Void? in
            guard state.places > 0 else { return nil }
            state.places -= 1
            return ()
        }
    }

    /// The part is there, or given up.
    func leavePlace(_ block: [UInt8]) {
        state.change { state in
            state.places += 1
            if state.spare.count < self.placesMax { state.spare.append(block) }
        }
    }

    /// An empty block, with the memory of an earlier one if there is one.
    func spare() -> [UInt8] {
        var block = state.quietly { state in state.spare.isEmpty ? [] : state.spare.removeFirst() }
        block.removeAll(keepingCapacity: true)
        return block
    }
}
