// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Logging
import ObjectStorage

/// Whether a run goes on without one of its leases: asked with the place of its seat among all, why it cannot be had,
/// and whether it was held already and was lost.
package typealias LeaseWaiver = @Sendable (_ seat: Int, _ failure: Failure, _ isHeld: Bool) -> Bool

extension Catalog {
    /// Runs `body` while holding the lease of a subject in the store: no two runs of one subject work at the same
    /// time (F21).
    /// - Throws: `.locked`, and what `body` throws.
    package func withLease<Result: Sendable>(
        on name: String,
        as lease: Lease,
        timing: LeaseTiming = LeaseTiming(),
        _ body: @escaping @Sendable (HeldLease) async throws -> Result
    ) async throws -> Result {
        try await Catalog.withLease(at: StoreLeaseSeat(name: name, in: store), as: lease, timing: timing, body)
    }

    /// Runs `body` while holding a lease at every seat, taken in their order.
    ///
    /// All are looked at before the first is taken, so that a dead run is waited for once, and not at each seat.
    /// - Throws: `.locked`, and what `body` throws.
    package static func withLeases<Result: Sendable>(
        at seats: [any LeaseSeat],
        as lease: Lease,
        timing: LeaseTiming = LeaseTiming(),
        logger: Logger? = nil,
        _ body: @escaping @Sendable ([HeldLease]) async throws -> Result
    ) async throws -> Result {
        try await withLeases(
            at: seats,
            as: lease,
            timing: timing,
            logger: logger,
            waivedIf: { _, _, _ in false }
        ) { held in
            try await body(held.sorted { $0.key < $1.key }.map(\.value))
        }
    }

    /// The same, where a run may go on without some of its leases. `body` gets those that are held, by the places of
    /// their seats.
    package static func withLeases<Result: Sendable>(
        at seats: [any LeaseSeat],
        as lease: Lease,
        timing: LeaseTiming = LeaseTiming(),
        logger: Logger? = nil,
        waivedIf isWaived: @escaping LeaseWaiver,
        _ body: @escaping @Sendable ([Int: HeldLease]) async throws -> Result
    ) async throws -> Result {
        let sighted = await withTaskGroup(of: SightedSeat.self) { group in
            for (index, seat) in seats.enumerated() {
                group.addTask { await SightedSeat(seat, at: index, logger: logger) }
            }
            return await group.reduce(into: []) { $0.append($1) }.sorted { $0.index < $1.index }
        }
        return try await withLeases(at: sighted[...], as: lease, timing: timing, isWaived, holding: [:], body)
    }

    private static func withLeases<Result: Sendable>(
        at seats: ArraySlice<SightedSeat>,
        as lease: Lease,
        timing: LeaseTiming,
        _ isWaived: @escaping LeaseWaiver,
        holding held: [Int: HeldLease],
        _ body: @escaping @Sendable ([Int: HeldLease]) async throws -> Result
    ) async throws -> Result {
        guard let seat = seats.first else { return try await body(held) }
        let rest = seats.dropFirst()
        let next: HeldLease
        do {
            next = try await LeaseTaking(lease, at: seat, timing).acquire()
        } catch let failure as Failure where !Task.isCancelled && isWaived(seat.index, failure, false) {
            return try await withLeases(at: rest, as: lease, timing: timing, isWaived, holding: held, body)
        }
        return try await holding(next, waivedIf: { isWaived(seat.index, $0, true) }) { next in
            let all = held.merging([seat.index: next]) { $1 }
            return try await withLeases(at: rest, as: lease, timing: timing, isWaived, holding: all, body)
        }
    }

    /// Runs `body` while holding one lease.
    ///
    /// A lease whose holder is seen to live is respected at once. One that nobody renews is watched for its lifetime
    /// and then taken over; one whose holder was a process of this very machine and is gone is taken over at once.
    /// When the lease is lost, `body` is cancelled.
    package static func withLease<Result: Sendable>(
        at seat: any LeaseSeat,
        as lease: Lease,
        timing: LeaseTiming = LeaseTiming(),
        _ body: @escaping @Sendable (HeldLease) async throws -> Result
    ) async throws -> Result {
        try await withLease(at: SightedSeat(seat), as: lease, timing: timing, body)
    }

    private static func withLease<Result: Sendable>(
        at seat: SightedSeat,
        as lease: Lease,
        timing: LeaseTiming,
        _ body: @escaping @Sendable (HeldLease) async throws -> Result
    ) async throws -> Result {
        try await holding(try await LeaseTaking(lease, at: seat, timing).acquire(), waivedIf: { _ in false }, body)
    }

    private static func holding<Result: Sendable>(
        _ held: HeldLease,
        waivedIf isWaived: @escaping @Sendable (Failure) -> Bool,
        _ body: @escaping @Sendable (HeldLease) async throws -> Result
    ) async throws -> Result {
        do {
            let result = try await run(body, renewing: held, waivedIf: isWaived)
            await withCancellationShield { await held.release() }
            return result
        } catch {
            await withCancellationShield { await held.release() }
            throw error
        }
    }

    private static func run<Result: Sendable>(
        _ body: @escaping @Sendable (HeldLease) async throws -> Result,
        renewing held: HeldLease,
        waivedIf isWaived: @escaping @Sendable (Failure) -> Bool
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask {
                do {
                    try await held.renewUntilLost()
                } catch let failure as Failure where !Task.isCancelled && isWaived(failure) {
                    held.giveUp()
                }
                return nil
            }
            group.addTask { try await body(held) }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw CancellationError()
        }
    }
}

/// A seat, and what was there when it was first looked at.
private struct SightedSeat: Sendable {
    let seat: any LeaseSeat
    /// Its place among all seats.
    let index: Int
    let version: ObjectVersion?
    let at: ContinuousClock.Instant
    let logger: Logger?

    /// A seat that cannot be asked now is asked again when its lease is taken.
    init(_ seat: any LeaseSeat, at index: Int = 0, logger: Logger? = nil) async {
        self.seat = seat
        self.index = index
        self.logger = logger
        at = .now
        version = try? await seat.read()?.version
    }
}

/// How a lease is taken, or taken over.
private struct LeaseTaking {
    private let lease: Lease
    private let seat: any LeaseSeat
    private let sighted: SightedSeat
    private let timing: LeaseTiming

    /// A run that is cancelled here still hears whether the lease is its own, and so can give it up.
    private static let cancellationGrace = Duration.seconds(4)

    init(_ lease: Lease, at sighted: SightedSeat, _ timing: LeaseTiming) {
        self.lease = lease
        self.sighted = sighted
        seat = sighted.seat
        self.timing = timing
    }

    func acquire() async throws -> HeldLease {
        do {
            return held(try await create())
        } catch let failure as Failure where failure.code == .alreadyExists {
            if let version = try await join() { return held(version) }
            guard let abandoned = try await waitUntilAbandoned() else { return held(try await orLocked(create)) }
            return held(try await orLocked { try await takeOver(abandoned) })
        }
    }

    /// Joins the runs that share the lease, by renewing it: it may have been dead for a while, and about to be taken
    /// over.
    private func join() async throws -> ObjectVersion? {
        guard lease.isShared else { return nil }
        while let seated = try await seat.read(), lease.isHeld(seated) {
            do {
                return try await seat.replace(seated.version, with: lease)
            } catch let failure as Failure where failure.code == .alreadyExists {
                // Renewed by one of ours, or taken over: look again.
                try Task.checkCancellation()
            }
        }
        return nil
    }

    private func held(_ version: ObjectVersion) -> HeldLease {
        HeldLease(lease, version: version, at: seat, timing: timing)
    }

    /// Watches a lease that another run holds, until nobody can be holding it.
    /// - Returns: the version that was abandoned, or `nil` if the lease is gone.
    /// - Throws: `.locked` as soon as the holder is seen to live.
    private func waitUntilAbandoned() async throws -> ObjectVersion? {
        guard let first = try await seat.read() else { return nil }
        if let process = first.lease?.process, let alive = process.isAliveOnThisMachine() {
            if alive { throw locked(first.lease) }
            return first.version
        }
        let since = first.version == sighted.version ? sighted.at : .now
        let deadline = since + timing.lifetime
        if deadline > .now {
            let seconds = Int((timing.lifetime / .seconds(1)).rounded())
            sighted.logger?.notice(
                "\(seat.place) is held by \(Self.holder(first.lease)): it is watched for up to \(seconds) s"
            )
        }
        while ContinuousClock.now < deadline {
            try await Task.sleep(for: timing.interval)
            guard let seated = try await seat.readAgainIfAbsent() else { return nil }
            if seated.version != first.version { throw locked(first.lease) }
        }
        return first.version
    }

    private func create() async throws -> ObjectVersion {
        try await withCancellationGrace(Self.cancellationGrace) { [seat, lease] in try await seat.create(lease) }
    }

    private func takeOver(_ abandoned: ObjectVersion) async throws -> ObjectVersion {
        try await withCancellationGrace(Self.cancellationGrace) { [seat, lease] in
            try await seat.replace(abandoned, with: lease)
        }
    }

    /// Somebody else who was faster holds the lease now: another run, unless it is one of ours.
    private func orLocked(_ attempt: () async throws -> ObjectVersion) async throws -> ObjectVersion {
        do {
            return try await attempt()
        } catch let failure as Failure where failure.code == .alreadyExists {
            guard let seated = try await seat.read() else { throw locked(nil) }
            guard lease.isShared, lease.isHeld(seated) else { throw locked(seated.lease) }
            return seated.version
        }
    }

    /// Who holds it, for people.
    private static func holder(_ other: Lease?) -> String {
        other?.summary ?? "another run"
    }

    private func locked(_ other: Lease?) -> Failure {
        if let other, other.holder == lease.holder, !lease.isShared {
            return Failure(
                .usage,
                "take \(seat.place): this very run holds it already",
                hint: "Two of the stores are one and the same. Name it once."
            )
        }
        return Failure(
            .locked,
            "take \(seat.place): it is held by \(Self.holder(other))",
            hint: "Wait until that run has ended. A lease that nobody renews is taken over after a minute or two."
        )
    }
}
