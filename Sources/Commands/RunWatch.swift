// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Failures
import FoundationEssentials
import HTTPTransport
import Logging
import Telemetry

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Tells those who watch how a run begins and ends: the one place from which anything is sent.
///
/// Whatever goes wrong here is a warning. All of it together takes a few seconds at the most, also when nobody answers.
struct RunWatch: Sendable {
    private let command: String
    private let options: MonitoringOptions
    private let subject: WatchedSubject
    private let tellsItsBeginning: Bool
    private let logger: Logger
    private let runID = UUID().uuidString.lowercased()
    private let begun = ContinuousClock.now
    private let startedAt = Date()
    private let pingURL: DeliveryURL?

    /// How long telling the beginning, and the end, may take.
    private static let beginning = Duration.seconds(2)
    private static let ending = Duration.seconds(4)
    /// Then the process ends, wherever it is.
    private static let secondsMax = 6

    /// `nil` when nobody watches.
    init?(_ command: any RunnableCommand) {
        guard let monitored = command as? any MonitoredCommand, !monitored.monitoring.isEmpty, !monitored.isRehearsal
        else { return nil }
        self.command = type(of: command).configuration.commandName ?? ""
        options = monitored.monitoring
        subject = monitored.watchedSubject
        tellsItsBeginning = monitored.tellsItsBeginning
        logger = command.outputs.session().logger
        pingURL = Self.pingURL(options, logger)
        for secret in [options.pushgateway, options.pingURL, options.webhook].compactMap({ $0 }) {
            Redaction.learn(DeliveryURL(secret)?.password)
        }
    }

    private static func pingURL(_ options: MonitoringOptions, _ logger: Logger) -> DeliveryURL? {
        if let url = options.pingURL { return DeliveryURL(url) }
        guard let file = options.pingURLFile else { return nil }
        guard let text = secret(in: file), let url = DeliveryURL(text) else {
            logger.warning("nobody is pinged: \(file) cannot be read, or holds no URL with http or https")
            return nil
        }
        Redaction.learn(text)
        return url
    }

    /// The text of a small file, without the end of its line.
    private static func secret(in file: String) -> String? {
        guard let data = try? Data(contentsOf: URL(filePath: file)), (1...65_536).contains(data.count) else {
            return nil
        }
        let text = String(decoding: data, as: UTF8.self)
        return String(text.reversed().drop { $0.isWhitespace }.reversed())
    }

    // MARK: - The beginning

    /// Runs `body`; that it began is told beside it.
    static func beside<Result: Sendable>(
        _ watch: RunWatch?,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        guard let watch, let url = watch.pingURL, watch.tellsItsBeginning else { return try await body() }
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await watch.tellBeginning(url) }
            return try await body()
        }
    }

    private var pingFlag: String { options.pingURL == nil ? "--ping-url-file" : "--ping-url" }

    private func tellBeginning(_ url: DeliveryURL) async {
        let ping = HealthPing(url, runID: runID)
        await attempt("\(pingFlag), its beginning") {
            try await withHTTPClient { client in
                try await Delivery(over: client, until: .now + Self.beginning).send(ping.started(), to: ping.place)
            }
        }
    }

    // MARK: - The end

    /// Tells how the run ended, and returns when all have heard it, or a few seconds have passed.
    func ended(_ code: Int32, _ failure: Failure?) async {
        let facts = RunFacts.current
        guard !(facts.isPart && code == 0) else { return }
        // A name server that hangs holds up more than the request that asks it.
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(Self.secondsMax)) { _exit(code) }
        let report = RunReport(
            command: command,
            exitCode: code,
            failure: failure,
            runID: runID,
            startedAt: startedAt,
            seconds: (ContinuousClock.now - begun) / .seconds(1),
            facts: facts,
            subject: subject
        )
        let samples = metrics(report)
        if let file = options.metricsFile, !samples.isEmpty {
            if !file.hasSuffix(".prom") {
                logger.warning("--metrics-file: the textfile collector passes over a name that does not end in .prom")
            }
            await attempt("--metrics-file") { try MetricsFile(path: file).write(samples) }
        }
        guard options.pushgateway != nil || pingURL != nil || options.webhook != nil else { return }
        await attempt("its end") { try await withHTTPClient { await send(report, samples, over: $0) } }
    }

    private func metrics(_ report: RunReport) -> [MetricSample] {
        var metrics = RunMetrics(
            command: command,
            exitCode: report.exitCode,
            endedAt: Int64(Date().timeIntervalSince1970),
            seconds: report.seconds,
            facts: report.facts,
            subject: subject
        )
        if subject == .unknown, let file = options.metricsFile {
            metrics.subjectBefore = MetricsFile(path: file).onlyName(in: command)
        }
        return metrics.samples
    }

    /// All at the same time: one that does not answer keeps nobody from hearing.
    private func send(_ report: RunReport, _ samples: [MetricSample], over client: HTTPClient) async {
        let delivery = Delivery(over: client, until: .now + Self.ending)
        await withDiscardingTaskGroup { group in
            if let gateway = options.pushgateway.flatMap(DeliveryURL.init).map({ Pushgateway($0) }) {
                group.addTask {
                    // One that cannot be told of one subject cannot be told of the next.
                    await attempt("--pushgateway") {
                        for request in gateway.requests(samples) { try await delivery.send(request, to: gateway.place) }
                    }
                }
            }
            if let ping = pingURL.map({ HealthPing($0, runID: runID) }) {
                group.addTask {
                    await attempt("\(pingFlag), its end") {
                        try await delivery.send(ping.ended(exitCode: report.exitCode, report.text), to: ping.place)
                    }
                }
            }
            if let webhook = options.webhook.flatMap(DeliveryURL.init) {
                group.addTask { await attempt("--webhook") { try await call(webhook, report, delivery) } }
            }
        }
    }

    private func call(_ url: DeliveryURL, _ report: RunReport, _ delivery: Delivery) async throws {
        var secret: [UInt8]?
        if let file = options.webhookSecretFile {
            // Unsigned is not what was asked for.
            guard let text = Self.secret(in: file), !text.isEmpty else {
                throw Failure(.configuration, "tell \(url.place): the secret in \(file) cannot be read, or is empty")
            }
            secret = Array(text.utf8)
        }
        let webhook = Webhook(url, secret: secret)
        let time = Int64(Date().timeIntervalSince1970)
        let request = webhook.request(try report.document(), runID: runID, time: time)
        try await delivery.send(request, to: webhook.place)
    }

    /// - Parameter listener: the flag that names who hears.
    private func attempt(_ listener: String, _ body: () async throws -> Void) async {
        do { try await body() } catch is CancellationError { return } catch {
            let failure = Failure(wrapping: error, attempting: "tell them")
            logger.warning("not everybody heard of this run (\(listener)): \(failure)")
        }
    }
}
