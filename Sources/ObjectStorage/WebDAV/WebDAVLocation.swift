// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// `webdavs://host[:port]/path`, over TLS, or `webdav://` without: a folder of a WebDAV server (RFC 4918).
package struct WebDAVLocation: Sendable, Hashable, CustomStringConvertible {
    package let isSecure: Bool
    /// With the port, if it is written.
    let authority: String
    /// Percent-encoded, as it is sent; empty, or a slash and what follows without a slash at its end.
    let path: String
    /// `allow-plaintext`: sends credentials without TLS to a host that is not this one.
    private(set) var allowsPlaintext = false

    /// - Parameter text: what follows the scheme.
    init(parsing text: Substring, isSecure: Bool) throws {
        self.isSecure = isSecure
        let halves = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let end = halves[0].firstIndex(of: "/") ?? halves[0].endIndex
        authority = halves[0][..<end].lowercased()
        guard !authority.isEmpty, authority.utf8.allSatisfy(Self.isHostByte) else {
            // Not quoted: there may be a password before an @.
            throw Failure(
                .usage,
                "open a WebDAV store: what follows its scheme is not the name of a host",
                hint: "A store is webdavs://host/path. Credentials are not part of it: use WEBDAV_USER and "
                    + "WEBDAV_PASSWORD."
            )
        }
        let components = halves[0][end...].split(separator: "/")
        path = components.map { "/\($0)" }.joined()
        guard components.allSatisfy(Self.isPlain) else {
            throw Failure(
                .usage,
                "open \(isSecure ? "webdavs" : "webdav")://\(authority): its path is not percent-encoded as a URL "
                    + "wants it, or has . or .. in it"
            )
        }
        if halves.count > 1 { try take(options: halves[1]) }
    }

    package var description: String { "\(isSecure ? "webdavs" : "webdav")://\(authority)\(path)" }

    /// The port, if it is written.
    package var port: Int? { authority.split(separator: ":").last.flatMap { Int($0) } }

    /// Where requests go.
    var root: String { "\(isSecure ? "https" : "http")://\(authority)\(path)" }

    /// Whether nobody between us and the server can read along.
    var isPrivate: Bool { isSecure || allowsPlaintext || Loopback.contains(authority) }

    private mutating func take(options text: Substring) throws {
        let options = try LocationOptions(parsing: text, of: "\(self)", known: ["allow-plaintext"])
        allowsPlaintext = try options.flag("allow-plaintext") ?? false
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        ObjectKey.isAllowed(byte) || [UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]")].contains(byte)
    }

    private static func isPlain(_ component: Substring) -> Bool {
        guard let decoded = PercentEncoding.decode(component) else { return false }
        return decoded != "." && decoded != ".." && !decoded.contains("/")
            && component.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }
    }
}
