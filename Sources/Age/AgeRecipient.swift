// SPDX-License-Identifier: Apache-2.0

import Crypto
import Failures

/// Whom a file is encrypted for: the public half of a key, `age1…`.
package struct AgeRecipient: Sendable, Hashable {
    static let prefix = "age"
    static let keyBytes = 32

    let bytes: [UInt8]

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// - Parameter text: `age1…`.
    /// - Throws: `.configuration` for what is no recipient; `.unsupported` for one of another kind. What is given is
    ///   never quoted: it may be a secret in the wrong place.
    package init(parsing text: String) throws {
        if let failure = Self.refusal(of: text) { throw failure }
        guard text.hasPrefix("\(Self.prefix)1"), let decoded = Bech32.decode(text), decoded.prefix == Self.prefix,
            decoded.bytes.count == Self.keyBytes
        else {
            throw Failure(
                .configuration,
                "read a recipient: it is not one of age, or mistyped",
                hint: "A recipient begins with age1, is in lower case and has 62 characters: `age-keygen -y KEYFILE`."
            )
        }
        bytes = decoded.bytes
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
            case _ where text.hasPrefix("age1pq1"), _ where text.hasPrefix("age1tag1"),
                _ where text.hasPrefix("age1tagpq1"):
                "one of age's later kinds (\(text.prefix { $0 != "1" })1\(text.dropFirst(4).prefix { $0 != "1" })1…)"
            case _ where isOfPlugin(text): "one of a plugin"
            default: nil
            }
        guard let kind else { return nil }
        return Failure(
            .unsupported,
            "read a recipient: it is \(kind), and only X25519 recipients are served",
            hint: "Make a key with `age-keygen`; its recipient begins with age1 and has 62 characters."
        )
    }

    /// `age1yubikey1…`: the name of a plugin stands between two ones. No letter of a key is a 1.
    private static func isOfPlugin(_ text: String) -> Bool {
        text.hasPrefix("age1") && text.dropFirst(4).contains("1")
    }

    /// `age1…`
    package var text: String { Bech32.text(prefix: Self.prefix, bytes) }

    /// What a manifest calls it: the kind, and the first 16 hexadecimal digits of the SHA-256 of its text.
    package var fingerprint: String {
        let digits = Array("0123456789abcdef".utf8)
        let digest = SHA256.hash(data: Array(text.utf8)).prefix(8)
        return "x25519:"
            + String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// The stanza by which the recipient finds the key of a file.
    /// - Throws: `.configuration` for a public key of low order, which would give the key to everybody.
    func stanza(for fileKey: SymmetricKey) throws -> AgeHeader.Stanza {
        let ephemeral = Curve25519.KeyAgreement.PrivateKey()
        let share = Array(ephemeral.publicKey.rawRepresentation)
        guard let wrapping = X25519Wrap.key(ephemeral, with: bytes, share: share, recipient: bytes) else {
            throw Failure(.configuration, "encrypt for \(text): that key is not safe to use")
        }
        return AgeHeader.Stanza(
            arguments: [X25519Wrap.kind, String(decoding: RawBase64.text(share), as: UTF8.self)],
            body: try FileKeyWrap.wrap(fileKey, with: wrapping)
        )
    }
}

/// Who can decrypt a file: the secret half of a key, `AGE-SECRET-KEY-1…`. It is never shown.
package struct AgeIdentity: Sendable {
    private static let prefix = "age-secret-key-"
    static let prefixOfAll = "AGE-SECRET-KEY-"

    private let key: Curve25519.KeyAgreement.PrivateKey
    /// Its public half.
    package let recipient: AgeRecipient

    /// - Throws: `.configuration` for what is no identity; `.unsupported` for one of another kind.
    package init(parsing text: String) throws {
        guard text.hasPrefix("\(Self.prefixOfAll)1"), let decoded = Bech32.decode(text),
            decoded.prefix == Self.prefix, decoded.bytes.count == AgeRecipient.keyBytes,
            let key = try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: decoded.bytes)
        else {
            let isOther = text.hasPrefix("AGE-PLUGIN-") || text.hasPrefix("AGE-SECRET-KEY-PQ-")
            throw Failure(
                isOther ? .unsupported : .configuration,
                isOther
                    ? "read an identity: it is of a plugin or of a later kind, and only X25519 identities are served"
                    : "read an identity: it is not one of age, or mistyped",
                hint: "An identity is a line that begins with AGE-SECRET-KEY-1, as `age-keygen` writes it."
            )
        }
        self.key = key
        recipient = AgeRecipient(bytes: Array(key.publicKey.rawRepresentation))
    }

    /// The key of the file, if the stanza is for this identity.
    /// - Throws: `.corruptEncryption` for a stanza that nobody could have made honestly.
    func fileKey(of stanza: AgeHeader.Stanza) throws -> SymmetricKey? {
        guard case .x25519(let share) = stanza.kind else { return nil }
        guard let wrapping = X25519Wrap.key(key, with: share, share: share, recipient: recipient.bytes) else {
            throw AgeHeader.broken("the point of an X25519 stanza is of low order")
        }
        return FileKeyWrap.unwrap(stanza.body, with: wrapping)
    }
}

extension AgeIdentity: CustomStringConvertible, CustomDebugStringConvertible {
    package var description: String { "the identity of \(recipient.fingerprint)" }
    package var debugDescription: String { description }
}

/// The key that a stanza of the kind X25519 wraps the file key with.
enum X25519Wrap {
    static let kind = "X25519"
    private static let info = Array("age-encryption.org/v1/X25519".utf8)

    /// - Returns: `nil` when the point is of low order: then the secret that is shared is no secret.
    static func key(
        _ secret: Curve25519.KeyAgreement.PrivateKey,
        with point: [UInt8],
        share: [UInt8],
        recipient: [UInt8]
    ) -> SymmetricKey? {
        guard let point = try? Curve25519.KeyAgreement.PublicKey(rawRepresentation: point),
            let shared = try? secret.sharedSecretFromKeyAgreement(with: point),
            shared.withUnsafeBytes({ $0.reduce(0, |) }) != 0
        else { return nil }
        return shared.hkdfDerivedSymmetricKey(
            using: SHA256.self,
            salt: share + recipient,
            sharedInfo: info,
            outputByteCount: 32
        )
    }
}

/// How a stanza holds the key of the file.
enum FileKeyWrap {
    static let keyBytes = 16
    static let bodyBytes = keyBytes + 16
    /// A wrapping key is used once.
    private static let nonce = [UInt8](repeating: 0, count: 12)

    static func wrap(_ fileKey: SymmetricKey, with wrapping: SymmetricKey) throws -> [UInt8] {
        let plain = fileKey.withUnsafeBytes { Array($0) }
        return Array(
            try ChaChaPoly.seal(plain, using: wrapping, nonce: ChaChaPoly.Nonce(data: nonce)).combined
                .dropFirst(nonce.count)
        )
    }

    static func unwrap(_ body: [UInt8], with wrapping: SymmetricKey) -> SymmetricKey? {
        guard body.count == bodyBytes, let box = try? ChaChaPoly.SealedBox(combined: nonce + body),
            let plain = try? ChaChaPoly.open(box, using: wrapping)
        else { return nil }
        return SymmetricKey(data: plain)
    }
}
