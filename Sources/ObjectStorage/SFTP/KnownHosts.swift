// SPDX-License-Identifier: Apache-2.0

import Crypto

/// What a file of known hosts (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT") says about one host.
struct KnownHosts {
    /// The name that stands in such files: with the port, unless it is the usual one.
    let name: String
    /// Kind and key, in Base64.
    private var keys: [(kind: String, key: String)] = []
    private var revoked: Set<String> = []

    /// The kinds that libssh2 knows, the best first.
    static let kinds = [
        "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
    ]

    init(host: String, port: Int) {
        name = port == SFTPLocation.portUsual ? host : "[\(host)]:\(port)"
    }

    /// Takes the lines of a file that are about the host. Certificates of authorities are passed over.
    mutating func take(_ text: String) {
        for line in text.split(whereSeparator: \.isNewline) {
            var words = line.split(whereSeparator: \.isWhitespace)[...]
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            let marker = first.hasPrefix("@") ? words.removeFirst() : ""
            guard words.count >= 3, marker != "@cert-authority", matches(words[words.startIndex]) else { continue }
            let (kind, key) = (String(words[words.startIndex + 1]), String(words[words.startIndex + 2]))
            if marker == "@revoked" { revoked.insert(key) } else { keys.append((kind, key)) }
        }
    }

    /// For each kind of key that is known, the lines that libssh2 needs.
    var linesByKind: [[String]] {
        Self.kinds.compactMap { kind in
            let known = keys.filter { $0.kind == kind && !revoked.contains($0.key) }
            return known.isEmpty ? nil : known.map { "\(name) \(kind) \($0.key)" }
        }
    }

    private func matches(_ field: Substring) -> Bool {
        if field.hasPrefix("|1|") { return matchesDigest(field) }
        var isMatched = false
        for pattern in field.split(separator: ",") {
            let isNegated = pattern.hasPrefix("!")
            guard Self.matches(name[...], isNegated ? pattern.dropFirst() : pattern) else { continue }
            if isNegated { return false }
            isMatched = true
        }
        return isMatched
    }

    /// `|1|salt|digest`: HMAC-SHA1 of the name.
    private func matchesDigest(_ field: Substring) -> Bool {
        let parts = field.split(separator: "|")
        guard parts.count == 3, let salt = Base64.bytes(unfilled: parts[1]),
            let digest = Base64.bytes(unfilled: parts[2])
        else { return false }
        let code = HMAC<Insecure.SHA1>.authenticationCode(for: Array(name.utf8), using: SymmetricKey(data: salt))
        return Array(code) == digest
    }

    /// `*` is any text and `?` any character; the case of letters does not count.
    private static func matches(_ text: Substring, _ pattern: Substring) -> Bool {
        guard let first = pattern.first else { return text.isEmpty }
        if first == "*" {
            return text.indices.contains { matches(text[$0...], pattern.dropFirst()) }
                || matches(text[text.endIndex...], pattern.dropFirst())
        }
        guard let character = text.first, first == "?" || character.lowercased() == first.lowercased() else {
            return false
        }
        return matches(text.dropFirst(), pattern.dropFirst())
    }
}
