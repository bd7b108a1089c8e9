// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import HTTPTransport

/// What proves to the server who we are, for now.
struct Credentials: Sendable {
    /// The value of the `Authorization` header.
    var authorization: String?
    var identity: HTTPClientIdentity?
    /// What no message may show.
    var secrets: [String] = []
    /// When they should be got anew, in seconds since 1970; `nil`: when they are refused.
    var staleAtSeconds: Int64?
    /// Tells those that were got one after another apart.
    fileprivate(set) var generation = 0
}

extension Credentials: CustomStringConvertible, CustomReflectable {
    /// No output shows them.
    var description: String { "***" }
    var customMirror: Mirror { Mirror(self, children: []) }
}

/// Holds the credentials of a client, and gets them anew when they are stale or refused: one task at a time does, and
/// the others wait for it.
final class CredentialKeeper: Sendable {
    private struct State: Sendable {
        var current: Credentials?
        var isLoading = false
        var generations = 0
    }

    private enum Step: Sendable {
        case use(Credentials)
        case load
    }

    private let state = Monitor(State())
    private let clock: RequestClock
    /// Whether getting them anew may give others.
    private let isRefreshable: Bool
    private let load: @Sendable (RequestClock) async throws -> Credentials

    init(
        clock: RequestClock,
        isRefreshable: Bool,
        load: @escaping @Sendable (RequestClock) async throws -> Credentials
    ) {
        self.clock = clock
        self.isRefreshable = isRefreshable
        self.load = load
    }

    /// The credentials to use now.
    /// - Throws: what getting them throws.
    func current() async throws -> Credentials {
        let now = clock.secondsSince1970()
        let step = try await state.wait { state -> Step? in
            if state.isLoading { return nil }
            if let current = state.current, now < current.staleAtSeconds ?? .max { return .use(current) }
            state.isLoading = true
            return .load
        }
        switch step {
        case .use(let credentials): return credentials
        case .load: return try await loadAnew()
        }
    }

    private func loadAnew() async throws -> Credentials {
        do {
            let loaded = try await load(clock)
            return state.change { state in
                state.generations += 1
                state.isLoading = false
                var loaded = loaded
                loaded.generation = state.generations
                state.current = loaded
                return loaded
            }
        } catch {
            state.change { $0.isLoading = false }
            throw error
        }
    }

    /// Tells that the server refused these.
    /// - Returns: whether others may be had; the next `current` gets them, unless another task already did.
    func reject(_ credentials: Credentials) -> Bool {
        guard isRefreshable else { return false }
        state.change { state in
            if state.current?.generation == credentials.generation { state.current = nil }
        }
        return true
    }
}
