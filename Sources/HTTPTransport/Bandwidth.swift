// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How fast bodies may move: one for a run, shared by all its transfers, over all connections of all clients.
///
/// Whoever wants to move bytes reserves them and is told when they may go: first come, first served, so that nobody
/// starves, whichever thread it is on. Each direction has a rate of its own. Headers and what TLS adds do not count.
package final class Bandwidth: Sendable {
    package enum Direction: Sendable, Hashable {
        case up
        case down
    }

    private struct Lane {
        var bytesPerSecond: Int?
        /// When all that was reserved so far has gone, at this rate.
        var freeAt = ContinuousClock.now
    }

    private struct Lanes {
        var up = Lane()
        var down = Lane()
    }

    /// Time in which nothing moved can be made up for, up to so much.
    private static let burst = Duration.milliseconds(100)
    /// A piece is what goes in a twentieth of a second, within these bounds.
    private static let piecesPerSecond = 20
    private static let pieceBytesRange = 1024...1024 * 1024

    private let lanes: Mutex<Lanes>

    /// - Parameters:
    ///   - up: bytes a second, more than 0; `nil`: as fast as it goes.
    ///   - down: the same for what is received.
    package init(up: Int? = nil, down: Int? = nil) {
        lanes = Mutex(Lanes(up: Lane(bytesPerSecond: up), down: Lane(bytesPerSecond: down)))
    }

    /// Sets the rates from now on; they are those of all who share this.
    package func limit(up: Int?, down: Int?) {
        lanes.withLock { lanes in
            lanes.up.bytesPerSecond = up
            lanes.down.bytesPerSecond = down
        }
    }

    /// How many bytes are reserved at a time, so that others have their turn between; `nil` where there is no limit.
    package func pieceBytes(_ direction: Direction) -> Int? {
        lanes.withLock { lanes in
            (direction == .up ? lanes.up : lanes.down).bytesPerSecond.map { rate in
                min(max(rate / Self.piecesPerSecond, Self.pieceBytesRange.lowerBound), Self.pieceBytesRange.upperBound)
            }
        }
    }

    /// Reserves bytes.
    /// - Returns: when they may move; what is reserved and does not move then is lost to all.
    package func reserve(
        _ bytes: Int,
        _ direction: Direction,
        at now: ContinuousClock.Instant = .now
    ) -> ContinuousClock.Instant {
        lanes.withLock { lanes in
            switch direction {
            case .up: Self.reserve(bytes, in: &lanes.up, at: now)
            case .down: Self.reserve(bytes, in: &lanes.down, at: now)
            }
        }
    }

    private static func reserve(
        _ bytes: Int,
        in lane: inout Lane,
        at now: ContinuousClock.Instant
    ) -> ContinuousClock.Instant {
        guard let rate = lane.bytesPerSecond else { return now }
        let start = max(lane.freeAt, now - burst)
        lane.freeAt = start + .seconds(Double(bytes) / Double(rate))
        return start
    }
}

/// What one transfer has reserved in one direction.
package struct BandwidthShare: Sendable {
    private let bandwidth: Bandwidth
    private let direction: Bandwidth.Direction
    private var reserved = 0
    private var dueAt = ContinuousClock.now
    /// When it is worth asking again, after an answer that was no.
    package private(set) var heldUntil: ContinuousClock.Instant?

    package init(of bandwidth: Bandwidth, _ direction: Bandwidth.Direction) {
        self.bandwidth = bandwidth
        self.direction = direction
    }

    /// How many of these bytes may move now; 0: none before `heldUntil`.
    package mutating func take(upTo bytes: Int) -> Int {
        guard bytes > 0, let piece = bandwidth.pieceBytes(direction) else { return bytes }
        if reserved == 0 { reserve(min(bytes, piece)) }
        guard isDue() else { return 0 }
        let taken = min(bytes, reserved)
        reserved -= taken
        return taken
    }

    /// Whether these bytes, which cannot be split, may move now. If they may, `spend` says that they did.
    package mutating func mayMove(_ bytes: Int) -> Bool {
        guard bandwidth.pieceBytes(direction) != nil else { return true }
        if reserved < bytes { reserve(bytes - reserved) }
        return isDue()
    }

    package mutating func spend(_ bytes: Int) {
        reserved = max(0, reserved - bytes)
    }

    /// It is asked again now.
    package mutating func release() { heldUntil = nil }

    private mutating func reserve(_ bytes: Int) {
        let now = ContinuousClock.now
        dueAt = max(bandwidth.reserve(bytes, direction, at: now), reserved > 0 ? dueAt : now)
        reserved += bytes
    }

    private mutating func isDue() -> Bool {
        heldUntil = dueAt > .now ? dueAt : nil
        return heldUntil == nil
    }
}
