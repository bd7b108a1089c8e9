// SPDX-License-Identifier: Apache-2.0

import Failures

/// Where a server listens, and the userinfo that was written with it.
///
///     redis://[[user]:password@]host[:port][/database]      also valkey://
///     rediss://…                                            the same over TLS, also valkeys://
///     unix://[[user]:password@]/path/to/socket              also redis+unix://
///
/// `redis://word@host` is a password without a user, as redis-cli reads it; whoever has a password from elsewhere takes
/// the word for the user (`takingPassword`). Userinfo is percent-decoded.
/// Its `description` never shows userinfo, and no error quotes the text that was given.
package struct RedisURL: Sendable, Hashable {
    /// How the server is reached.
    package enum Address: Sendable, Hashable {
        /// A name or an IP address (without brackets), and a port.
        case tcp(host: String, port: Int)
        /// The path of a Unix domain socket.
        case unix(path: String)
    }

    package static let defaultPort = 6379

    package var address: Address
    package var usesTLS: Bool
    package var user: String?
    package var password: Secret?
    /// Whether the password is a word without a colon, which may also be meant as the name of a user.
    package var passwordIsLoneWord: Bool
    /// The number of a database. A snapshot holds all of them, so this only matters to commands on keys.
    package var database: Int?

    package init(
        address: Address,
        usesTLS: Bool = false,
        user: String? = nil,
        password: Secret? = nil,
        passwordIsLoneWord: Bool = false,
        database: Int? = nil
    ) {
        self.address = address
        self.usesTLS = usesTLS
        self.user = user
        self.password = password
        self.passwordIsLoneWord = passwordIsLoneWord
        self.database = database
    }

    package init(host: String, port: Int = defaultPort, usesTLS: Bool = false) {
        self.init(address: .tcp(host: host, port: port), usesTLS: usesTLS)
    }
}

extension RedisURL {
    /// `host:port`, `[address]:port` or the path of the socket: the short name of the server in messages.
    package var authority: String {
        switch address {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): path
        }
    }

    /// The host, or `nil` for a socket.
    package var host: String? {
        if case .tcp(let host, _) = address { return host }
        return nil
    }
}

extension RedisURL {
    /// The URL with a password that was given elsewhere, unless it has its own. A word that stands alone before the `@`
    /// is the user then: nobody gives two passwords.
    package func takingPassword(_ other: Secret) -> RedisURL {
        var url = self
        if passwordIsLoneWord {
            url.user = password?.value
            url.passwordIsLoneWord = false
        } else if password != nil {
            return self
        }
        url.password = other
        return url
    }
}

extension RedisURL: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The URL without its userinfo; `***@` stands where there was one.
    package var description: String {
        let scheme =
            switch address {
            case .tcp: usesTLS ? "rediss" : "redis"
            case .unix: "unix"
            }
        let userinfo = user == nil && password == nil ? "" : "***@"
        return "\(scheme)://\(userinfo)\(authority)" + (database.map { "/\($0)" } ?? "")
    }

    package var debugDescription: String { description }

    package var customMirror: Mirror { Mirror(self, children: ["url": description]) }
}
