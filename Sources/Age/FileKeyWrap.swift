// SPDX-License-Identifier: Apache-2.0

import Crypto

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
