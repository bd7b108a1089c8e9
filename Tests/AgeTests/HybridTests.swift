// SPDX-License-Identifier: Apache-2.0

import Age
import Crypto
import Failures
import Foundation
import TestParts
import Testing

/// Post-quantum recipients: age1pq1…, and the stanza mlkem768x25519.
@Suite
struct HybridTests {
    private let secret: XWingMLKEM768X25519.PrivateKey
    private let pair: KeyPair

    init() throws {
        secret = try .generate()
        pair = .hybrid(secret)
    }

    /// What pyca/cryptography makes of the specification reads ours, and theirs is read here.
    @Test
    func aSecondImplementationReadsOursAndWeReadItsOwn() async throws {
        let sizes = [0, 1, 65535, 65536, 65537, 2 * 65536, 300_000]
        try await withTemporaryFolder { folder in
            func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
            func oracle(_ words: String...) async throws -> String {
                String(decoding: try await run(Parts.python(), [Parts.oracle("age_hybrid.py")] + words), as: UTF8.self)
            }
            let recipient = try await oracle("keygen", path("identity")).trimmingCharacters(in: .newlines)
            let text = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path("identity"))))
            let identities = try AgeKeyFile.identities(text, in: "identity")
            #expect(identities.map(\.recipient.text) == [recipient])
            let lock = try AgeLock(recipients: [pair.recipient, recipient].map { try AgeRecipient(parsing: $0) })
            for size in sizes {
                try Data(content(size)).write(to: URL(fileURLWithPath: path("\(size)")))
                try Data(encrypted(content(size), for: lock)).write(to: URL(fileURLWithPath: path("\(size).ours")))
            }
            for size in sizes {
                _ = try await oracle("decrypt", path("identity"), path("\(size).ours"))
                _ = try await oracle("encrypt", recipient, path("\(size)"))
                let back = FileManager.default.contents(atPath: path("\(size).ours.plain")).map(Array.init)
                #expect(back == content(size), "\(size) bytes")
                let theirs = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path("\(size).theirs"))))
                let keyring = AgeKeyring(identities: identities)
                #expect(try decrypted(theirs, by: keyring, pieces: 70_000) == content(size), "\(size) bytes")
            }
        }
    }

    @Test
    func eachOfSeveralOpensItAndNobodyElse() async throws {
        let (second, stranger) = (KeyPair.hybrid(try .generate()), KeyPair.hybrid(try .generate()))
        let lock = try AgeLock(recipients: [pair, second].map { try AgeRecipient(parsing: $0.recipient) })
        let file = try encrypted(content(100), for: lock)
        for pair in [pair, second] {
            for pieces in [1, 50, 1000, 10_000] {
                #expect(try decrypted(file, by: pair.keyring(), pieces: pieces) == content(100))
            }
            #expect(try pair.keyring().opens(lock.fingerprints))
        }
        let classic = try await KeyPair.fresh()
        for other in [stranger, classic] {
            #expect(code { try decrypted(file, by: other.keyring(), pieces: 1000) } == .cannotDecrypt)
            #expect(try !other.keyring().opens(lock.fingerprints))
        }
        // Beside others in one keyring, whatever the order.
        for pairs in [[classic, stranger, second], [second, classic]] {
            let keyring = AgeKeyring(identities: try pairs.map { try AgeIdentity(parsing: $0.identity) })
            #expect(try decrypted(file, by: keyring, pieces: 1000) == content(100))
        }
    }

    /// Such a file could be read by whoever breaks the weaker kind: none is made; one that somebody made is read.
    @Test
    func theKindsAreNotMixedInWhatIsWritten() async throws {
        let classic = try await KeyPair.fresh()
        for pairs in [[pair, classic], [classic, pair]] {
            let mixed = #expect(throws: Failure.self) {
                try AgeLock(recipients: pairs.map { try AgeRecipient(parsing: $0.recipient) })
            }
            #expect(mixed?.code == .configuration)
            let weaker = try AgeRecipient(parsing: classic.recipient).fingerprint
            #expect("\(mixed as Any)".contains(weaker) && mixed?.hint?.contains("age1pq1") == true)
        }
        let stanza = try CraftedFile.hybrid(for: secret.publicKey)
        let point = Curve25519.KeyAgreement.PrivateKey()
        let other = try CraftedFile.x25519(for: Array(point.publicKey.rawRepresentation))
        let text = Bech32Text.of("age-secret-key-", Array(point.rawRepresentation)).uppercased()
        let file = CraftedFile(
            header: Self.lines(stanza.share, stanza.body) + ["-> X25519 \(other.share)", other.body]
        )
        for keyring in [try pair.keyring(), AgeKeyring(identities: [try AgeIdentity(parsing: text)])] {
            #expect(try decrypted(file.bytes(), by: keyring, pieces: 100) == Array("crafted".utf8))
        }
    }

    private static func lines(_ share: [UInt8], _ body: String) -> [String] {
        ["-> mlkem768x25519 \(CraftedFile.raw(share))", body]
    }

    @Test
    func aStanzaKeepsItsRules() throws {
        let stanza = try CraftedFile.hybrid(for: secret.publicKey)
        let stranger = try XWingMLKEM768X25519.PrivateKey.generate()
        func made(
            for key: XWingMLKEM768X25519.PublicKey,
            fileKey: [UInt8] = Array("crafted filekey!".utf8),
            info: String = "age-encryption.org/mlkem768x25519"
        ) throws -> [String] {
            let stanza = try CraftedFile.hybrid(for: key, fileKey: fileKey, info: info)
            return Self.lines(stanza.share, stanza.body)
        }
        let (share, body, text) = (stanza.share, stanza.body, CraftedFile.raw(stanza.share))
        let point = share.dropLast(32)
        func changed(_ place: Int) -> [UInt8] {
            var changed = share
            changed[place] ^= 1
            return changed
        }
        // The order of the curve's field, which is another spelling of zero.
        let field: [UInt8] = [0xed] + [UInt8](repeating: 0xff, count: 30) + [0x7f]
        let cases: [(String, [String], Failure.Code?)] = [
            ("right", Self.lines(share, body), nil),
            ("beside grease", ["-> grease", ""] + Self.lines(share, body) + ["-> other a", "AAAA"], nil),
            ("for somebody else", try made(for: stranger.publicKey), .cannotDecrypt),
            ("after one for somebody else", try made(for: stranger.publicKey) + Self.lines(share, body), nil),
            ("of another use", try made(for: secret.publicKey, info: "age-encryption.org/other"), .cannotDecrypt),
            ("upper case is another kind", ["-> MLKEM768X25519 \(text)", body], .cannotDecrypt),
            ("ML-KEM's part changed", Self.lines(changed(7), body), .cannotDecrypt),
            ("X25519's part changed", Self.lines(changed(1100), body), .cannotDecrypt),
            (
                "body changed", Self.lines(share, body.first == "A" ? "B" + body.dropFirst() : "A" + body.dropFirst()),
                .cannotDecrypt
            ),
            ("one argument more", ["-> mlkem768x25519 \(text) extra", body], .corruptEncryption),
            ("no argument", ["-> mlkem768x25519", body], .corruptEncryption),
            ("a share too short", Self.lines(share.dropLast(), body), .corruptEncryption),
            ("a share too long", Self.lines(share + [0], body), .corruptEncryption),
            ("padding", ["-> mlkem768x25519 \(text)=", body], .corruptEncryption),
            ("bits left over", ["-> mlkem768x25519 \(Self.spelledOtherwise(text))", body], .corruptEncryption),
            ("a body too short", Self.lines(share, String(body.prefix(42))), .corruptEncryption),
            ("a body too long", Self.lines(share, body + "AA"), .corruptEncryption),
            (
                "a key of 24 bytes", try made(for: secret.publicKey, fileKey: .init(repeating: 1, count: 24)),
                .corruptEncryption
            ),
            ("a point that is zero", Self.lines(point + [UInt8](repeating: 0, count: 32), body), .corruptEncryption),
            ("a point of low order", Self.lines(point + field, body), .corruptEncryption),
            (
                "a stanza of X25519 with this share", ["-> X25519 \(text)", body] + Self.lines(share, body),
                .corruptEncryption
            ),
        ]
        let keyring = try pair.keyring()
        for (what, header, expected) in cases {
            let file = try CraftedFile(header: header).bytes()
            for pieces in [1, 999, 1 << 20] {
                #expect(code { try decrypted(file, by: keyring, pieces: pieces) } == expected, "\(what), \(pieces)")
            }
        }
    }

    /// The same bytes with a bit set that no byte has.
    private static func spelledOtherwise(_ text: String) -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        let last = letters.firstIndex(of: text.last ?? "A") ?? 0
        return text.dropLast() + String(letters[last | 1])
    }

    @Test
    func aMistypedKeyIsRefused() throws {
        let (recipient, identity) = (Array(pair.recipient), Array(pair.identity))
        #expect(recipient.count == 1959)
        #expect(try AgeIdentity(parsing: pair.identity).recipient.text == pair.recipient)
        for place in stride(from: 0, to: recipient.count, by: 97) {
            var changed = recipient
            changed[place] = changed[place] == "q" ? "p" : "q"
            #expect(code { try AgeRecipient(parsing: String(changed)) } != nil, "\(place)")
            #expect(code { try AgeRecipient(parsing: String(recipient.prefix(place))) } != nil)
        }
        for place in identity.indices {
            var changed = identity
            changed[place] = changed[place] == "Q" ? "P" : "Q"
            #expect(code { try AgeIdentity(parsing: String(changed)) } == .configuration, "\(place)")
        }
        #expect(code { try AgeRecipient(parsing: pair.recipient.uppercased()) } == .configuration)
        #expect(code { try AgeIdentity(parsing: pair.identity.lowercased()) } == .configuration)
        #expect(code { try AgeRecipient(parsing: pair.identity) } == .configuration)
        // The right spelling of what is no key: of the other length, numbers out of range, a point of low order.
        let key = Array(secret.publicKey.rawRepresentation)
        let none = [
            Array(key.prefix(32)), key + [0], [UInt8](repeating: 0xff, count: 1184) + key.suffix(32),
            key.prefix(1184) + [UInt8](repeating: 0, count: 32),
        ]
        for bytes in none {
            #expect(code { try AgeRecipient(parsing: Bech32Text.of("age1pq", bytes)) } == .configuration)
        }
        for (prefix, bytes) in [("age-secret-key-pq-", key), ("age-secret-key-pq-", []), ("age1pq", [1])] {
            #expect(code { try AgeIdentity(parsing: Bech32Text.of(prefix, bytes).uppercased()) } == .configuration)
        }
    }

    @Test
    func itsFingerprintIsTheStartOfTheDigestOfItsText() throws {
        // printf age1pq1… | sha256sum, by the recipient that Tests/oracles/age_hybrid.py makes of this seed.
        let known = KeyPair.hybrid(try .init(seedRepresentation: Array<UInt8>(0..<32), publicKey: nil))
        #expect(try AgeRecipient(parsing: known.recipient).fingerprint == "mlkem768x25519:e1704ce7caadaa4e")
    }

    /// What nobody would read back is not written.
    @Test
    func moreRecipientsThanAHeaderHasRoomForAreRefused() throws {
        func recipients(_ count: Int) throws -> [AgeRecipient] {
            try (0..<count).map { number in
                let point = [UInt8](unsafeUninitializedCapacity: 32) { room, filled in
                    for place in room.indices { room[place] = UInt8(truncatingIfNeeded: number >> (8 * (place % 2))) }
                    filled = room.count
                }
                return try AgeRecipient(parsing: Bech32Text.of("age", point))
            }
        }
        let most = ((1 << 20) - 70) / 98
        #expect(code { try AgeLock(recipients: recipients(most + 1)) } == .configuration)
        #expect(code { try AgeLock(recipients: recipients(most)) } == nil)
    }
}
