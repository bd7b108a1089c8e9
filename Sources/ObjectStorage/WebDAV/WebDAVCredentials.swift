// SPDX-License-Identifier: Apache-2.0

import Failures
import HTTPTransport

/// What a WebDAV server is told about who asks: the value of `Authorization` (RFC 7617, RFC 6750). It cannot be
/// printed.
struct WebDAVCredentials: Sendable {
    let header: String?

    private static let fileBytesMax = 64 << 10

    /// From `WEBDAV_TOKEN`, or `WEBDAV_USER` and `WEBDAV_PASSWORD`; each also from a file that `…_FILE` names. Blocks.
    /// - Throws: `.configuration` when there are half of them, when there are both kinds, or when a file cannot be
    ///   read.
    init(environment: [String: String]) throws {
        let user = environment["WEBDAV_USER"].flatMap { $0.isEmpty ? nil : $0 }
        let password = try Self.secret("WEBDAV_PASSWORD", environment)
        let token = try Self.secret("WEBDAV_TOKEN", environment)
        if let token {
            guard user == nil, password == nil else {
                throw Failure(
                    .configuration,
                    "find credentials for WebDAV: there are a token and a user",
                    hint: "Set WEBDAV_TOKEN, or WEBDAV_USER and WEBDAV_PASSWORD."
                )
            }
            header = "Bearer \(token)"
            return
        }
        guard (user == nil) == (password == nil) else {
            throw Failure(
                .configuration,
                "find credentials for WebDAV: \(user == nil ? "WEBDAV_USER" : "WEBDAV_PASSWORD") is missing",
                hint: "Set both of WEBDAV_USER and WEBDAV_PASSWORD (or WEBDAV_PASSWORD_FILE)."
            )
        }
        guard let user, let password else {
            header = nil
            return
        }
        guard !user.contains(":") else {
            throw Failure(.configuration, "find credentials for WebDAV: WEBDAV_USER has a colon in it")
        }
        header = "Basic \(Base64.text(Array("\(user):\(password)".utf8)))"
    }

    private static func secret(_ name: String, _ environment: [String: String]) throws -> String? {
        var value = environment[name]
        if let path = environment["\(name)_FILE"], !path.isEmpty {
            guard let bytes = try SmallFile.read(path, bytesMax: fileBytesMax) else {
                throw Failure(.configuration, "read \(path), which \(name)_FILE names: there is no such file")
            }
            // The line end is the editor's, not the secret's.
            let text = String(decoding: bytes, as: UTF8.self)
            value = text.hasSuffix("\n") ? String(text.dropLast()) : text
        }
        guard let value, !value.isEmpty else { return nil }
        guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw Failure(
                .configuration,
                "find credentials for WebDAV: \(name) has a line end or a control character in it",
                hint: "Write the value without the line end: `printf %s` does, `echo` does not."
            )
        }
        return value
    }
}

extension WebDAVCredentials: CustomStringConvertible, CustomReflectable {
    var description: String { "WebDAV credentials" }
    var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// What was found out about a WebDAV folder before the first request.
struct WebDAVSettings: Sendable {
    let location: WebDAVLocation
    let credentials: WebDAVCredentials

    /// How often a request is sent, counting the first time.
    static let attemptsUsual = 8

    /// Reads files of credentials. Blocks.
    /// - Throws: `.configuration`.
    init(_ location: WebDAVLocation, _ configuration: StoreConfiguration) throws {
        self.location = location
        credentials = try WebDAVCredentials(environment: configuration.environment)
        guard location.isPrivate || credentials.header == nil else {
            throw Failure(
                .configuration,
                "open \(location): credentials would go to another host without TLS",
                hint: "Use webdavs://, or add ?allow-plaintext=true to the URL."
            )
        }
    }
}
