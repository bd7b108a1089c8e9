// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport
import Logging

/// Holds the credentials of a store, and gets new ones some minutes before they end, or when the store refuses them:
/// one task at a time does, and the others use the old ones as long as they are good, or wait.
final class AWSCredentialKeeper: Sendable {
    private struct Held: Sendable {
        var credentials: AWSCredentials
        /// In seconds since 1970; `nil`: they do not end.
        var endsAt: Int64?
        var renewsAt: Int64?
    }

    private struct State: Sendable {
        var current: Held?
        var isLoading = false
        /// How often loading began.
        var loads = 0
        /// The load that failed last, for those who waited for it.
        var failure: (load: Int, error: any Error)?
        var secrets: [String] = []
    }

    private enum Step: Sendable {
        case use(AWSCredentials)
        case fail(any Error)
        case load
    }

    private static let leadSeconds = 300.0
    private static let secretsMax = 300
    /// After a renewal that failed, while the old ones are good.
    private static let nextTrySeconds: Int64 = 60

    /// For messages: where they come from.
    private let name: String
    private let isRefreshable: Bool
    private let clock: RequestClock
    private let logger: Logger
    private let load: @Sendable (_ isFirst: Bool) async throws -> LoadedCredentials
    private let state = Monitor(State())

    /// - Parameter load: gets them; the first time, and again.
    init(
        name: String,
        isRefreshable: Bool,
        clock: RequestClock,
        logger: Logger,
        load: @escaping @Sendable (_ isFirst: Bool) async throws -> LoadedCredentials
    ) {
        self.name = name
        self.isRefreshable = isRefreshable
        self.clock = clock
        self.logger = logger
        self.load = load
    }

    /// What no message may show: all credentials that there were so far, and what was needed to get them.
    var secrets: [String] { state.quietly { $0.secrets } }

    /// The credentials to sign with now.
    /// - Throws: what getting them throws, when there are none that are still good.
    func current() async throws -> AWSCredentials {
        let now = clock.secondsSince1970()
        var awaited: Int?
        let step = try await state.wait { state -> Step? in
            if let held = state.current {
                if now < held.renewsAt ?? .max { return .use(held.credentials) }
                if state.isLoading, now < held.endsAt ?? .max { return .use(held.credentials) }
            }
            if state.isLoading {
                awaited = state.loads
                return nil
            }
            if let failure = state.failure, failure.load == awaited { return .fail(failure.error) }
            state.isLoading = true
            state.loads += 1
            return .load
        }
        switch step {
        case .use(let credentials): return credentials
        case .fail(let error): throw error
        case .load: return try await loadAnew()
        }
    }

    /// Gets others, because the store refused those that `isRefused` knows.
    /// - Returns: whether there are others now.
    /// - Throws: what getting them throws.
    func renew(_ isRefused: (AWSCredentials) -> Bool) async throws -> Bool {
        guard isRefreshable else { return false }
        // Another task may have been faster.
        state.change { state in
            if let held = state.current, isRefused(held.credentials) { state.current = nil }
        }
        return !isRefused(try await current())
    }

    private func loadAnew() async throws -> AWSCredentials {
        do {
            let loaded = try await load(state.quietly { $0.loads } == 1)
            let held = try held(loaded)
            state.change { state in
                state.isLoading = false
                state.current = held
                let news = (loaded.credentials.secrets + loaded.secrets).filter { !state.secrets.contains($0) }
                state.secrets = (state.secrets + news.filter { $0.utf8.count >= 4 }).suffix(Self.secretsMax)
            }
            logger.debug("got credentials", metadata: ["from": "\(name)"])
            return held.credentials
        } catch {
            guard let kept = afterFailure(error) else { throw error }
            logger.warning("going on with the credentials that there are, new ones did not come: \(error)")
            return kept
        }
    }

    /// - Returns: the old credentials, if they are still good.
    private func afterFailure(_ error: any Error) -> AWSCredentials? {
        let now = clock.secondsSince1970()
        return state.change { state -> AWSCredentials? in
            state.isLoading = false
            if error is CancellationError { return nil }
            guard var held = state.current, now < held.endsAt ?? .max else {
                state.failure = (state.loads, error)
                return nil
            }
            let left = (held.endsAt ?? .max) - now
            held.renewsAt = now + max(1, min(Self.nextTrySeconds, left / 4))
            state.current = held
            return held.credentials
        }
    }

    private func held(_ loaded: LoadedCredentials) throws -> Held {
        guard let end = loaded.endsAtSeconds else { return Held(credentials: loaded.credentials) }
        let now = clock.secondsSince1970()
        let spread = Self.leadSeconds * (1 + clock.chance())
        guard end <= now else {
            let lead = min(Int64(spread), (end - now) / 2)
            return Held(credentials: loaded.credentials, endsAt: end, renewsAt: end - lead)
        }
        guard loaded.mayOutliveTheirEnd else {
            throw Failure(
                .authenticationFailed,
                "get credentials for S3 from \(name): those that it gave ended \(SpokenTime.age(now - end)) ago",
                hint: "Check the clock of this machine, and whether the source keeps old ones."
            )
        }
        logger.warning("the machine gives credentials that have ended, trying them", metadata: ["from": "\(name)"])
        return Held(credentials: loaded.credentials, renewsAt: now + Int64(spread))
    }
}

extension AWSCredentialKeeper {
    /// Those of a bucket.
    convenience init(_ settings: S3Settings, _ configuration: StoreConfiguration) {
        let loader = CredentialLoader(tokenService: settings.tokenService, configuration: configuration)
        let origin = settings.origin
        self.init(
            name: origin.name,
            isRefreshable: origin.isRefreshable,
            clock: configuration.clock,
            logger: configuration.logger
        ) { isFirst in
            if isFirst { return try await loader.load(origin) }
            // Files may have changed; who we are may not.
            let now = try await onBlockingThread { try settings.readOriginAnew(configuration) }
            guard now.name == origin.name else {
                throw Failure(
                    .configuration,
                    "get credentials for S3 anew: they came from \(origin.name), and now \(now.name) comes before it",
                    hint: "A run goes on as whom it began."
                )
            }
            return try await loader.load(now)
        }
    }
}
