// SPDX-License-Identifier: Apache-2.0

import Age
import Crypto
import Failures
import Testing

/// Each rule of a header, broken by itself in a file that is right otherwise: also its authentication code is right, so
/// that nothing but the rule can be what refuses it.
@Suite
struct HeaderTests {
    private let secret = Curve25519.KeyAgreement.PrivateKey()
    private var point: [UInt8] { Array(secret.publicKey.rawRepresentation) }

    private func keyring(_ passphrase: String? = nil) throws -> AgeKeyring {
        let text = Bech32Text.of("age-secret-key-", Array(secret.rawRepresentation)).uppercased()
        return AgeKeyring(
            identities: [try AgeIdentity(parsing: text)],
            passphrase: try passphrase.map { try AgePassphrase(Array($0.utf8)) }
        )
    }

    /// At every piece size the same.
    private func outcome(_ file: CraftedFile, _ passphrase: String? = nil) throws -> Failure.Code? {
        let (bytes, keyring) = (try file.bytes(), try keyring(passphrase))
        let codes = [1 << 20, 1, 7, 64].map { pieces in
            code { try decrypted(bytes, by: keyring, pieces: pieces) }
        }
        #expect(Set(codes).count == 1, "\(codes)")
        return codes[0]
    }

    private func file(_ lines: (_ share: String, _ body: String) -> [String]) throws -> CraftedFile {
        let stanza = try CraftedFile.x25519(for: point)
        return CraftedFile(header: lines(stanza.share, stanza.body))
    }

    @Test
    func whatKeepsEveryRuleIsRead() throws {
        let plain = try file { ["-> X25519 \($0)", $1] }
        #expect(try outcome(plain) == nil)
        #expect(try decrypted(plain.bytes(), by: keyring(), pieces: 5) == Array("crafted".utf8))
        // Others of no known kind stand beside it: without a body, with one of a full line, and of two lines.
        let others = try file { share, body in
            [
                "-> grease", "", "-> X25519 \(share)", body, "-> !\"#$%&'()*+,-./ [\\]^_`{|}~ ~",
                String(repeating: "A", count: 64), "", "-> other a b c d", String(repeating: "B", count: 64), "AAAA",
            ]
        }
        #expect(try outcome(others) == nil)
        let scrypt = try CraftedFile.scrypt("right", workFactor: 5)
        let locked = CraftedFile(header: ["-> scrypt \(scrypt.salt) 5", scrypt.body])
        #expect(try outcome(locked, "right") == nil)
        #expect(try outcome(locked, "wrong") == .cannotDecrypt)
        #expect(try outcome(locked) == .cannotDecrypt)
    }

    @Test
    func aStanzaForAKnownRecipientKeepsItsRules() throws {
        let other = Curve25519.KeyAgreement.PrivateKey().publicKey.rawRepresentation
        let cases: [(String, CraftedFile, Failure.Code)] = [
            ("for somebody else", try Self.stanza(Array(other)) { ["-> X25519 \($0)", $1] }, .cannotDecrypt),
            ("lower case is another kind", try file { ["-> x25519 \($0)", $1] }, .cannotDecrypt),
            ("one argument more", try file { ["-> X25519 \($0) extra", $1] }, .corruptEncryption),
            ("no argument", try file { ["-> X25519", $1] }, .corruptEncryption),
            ("a share too short", try file { ["-> X25519 \($0.prefix(42))", $1] }, .corruptEncryption),
            ("a share too long", try file { ["-> X25519 \($0)AA", $1] }, .corruptEncryption),
            ("padding", try file { ["-> X25519 \($0)=", $1] }, .corruptEncryption),
            ("a body too short", try file { ["-> X25519 \($0)", String($1.prefix(42))] }, .corruptEncryption),
            ("a body too long", try file { ["-> X25519 \($0)", $1 + "AA"] }, .corruptEncryption),
            (
                "a key of 32 bytes",
                try Self.stanza(point, fileKey: .init(repeating: 1, count: 32)) { ["-> X25519 \($0)", $1] },
                .corruptEncryption
            ),
            (
                "a point of low order",
                try file { ["-> X25519 \(CraftedFile.raw([UInt8](repeating: 0, count: 32)))", $1] }, .corruptEncryption
            ),
        ]
        for (what, file, expected) in cases { #expect(try outcome(file) == expected, "\(what)") }
    }

    private static func stanza(
        _ point: [UInt8],
        fileKey: [UInt8] = Array("crafted filekey!".utf8),
        _ lines: (_ share: String, _ body: String) -> [String]
    ) throws -> CraftedFile {
        let stanza = try CraftedFile.x25519(for: point, fileKey: fileKey)
        return CraftedFile(header: lines(stanza.share, stanza.body))
    }

    @Test
    func theFrameOfStanzasKeepsItsRules() throws {
        let cases: [(String, CraftedFile)] = [
            ("nobody", CraftedFile()),
            ("two spaces", try file { ["->  X25519 \($0)", $1] }),
            ("a space at the end", try file { ["-> X25519 \($0) ", $1] }),
            ("no space", try file { ["->X25519 \($0)", $1] }),
            ("no arguments at all", try file { ["-> X25519 \($0)", $1, "-> ", ""] }),
            ("an argument beyond ASCII", try file { ["-> X25519 \($0)", $1, "-> gréase", ""] }),
            ("a control character", try file { ["-> X25519 \($0)", $1, "-> a\u{7f}", ""] }),
            ("no body", try file { share, _ in ["-> X25519 \(share)"] }),
            ("an empty line too many", try file { ["-> X25519 \($0)", $1, ""] }),
            (
                "a full line that is the last",
                try file { ["-> X25519 \($0)", $1, "-> o", String(repeating: "A", count: 64)] }
            ),
            ("a line too long", try file { ["-> X25519 \($0)", $1, "-> o", String(repeating: "A", count: 68), ""] }),
            ("short lines", try file { ["-> X25519 \($0)", String($1.prefix(20)), String($1.dropFirst(20))] }),
            ("bits left over", try file { ["-> X25519 \($0)", $1, "-> other", "AAB"] }),
            ("padding", try file { ["-> X25519 \($0)", $1, "-> other", "AA=="] }),
            ("another letter", try file { ["-> X25519 \($0)", $1, "-> other", "A-_A"] }),
            ("a letter alone", try file { ["-> X25519 \($0)", $1, "-> other", "A"] }),
            ("something between", try file { ["-> X25519 \($0)", $1, "comment"] }),
        ]
        for (what, file) in cases { #expect(try outcome(file) == .corruptEncryption, "\(what)") }
        var crlf = try file { ["-> X25519 \($0)", $1] }
        crlf.lineEnd = "\r\n"
        #expect(try outcome(crlf) == .corruptEncryption)
    }

    @Test
    func theAuthenticationCodeKeepsItsRules() throws {
        var file = try file { ["-> X25519 \($0)", $1] }
        let cases: [(String, (String) -> String)] = [
            ("changed", { " A" + ($0.dropFirst(2).first == "B" ? "C" : "B") + $0.dropFirst(3) }),
            ("cut", { String($0.dropLast(2)) }), ("none", { _ in "" }), ("a space more", { " " + $0 }),
            ("no space", { String($0.dropFirst()) }), ("a space behind", { $0 + " " }), ("padded", { $0 + "=" }),
            ("bits left over", { String($0.dropLast()) + "B" }), ("more", { $0 + "AA" }),
        ]
        for (what, change) in cases {
            file.code = change
            #expect(try outcome(file) == .corruptEncryption, "\(what)")
        }
    }

    @Test
    func aPassphraseStandsAloneAndAsksForNotTooMuch() throws {
        let scrypt = try CraftedFile.scrypt("right", workFactor: 4)
        let mine = try CraftedFile.x25519(for: point)
        func locked(_ line: String, _ body: String? = nil, _ more: [String] = []) -> CraftedFile {
            CraftedFile(header: [line, body ?? scrypt.body] + more)
        }
        let other = ["-> X25519 \(mine.share)", mine.body]
        let cases: [(String, CraftedFile, Failure.Code)] = [
            ("beside a recipient", locked("-> scrypt \(scrypt.salt) 4", nil, other), .corruptEncryption),
            (
                "twice", locked("-> scrypt \(scrypt.salt) 4", nil, ["-> scrypt \(scrypt.salt) 4", scrypt.body]),
                .corruptEncryption
            ),
            ("no work factor", locked("-> scrypt \(scrypt.salt)"), .corruptEncryption),
            ("no salt", locked("-> scrypt 4"), .corruptEncryption),
            ("more", locked("-> scrypt \(scrypt.salt) 4 4"), .corruptEncryption),
            ("a leading zero", locked("-> scrypt \(scrypt.salt) 04"), .corruptEncryption),
            ("a sign", locked("-> scrypt \(scrypt.salt) +4"), .corruptEncryption),
            ("negative", locked("-> scrypt \(scrypt.salt) -4"), .corruptEncryption),
            ("zero", locked("-> scrypt \(scrypt.salt) 0"), .corruptEncryption),
            ("hexadecimal", locked("-> scrypt \(scrypt.salt) 0x4"), .corruptEncryption),
            ("not a number", locked("-> scrypt \(scrypt.salt) 4x"), .corruptEncryption),
            ("beyond every integer", locked("-> scrypt \(scrypt.salt) 18446744073709551620"), .corruptEncryption),
            ("too much work", locked("-> scrypt \(scrypt.salt) 21"), .unsupported),
            ("far too much work", locked("-> scrypt \(scrypt.salt) 255"), .unsupported),
            ("a short salt", locked("-> scrypt \(scrypt.salt.dropLast(2)) 4"), .corruptEncryption),
            ("other work", locked("-> scrypt \(scrypt.salt) 3"), .cannotDecrypt),
            ("a body too long", locked("-> scrypt \(scrypt.salt) 4", scrypt.body + "AA"), .corruptEncryption),
        ]
        for (what, file, expected) in cases { #expect(try outcome(file, "right") == expected, "\(what)") }
    }

    @Test
    func whatIsNoFileOfThisVersionIsRefusedByItsBeginning() throws {
        for (text, expected) in [
            ("", Failure.Code.truncated), ("age-encryption.org/v", .truncated), ("REDIS0011", .corruptEncryption),
            ("age-encryption.org/v2\n", .unsupported), ("age-encryption.org/v1\r\n", .corruptEncryption),
            ("-----BEGIN PGP MESSAGE-----\n", .corruptEncryption), ("-----BEGIN AGE ENCRYPTED FILE", .truncated),
            ("\n", .truncated), (String(repeating: "a", count: 9000), .corruptEncryption),
        ] {
            #expect(
                code { try decrypted(Array(text.utf8), by: AgeKeyring(), pieces: 3) } == expected,
                "\(text.prefix(40))"
            )
        }
        // A header without an end does not fill the memory.
        let endless = "age-encryption.org/v1\n" + String(repeating: "-> grease\n\n", count: 100_000)
        #expect(code { try decrypted(Array(endless.utf8), by: AgeKeyring(), pieces: 65536) } == .corruptEncryption)
    }
}
