// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Operations
import RedisClient

/// How servers that are restored while they run reach this program.
struct SeedRouteOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "How the servers reach this program, which sends them the snapshot. Otherwise by the address that this "
                + "machine has towards each of them.",
            valueName: "host[:port]"
        )
    )
    var advertise: String?

    @Option(
        help: ArgumentHelp(
            "What is listened on for them. Otherwise a free port for each. With one port they are restored one by one.",
            valueName: "address[:port]"
        )
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

    func validate() throws {
        if (seedCert == nil) != (seedKey == nil) { throw ValidationError("--seed-cert and --seed-key need each other") }
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
        route.connectSeconds = max(3, servers.connectTimeout.inSeconds * 3)
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
