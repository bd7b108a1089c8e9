// SPDX-License-Identifier: Apache-2.0

/// What all requests of one client have in common.
package struct HTTPClientConfiguration: Sendable {
    /// A PEM file of the certificate authorities to trust instead of the system's.
    package var caFile: String?
    /// The same as bytes; they win over `caFile`.
    package var caBytes: [UInt8]?
    /// A PEM file of the certificate that proves who we are, with what it needs to reach the authority.
    package var clientCertificateFile: String?
    /// A PEM file of the key of that certificate; not encrypted.
    package var clientKeyFile: String?
    /// Whom the certificate of the server must name, and what TLS asks the server for (SNI), instead of the host of the
    /// URL; the connection still goes to the host of the URL. For `https` alone.
    package var tlsServerName: String?
    /// Believes any certificate for any host. For tests on a laptop, and loud in the command that sets it.
    package var insecureSkipVerify = false
    /// The public keys one of which the server must show: `sha256//` and the Base64 of the SHA-256 of a key, several
    /// with a semicolon between. Looked at besides the authorities, and also where those are not.
    package var pinnedPublicKey: String?
    /// The `User-Agent` header.
    package var userAgent = "redoubt"
    package var proxy = Proxy.ofEnvironment
    /// How many transfers run at a time; those above wait for their turn. A download that nobody reads holds its place.
    package var maxConnections = 64
    /// How fast bodies may move; without limits when nobody sets any.
    package var bandwidth = Bandwidth()

    package init() {}

    /// Whom requests go through.
    package enum Proxy: Sendable {
        /// As `HTTPS_PROXY`, `http_proxy` and `NO_PROXY` say, but for link-local addresses.
        case ofEnvironment
        /// This one, but for link-local addresses: `http://[user[:password]@]host[:port]`, or `https`, `socks5` or
        /// `socks5h` (which leaves it to the proxy to look the host up). No message shows it.
        case at(String)
        /// Nobody.
        case off
    }
}
