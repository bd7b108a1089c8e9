// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Telemetry

/// Who is told how a run went. None of them can make it fail, or hold it up for more than a few seconds.
package struct MonitoringOptions: ParsableArguments, Sendable {
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

    package init() {}

    /// Of what is typed; what stands in the environment was looked at before (`followable`).
    package func validate() throws {
        let values = [
            "metrics-file": metricsFile, "pushgateway": pushgateway, "ping-url": pingURL, "ping-url-file": pingURLFile,
            "webhook": webhook, "webhook-secret-file": webhookSecretFile,
        ]
        if let flaw = Self.flaws({ values[$0] ?? nil }).first { throw ValidationError(flaw.reason) }
    }

    var isEmpty: Bool {
        metricsFile == nil && pushgateway == nil && pingURL == nil && pingURLFile == nil && webhook == nil
    }
}

extension MonitoringOptions {
    /// What cannot be followed, and the flags that say so. None is quoted: they may hold secrets.
    private static func flaws(_ value: (String) -> String?) -> [(flags: [String], reason: String)] {
        var flaws: [(flags: [String], reason: String)] = []
        for flag in ["pushgateway", "ping-url", "webhook"] {
            guard let url = value(flag), DeliveryURL(url) == nil else { continue }
            flaws.append(([flag], "--\(flag) is http://host/… or https://host/…"))
        }
        if value("ping-url") != nil, value("ping-url-file") != nil {
            flaws.append((["ping-url-file", "ping-url"], "--ping-url and --ping-url-file exclude each other"))
        }
        if value("webhook-secret-file") != nil, value("webhook") == nil {
            flaws.append((["webhook-secret-file"], "--webhook-secret-file needs --webhook"))
        }
        if value("metrics-file")?.hasSuffix("/") == true {
            flaws.append((["metrics-file"], "--metrics-file is a file, not a folder"))
        }
        return flaws
    }

    /// An environment without what it says of watchers and nobody can follow, and what that was. Whoever watches must
    /// not make a run fail, nor by `restore --guard` keep a server from starting.
    /// - Parameter typed: the flags on the line, which win.
    package static func followable(
        _ environment: [String: String],
        typed: Set<String>
    ) -> (environment: [String: String], remarks: [String]) {
        var followable = environment
        var remarks: [String] = []
        // Without one, another may have a flaw: the secret of a webhook that is none.
        while true {
            let flaws = flaws { flag in
                // The parser judges it.
                if typed.contains(flag) { return "https://typed" }
                return followable[EnvironmentLayer.variable(of: flag)].flatMap { $0.isEmpty ? nil : $0 }
            }
            let found = flaws.lazy.compactMap { flaw in
                flaw.flags.first { !typed.contains($0) }.map { (flag: $0, reason: flaw.reason) }
            }
            guard let (flag, reason) = found.first else { return (followable, remarks) }
            let variable = EnvironmentLayer.variable(of: flag)
            followable[variable] = nil
            remarks.append("\(variable) is passed over: \(reason)")
        }
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
