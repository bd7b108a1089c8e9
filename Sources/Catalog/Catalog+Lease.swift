// SPDX-License-Identifier: Apache-2.0

import ByteStreams
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

/// The lease of a run that is under way.
package final class HeldLease: Sendable {
    package let key: ObjectKey
    private let state: Mutex<(lease: Lease, version: ObjectVersion, renewedAt: ContinuousClock.Instant)>
    private let store: any ObjectStore
    private let timing: LeaseTiming

    init(key: ObjectKey, lease: Lease, version: ObjectVersion, store: any ObjectStore, timing: LeaseTiming) {
        self.key = key
        self.state = Mutex((lease, version, .now))
        self.store = store
        self.timing = timing
    }

    /// Asks the store whether the lease is still ours: called right before a set is committed.
    /// - Throws: `.locked` when another run took it over, or when it ran out.
    package func confirm() async throws {
        let (version, renewedAt) = state.withLock { ($0.version, $0.renewedAt) }
        guard ContinuousClock.now - renewedAt < timing.lifetime, try await store.stat(key)?.version == version else {
            throw lost(nil)
        }
    }

    /// Renews until it is cancelled, or until the lease is lost.
    func renewUntilLost() async throws {
        while true {
            try await Task.sleep(for: timing.interval)
            do {
                try await renew()
            } catch let failure as Failure where failure.code.isTransient {
                let renewedAt = state.withLock { $0.renewedAt }
                guard ContinuousClock.now - renewedAt + timing.interval < timing.lifetime else { throw lost(failure) }
            }
        }
    }

    private func renew() async throws {
        var (lease, version, _) = state.withLock { $0 }
        lease.renewals += 1
        let begun = ContinuousClock.now
        do {
            let object = try await store.replace(key, version: version, with: try lease.encoded())
            state.withLock { $0 = (lease, object.version, begun) }
        } catch let failure as Failure where failure.code == .alreadyExists {
            throw lost(failure)
        }
    }

    /// Gives the lease up, if it is still ours. What cannot be removed now runs out by itself.
    func release() async {
        let version = state.withLock { $0.version }
        guard let object = try? await store.stat(key), object.version == version else { return }
        try? await store.remove(key)
    }

    private func lost(_ cause: (any Error)?) -> Failure {
        Failure(
            .locked,
            "hold the lease \(key) in \(store.location): it was lost to another run, or could not be renewed",
            cause: cause,
            hint: "Run again when the other run has ended."
        )
    }
}

extension Catalog {
    /// Runs `body` while holding the lease of a subject: no two runs of one subject work at the same time (F21).
    ///
    /// A lease whose holder is seen to live is respected at once. One that nobody renews is watched for its lifetime
    /// and then taken over; one whose holder was a process of this very machine and is gone is taken over at once. When
    /// the lease is lost, `body` is cancelled.
    /// - Throws: `.locked`, and what `body` throws.
    package func withLease<Result: Sendable>(
        on name: String,
        as lease: Lease,
        timing: LeaseTiming = LeaseTiming(),
        _ body: @escaping @Sendable (HeldLease) async throws -> Result
    ) async throws -> Result {
        let held = try await acquire(try Lease.key(of: name), lease, timing)
        do {
            let result = try await run(body, renewing: held)
            await withCancellationShield { await held.release() }
            return result
        } catch {
            await withCancellationShield { await held.release() }
            throw error
        }
    }

    private func run<Result: Sendable>(
        _ body: @escaping @Sendable (HeldLease) async throws -> Result,
        renewing held: HeldLease
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask {
                try await held.renewUntilLost()
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

    private func acquire(_ key: ObjectKey, _ lease: Lease, _ timing: LeaseTiming) async throws -> HeldLease {
        let bytes = try lease.encoded()
        func held(_ object: StoredObject) -> HeldLease {
            HeldLease(key: key, lease: lease, version: object.version, store: store, timing: timing)
        }
        do {
            return held(try await create(key, bytes))
        } catch let failure as Failure where failure.code == .alreadyExists {
            guard let abandoned = try await waitUntilAbandoned(key, timing) else {
                return held(try await orLocked(key) { try await create(key, bytes) })
            }
            return held(try await orLocked(key) { try await takeOver(key, abandoned, bytes) })
        }
    }

    /// Watches a lease that another run holds, until nobody can be holding it.
    /// - Returns: the version that was abandoned, or `nil` if the lease is gone.
    /// - Throws: `.locked` as soon as the holder is seen to live.
    private func waitUntilAbandoned(_ key: ObjectKey, _ timing: LeaseTiming) async throws -> ObjectVersion? {
        guard let first = try await readLease(key) else { return nil }
        if let process = first.lease?.process, let alive = process.isAliveOnThisMachine() {
            if alive { throw locked(key, first.lease) }
            return first.version
        }
        let deadline = ContinuousClock.now + timing.lifetime
        while ContinuousClock.now < deadline {
            try await Task.sleep(for: timing.interval)
            guard let object = try await store.stat(key) else { return nil }
            if object.version != first.version { throw locked(key, first.lease) }
        }
        return first.version
    }

    private func readLease(_ key: ObjectKey) async throws -> (lease: Lease?, version: ObjectVersion)? {
        do {
            let (object, bytes) = try await store.read(key, bytesMax: Lease.sizeBytesMax)
            return (Lease(decoding: bytes), object.version)
        } catch let failure as Failure where failure.code == .noSuchObject {
            return nil
        }
    }

    /// A run that is cancelled here still hears whether the lease is its own, and so can give it up.
    private static let cancellationGrace = Duration.seconds(4)

    private func create(_ key: ObjectKey, _ bytes: [UInt8]) async throws -> StoredObject {
        try await withCancellationGrace(Self.cancellationGrace) { [store] in try await store.create(key, bytes) }
    }

    private func takeOver(_ key: ObjectKey, _ abandoned: ObjectVersion, _ bytes: [UInt8]) async throws -> StoredObject {
        try await withCancellationGrace(Self.cancellationGrace) { [store] in
            try await store.replace(key, version: abandoned, with: bytes)
        }
    }

    /// Somebody else who was faster holds the lease now.
    private func orLocked(
        _ key: ObjectKey,
        _ attempt: () async throws -> StoredObject
    ) async throws -> StoredObject {
        do {
            return try await attempt()
        } catch let failure as Failure where failure.code == .alreadyExists {
            throw locked(key, nil)
        }
    }

    private func locked(_ key: ObjectKey, _ lease: Lease?) -> Failure {
        let holder =
            lease.map { "\($0.purpose) by process \($0.process.pid) on \($0.process.host) since \($0.acquiredAt)" }
            ?? "another run"
        return Failure(
            .locked,
            "take the lease \(key) in \(store.location): it is held by \(holder)",
            hint: "Wait until that run has ended. A lease that nobody renews is taken over by itself after a minute."
        )
    }
}
