// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What a volume holds, as far as is known.
package enum VolumeState: Sendable, Hashable {
    /// What it held before; and why, where something failed.
    case asBefore(String?)
    /// A Job works on it.
    case working
    /// The snapshot, in the words of whoever restored it.
    case restored(String)
    /// The snapshot, or what it held before, and nothing in between: its Job was ended in order.
    case eitherWhole(String)
    /// Its Job was killed, or is not heard of: it may be in the middle of the last steps, or still at work.
    case unknown(String)

    package var isRestored: Bool { if case .restored = self { true } else { false } }
    /// Whether a server may start on it.
    var isWhole: Bool {
        switch self {
        case .asBefore, .restored, .eitherWhole: true
        case .working, .unknown: false
        }
    }

    /// In words that follow the name of the volume.
    package var text: String {
        switch self {
        case .asBefore(nil): "as before"
        case .asBefore(let reason?): "as before: \(reason)"
        case .working: "a Job works on it"
        case .restored(let text): text
        case .eitherWhole(let reason): "as before, or restored, and whole either way: \(reason)"
        case .unknown(let reason): "NOT KNOWN: \(reason)"
        }
    }
}

/// What became of each volume so far.
final class VolumeLedger: Sendable {
    private let states: Mutex<[VolumeRestorePlan.Volume: VolumeState]>
    private let volumes: [VolumeRestorePlan.Volume]

    init(_ volumes: [VolumeRestorePlan.Volume]) {
        self.volumes = volumes
        states = Mutex(Dictionary(volumes.map { ($0, .asBefore(nil)) }) { first, _ in first })
    }

    subscript(_ volume: VolumeRestorePlan.Volume) -> VolumeState {
        states.withLock { $0[volume] ?? .asBefore(nil) }
    }

    func set(_ volume: VolumeRestorePlan.Volume, _ state: VolumeState) {
        states.withLock { $0[volume] = state }
    }

    /// In the order of the pods.
    var all: [VolumeOutcome] { volumes.map { VolumeOutcome(volume: $0, state: self[$0]) } }

    var areAllRestored: Bool { all.allSatisfy(\.state.isRestored) }
    /// Whether servers may start on all of them.
    var areAllWhole: Bool { all.allSatisfy(\.state.isWhole) }

    /// `data-redis-0: restored; data-redis-1: as before: …`
    var text: String { all.map { "\($0.volume.claim): \($0.state.text)" }.joined(separator: "; ") }
}

/// What became of one volume.
package struct VolumeOutcome: Sendable {
    package let volume: VolumeRestorePlan.Volume
    package let state: VolumeState
}
