// SPDX-License-Identifier: Apache-2.0

import RedisProtocol

/// A server, and all it takes to open a connection to it.
package struct RedisEndpoint: Sendable {
    /// Where it listens. The credentials used are those of `credentials`, not of the URL.
    package var url: RedisURL
    /// Who logs in; nobody when `nil`.
    package var credentials: RedisCredentials?
    /// How the peer is verified, where the URL asks for TLS.
    package var tls: RedisTLS
    package var deadlines: RedisDeadlines
    /// What it is called in messages, where its address says little.
    package var label: String?

    /// - Parameter credentials: those of the URL's userinfo when `nil`.
    package init(
        url: RedisURL,
        credentials: RedisCredentials? = nil,
        tls: RedisTLS = RedisTLS(),
        deadlines: RedisDeadlines = RedisDeadlines(),
        label: String? = nil
    ) {
        self.label = label
        self.url = url
        self.credentials = credentials ?? url.password.map { RedisCredentials(user: url.user, password: $0) }
        self.tls = tls
        self.deadlines = deadlines
    }

    /// Whether a password would travel readable for everybody on the way: without TLS, to another machine.
    package var sendsPasswordInClear: Bool {
        guard credentials != nil, !url.usesTLS, let host = url.host else { return false }
        return !(host == "localhost" || host == "::1" || host.hasPrefix("127."))
    }
}

extension RedisEndpoint: CustomStringConvertible {
    /// `host:port`, without userinfo; with its label in front where it has one.
    package var description: String { label.map { "\($0) at \(url.authority)" } ?? url.authority }
}

/// Who logs in.
package struct RedisCredentials: Sendable, Hashable {
    /// The name of an ACL user; the user `default` when `nil`.
    package let user: String?
    package let password: Secret
    /// Where the password came from, as messages say it: `REDISCLI_AUTH`.
    package let passwordSource: String?
    /// Whether messages may name the user: not where the word may have been meant as a password.
    package let showsUser: Bool

    package init(user: String? = nil, password: Secret, passwordSource: String? = nil, showsUser: Bool = true) {
        self.user = user
        self.password = password
        self.passwordSource = passwordSource
        self.showsUser = showsUser
    }

    /// Who logs in with what, without the password: `user backup, password from REDISCLI_AUTH`.
    var summary: String {
        let name = showsUser ? user ?? "default" : "as in its URL"
        return "user \(name)" + (passwordSource.map { ", password from \($0)" } ?? "")
    }
}

/// How TLS is spoken: 1.2 or later, with the certificate and the name of the peer verified.
package struct RedisTLS: Sendable, Hashable {
    /// Whose signature is trusted.
    package enum Authorities: Sendable, Hashable {
        /// The authorities that the system trusts.
        case system
        /// Those in a PEM file.
        case file(String)
        /// Those in PEM text.
        case pem([UInt8])
    }

    /// A certificate that the server may ask its clients for.
    package struct ClientCertificate: Sendable, Hashable {
        /// A PEM file with the certificate, and with those between it and its authority.
        package let certificateFile: String
        /// A PEM file with its key, without a passphrase.
        package let keyFile: String

        package init(certificateFile: String, keyFile: String) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
        }
    }

    package var authorities: Authorities
    package var clientCertificate: ClientCertificate?
    /// The name to ask for and to verify, where it is not the host of the URL.
    package var serverName: String?
    /// Accepts any certificate. The password then goes to whoever answers.
    package var skipsVerification: Bool

    package init(
        authorities: Authorities = .system,
        clientCertificate: ClientCertificate? = nil,
        serverName: String? = nil,
        skipsVerification: Bool = false
    ) {
        self.authorities = authorities
        self.clientCertificate = clientCertificate
        self.serverName = serverName
        self.skipsVerification = skipsVerification
    }
}

/// How long to wait for a server.
package struct RedisDeadlines: Sendable, Hashable {
    /// For the connection, and then for each step of opening it (TLS, logging in).
    package var connectSeconds: Double
    /// How long nothing may come while something is waited for. It bounds no transfer as a whole.
    package var noProgressSeconds: Double

    package init(connectSeconds: Double = 10, noProgressSeconds: Double = 60) {
        self.connectSeconds = connectSeconds
        self.noProgressSeconds = noProgressSeconds
    }
}
