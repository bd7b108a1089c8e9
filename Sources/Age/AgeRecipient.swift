// SPDX-License-Identifier: Apache-2.0

import Crypto
import Failures

/// The two kinds of keys that are served. Both are native to age; the second one withstands quantum computers too.
enum AgeKeyKind: Sendable, CaseIterable {
    case x25519
    /// ML-KEM-768 and X25519 together.
    case hybrid

    /// How a recipient begins, before the `1`.
    var recipientPrefix: String {
        switch self {
        case .x25519: "age"
        case .hybrid: "age1pq"
        }
    }

    /// How an identity begins, before the `1`; it is written in upper case.
    var identityPrefix: String {
        switch self {
        case .x25519: "age-secret-key-"
        case .hybrid: "age-secret-key-pq-"
        }
    }

    /// Of a recipient.
    var publicBytes: Int {
        switch self {
        case .x25519: 32
        case .hybrid: 1216
        }
    }

    /// Of an identity: the key itself, or the seed that both keys come from.
    static let secretBytes = 32

    /// What the kind is called in a fingerprint: as its stanza, in lower case.
    var name: String {
        switch self {
        case .x25519: "x25519"
        case .hybrid: HybridWrap.kind
        }
    }

    /// How much room one of them takes in a header.
    var stanzaBytes: Int {
        switch self {
        case .x25519: 98
        case .hybrid: 1557
        }
    }
}

/// Whom a file is encrypted for: the public half of a key, `age1…` or `age1pq1…`.
package struct AgeRecipient: Sendable, Hashable {
    let kind: AgeKeyKind
    let bytes: [UInt8]

    init(_ kind: AgeKeyKind, bytes: [UInt8]) {
        self.kind = kind
        self.bytes = bytes
    }

    /// - Parameter text: `age1…` or `age1pq1…`.
    /// - Throws: `.configuration` for what is no recipient; `.unsupported` for one of another kind. What is given is
    ///   never quoted: it may be a secret in the wrong place.
    package init(parsing text: String) throws {
        if let failure = Self.refusal(of: text) { throw failure }
        guard text.hasPrefix("age1"), let decoded = Bech32.decode(text),
            let kind = AgeKeyKind.allCases.first(where: { $0.recipientPrefix == decoded.prefix }),
            decoded.bytes.count == kind.publicBytes, kind != .hybrid || HybridWrap.isUsable(decoded.bytes)
        else {
            throw Failure(
                .configuration,
                "read a recipient: it is not one of age, or mistyped",
                hint:
                    "A recipient begins with age1 and has 62 characters, or with age1pq1 and has 1959, in lower case: "
                    + "`age-keygen -y KEYFILE`."
            )
        }
        self.init(kind, bytes: decoded.bytes)
    }

    private static func refusal(of text: String) -> Failure? {
        if text.uppercased().hasPrefix(AgeIdentity.prefixOfAll) {
            return Failure(
                .configuration,
                "read a recipient: it is an identity, which is the secret half",
                hint: "Whoever could see this command line can read the backups: make a new key. Its public half, "
                    + "age1…, stands in the file that age-keygen wrote."
            )
        }
        let kind: String? =
            switch text {
            case _ where text.hasPrefix("ssh-"): "an SSH key"
            case _ where text.hasPrefix("age1tag1"), _ where text.hasPrefix("age1tagpq1"):
                "one of age's kinds for hardware (age1\(text.dropFirst(4).prefix { $0 != "1" })1…)"
            case _ where isOfPlugin(text): "one of a plugin"
            default: nil
            }
        guard let kind else { return nil }
        return Failure(
            .unsupported,
            "read a recipient: it is \(kind), and only X25519 (age1…) and post-quantum ones (age1pq1…) are served",
            hint: "Make a key with `age-keygen`; its recipient begins with age1 and has 62 characters."
        )
    }

    /// `age1yubikey1…`: the name of a plugin stands between two ones. No letter of a key is a 1.
    private static func isOfPlugin(_ text: String) -> Bool {
        text.hasPrefix("age1") && text.dropFirst(4).contains("1")
            && !text.hasPrefix("\(AgeKeyKind.hybrid.recipientPrefix)1")
    }

    /// `age1…` or `age1pq1…`
    package var text: String { Bech32.text(prefix: kind.recipientPrefix, bytes) }

    /// Whether it withstands quantum computers.
    var isPostQuantum: Bool { kind == .hybrid }

    /// What a manifest calls it: the kind, and the first 16 hexadecimal digits of the SHA-256 of its text.
    package var fingerprint: String {
        let digits = Array("0123456789abcdef".utf8)
        let digest = SHA256.hash(data: Array(text.utf8)).prefix(8)
        return "\(kind.name):"
            + String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The stanza by which the recipient finds the key of a file.
    /// - Throws: `.configuration` for a public key of low order, which would give the key to everybody.
    func stanza(for fileKey: SymmetricKey) throws -> AgeHeader.Stanza {
        guard let (share, body) = try wrapped(fileKey) else {
            throw Failure(.configuration, "encrypt for \(fingerprint): that key is not safe to use")
        }
        let name =
            switch kind {
            case .x25519: X25519Wrap.kind
            case .hybrid: HybridWrap.kind
            }
        return AgeHeader.Stanza(arguments: [name, String(decoding: RawBase64.text(share), as: UTF8.self)], body: body)
    }

    private func wrapped(_ fileKey: SymmetricKey) throws -> (share: [UInt8], body: [UInt8])? {
        guard kind == .x25519 else { return try HybridWrap.wrap(fileKey, for: bytes) }
        let ephemeral = Curve25519.KeyAgreement.PrivateKey()
        let share = Array(ephemeral.publicKey.rawRepresentation)
        guard let wrapping = X25519Wrap.key(ephemeral, with: bytes, share: share, recipient: bytes) else { return nil }
        return (share, try FileKeyWrap.wrap(fileKey, with: wrapping))
    }
}
