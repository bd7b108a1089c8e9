// SPDX-License-Identifier: Apache-2.0

/// Which server is meant, who we are, and how the server proves who it is. No output shows a secret.
package struct SFTPClientConfiguration: Sendable {
    /// A name or an address; an IPv6 address without brackets.
    package let host: String
    package let port: Int
    package let user: String
    /// A file with a private key.
    package var keyFile: String?
    /// What the key is encrypted with.
    package var keyPassphrase: String?
    package var password: String?
    /// Whether the agent of `SSH_AUTH_SOCK` may sign.
    package var usesAgent = false
    /// How the server proves who it is; they are tried in turn while it does not offer a key of that kind.
    package let hostKeys: [SFTPHostKeys]
    /// How fast bytes may move.
    package var bandwidth = Bandwidth()
    /// How many transfers run at a time. A download that nobody reads holds its place.
    package var maxConnections = 32

    package init(host: String, port: Int, user: String, hostKeys: [SFTPHostKeys]) {
        precondition(!hostKeys.isEmpty, "the server must prove somehow who it is")
        self.host = host
        self.port = port
        self.user = user
        self.hostKeys = hostKeys
    }
}

extension SFTPClientConfiguration: CustomReflectable {
    package var customMirror: Mirror { Mirror(self, children: ["host": host, "port": port, "user": user]) }
}

/// The keys of which a server must show one.
///
/// libssh2 asks for keys of one kind alone; which kind, it takes from a file of known hosts.
package enum SFTPHostKeys: Sendable, Hashable {
    /// Lines of a file of known hosts, about this host alone, and of one kind of key.
    case known(lines: [String])
    /// The SHA-256 of the key in Base64, without `=` at its end.
    /// - kind: the kind of key to ask for, as `ssh-ed25519`; what libssh2 likes best when it is not said.
    case pinned(sha256: String, kind: String?)
    /// Any key of anybody.
    case anyone
}
