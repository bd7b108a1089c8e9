// SPDX-License-Identifier: Apache-2.0

import Crypto
import CryptoExtras
import Failures

/// A secret that people know, in the place of a key. It is never shown.
///
/// Turning it into a key is made slow on purpose, and takes 2^workFactor KiB of memory.
package struct AgePassphrase: Sendable {
    static let kind = "scrypt"
    private static let label = Array("age-encryption.org/v1/scrypt".utf8)
    static let saltBytes = 16

    /// As age encrypts: 256 MiB, and about a second.
    package static let workFactorUsual = 18
    /// What a file may ask of whoever reads it: 1 GiB.
    package static let workFactorMax = 20
    private static let blockSize = 8

    private let text: [UInt8]

    /// - Throws: `.configuration` for an empty one.
    package init(_ text: [UInt8]) throws {
        guard !text.isEmpty else { throw Failure(.configuration, "read a passphrase: it is empty") }
        self.text = text
    }

    func stanza(for fileKey: SymmetricKey, workFactor: Int) throws -> AgeHeader.Stanza {
        let salt = AgeRandom.bytes(Self.saltBytes)
        return AgeHeader.Stanza(
            arguments: [Self.kind, String(decoding: RawBase64.text(salt), as: UTF8.self), "\(workFactor)"],
            body: try FileKeyWrap.wrap(fileKey, with: try key(salt, workFactor))
        )
    }

    /// The key of the file, if this is its passphrase.
    /// - Throws: `.unsupported` when more work is asked for than `workFactorMax`.
    func fileKey(of stanza: AgeHeader.Stanza) throws -> SymmetricKey? {
        guard case .scrypt(let salt, let workFactor) = stanza.kind else { return nil }
        guard workFactor <= Self.workFactorMax else {
            throw Failure(
                .unsupported,
                "decrypt: the file asks for a work factor of \(workFactor), at most \(Self.workFactorMax) is served"
            )
        }
        return FileKeyWrap.unwrap(stanza.body, with: try key(salt, workFactor))
    }

    private func key(_ salt: [UInt8], _ workFactor: Int) throws -> SymmetricKey {
        do {
            return try KDF.Scrypt.deriveKey(
                from: text,
                salt: Self.label + salt,
                outputByteCount: 32,
                rounds: 1 << workFactor,
                blockSize: Self.blockSize,
                parallelism: 1
            )
        } catch {
            throw Failure(
                .unclassified,
                "turn a passphrase into a key: there may be too little memory, "
                    + "\(max(1, (1 << workFactor) / 1024)) MiB are needed"
            )
        }
    }
}

extension AgePassphrase: CustomStringConvertible, CustomDebugStringConvertible {
    package var description: String { "a passphrase" }
    package var debugDescription: String { description }
}

enum AgeRandom {
    /// Of the operating system.
    static func bytes(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
}
