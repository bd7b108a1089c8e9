// SPDX-License-Identifier: Apache-2.0

import Crypto
import FoundationEssentials

/// How a stanza of the kind mlkem768x25519 wraps the file key: HPKE (RFC 9180, mode base) with the hybrid of ML-KEM-768
/// and X25519, which is X-Wing, HKDF-SHA256 and ChaCha20-Poly1305 (c2sp.org/age). Who is to read it must break both.
enum HybridWrap {
    static let kind = "mlkem768x25519"
    static let shareBytes = 1120
    private static let info = Data("age-encryption.org/mlkem768x25519".utf8)
    private static let suite = HPKE.Ciphersuite(kem: .XWingMLKEM768X25519, kdf: .HKDF_SHA256, aead: .chaChaPoly)

    /// Whether these bytes are a public key at all: the numbers of ML-KEM are in range, and the point of X25519 gives a
    /// secret. Not every 1216 bytes are.
    static func isUsable(_ recipient: [UInt8]) -> Bool {
        guard let key = try? XWingMLKEM768X25519.PublicKey(rawRepresentation: recipient) else { return false }
        return (try? key.encapsulate()) != nil
    }

    /// - Returns: what the second argument of the stanza says, and its body.
    static func wrap(_ fileKey: SymmetricKey, for recipient: [UInt8]) throws -> (share: [UInt8], body: [UInt8]) {
        let key = try XWingMLKEM768X25519.PublicKey(rawRepresentation: recipient)
        var sender = try HPKE.Sender(recipientKey: key, ciphersuite: suite, info: info)
        let body = try sender.seal(fileKey.withUnsafeBytes { Data($0) })
        return (Array(sender.encapsulatedKey), Array(body))
    }

    /// - Returns: `nil` when it is for somebody else. ML-KEM never says so itself: it gives another secret.
    /// - Throws: `.corruptEncryption` for a share whose point is of low order, which nobody makes honestly.
    static func unwrap(
        _ body: [UInt8],
        share: [UInt8],
        with secret: XWingMLKEM768X25519.PrivateKey
    ) throws -> SymmetricKey? {
        guard body.count == FileKeyWrap.bodyBytes else { return nil }
        let opened = try? HPKE.Recipient(
            privateKey: secret,
            ciphersuite: suite,
            info: info,
            encapsulatedKey: Data(share)
        )
        guard var opened else { throw AgeHeader.broken("the point of a \(kind) stanza is of low order") }
        return (try? opened.open(Data(body))).map { SymmetricKey(data: $0) }
    }
}
