// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Crypto
import Failures
import FoundationEssentials

/// A key that signs what is written into a store: Ed25519 (RFC 8032), from a PEM file as `openssl genpkey -algorithm
/// ed25519` writes it (PKCS #8, RFC 8410).
package struct SigningKey: Sendable {
    private let key: Curve25519.Signing.PrivateKey

    /// RFC 8410, section 10.3.
    private static let form = PEMForm(
        label: "PRIVATE KEY",
        prefix: [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20],
        title: "a private Ed25519 key without a passphrase, as PEM",
        hint: "Make one with: openssl genpkey -algorithm ed25519 -out sign.pem"
    )

    /// - Throws: `.configuration`; no message quotes the file.
    package init(pem: String, file: String) throws {
        key = try Self.form.read(pem, in: file) { try Curve25519.Signing.PrivateKey(rawRepresentation: $0) }
    }

    package var verificationKey: VerificationKey { VerificationKey(key: key.publicKey) }

    /// 64 bytes: what `openssl pkeyutl -verify -rawin` takes as the signature of these bytes.
    package func signature(of bytes: [UInt8]) throws -> [UInt8] { Array(try key.signature(for: bytes)) }
}

/// The other half of a `SigningKey`, as `openssl pkey -pubout` writes it.
package struct VerificationKey: Sendable {
    fileprivate let key: Curve25519.Signing.PublicKey

    private static let form = PEMForm(
        label: "PUBLIC KEY",
        prefix: [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00],
        title: "a public Ed25519 key as PEM",
        hint: "Make it of the other one with: openssl pkey -in sign.pem -pubout -out verify.pem"
    )

    fileprivate init(key: Curve25519.Signing.PublicKey) {
        self.key = key
    }

    /// - Throws: `.configuration`.
    package init(pem: String, file: String) throws {
        key = try Self.form.read(pem, in: file) { try Curve25519.Signing.PublicKey(rawRepresentation: $0) }
    }

    package func accepts(_ signature: [UInt8], of bytes: [UInt8]) -> Bool {
        key.isValidSignature(signature, for: bytes)
    }

    static let fingerprintLength = 16

    /// The first 16 digits of the SHA-256 of the key: enough to tell one's own keys apart.
    package var fingerprint: String {
        String(SHA256Digest.hex(of: Array(key.rawRepresentation)).prefix(Self.fingerprintLength))
    }
}

/// How a key stands in a PEM file: one block (RFC 7468) of a known prefix and 32 bytes.
private struct PEMForm {
    let label: String
    /// What stands before the 32 bytes: an Ed25519 key, and nothing else.
    let prefix: [UInt8]
    /// What it is, and how one is made.
    let title: String
    let hint: String

    /// What such files hold as well.
    private var others: [(key: String, value: String)] {
        [
            ("PUBLIC KEY", "a public key"), ("PRIVATE KEY", "a private key"),
            ("ENCRYPTED PRIVATE KEY", "an encrypted one"), ("OPENSSH PRIVATE KEY", "a key of SSH"),
            ("CERTIFICATE", "a certificate"),
        ].filter { $0.key != label }
    }

    /// - Throws: `.configuration`; no message quotes the file.
    func read<Key>(_ text: String, in file: String, as key: ([UInt8]) throws -> Key) throws -> Key {
        guard let bytes = content(of: text), let key = try? key(bytes) else {
            let found = others.first { text.contains("-----BEGIN \($0.key)-----") }.map { ", but \($0.value)" } ?? ""
            throw Failure(.configuration, "read the key in \(file): it is not \(title)\(found)", hint: hint)
        }
        return key
    }

    private func content(of text: String) -> [UInt8]? {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.filter { !$0.isWhitespace } }
        guard let begin = lines.firstIndex(of: "-----BEGIN\(label.filter { $0 != " " })-----"),
            let end = lines[begin...].firstIndex(of: "-----END\(label.filter { $0 != " " })-----"),
            let bytes = Data(base64Encoded: lines[(begin + 1)..<end].joined()).map(Array.init),
            bytes.count == prefix.count + 32, bytes.starts(with: prefix)
        else { return nil }
        return Array(bytes.dropFirst(prefix.count))
    }
}
