// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// All that is needed to speak to one API server, however it was found.
struct ClusterAccess: Sendable {
    var server: APIServer
    var namespace: String
    var http: HTTPClientConfiguration
    var credentials: CredentialSource

    /// What stands before a path: `https://10.0.0.1:6443`, `https://proxy/k8s/clusters/c-1`.
    /// - Throws: `.configuration` when it is no URL of an API server. No message shows credentials.
    static func serverURL(_ text: String) throws -> String {
        guard let scheme = ["https://", "http://"].first(where: { text.lowercased().hasPrefix($0) }) else {
            throw Failure(
                .configuration,
                "use the server of the kubeconfig: it begins neither with https:// nor with http://",
                hint: "`kubectl config set-cluster NAME --server=https://HOST:PORT` sets it."
            )
        }
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" }
        guard !authority.isEmpty, authority.allSatisfy({ $0.isASCII && !$0.isWhitespace }) else {
            throw Failure(.configuration, "use the server of the kubeconfig: it has no host")
        }
        guard !authority.contains("@"), !text.contains("?"), !text.contains("#") else {
            throw Failure(
                .configuration,
                "use the server of the kubeconfig: it has credentials, a query or a fragment in it",
                hint: "Name the server alone, and give the credentials to the user of the kubeconfig."
            )
        }
        var url = scheme + rest
        while url.hasSuffix("/") { url.removeLast() }
        return url
    }

    /// How libcurl is told of a `proxy-url`.
    /// - Throws: `.configuration` when the scheme is none that kubectl knows. No message shows the URL.
    static func proxy(_ text: String) throws -> HTTPClientConfiguration.Proxy {
        // With `socks5` Go leaves it to the proxy to look the host up; libcurl calls that `socks5h`.
        if text.hasPrefix("socks5://") { return .at("socks5h://\(text.dropFirst("socks5://".count))") }
        guard ["http://", "https://", "socks5h://"].contains(where: { text.hasPrefix($0) }) else {
            throw Failure(
                .configuration,
                "use the proxy-url of the kubeconfig: it begins neither with http:// nor with https:// nor socks5://"
            )
        }
        return .at(text)
    }
}

/// Where credentials come from, each time that they are needed anew.
struct CredentialSource: Sendable {
    var bearer = Bearer.none
    var certificate: Kubeconfig.Material?
    var key: Kubeconfig.Material?

    enum Bearer: Sendable {
        case none
        case token(String)
        /// A file that somebody else renews; the token stands in for it when it cannot be read.
        case file(String, otherwise: String?)
        case basic(username: String, password: String)
        case exec(ExecPlugin, environment: [String: String], information: String)
    }

    /// The kubelet renews a token long before it ends; client-go reads the file anew as often
    /// (`transport/token_source.go`).
    static let fileSecondsMax: Int64 = 60

    /// Whether another look may give other credentials.
    var isRefreshable: Bool {
        let isFile = [certificate, key].contains { if case .file? = $0 { true } else { false } }
        switch bearer {
        case .file, .exec: return true
        case .none, .token, .basic: return isFile
        }
    }

    /// Whether nothing is shown to the server.
    var isEmpty: Bool {
        if case .none = bearer { certificate == nil } else { false }
    }

    /// Reads files and runs the plugin.
    /// - Throws: `.configuration`, and what an exec plugin throws.
    func load(_ clock: RequestClock) async throws -> Credentials {
        var credentials = Credentials()
        switch bearer {
        case .none: break
        case .token(let token): try Self.bear(token, from: "the kubeconfig", in: &credentials)
        case .file(let path, let otherwise):
            try Self.bear(try await Self.token(path, otherwise: otherwise), from: path, in: &credentials)
            credentials.staleAtSeconds = clock.secondsSince1970() + Self.fileSecondsMax
        case .basic(let username, let password):
            let both = Base64.text(Array("\(username):\(password)".utf8))
            credentials.authorization = "Basic \(both)"
            credentials.secrets += [password, both]
        case .exec(let plugin, let environment, let information):
            credentials = try await plugin.run(environment: environment, information: information, clock: clock)
        }
        if credentials.identity == nil, let certificate, let key {
            credentials.identity = HTTPClientIdentity(
                certificate: try await Self.bytes(certificate, "the client certificate"),
                key: try await Self.bytes(key, "the key of the client certificate")
            )
        }
        return credentials
    }

    private static func token(_ path: String, otherwise: String?) async throws -> String {
        do {
            let text = String(decoding: try await SmallFile.need(path, for: "a token"), as: UTF8.self)
            return text.trimmingBlanks()
        } catch let failure as Failure {
            guard let otherwise else { throw failure }
            return otherwise
        }
    }

    private static func bear(_ token: String, from place: String, in credentials: inout Credentials) throws {
        guard BearerToken.isValid(token) else {
            throw Failure(
                .configuration,
                "read a token from \(place): it is empty, or has a blank or a line end in it",
                hint: "Write the token alone, without a line end: `printf %s` does, `echo` does not."
            )
        }
        credentials.bear(token)
    }

    static func bytes(_ material: Kubeconfig.Material, _ purpose: String) async throws -> [UInt8] {
        switch material {
        case .bytes(let bytes): bytes
        case .file(let path): try await SmallFile.need(path, for: purpose)
        }
    }
}

extension String {
    /// Without blanks and line ends around it: client-go trims a token so.
    func trimmingBlanks() -> String {
        var rest = self[...]
        while let first = rest.first, first.isWhitespace { rest.removeFirst() }
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        return String(rest)
    }
}
