// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport
import Logging

/// A credential that ends, such as a token: fetched when it is first needed, and again some time before its end.
///
/// One task fetches at a time, and all that ask meanwhile get what it got. Nothing is fetched in the background: a run
/// that sends no requests renews nothing.
package final class RefreshedCredential<Value: Sendable>: Sendable {
    /// A value with the second in which it ends.
    package struct Fetched: Sendable {
        package let value: Value
        /// Seconds since 1970 by our clock; `nil`: it does not end.
        package let endsAtSeconds: Int64?

        package init(_ value: Value, endsAtSeconds: Int64?) {
            self.value = value
            self.endsAtSeconds = endsAtSeconds
        }
    }

    private enum Turn: Sendable {
        case mine
        case over(Result<Fetched, any Error>)
    }

    private struct State: Sendable {
        var held: Fetched?
        /// What the last fetch ended with, for those that waited for it.
        var failure: (any Error)?
        /// Fetches that are over.
        var count = 0
        var isFetching = false
        /// After a fetch that failed while the old value was still good: no other before this.
        var patientUntilSeconds: Int64 = 0
    }

    private let state = Monitor(State())
    private let source: String
    private let refreshBeforeSeconds: Int64
    private let clock: RequestClock
    private let logger: Logger
    private let fetch: @Sendable () async throws -> Fetched

    /// How long a value that is still good is used after it could not be renewed.
    private static var patienceSeconds: Int64 { 30 }

    /// - Parameters:
    ///   - source: for messages: `the workload identity`.
    ///   - refreshBeforeSeconds: how long before its end a value is fetched again.
    ///   - fetch: gets the value, with tries of its own. It reads anew whatever file it depends on.
    package init(
        _ source: String,
        refreshBeforeSeconds: Int64 = 300,
        clock: RequestClock,
        logger: Logger,
        fetch: @escaping @Sendable () async throws -> Fetched
    ) {
        self.source = source
        self.refreshBeforeSeconds = refreshBeforeSeconds
        self.clock = clock
        self.logger = logger
        self.fetch = fetch
    }

    /// The value, fetched if there is none, or its end is near.
    ///
    /// One that cannot be renewed before its end is used until then.
    /// - Throws: what the fetch threw, to all that waited for it; `CancellationError`.
    package func value() async throws -> Value {
        let now = clock.secondsSince1970()
        let held = state.quietly { state -> Fetched? in
            guard let held = state.held else { return nil }
            guard let end = held.endsAtSeconds else { return held }
            if now < end - self.refreshBeforeSeconds { return held }
            return now < end && now < state.patientUntilSeconds ? held : nil
        }
        if let held { return held.value }
        do {
            return try await fetched().value
        } catch  where !(error is CancellationError) {
            let old = state.change { state -> Fetched? in
                guard let old = state.held, let end = old.endsAtSeconds, now < end else { return nil }
                state.patientUntilSeconds = now + Self.patienceSeconds
                return old
            }
            guard let old else { throw error }
            logger.warning("could not renew \(source), which is good for a while yet: \(error)")
            return old.value
        }
    }

    /// Fetches another value, because the store says that this one is no longer good, whatever its end.
    /// - Returns: `true`, always; as `StoreDialect.renewCredentials` wants it.
    /// - Throws: what the fetch threw.
    package func renew() async throws -> Bool {
        _ = try await fetched()
        return true
    }

    /// Fetches, or waits for the fetch that is under way.
    private func fetched() async throws -> Fetched {
        let seen = state.quietly { $0.count }
        let turn = try await state.wait { state -> Turn? in
            if state.count > seen {
                if let failure = state.failure { return .over(.failure(failure)) }
                if let held = state.held { return .over(.success(held)) }
            }
            if state.isFetching { return nil }
            state.isFetching = true
            return .mine
        }
        switch turn {
        case .over(let result): return try result.get()
        case .mine: return try await fetchNow()
        }
    }

    private func fetchNow() async throws -> Fetched {
        do {
            let fetched = try await fetch()
            state.change { state in
                (state.held, state.failure, state.isFetching) = (fetched, nil, false)
                state.count += 1
            }
            logger.debug("got \(source)")
            return fetched
        } catch {
            state.change { state in
                state.isFetching = false
                // Whoever waited for a task that was cancelled fetches itself.
                if error is CancellationError { return }
                state.failure = error
                state.count += 1
            }
            throw error
        }
    }
}
