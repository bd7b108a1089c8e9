// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Crypto
import Failures
import FoundationEssentials

/// A key that signs what is written into a store: Ed25519 (RFC 8032), from a PEM file as `openssl genpkey -algorithm
/// ed25519` writes it (PKCS #8, RFC 8410).
package struct SigningKey: Sendable {
    private let key: Curve25519.Signing.PrivateKey

    /// What stands before the 32 bytes of a key (RFC 8410, section 10.3): an Ed25519 key in PKCS #8, and nothing else.
    private static let prefix: [UInt8] = [
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]

    /// - Throws: `.configuration`; no message quotes the file.
    package init(pem: String, file: String) throws {
        guard let bytes = PEMBlock.content(of: pem, label: "PRIVATE KEY", after: Self.prefix),
            let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes)
        else {
            throw Failure(
                .configuration,
                "read the key in \(file): it is no Ed25519 key that is not encrypted, as PEM",
                hint: "Make one with: openssl genpkey -algorithm ed25519 -out sign.pem"
            )
        }
        self.key = key
    }

    package var verificationKey: VerificationKey { VerificationKey(key: key.publicKey) }

    /// 64 bytes: what `openssl pkeyutl -verify -rawin` takes as the signature of these bytes.
    package func signature(of bytes: [UInt8]) throws -> [UInt8] { Array(try key.signature(for: bytes)) }
}

/// The other half of a `SigningKey`, as `openssl pkey -pubout` writes it.
package struct VerificationKey: Sendable {
    fileprivate let key: Curve25519.Signing.PublicKey

    private static let prefix: [UInt8] = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ]

    fileprivate init(key: Curve25519.Signing.PublicKey) {
        self.key = key
    }

    /// - Throws: `.configuration`.
    package init(pem: String, file: String) throws {
        guard let bytes = PEMBlock.content(of: pem, label: "PUBLIC KEY", after: Self.prefix),
            let key = try? Curve25519.Signing.PublicKey(rawRepresentation: bytes)
        else {
            throw Failure(
                .configuration,
                "read the key in \(file): it is no public Ed25519 key, as PEM",
                hint: "Make it of the other one with: openssl pkey -in sign.pem -pubout -out verify.pem"
            )
        }
        self.key = key
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

/// One block of a PEM file (RFC 7468).
private enum PEMBlock {
    /// The 32 bytes behind a known prefix.
    static func content(of text: String, label: String, after prefix: [UInt8]) -> [UInt8]? {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.filter { !$0.isWhitespace } }
        guard let begin = lines.firstIndex(of: "-----BEGIN\(label.filter { $0 != " " })-----"),
            let end = lines[begin...].firstIndex(of: "-----END\(label.filter { $0 != " " })-----"),
            let bytes = Data(base64Encoded: lines[(begin + 1)..<end].joined()).map(Array.init),
            bytes.count == prefix.count + 32, bytes.starts(with: prefix)
        else { return nil }
        return Array(bytes.dropFirst(prefix.count))
    }
}
