// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Telemetry

/// Who is told how a run went. None of them can make it fail, or hold it up for more than a few seconds.
struct MonitoringOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "File that gets metrics when the run ends, for the textfile collector of the node exporter: a name that "
                + "ends in .prom.",
            valueName: "file"
        )
    )
    var metricsFile: String?

    @Option(
        help: ArgumentHelp("Pushgateway that gets them: http://[user:password@]host:9091.", valueName: "url")
    )
    var pushgateway: String?

    @Option(
        help: ArgumentHelp(
            "Check that is told when the run begins (URL/start) and how it ends (URL, or URL/EXIT-CODE), as "
                + "healthchecks have it.",
            valueName: "url"
        )
    )
    var pingURL: String?

    @Option(help: ArgumentHelp("File with that URL: whoever knows it can ping.", valueName: "file"))
    var pingURLFile: String?

    @Option(help: ArgumentHelp("URL that gets the outcome of the run as JSON.", valueName: "url"))
    var webhook: String?

    @Option(help: ArgumentHelp("File with the secret that signs it (HMAC-SHA256).", valueName: "file"))
    var webhookSecretFile: String?

    func validate() throws {
        // None is quoted: they may hold secrets.
        for (flag, url) in [("pushgateway", pushgateway), ("ping-url", pingURL), ("webhook", webhook)] {
            guard let url, DeliveryURL(url) == nil else { continue }
            throw ValidationError("--\(flag) is http://host/… or https://host/…")
        }
        if pingURL != nil, pingURLFile != nil {
            throw ValidationError("--ping-url and --ping-url-file exclude each other")
        }
        if webhookSecretFile != nil, webhook == nil { throw ValidationError("--webhook-secret-file needs --webhook") }
        if metricsFile?.hasSuffix("/") == true { throw ValidationError("--metrics-file is a file, not a folder") }
    }

    var isEmpty: Bool {
        metricsFile == nil && pushgateway == nil && pingURL == nil && pingURLFile == nil && webhook == nil
    }
}

/// A subcommand whose runs can be watched.
protocol MonitoredCommand: RunnableCommand {
    var monitoring: MonitoringOptions { get }
    /// Whose backups it is about, as far as the command line says.
    var watchedSubject: WatchedSubject { get }
    /// Whether it only says what it would do: then nobody is told.
    var isRehearsal: Bool { get }
    /// Whether its beginning is told: not of one pod among many.
    var tellsItsBeginning: Bool { get }
}

extension MonitoredCommand {
    var isRehearsal: Bool { false }
    var tellsItsBeginning: Bool { true }
}

/// Whose backups a run is about.
enum WatchedSubject: Sendable, Hashable {
    case named(String)
    /// All that a store holds.
    case all
    /// It turns out while it runs.
    case unknown

    init(_ name: String?, orElse other: WatchedSubject) {
        self = name.map(WatchedSubject.named) ?? other
    }
}
