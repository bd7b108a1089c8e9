// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Failures
import FoundationEssentials
import Operations
import RedisClient
import RedisProtocol

/// How servers are reached: who logs in, how they are verified, how long to wait. The names are those of redis-cli.
struct ServerOptions: ParsableArguments, Sendable {
    @Option(
        help: ArgumentHelp(
            "Server, may be repeated: redis://[user[:password]@]host[:port], rediss:// for TLS, valkey://, valkeys://, "
                + "unix:///path. A word alone before the @ is the password where no other is given, else the user.",
            valueName: "url"
        )
    )
    var endpoint: [String] = []

    @OptionGroup var set: StatefulSetOptions

    @Option(help: ArgumentHelp("ACL user to log in as, where the URL names none.", valueName: "name"))
    var user: String?

    @Option(
        help: ArgumentHelp(
            "File with the password, where the URL has none. Otherwise REDISCLI_AUTH, REDIS_PASSWORD.",
            valueName: "file"
        )
    )
    var passwordFile: String?

    @Option(help: ArgumentHelp("Certificates that the server's own must descend from.", valueName: "file"))
    var cacert: String?

    @Option(help: ArgumentHelp("Certificate to show to the server.", valueName: "file"))
    var cert: String?

    @Option(help: ArgumentHelp("Key of that certificate.", valueName: "file"))
    var key: String?

    @Option(
        help: ArgumentHelp(
            "Name to ask for and to verify with TLS, where it is not the host of the URL.",
            valueName: "name"
        )
    )
    var sni: String?

    @Flag(help: "Do not verify the certificate of the server. The password then goes to whoever answers.")
    var insecure = false

    @Option(
        help: ArgumentHelp("How long to wait for a connection (default: 10s).", valueName: "time"),
        transform: TimeSpan.orSeconds
    )
    var connectTimeout = TimeSpan(seconds: 10)

    @Option(
        help: ArgumentHelp("How long nothing may move at the server (default: 1m).", valueName: "time"),
        transform: TimeSpan.orSeconds
    )
    var timeout = TimeSpan(seconds: 60)

    /// Whether no server is named at all.
    var isEmpty: Bool { endpoint.isEmpty && set.statefulset == nil }

    func validate() throws {
        if (cert == nil) != (key == nil) { throw ValidationError("--cert and --key need each other") }
        if !endpoint.isEmpty && set.statefulset != nil {
            throw ValidationError("give either --endpoint or --statefulset")
        }
        try connectTimeout.require("--connect-timeout")
        try timeout.require("--timeout")
    }

    /// The servers that the options name themselves: by URL, or by DNS.
    /// - Throws: `.usage`, `.configuration`.
    func endpoints(_ session: Session) throws -> [RedisEndpoint] {
        let password = try password(session)
        let endpoints = try (endpoint + set.endpoints()).map { try self.endpoint($0, password) }
        warn(about: endpoints, session)
        return endpoints
    }

    /// The servers in pods that were found through the API server.
    /// - Throws: `.usage`, `.configuration`.
    func endpoints(of members: [StatefulSetMembers.Member], _ session: Session) throws -> [RedisEndpoint] {
        let password = try password(session)
        let endpoints = try members.map { member in
            var endpoint = try endpoint(set.url(host: member.host), password)
            endpoint.label = member.name
            // Its certificate is for a name, and it is reached by its address.
            if endpoint.tls.serverName == nil { endpoint.tls.serverName = member.domainName }
            return endpoint
        }
        warn(about: endpoints, session)
        return endpoints
    }

    /// Servers that other options name, reached as these say.
    /// - Throws: `.usage`, `.configuration`.
    func endpoints(_ urls: [String], deadlines: RedisDeadlines? = nil, _ session: Session) throws -> [RedisEndpoint] {
        guard !urls.isEmpty else { return [] }
        let password = try password(session)
        let endpoints = try urls.map { url in
            var endpoint = try self.endpoint(url, password)
            if let deadlines { endpoint.deadlines = deadlines }
            return endpoint
        }
        warn(about: endpoints, session)
        return endpoints
    }

    private func endpoint(_ text: String, _ given: GivenPassword?) throws -> RedisEndpoint {
        let read = try RedisURL(text)
        // `redis://$(REDIS_PASSWORD)@host` says the same password twice, and --user is the user.
        let wordIsUser = read.passwordIsLoneWord && user == nil && given.map { $0.text != read.password } == true
        var url = read
        if let given, wordIsUser || read.password == nil { url = read.takingPassword(given.text) }
        if url.user == nil { url.user = user }
        if !wordIsUser { Redaction.learn(url.password?.value) }
        let isOwn = read.password != nil && !wordIsUser
        return RedisEndpoint(
            url: url,
            credentials: url.password.map { password in
                RedisCredentials(
                    user: url.user,
                    password: password,
                    passwordSource: isOwn ? "its URL" : given?.source,
                    showsUser: !wordIsUser
                )
            },
            tls: try tls(),
            deadlines: RedisDeadlines(connectSeconds: connectTimeout.inSeconds, noProgressSeconds: timeout.inSeconds)
        )
    }

    /// Says once what is risky about the way to these servers.
    private func warn(about endpoints: [RedisEndpoint], _ session: Session) {
        func names(_ some: [RedisEndpoint]) -> String {
            some.prefix(3).map(\.description).joined(separator: ", ") + (some.count > 3 ? ", …" : "")
        }
        let readable = endpoints.filter(\.sendsPasswordInClear)
        if !readable.isEmpty {
            session.logger.warning(
                "the password goes to \(names(readable)) without TLS: anybody on the way can read it"
            )
        }
        if insecure, !endpoints.isEmpty {
            session.logger.warning("the certificate of \(names(endpoints)) is not verified (--insecure)")
        }
    }

    private func tls() throws -> RedisTLS {
        var tls = RedisTLS()
        if let cacert { tls.authorities = .file(cacert) }
        if let cert, let key { tls.clientCertificate = .init(certificateFile: cert, keyFile: key) }
        tls.serverName = sni
        tls.skipsVerification = insecure
        return tls
    }

    private func password(_ session: Session) throws -> GivenPassword? {
        let environment = session.environment
        if let file = passwordFile ?? environment["REDIS_PASSWORD_FILE"] {
            guard let bytes = FileManager.default.contents(atPath: file) else {
                throw Failure(.configuration, "read the password from \(file): the file cannot be read")
            }
            var text = String(decoding: bytes, as: UTF8.self)
            while text.last?.isNewline == true { text.removeLast() }
            Redaction.learn(text)
            if text.isEmpty { return nil }
            return GivenPassword(text: Secret(text), source: file)
        }
        return ["REDISCLI_AUTH", "VALKEYCLI_AUTH", "REDIS_PASSWORD"].lazy.compactMap { name in
            environment[name].flatMap { $0.isEmpty ? nil : GivenPassword(text: Secret($0), source: name) }
        }.first
    }

    /// A password that stands in no URL, and where it does.
    private struct GivenPassword {
        let text: Secret
        let source: String
    }
}

extension RedisEndpoint {
    /// What the endpoint is called in a backup set: the first label of its host, and its port where that is not the
    /// usual one.
    var memberName: String {
        switch url.address {
        case .tcp(let host, let port):
            let isAddress = host.contains(":") || host.allSatisfy { $0.isNumber || $0 == "." }
            let label = isAddress ? host : String(host.prefix { $0 != "." })
            return Self.component(port == RedisURL.defaultPort ? label : "\(label)-\(port)")
        case .unix(let path):
            return Self.component(path.split(separator: "/").last.map(String.init) ?? "socket")
        }
    }

    /// What the subject of a backup is called where nothing else is said: the host.
    var subjectName: String {
        Self.component(url.host ?? memberName)
    }

    /// The text as a component of a key: what cannot stand there becomes a hyphen.
    private static func component(_ text: String) -> String {
        let allowed = text.prefix(100).map { character in
            character.isASCII && (character.isLetter || character.isNumber || "._-".contains(character))
                ? character : "-"
        }
        let name = String(allowed.drop { $0 == "." })
        return name.isEmpty ? "server" : name
    }
}

/// Gives each endpoint a name that no other has.
func uniqueMemberNames(_ endpoints: [RedisEndpoint]) -> [String] {
    var taken: Set<String> = []
    return endpoints.map { endpoint in
        let name = endpoint.memberName
        let candidates = [name] + (2...(endpoints.count + 1)).map { "\(name)-\($0)" }
        let free = candidates.first { !taken.contains($0) } ?? name
        taken.insert(free)
        return free
    }
}
