// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import Operations
import RedisClient

/// How the start of a server is guarded.
struct GuardOptions: ParsableArguments, Sendable {
    /// What is done when the store could not be asked until the deadline.
    enum OnDeadline: String, Sendable, CaseIterable, ExpressibleByArgument {
        case fail
        case start
    }

    @Flag(
        help: """
            Guard the start of a server, as an init container: restore into an empty folder, wait for a store that \
            cannot be reached, leave data alone, and say how old it is.
            """
    )
    var `guard` = false

    @Option(
        help: ArgumentHelp(
            "Guard: how long an empty folder waits for the store: 90s, 1h (default: 10m).",
            valueName: "time"
        ),
        transform: TimeSpan.orSeconds
    )
    var guardDeadline = TimeSpan(seconds: 600)

    @Option(
        help: """
            Guard: what then: fail, and the server does not start; or start, and it starts EMPTY, whatever it had. \
            Only a store that cannot be reached is meant: one that refuses always fails.
            """
    )
    var guardOnDeadline: OnDeadline = .fail

    @Option(
        help: ArgumentHelp(
            "Guard: another server of the group, may be repeated: it is asked what it has. Log in as for --endpoint.",
            valueName: "url"
        )
    )
    var peer: [String] = []

    @Flag(help: "Guard: start beside a primary without keys, which makes this server throw its data away.")
    var ignoreEmptyPrimary = false

    @Flag(
        help: """
            Guard: restore, or start empty, although a peer is a replica with data that has lost its primary: whoever \
            starts the servers makes it the primary.
            """
    )
    var ignoreOrphans = false

    /// A peer that does not answer in this time is not there.
    private static let peerSeconds = 3.0

    func peers(_ servers: ServerOptions, _ session: Session) throws -> [RedisEndpoint] {
        let deadlines = RedisDeadlines(connectSeconds: Self.peerSeconds, noProgressSeconds: Self.peerSeconds)
        return try servers.endpoints(peer, deadlines: deadlines, session)
    }
}

extension RestoreCommand {
    func runGuard(_ request: DataDirectoryRequest, _ session: Session) async throws -> ExitCode {
        let policy = GuardPolicy(
            deadline: dryRun ? .zero : holding.guardDeadline.duration,
            startsAtDeadline: holding.guardOnDeadline == .start,
            ignoresEmptyPrimary: holding.ignoreEmptyPrimary,
            ignoresOrphans: holding.ignoreOrphans,
            onHold: { failure in
                // Should the pod be killed while it waits, this is its last word.
                let code = ExitCode(failure.code).rawValue
                TerminationMessage(command: "restore", exitCode: code, failure: failure).write(
                    to: outputs.terminationLog
                )
            }
        )
        let keyring = try await identity.keyring(session)
        let restoreGuard = RestoreGuard(
            request,
            policy: policy,
            peers: try holding.peers(servers, session),
            store: { body in
                try await source.store.withStore(at: source.from, session) { store in
                    try await body(Catalog(store: store, keyring: keyring))
                }
            },
            meter: session.meter,
            logger: session.logger
        )
        let outcome = try await session.progress.show { try await restoreGuard.run() }
        switch outcome.ending {
        case .restore(let ending):
            return try finish(ending, in: request.path, remarks: outcome.remarks, session)
        case .startsUnproven(let failure):
            let report = RestoreReport(startsUnproven: failure, dataDirectory: request.path)
            RunFacts.note { [name = source.name] in $0.startsUnproven(named: name) }
            session.logger.critical("\(report.detail) (--guard-on-deadline start)")
            try session.result(report.text, report, verdict: report.sentence)
            return .done
        }
    }
}
