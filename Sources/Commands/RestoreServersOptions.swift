// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Failures
import Operations
import RedisClient

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

    @Option(
        help: ArgumentHelp(
            "How the servers reach this program, which sends them the snapshot. Otherwise by the address that this "
                + "machine has towards each of them.",
            valueName: "host[:port]"
        )
    )
    var advertise: String?

    @Option(
        help: ArgumentHelp("What is listened on for them. Otherwise a free port.", valueName: "address[:port]")
    )
    var listen: String?

    @Option(
        help: ArgumentHelp(
            "Another address from which a server may come, where its own is translated on the way.",
            valueName: "address"
        )
    )
    var seedPeer: [String] = []

    @Option(
        help: ArgumentHelp(
            "Certificate to show to servers that replicate over TLS. Otherwise that of --cert.",
            valueName: "file"
        )
    )
    var seedCert: String?

    @Option(help: ArgumentHelp("Key of that certificate. Otherwise that of --key.", valueName: "file"))
    var seedKey: String?

    @Option(help: ArgumentHelp("How many servers are given the snapshot at a time.", valueName: "count"))
    var parallel = 4

    @Option(
        help: ArgumentHelp("Seconds that a server may take to follow its primary and to write its append-only file.")
    )
    var settleTimeout: Double = 600

    @Flag(help: "Take a server away from a primary that is not restored.")
    var detach = false

    @Flag(help: "Restore although Sentinel watches, which may fail over in the middle.")
    var ignoreSentinel = false

    @Flag(help: "Rejoin a primary that holds nothing. Whoever follows it then holds nothing either.")
    var allowEmptyPrimary = false

    func validate() throws {
        if (seedCert == nil) != (seedKey == nil) { throw ValidationError("--seed-cert and --seed-key need each other") }
        guard (1...64).contains(parallel) else { throw ValidationError("--parallel is 1 to 64") }
        guard settleTimeout > 0 else { throw ValidationError("a time-out must be more than 0 seconds") }
        for (flag, text) in [("--advertise", advertise), ("--listen", listen)] {
            guard let text else { continue }
            guard Self.address(text) != nil else { throw ValidationError("\(flag) \(text): give HOST, or HOST:PORT") }
        }
    }

    /// How the servers reach this program.
    func route(_ servers: ServerOptions) -> SeedRoute {
        var route = SeedRoute()
        let advertised = advertise.flatMap(Self.address)
        route.advertisedHost = advertised?.host
        route.advertisedPort = advertised?.port
        let listened = listen.flatMap(Self.address)
        route.listenHost = listened?.host
        route.listenPort = listened?.port ?? 0
        route.peers = Set(seedPeer)
        route.connectSeconds = max(3, servers.connectTimeout * 3)
        if let certificate = seedCert ?? servers.cert, let key = seedKey ?? servers.key {
            route.tls = SeedTLS(
                certificate: .init(certificateFile: certificate, keyFile: key),
                authorities: servers.cacert.map { .file($0) } ?? .system,
                skipsVerification: servers.insecure
            )
        }
        return route
    }

    /// Reads `host`, `host:port`, `[address]` and `[address]:port`.
    static func address(_ text: String) -> (host: String, port: Int?)? {
        if text.filter({ $0 == ":" }).count > 1, !text.hasPrefix("[") { return (text, nil) }
        let host: Substring
        let rest: Substring
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<end]
            rest = text[text.index(after: end)...]
        } else {
            let end = text.firstIndex(of: ":") ?? text.endIndex
            host = text[..<end]
            rest = text[end...]
        }
        guard !host.isEmpty, !host.contains(where: \.isWhitespace) else { return nil }
        guard !rest.isEmpty else { return (String(host), nil) }
        guard rest.first == ":", let port = Int(rest.dropFirst()), (1...65535).contains(port) else { return nil }
        return (String(host), port)
    }
}
