// SPDX-License-Identifier: Apache-2.0

import Age
import Crypto
import Failures
import Foundation
import TestParts
import Testing

/// A pair of keys, which Debian's age-keygen made where nothing else is said.
struct KeyPair: Sendable {
    let identity: String
    let recipient: String

    static func fresh() async throws -> KeyPair {
        let text = String(decoding: try await run(Parts.ageKeygen()), as: UTF8.self)
        let lines = text.split(separator: "\n").map(String.init)
        let identity = try #require(lines.first { $0.hasPrefix("AGE-SECRET-KEY-1") })
        let note = try #require(lines.first { $0.hasPrefix("# public key: ") })
        return KeyPair(identity: identity, recipient: String(note.dropFirst("# public key: ".count)))
    }

    /// A post-quantum one, which Debian's age-keygen does not make.
    static func hybrid(_ key: XWingMLKEM768X25519.PrivateKey) -> KeyPair {
        KeyPair(
            identity: Bech32Text.of("age-secret-key-pq-", Array(key.seedRepresentation)).uppercased(),
            recipient: Bech32Text.of("age1pq", Array(key.publicKey.rawRepresentation))
        )
    }

    func keyring() throws -> AgeKeyring { AgeKeyring(identities: [try AgeIdentity(parsing: identity)]) }
    func lock() throws -> AgeLock { try AgeLock(recipients: [AgeRecipient(parsing: recipient)]) }
}

/// Bytes that look like none in particular, and differ from place to place.
func content(_ count: Int) -> [UInt8] {
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}

func encrypted(_ plain: [UInt8], for lock: AgeLock, pieces: Int = .max) throws -> [UInt8] {
    var encryptor = try AgeEncryptor(for: lock)
    var file: [UInt8] = []
    for start in stride(from: 0, to: plain.count, by: min(pieces, max(1, plain.count))) {
        file += try encryptor.encrypt(Array(plain[start..<min(plain.count, start + min(pieces, plain.count))]))
    }
    return try file + encryptor.finish()
}

/// Fed piece by piece, as a stream is.
func decrypted(_ file: [UInt8], by keyring: AgeKeyring, pieces: Int) throws -> [UInt8] {
    var decryptor = AgeDecryptor()
    var plain: [UInt8] = []
    for start in stride(from: 0, to: file.count, by: pieces) {
        plain += try decryptor.decrypt(Array(file[start..<min(file.count, start + pieces)]))
        if decryptor.lockedHeader != nil { plain += try decryptor.open(with: keyring) }
    }
    return try plain + decryptor.finish()
}

/// The code of what it throws; `nil` where it throws nothing.
func code(_ body: () throws -> some Any) -> Failure.Code? {
    do {
        _ = try body()
        return nil
    } catch {
        return (error as? Failure)?.code ?? .unclassified
    }
}
