// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Logging
import ObjectStorage

/// The way to the stores of a run: how often, how long, how fast, through whom, and who is believed there.
struct StoreWayOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "How often a request to a store is sent before it counts as failed, 1 to 50; 8 by itself. For S3 also "
                + "AWS_MAX_ATTEMPTS.",
            valueName: "count"
        )
    )
    var retries: Int?

    @Option(
        help: ArgumentHelp(
            "How many retries all requests of the run have together; one that succeeds in the end gives its own back.",
            valueName: "count"
        )
    )
    var retryBudget = RetryBudget.retriesUsual

    @Option(
        help: ArgumentHelp("How long nothing may move at a store (default: 1m).", valueName: "time"),
        transform: TimeSpan.orSeconds
    )
    var storeTimeout = TimeSpan(seconds: secondsUsual)

    @Option(
        help: ArgumentHelp(
            "How fast bytes go to stores and come from them, in bytes a second: 10M, 512Ki, or UP:DOWN, off for no "
                + "limit. All transfers of the run share it.",
            valueName: "rate"
        ),
        transform: BandwidthLimit.reading
    )
    var bwlimit: BandwidthLimit?

    @Option(
        help: ArgumentHelp(
            "Proxy on the way to stores: http://[user[:password]@]host:port, https://, socks5:// or socks5h://. "
                + "Otherwise HTTPS_PROXY and NO_PROXY say.",
            valueName: "url"
        )
    )
    var proxy: String?

    @Option(
        help: ArgumentHelp(
            "Public key that the store must show, besides a good certificate: sha256//BASE64, several with ; between.",
            valueName: "pin"
        )
    )
    var storePin: String?

    @Option(help: ArgumentHelp("Certificate to show to the store, as PEM.", valueName: "file"))
    var storeCert: String?

    @Option(help: ArgumentHelp("Key of that certificate, as PEM.", valueName: "file"))
    var storeKey: String?

    private static let secondsUsual: Int64 = 60
    private static let budgetMax = 1_000_000

    func validate() throws {
        if let retries, !(1...50).contains(retries) { throw ValidationError("--retries is 1 to 50") }
        guard (0...Self.budgetMax).contains(retryBudget) else {
            throw ValidationError("--retry-budget is 0 to \(Self.budgetMax)")
        }
        try storeTimeout.require("--store-timeout", from: TimeSpan(seconds: 1))
        if (storeCert == nil) != (storeKey == nil) {
            throw ValidationError("--store-cert and --store-key need each other")
        }
        if let storePin, !StoreConfiguration.isPin(storePin) {
            throw ValidationError("--store-pin is sha256// and the Base64 of a SHA-256, several with ; between")
        }
        if let proxy, !Self.isProxy(proxy) {
            // Not quoted: it may hold a password.
            throw ValidationError("--proxy is http://host:port, or https://, socks5:// or socks5h://")
        }
    }

    private static func isProxy(_ url: String) -> Bool {
        guard let mark = url.firstRange(of: "://") else { return false }
        return ["http", "https", "socks5", "socks5h"].contains(url[..<mark.lowerBound].lowercased())
            && !url[mark.upperBound...].isEmpty && url.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    func apply(to configuration: inout StoreConfiguration, _ session: Session) {
        configuration.attemptsMax = retries
        configuration.noProgressSeconds = Int(storeTimeout.seconds)
        configuration.proxy = proxy
        Redaction.learn(proxy.flatMap(Self.password))
        configuration.pinnedKey = storePin
        configuration.clientCertificateFile = storeCert
        configuration.clientKeyFile = storeKey
        configuration.traffic = session.traffic
        session.traffic.retries.limit(to: retryBudget)
        session.traffic.limit(up: bwlimit?.up, down: bwlimit?.down)
    }

    private static func password(of proxy: String) -> String? {
        guard let mark = proxy.firstRange(of: "://"), let at = proxy.lastIndex(of: "@"), at > mark.upperBound,
            let colon = proxy[mark.upperBound..<at].firstIndex(of: ":")
        else { return nil }
        return String(proxy[proxy.index(after: colon)..<at])
    }

    /// Says how many requests had to be sent again, if any had.
    func tellRetries(_ session: Session) {
        let count = session.traffic.retries.takenSinceTold()
        guard count > 0 else { return }
        RunFacts.note { $0.storeRetries += count }
        session.logger.info("requests to the store were sent again", metadata: ["retries": "\(count)"])
    }

    /// The options as they were said, for a process that reads the same store. A proxy with a password is not among
    /// them: a command line is no place for it.
    var arguments: [String] {
        var arguments: [String] = []
        func add(_ name: String, _ value: String?) {
            if let value { arguments.append("--\(name)=\(value)") }
        }
        add("retries", retries.map { "\($0)" })
        if retryBudget != RetryBudget.retriesUsual { add("retry-budget", "\(retryBudget)") }
        if storeTimeout.seconds != Self.secondsUsual { add("store-timeout", "\(storeTimeout)") }
        add("bwlimit", bwlimit?.argument)
        if proxy?.contains("@") == false { add("proxy", proxy) }
        add("store-pin", storePin)
        add("store-cert", storeCert)
        add("store-key", storeKey)
        return arguments
    }
}
