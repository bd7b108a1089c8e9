// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Failures
import Operations

/// What a restore into running servers needs to know.
struct RestoreServersOptions: ParsableArguments, Sendable {
    @Option(help: ArgumentHelp("Server that becomes the primary. Otherwise the one that is it now.", valueName: "name"))
    var primary: String?

    @Option(
        help: ArgumentHelp(
            "Living primary that the restored servers rejoin as replicas; it is not restored.",
            valueName: "url"
        )
    )
    var rejoin: String?

    @Option(help: ArgumentHelp("How many servers are given the snapshot at a time.", valueName: "count"))
    var parallel = 4

    @Option(
        help: ArgumentHelp(
            "How long a server may take to follow its primary and to write its append-only file (default: 10m).",
            valueName: "time"
        ),
        transform: TimeSpan.orSeconds
    )
    var settleTimeout = TimeSpan(seconds: 600)

    @Flag(help: "Take a server away from a primary that is not restored.")
    var detach = false

    @Flag(help: "Restore although Sentinel watches, which may fail over in the middle.")
    var ignoreSentinel = false

    @Flag(help: "Rejoin a primary that holds nothing. Whoever follows it then holds nothing either.")
    var allowEmptyPrimary = false

    /// - Throws: where one of these was given, and no server is restored that runs.
    func validateNone() throws {
        let given = [
            ("--primary", primary != nil), ("--rejoin", rejoin != nil), ("--detach", detach),
            ("--ignore-sentinel", ignoreSentinel), ("--allow-empty-primary", allowEmptyPrimary),
        ].filter(\.1).map(\.0)
        guard given.isEmpty else {
            throw ValidationError("\(given.joined(separator: ", ")): only with --endpoint or --statefulset")
        }
    }

    func validate() throws {
        guard (1...64).contains(parallel) else { throw ValidationError("--parallel is 1 to 64") }
        try settleTimeout.require("--settle-timeout")
    }
}
