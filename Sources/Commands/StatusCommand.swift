// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Catalog
import Failures
import Operations

/// A part of the usual, as `50%`.
package struct Share: ExpressibleByArgument, Sendable, Hashable {
    /// 0 to 1.
    package let value: Double

    package init?(argument: String) {
        guard argument.hasSuffix("%"), let percent = Double(argument.dropLast()), (1...100).contains(percent) else {
            return nil
        }
        value = percent / 100
    }
}

struct StatusCommand: MonitoredCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Say whether there is a fresh, proven, drilled backup, by the exit code too.",
        discussion: """
            One line for each subject; on a terminal, the last backups too. What no option asks for is shown and not \
            judged, but for this: there must be a backup (else exit code 10), and none may be known to be corrupt \
            (exit code 4). Exit code 6 when one is older, smaller or less proven than the options say.
            """
    )

    @Option(
        help: ArgumentHelp("How old the newest backup may be, as 26h.", valueName: "age"),
        transform: TimeSpan.withUnit
    )
    var maxAge: TimeSpan?

    @Option(
        help: ArgumentHelp("How long ago verify may have proven a backup for the last time, as 50h.", valueName: "age"),
        transform: TimeSpan.withUnit
    )
    var maxVerifyAge: TimeSpan?

    @Option(
        help: ArgumentHelp(
            "How long ago a drill may have proven a backup for the last time, as 15d.",
            valueName: "age"
        ),
        transform: TimeSpan.withUnit
    )
    var maxDrillAge: TimeSpan?

    @Option(
        help: ArgumentHelp("How many keys the newest backup has at least, replicas not counted.", valueName: "count")
    )
    var minKeys: UInt64?

    @Option(
        help: ArgumentHelp(
            "How much smaller the newest backup may be than the middle of the seven before it, as 50%: in keys, in "
                + "keys of a type, in bytes.",
            valueName: "percent"
        )
    )
    var maxShrink: Share?

    @Flag(help: "Count a backup in which some members failed as one.")
    var acceptPartial = false

    @Flag(help: "Show the last backups also where the output is no terminal.")
    var table = false

    @OptionGroup var source: SourceStoreOptions
    @OptionGroup(title: "Monitoring") var monitoring: MonitoringOptions
    @OptionGroup(title: "Output") var outputs: OutputOptions

    var watchedSubject: WatchedSubject { .init(source.name, orElse: .all) }

    func execute() async throws -> ExitCode {
        let session = outputs.session()
        var request = StatusRequest(name: source.name)
        request.ageMax = maxAge?.seconds
        request.verifyAgeMax = maxVerifyAge?.seconds
        request.drillAgeMax = maxDrillAge?.seconds
        request.keysMin = minKeys
        request.shrinkMax = maxShrink?.value
        request.acceptsPartial = acceptPartial
        return try await source.store.withStore(at: source.from, session) { [request] store in
            let status = StoreStatus(request, of: Catalog(store: store), logger: session.logger)
            let statuses = try await status.run()
            RunFacts.note { $0.looked(at: statuses) }
            let report = StatusReport(statuses, at: store.location)
            let showsTable = table || Console.resultsGoToTerminal
            let text = report.text(showsTable: showsTable, isPlain: Sparkline.isPlain(session.environment))
            try session.result(text, report, verdict: report.verdict)
            return try report.ending()
        }
    }
}
