// SPDX-License-Identifier: Apache-2.0

import Crypto
import Failures

/// Who can decrypt a file: the secret half of a key, `AGE-SECRET-KEY-1…` or `AGE-SECRET-KEY-PQ-1…`. It is never shown.
package struct AgeIdentity: Sendable {
    private enum Secret {
        case x25519(Curve25519.KeyAgreement.PrivateKey)
        case hybrid(XWingMLKEM768X25519.PrivateKey)
    }

    static let prefixOfAll = "AGE-SECRET-KEY-"

    private let secret: Secret
    /// Its public half.
    package let recipient: AgeRecipient

    /// - Throws: `.configuration` for what is no identity; `.unsupported` for one of another kind.
    package init(parsing text: String) throws {
        guard text.hasPrefix(Self.prefixOfAll), let decoded = Bech32.decode(text),
            decoded.bytes.count == AgeKeyKind.secretBytes,
            let kind = AgeKeyKind.allCases.first(where: { $0.identityPrefix == decoded.prefix }),
            let (secret, recipient) = Self.pair(kind, decoded.bytes)
        else {
            let isOther = text.hasPrefix("AGE-PLUGIN-")
            throw Failure(
                isOther ? .unsupported : .configuration,
                isOther
                    ? "read an identity: it is of a plugin, and only those of X25519 and post-quantum ones are served"
                    : "read an identity: it is not one of age, or mistyped",
                hint: "An identity is a line that begins with AGE-SECRET-KEY-1 or AGE-SECRET-KEY-PQ-1, as `age-keygen` "
                    + "writes it."
            )
        }
        (self.secret, self.recipient) = (secret, recipient)
    }

    private static func pair(_ kind: AgeKeyKind, _ bytes: [UInt8]) -> (Secret, AgeRecipient)? {
        switch kind {
        case .x25519:
            (try? Curve25519.KeyAgreement.PrivateKey(rawRepresentation: bytes)).map {
                (.x25519($0), AgeRecipient(kind, bytes: Array($0.publicKey.rawRepresentation)))
            }
        case .hybrid:
            (try? XWingMLKEM768X25519.PrivateKey(seedRepresentation: bytes, publicKey: nil)).map {
                (.hybrid($0), AgeRecipient(kind, bytes: Array($0.publicKey.rawRepresentation)))
            }
        }
    }

    /// The key of the file, if the stanza is for this identity.
    /// - Throws: `.corruptEncryption` for a stanza that nobody could have made honestly.
    func fileKey(of stanza: AgeHeader.Stanza) throws -> SymmetricKey? {
        switch (secret, stanza.kind) {
        case (.x25519(let secret), .x25519(let share)):
            guard let wrapping = X25519Wrap.key(secret, with: share, share: share, recipient: recipient.bytes) else {
                throw AgeHeader.broken("the point of an X25519 stanza is of low order")
            }
            return FileKeyWrap.unwrap(stanza.body, with: wrapping)
        case (.hybrid(let secret), .hybrid(let share)):
            return try HybridWrap.unwrap(stanza.body, share: share, with: secret)
        default: return nil
        }
    }
}

extension AgeIdentity: CustomStringConvertible, CustomDebugStringConvertible {
    package var description: String { "the identity of \(recipient.fingerprint)" }
    package var debugDescription: String { description }
}
