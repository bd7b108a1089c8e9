// SPDX-License-Identifier: Apache-2.0

import Failures

extension RedisURL {
    /// Reads a URL.
    /// - Throws: `.configuration`, whose message says what is wrong without quoting the text, because a password may be
    ///   in it.
    package init(_ text: String) throws(Failure) {
        guard let (scheme, rest) = Self.split(text, at: "://") else {
            throw Self.malformed("it has no scheme")
        }
        switch scheme.lowercased() {
        case "redis", "valkey":
            try self.init(network: rest, usesTLS: false)
        case "rediss", "valkeys":
            try self.init(network: rest, usesTLS: true)
        case "unix", "redis+unix", "valkey+unix":
            try self.init(socket: rest)
        default:
            throw Self.malformed("its scheme is none of redis, rediss, valkey, valkeys, unix")
        }
    }

    private init(network rest: Substring, usesTLS: Bool) throws(Failure) {
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let authority = rest[..<slash]
        let path = rest[slash...].dropFirst()
        guard !path.contains("@") else {
            throw Self.malformed("an @ follows a slash; in a password, a slash is written %2F")
        }
        let at = authority.lastIndex(of: "@")
        let (user, password, isLoneWord) = try Self.userinfo(at.map { authority[..<$0] })
        let hostAndPort = at.map { authority[authority.index(after: $0)...] } ?? authority
        let (host, port) = try Self.hostAndPort(hostAndPort)
        self.init(
            address: .tcp(host: host, port: port),
            usesTLS: usesTLS,
            user: user,
            password: password,
            passwordIsLoneWord: isLoneWord,
            database: try Self.database(path)
        )
    }

    private init(socket rest: Substring) throws(Failure) {
        // Userinfo ends at an @ that stands before the first slash: the path of a socket may hold one, too.
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let at = rest[..<slash].lastIndex(of: "@")
        let (user, password, isLoneWord) = try Self.userinfo(at.map { rest[..<$0] })
        let path = try Self.percentDecoded(at.map { rest[rest.index(after: $0)...] } ?? rest)
        guard path.first == "/", path.utf8.count > 1 else {
            throw Self.malformed("it has no path of a socket, which begins with a slash", Self.socketHint)
        }
        // sun_path of sockaddr_un holds 108 bytes, the last of which is zero (man 7 unix).
        guard path.utf8.count < 108 else { throw Self.malformed("the path of a socket has at most 107 bytes") }
        self.init(address: .unix(path: path), user: user, password: password, passwordIsLoneWord: isLoneWord)
    }

    private static func userinfo(
        _ text: Substring?
    ) throws(Failure) -> (user: String?, password: Secret?, isLoneWord: Bool) {
        guard let text, !text.isEmpty else { return (nil, nil, false) }
        guard let (user, password) = split(text, at: ":") else {
            return (nil, Secret(try percentDecoded(text)), true)
        }
        let name = try percentDecoded(user)
        return (name.isEmpty ? nil : name, Secret(try percentDecoded(password)), false)
    }

    private static func hostAndPort(_ text: Substring) throws(Failure) -> (host: String, port: Int) {
        var host = text
        var port: Substring?
        if text.first == "[" {
            guard let (inside, after) = split(text.dropFirst(), at: "]") else {
                throw malformed("an IPv6 address misses its closing bracket")
            }
            guard inside.contains(":"), inside.utf8.allSatisfy({ isAddressByte($0) }) else {
                throw malformed("what stands in brackets is no IPv6 address")
            }
            guard after.isEmpty || after.first == ":" else { throw malformed("something follows the closing bracket") }
            host = inside
            port = after.isEmpty ? nil : after.dropFirst()
        } else if let (name, number) = split(text, at: ":") {
            guard !number.contains(":") else { throw malformed("an IPv6 address stands in brackets, as in [::1]") }
            host = name
            port = number
        }
        guard !host.isEmpty else { throw malformed("it has no host") }
        guard text.first == "[" || host.utf8.allSatisfy({ isHostByte($0) }) else {
            throw malformed("its host has a character of no host")
        }
        return (String(host), try Self.port(port))
    }

    private static func port(_ text: Substring?) throws(Failure) -> Int {
        guard let text else { return defaultPort }
        guard let port = Int(text), (1...65535).contains(port), text.utf8.allSatisfy({ isDigit($0) }) else {
            throw malformed("its port is no number from 1 to 65535")
        }
        return port
    }

    private static func database(_ path: Substring) throws(Failure) -> Int? {
        guard !path.isEmpty else { return nil }
        guard let number = Int(path), path.utf8.allSatisfy({ isDigit($0) }) else {
            throw malformed("what follows its first slash is no number of a database")
        }
        return number
    }

    private static let networkHint = "Write it as redis://host:6379 or, over TLS, as rediss://host:6379."
    private static let socketHint = "Write it with three slashes, as unix:///run/redis.sock."

    private static func malformed(_ reason: String, _ hint: String = networkHint) -> Failure {
        Failure(.configuration, "cannot read the URL of a server: \(reason)", hint: hint)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// Letters, digits, dot, dash, underscore.
    private static func isHostByte(_ byte: UInt8) -> Bool {
        isDigit(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || ".-_".utf8.contains(byte)
    }

    /// The bytes of an IPv6 address, with the zone that may follow it (`fe80::1%eth0`).
    private static func isAddressByte(_ byte: UInt8) -> Bool {
        isHostByte(byte) || byte == UInt8(ascii: ":") || byte == UInt8(ascii: "%")
    }
}

extension RedisURL {
    /// What stands before and after the first occurrence of `separator`.
    private static func split(
        _ text: some StringProtocol,
        at separator: String
    ) -> (before: Substring, after: Substring)? {
        let whole = Substring(text)
        var start = whole.startIndex
        while start < whole.endIndex {
            if whole[start...].hasPrefix(separator) {
                return (whole[..<start], whole[whole.index(start, offsetBy: separator.count)...])
            }
            start = whole.index(after: start)
        }
        return nil
    }

    private static func percentDecoded(_ text: Substring) throws(Failure) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(hexadecimalDigit),
                let low = rest.popFirst().flatMap(hexadecimalDigit)
            else {
                throw malformed("a % is not followed by two hexadecimal digits; a % itself is written %25")
            }
            bytes.append(high << 4 | low)
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw malformed("a percent-encoded part is not UTF-8")
        }
        return decoded
    }

    private static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
