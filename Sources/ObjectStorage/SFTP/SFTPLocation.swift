// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// `sftp://[user@]host[:port]/absolute/path`, or `/~/path` for one below the home of the user, with options:
/// `?key-file=…&known-hosts=…&host-key-sha256=…`. The path is percent-encoded, as in any URL.
package struct SFTPLocation: Sendable, Hashable, CustomStringConvertible {
    package let user: String?
    /// A name or an address; an IPv6 address without its brackets.
    package let host: String
    package let port: Int
    /// Without a slash at its end; begins with `/~/` below the home.
    package let path: String
    /// `key-file`
    package private(set) var keyFile: String?
    /// `known-hosts`
    package private(set) var knownHostsFile: String?
    /// `host-key-sha256`: as `ssh-keygen -l` shows it, without `SHA256:`.
    package private(set) var hostKeySHA256: String?
    /// `insecure-host-key`
    package private(set) var believesAnyHostKey = false

    static let portUsual = 22

    /// - Parameter text: what follows `sftp://`.
    init(parsing text: Substring) throws {
        let halves = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let slash = halves[0].firstIndex(of: "/") ?? halves[0].endIndex
        let authority = halves[0][..<slash]
        let at = authority.lastIndex(of: "@")
        // Nothing before the @ is quoted: it may hold a password.
        user = try at.map { try Self.user(authority[..<$0]) }
        (host, port) = try Self.server(at.map { authority[authority.index(after: $0)...] } ?? authority)
        path = try Self.path(halves[0][slash...])
        if halves.count > 1 { try take(options: halves[1]) }
    }

    package var description: String {
        (user.map { "sftp://\(PercentEncoding.component($0))@" } ?? "sftp://") + server + PercentEncoding.path(path)
    }

    /// The host with its port, unless that is the usual one.
    var server: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == Self.portUsual ? name : "\(name):\(port)"
    }

    private static func user(_ text: Substring) throws -> String {
        guard !text.contains(":") else {
            throw Failure(
                .usage,
                "open an SFTP store: a password stands in the URL, where everybody can read it",
                hint: "Use SFTP_PASSWORD, SFTP_PASSWORD_FILE, or a key with ?key-file=."
            )
        }
        guard let user = PercentEncoding.decode(text), !user.isEmpty, !user.contains(where: \.isWhitespace) else {
            throw Failure(.usage, "open an SFTP store: what stands before the @ is no name of a user")
        }
        return user
    }

    private static func server(_ text: Substring) throws -> (host: String, port: Int) {
        let wrong = Failure(
            .usage,
            "open an SFTP store: what follows sftp:// is not a host, or its port is none",
            hint:
                "A store is sftp://host:22/absolute/path, with user and @ before the host where USER does not say it; "
                + "an IPv6 address stands in brackets."
        )
        var host = text
        var rest = Substring()
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw wrong }
            (host, rest) = (text[..<end].dropFirst(), text[text.index(after: end)...])
        } else if let colon = text.firstIndex(of: ":") {
            (host, rest) = (text[..<colon], text[colon...])
        }
        let isName = host.utf8.allSatisfy {
            ObjectKey.isAllowed($0) || (text.hasPrefix("[") && $0 == UInt8(ascii: ":"))
        }
        guard !host.isEmpty, isName, !host.hasPrefix("-") else { throw wrong }
        if rest.isEmpty { return (host.lowercased(), portUsual) }
        guard rest.hasPrefix(":"), let port = Int(rest.dropFirst()), (1...65_535).contains(port) else { throw wrong }
        return (host.lowercased(), port)
    }

    private static func path(_ text: Substring) throws -> String {
        let wrong = { (what: String) in
            Failure(
                .usage,
                "open an SFTP store: \(what)",
                hint: "sftp://host/backups is the folder /backups, and sftp://host/~/backups one in your home."
            )
        }
        guard !text.contains("#"), let path = PercentEncoding.decode(text), !path.utf8.contains(0) else {
            throw wrong("its path is not percent-encoded as a URL wants it")
        }
        let components = path.split(separator: "/")
        let isBelowHome = components.first == "~"
        guard components.count > (isBelowHome ? 1 : 0) else {
            throw wrong("it needs a path, and neither the root nor a whole home is a place for a store")
        }
        guard !components.contains(where: { $0 == "." || $0 == ".." }) else {
            throw wrong("its path has . or .. in it")
        }
        guard !isBelowHome || !path.contains(where: { $0.isWhitespace || "\"'\\".contains($0) }) else {
            throw wrong("below ~ its path may hold neither blanks nor quotes")
        }
        return "/" + components.joined(separator: "/")
    }

    private mutating func take(options text: Substring) throws {
        let options = try LocationOptions(
            parsing: text,
            of: "\(self)",
            known: ["key-file", "known-hosts", "host-key-sha256", "insecure-host-key"]
        )
        keyFile = options["key-file"]
        knownHostsFile = options["known-hosts"]
        believesAnyHostKey = try options.flag("insecure-host-key") ?? false
        guard var digest = options["host-key-sha256"] else { return }
        if digest.hasPrefix("SHA256:") { digest.removeFirst("SHA256:".count) }
        while digest.hasSuffix("=") { digest.removeLast() }
        guard Base64.bytes(unfilled: digest)?.count == 32 else {
            throw Failure(
                .usage,
                "open \(self): host-key-sha256 is not the SHA-256 of a key",
                hint: "`ssh-keygen -lf` on the public key of the host shows it. In a URL, + is written %2B."
            )
        }
        hostKeySHA256 = digest
    }
}
