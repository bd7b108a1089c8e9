// SPDX-License-Identifier: Apache-2.0

import Crypto
import CryptoExtras
import Foundation

/// Writes files of the age format by the words of its specification, apart from the module that is tested, and breaks
/// one rule at a time: whatever is asked for, the authentication code is right.
struct CraftedFile {
    static let fileKey = SymmetricKey(data: Array("crafted filekey!".utf8))
    /// As lines, without their ends.
    var header: [String] = []
    var version = "age-encryption.org/v1"
    /// Chunks with their numbers, and whether they say that they are the last.
    var chunks: [(number: UInt8, isLast: Bool, plain: [UInt8])] = [(0, true, Array("crafted".utf8))]
    var nonce = [UInt8](repeating: 7, count: 16)
    var lineEnd = "\n"
    var code: (String) -> String = { $0 }
    var tail: [UInt8] = []

    static func raw(_ bytes: some Sequence<UInt8>) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "=", with: "")
    }

    /// A stanza for a recipient, by its public key.
    static func x25519(
        for point: [UInt8],
        fileKey: [UInt8] = fileKey.withUnsafeBytes { Array($0) },
        ephemeral: Curve25519.KeyAgreement.PrivateKey = .init()
    ) throws -> (share: String, body: String) {
        let share = Array(ephemeral.publicKey.rawRepresentation)
        let shared = try ephemeral.sharedSecretFromKeyAgreement(with: .init(rawRepresentation: point))
        let key = shared.hkdfDerivedSymmetricKey(
            using: SHA256.self,
            salt: share + point,
            sharedInfo: Array("age-encryption.org/v1/X25519".utf8),
            outputByteCount: 32
        )
        return (raw(share), raw(try sealed(fileKey, with: key)))
    }

    /// A stanza for a post-quantum recipient.
    static func hybrid(
        for key: XWingMLKEM768X25519.PublicKey,
        fileKey: [UInt8] = fileKey.withUnsafeBytes { Array($0) },
        info: String = "age-encryption.org/mlkem768x25519"
    ) throws -> (share: [UInt8], body: String) {
        var sender = try HPKE.Sender(
            recipientKey: key,
            ciphersuite: .init(kem: .XWingMLKEM768X25519, kdf: .HKDF_SHA256, aead: .chaChaPoly),
            info: Data(info.utf8)
        )
        let body = try sender.seal(fileKey)
        return (Array(sender.encapsulatedKey), raw(body))
    }

    static func scrypt(
        _ passphrase: String,
        workFactor: Int,
        salt: [UInt8] = Array(0..<16)
    ) throws -> (salt: String, body: String) {
        let key = try KDF.Scrypt.deriveKey(
            from: Array(passphrase.utf8),
            salt: Array("age-encryption.org/v1/scrypt".utf8) + salt,
            outputByteCount: 32,
            rounds: 1 << workFactor,
            blockSize: 8,
            parallelism: 1
        )
        return (raw(salt), raw(try sealed(fileKey.withUnsafeBytes { Array($0) }, with: key)))
    }

    private static func sealed(
        _ plain: [UInt8],
        with key: SymmetricKey,
        nonce: [UInt8] = .init(repeating: 0, count: 12)
    ) throws -> [UInt8] {
        let box = try ChaChaPoly.seal(plain, using: key, nonce: .init(data: nonce))
        return Array(box.ciphertext) + Array(box.tag)
    }

    func bytes() throws -> [UInt8] {
        let text = ([version] + header).map { $0 + lineEnd }.joined() + "---"
        let codeKey = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: Self.fileKey,
            info: Array("header".utf8),
            outputByteCount: 32
        )
        let code = Self.raw(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: codeKey))
        let payloadKey = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: Self.fileKey,
            salt: nonce,
            info: Array("payload".utf8),
            outputByteCount: 32
        )
        let payload = try chunks.flatMap { number, isLast, plain in
            let place: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number, isLast ? 1 : 0]
            return try Self.sealed(plain, with: payloadKey, nonce: place)
        }
        return Array((text + self.code(" \(code)") + lineEnd).utf8) + nonce + payload + tail
    }
}
