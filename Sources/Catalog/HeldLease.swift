// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage
import Synchronization

/// How long a lease lasts.
package struct LeaseTiming: Sendable {
    /// A holder that does not renew for this long has lost the lease.
    package var lifetime: Duration
    /// How often the holder renews, and how often one who waits looks.
    package var interval: Duration

    package init(lifetime: Duration = .seconds(60), interval: Duration = .seconds(10)) {
        self.lifetime = lifetime
        self.interval = interval
    }
}

/// The lease of a run that is under way; or of several runs that work together, and then each of them renews it.
package final class HeldLease: Sendable {
    private struct State: Sendable {
        var lease: Lease
        var version: ObjectVersion
        var renewedAt = ContinuousClock.now
        /// Whether the work that the lease is for has come to its end, and not only this run's part of it.
        var isOver = false
        /// Whether it was lost, and the run went on without it.
        var isGivenUp = false
        /// Whether the seat is in trouble: then it is not asked for long.
        var isInHurry = false
    }

    /// How long giving the lease up may take at a seat that is in trouble.
    private static let hurriedRelease = Duration.seconds(4)

    private let state: Mutex<State>
    private let seat: any LeaseSeat
    private let timing: LeaseTiming

    init(_ lease: Lease, version: ObjectVersion, at seat: any LeaseSeat, timing: LeaseTiming) {
        state = Mutex(State(lease: lease, version: version))
        self.seat = seat
        self.timing = timing
    }

    /// Asks the seat whether the lease is still ours: called right before a set is committed.
    /// - Throws: `.locked` when another run took it over, or when it ran out.
    package func confirm() async throws {
        let (lease, renewedAt) = state.withLock { ($0.lease, $0.renewedAt) }
        if seat.isAdvisory { return try await confirmNobodyElse() }
        guard ContinuousClock.now - renewedAt < timing.lifetime else { throw ranOut() }
        guard let seated = try await seat.readAgainIfAbsent(), lease.isHeld(seated) else { throw lost(nil) }
    }

    /// - Throws: `.locked` when somebody else is seen to hold the lease.
    private func confirmNobodyElse() async throws {
        let lease = state.withLock { $0.lease }
        guard let seated = try? await seat.read() else { return }
        guard lease.isHeld(seated) else { throw lost(nil) }
    }

    /// Says that the work is done: a lease that several runs share is given up by the one that finished it.
    package func end() {
        state.withLock { $0.isOver = true }
    }

    /// Leaves a lease that was lost alone: whoever has it now is to keep it.
    func giveUp() {
        state.withLock { $0.isGivenUp = true }
    }

    /// Says that the seat is in trouble: what cannot be given up soon runs out by itself.
    package func hurry() {
        state.withLock { $0.isInHurry = true }
    }

    /// Renews until it is cancelled, or until the lease is lost.
    func renewUntilLost() async throws {
        while true {
            try await Task.sleep(for: timing.interval)
            do {
                try await renew()
            } catch let failure as Failure where seat.isAdvisory && failure.code != .interrupted {
                // Whoever is there decides, not why we could not renew.
                try await confirmNobodyElse()
            } catch let failure as Failure where failure.code.isTransient {
                let renewedAt = state.withLock { $0.renewedAt }
                guard ContinuousClock.now - renewedAt + timing.interval < timing.lifetime else { throw lost(failure) }
            }
        }
    }

    private func renew() async throws {
        var (lease, version) = state.withLock { ($0.lease, $0.version) }
        lease.renewals += 1
        let begun = ContinuousClock.now
        do {
            let renewed = try await seat.replace(version, with: lease)
            state.withLock { state in (state.lease, state.version, state.renewedAt) = (lease, renewed, begun) }
        } catch let failure as Failure where failure.code == .alreadyExists {
            // Another run of ours renewed it, or we did and never heard: that is as good as this renewal.
            guard let seated = try await seat.read(), lease.isHeld(seated) else { throw lost(failure) }
            state.withLock { state in (state.version, state.renewedAt) = (seated.version, begun) }
        }
    }

    /// Gives the lease up, if it is still ours and nobody works on. What cannot be given up now runs out by itself.
    func release() async {
        guard state.withLock({ $0.isInHurry }) else { return await releaseNow() }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.releaseNow() }
            group.addTask { try? await Task.sleep(for: Self.hurriedRelease) }
            await group.next()
            group.cancelAll()
        }
    }

    private func releaseNow() async {
        let (lease, isOver, isGivenUp) = state.withLock { ($0.lease, $0.isOver, $0.isGivenUp) }
        if isGivenUp { return }
        // A renewal that was cancelled on its way may have made another version.
        guard isOver || !lease.isShared, let seated = try? await seat.read(), lease.isHeld(seated) else { return }
        try? await seat.release(seated.version)
    }

    private func ranOut() -> Failure {
        Failure(
            .locked,
            "hold \(seat.place): it was not renewed for \(timing.lifetime), and another run may have taken it over",
            hint: "Run again. The machine, or the store, stood still for too long."
        )
    }

    private func lost(_ cause: Failure?) -> Failure {
        guard let cause, cause.code.isTransient else {
            return Failure(
                .locked,
                "hold \(seat.place): it was lost to another run",
                cause: cause,
                hint: "Run again when the other run has ended."
            )
        }
        return Failure(
            cause.code,
            "hold \(seat.place): it could not be renewed, and another run may have taken it over",
            cause: cause,
            hint: "Run again when it can be reached."
        )
    }
}

extension Lease {
    /// Whether what was found is this lease, in whatever version: no two runs, or Jobs, have the same holder.
    func isHeld(_ seated: SeatedLease) -> Bool {
        seated.lease?.holder == holder
    }
}
