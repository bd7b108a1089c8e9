// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// Asks an SFTP server, and asks again after what passes.
///
/// An answer that is no success is believed when it comes twice, the second time over a new connection: of a connection
/// that broke, libssh2 repeats an answer that was meant for an earlier request.
struct SFTPExchange: Sendable {
    let client: SFTPClient
    let settings: SFTPSettings
    let policy: RetryPolicy
    private let deadlines: HTTPDeadlines
    private let hasLoggedIn = SharedValue(false)

    init(settings: SFTPSettings, client: SFTPClient, configuration: StoreConfiguration) {
        self.settings = settings
        self.client = client
        deadlines = configuration.deadlines
        policy = RetryPolicy(
            attemptsMax: settings.attemptsMax,
            budget: configuration.traffic.retries,
            clock: configuration.clock,
            logger: configuration.logger
        )
    }

    /// Runs `body` until it succeeds.
    /// - Parameters:
    ///   - passing: codes that are thrown at once, as they are, for the caller to look what is behind them.
    ///   - hasProgressed: whether the last try came further than the one before; asked once after each.
    /// - Throws: the failure of the last try.
    func perform<Result>(
        _ attempt: String,
        passing: Set<Failure.Code> = [],
        hasProgressed: () -> Bool = { false },
        _ body: (SFTPClient, SFTPClient.Options) async throws -> Result
    ) async throws -> Result {
        var tries = Tries(policy)
        var options = SFTPClient.Options(deadlines: deadlines)
        var refusals = 0
        while true {
            do {
                let result = try await body(client, options)
                tries.succeeded()
                hasLoggedIn.value = true
                return result
            } catch let failure as Failure where !passing.contains(failure.code) {
                if hasProgressed() { tries.progressed() }
                tries.failed()
                let shown = Failure(
                    failure.code,
                    attempt,
                    cause: failure,
                    hint: failure.hint ?? settings.hint(for: failure)
                )
                if isPassing(failure) {
                    try await tries.wait(after: shown)
                } else {
                    refusals += 1
                    if refusals > Self.doubts(failure.code) { throw shown }
                }
                options.isOnNewConnection = true
            }
        }
    }

    /// How often an answer is doubted. A login that is broken off looks like one that is refused.
    private static func doubts(_ code: Failure.Code) -> Int {
        code == .authenticationFailed ? 2 : 1
    }

    /// A login that fails after another one succeeded was broken off: libssh2 tells one not from the other.
    private func isPassing(_ failure: Failure) -> Bool {
        failure.code.isTransient || (failure.code == .authenticationFailed && hasLoggedIn.value)
    }
}
