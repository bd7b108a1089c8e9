// SPDX-License-Identifier: Apache-2.0

import AgeVectors
import Crypto
import Foundation
import Testing

/// Vectors of our own making, one or more of each class that the testkit of age knows; and what runs them says when one
/// does not end as it claims. `make age-vectors` runs those of others.
@Suite
struct VectorTests {
    private let secret = Curve25519.KeyAgreement.PrivateKey()
    private var identity: String { Bech32Text.of("age-secret-key-", Array(secret.rawRepresentation)).uppercased() }
    private static let plain = Array("crafted".utf8)

    private func made(
        _ expectation: AgeVector.Expectation,
        _ file: [UInt8],
        gives payload: [UInt8]? = nil,
        keys: [String]? = nil
    ) -> [UInt8] {
        var lines = ["expect: \(expectation.rawValue)", "file key: 00", "comment: of our own making"]
        if let payload { lines.append("payload: \(Self.hex(payload))") }
        lines += keys ?? ["identity: \(identity)"]
        return Array((lines.joined(separator: "\n") + "\n\n").utf8) + file
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined()
    }

    private func file(_ change: (inout CraftedFile) -> Void = { _ in }) throws -> [UInt8] {
        let stanza = try CraftedFile.x25519(for: Array(secret.publicKey.rawRepresentation))
        var file = CraftedFile(header: ["-> X25519 \(stanza.share)", stanza.body])
        change(&file)
        return try file.bytes()
    }

    private static func armored(_ file: [UInt8]) -> String {
        let text = Data(file).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
        return "-----BEGIN AGE ENCRYPTED FILE-----\n\(text)\n-----END AGE ENCRYPTED FILE-----\n"
    }

    /// A stream of zlib (RFC 1950) of one block that is not compressed.
    private static func zlib(_ bytes: [UInt8]) -> [UInt8] {
        let count = UInt16(bytes.count)
        var (a, b): (UInt32, UInt32) = (1, 0)
        for byte in bytes { (a, b) = ((a + UInt32(byte)) % 65521, (b + a + UInt32(byte)) % 65521) }
        let sum = b << 16 | a
        return [0x78, 0x01, 1, UInt8(count & 255), UInt8(count >> 8), UInt8(~count & 255), UInt8(~count >> 8)] + bytes
            + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: sum >> UInt32($0)) }
    }

    /// What a vector says of its end; each with what it gives before that.
    private func vectors() throws -> [(what: String, vector: [UInt8])] {
        let chunk = content(65536)
        let scrypt = try CraftedFile.scrypt("right", workFactor: 5)
        let locked = try CraftedFile(header: ["-> scrypt \(scrypt.salt) 5", scrypt.body]).bytes()
        let hybrid = try XWingMLKEM768X25519.PrivateKey.generate()
        let stanza = try CraftedFile.hybrid(for: hybrid.publicKey)
        let strong = try CraftedFile(header: ["-> mlkem768x25519 \(CraftedFile.raw(stanza.share))", stanza.body])
            .bytes()
        let (good, other) = (try file(), KeyPair.hybrid(hybrid).identity)
        let armor = ["armored: yes", "identity: \(identity)"]
        let text = Self.armored(good)
        return try [
            ("right", made(.success, good, gives: Self.plain)),
            ("empty", made(.success, try file { $0.chunks = [(0, true, [])] }, gives: [])),
            (
                "of two chunks",
                made(.success, try file { $0.chunks = [(0, false, chunk), (1, true, [7])] }, gives: chunk + [7])
            ),
            ("by a passphrase", made(.success, locked, gives: Self.plain, keys: ["passphrase: right"])),
            (
                "by the second passphrase",
                made(.success, locked, gives: Self.plain, keys: ["passphrase: wrong", "passphrase: right"])
            ),
            ("post-quantum", made(.success, strong, gives: Self.plain, keys: ["identity: \(other)"])),
            (
                "compressed",
                made(.success, Self.zlib(good), gives: Self.plain, keys: ["compressed: zlib"] + armor.suffix(1))
            ),
            ("in armor", made(.success, Array(text.utf8), gives: Self.plain, keys: armor)),
            ("another identity", made(.noMatch, good, keys: ["identity: \(other)"])),
            ("a classic identity", made(.noMatch, strong)),
            ("a wrong passphrase", made(.noMatch, locked, keys: ["passphrase: wrong"])),
            ("no key", made(.noMatch, good, keys: [])),
            ("no end of the armor", made(.armorFailure, Array(text.dropLast(20).utf8), keys: armor)),
            ("something before the armor", made(.armorFailure, Array(("x\n" + text).utf8), keys: armor)),
            ("something behind the armor", made(.armorFailure, Array((text + "x").utf8), keys: armor)),
        ] + damaged()
    }

    /// Those whose recipient opens them, and which end badly after that.
    private func damaged() throws -> [(what: String, vector: [UInt8])] {
        let chunk = content(65536)
        let scrypt = try CraftedFile.scrypt("right", workFactor: 5)
        return [
            (
                "the code changed",
                made(
                    .codeFailure,
                    try file { $0.code = { ($0.hasPrefix(" A") ? " B" : " A") + $0.dropFirst(2) } }
                )
            ),
            ("another version", made(.headerFailure, try file { $0.version = "age-encryption.org/v1234" })),
            ("CRLF", made(.headerFailure, try file { $0.lineEnd = "\r\n" })),
            ("an argument more", made(.headerFailure, try file { $0.header[0] += " more" })),
            ("the code cut off", made(.headerFailure, try file { $0.code = { String($0.dropLast(2)) } })),
            ("nothing", made(.headerFailure, [])),
            ("no nonce", made(.headerFailure, try file { ($0.nonce, $0.chunks) = ([], []) })),
            (
                "half a nonce",
                made(.headerFailure, try file { ($0.nonce, $0.chunks) = (.init(repeating: 7, count: 8), []) })
            ),
            (
                "too much work",
                made(
                    .headerFailure,
                    try CraftedFile(header: ["-> scrypt \(scrypt.salt) 23", scrypt.body]).bytes(),
                    keys: ["passphrase: right"]
                )
            ),
            ("no chunk", made(.payloadFailure, try file { $0.chunks = [] }, gives: [])),
            ("no last chunk", made(.payloadFailure, try file { $0.chunks = [(0, false, chunk)] }, gives: chunk)),
            (
                "an empty last chunk",
                made(.payloadFailure, try file { $0.chunks = [(0, false, chunk), (1, true, [])] }, gives: chunk)
            ),
            (
                "more behind",
                made(.payloadFailure, try file { ($0.chunks, $0.tail) = ([(0, true, chunk)], [0]) }, gives: chunk)
            ),
            (
                "the second chunk twice",
                made(.payloadFailure, try file { $0.chunks = [(0, false, chunk), (0, true, [7])] }, gives: chunk)
            ),
        ]
    }

    @Test
    func eachOfEveryClassEndsAsItSays() throws {
        var seen: Set<AgeVector.Expectation> = []
        for (what, bytes) in try vectors() {
            let vector = try AgeVector(parsing: bytes)
            seen.insert(vector.expectation)
            #expect(vector.contradiction() == nil, "\(what)")
        }
        #expect(seen == Set(AgeVector.Expectation.allCases))
    }

    /// With any other word in the place of its own each is found wrong, and so is one that gives other bytes.
    @Test
    func oneThatEndsOtherwiseIsFoundWrong() throws {
        for (what, bytes) in try vectors() {
            let text = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
            let own = try #require(AgeVector.Expectation(rawValue: String(text.dropFirst("expect: ".count))))
            for claimed in AgeVector.Expectation.allCases where claimed != own {
                let changed = Array("expect: \(claimed.rawValue)".utf8) + bytes.dropFirst(text.utf8.count)
                #expect(try AgeVector(parsing: changed).contradiction() != nil, "\(what) as \(claimed)")
            }
        }
        let other = try AgeVector(parsing: made(.success, file(), gives: Self.plain + [0])).contradiction()
        #expect(other?.contains("gives other bytes") == true)
        let cut = try file { $0.chunks = [(0, false, content(65536)), (0, true, [7])] }
        #expect(try AgeVector(parsing: made(.payloadFailure, cut, gives: [])).contradiction() != nil)
    }

    @Test
    func whatIsNoVectorIsNotRun() throws {
        typealias Problem = AgeVector.Problem
        #expect(throws: Problem.unknownKey("seek")) { try AgeVector(parsing: made(.success, [], keys: ["seek: yes"])) }
        let bad = [
            "", "expect: success\n", "expect: joy\n\n", "expect success\n\n", "identity: x\n\n",
            "expect: success\ncompressed: brotli\n\n", "expect: success\ncompressed: zlib\n\nnot zlib",
        ]
        for text in bad {
            #expect(throws: Problem.self, "\(text)") { try AgeVector(parsing: Array(text.utf8)) }
        }
        let key = try AgeVector(parsing: made(.success, file(), keys: ["identity: AGE-SECRET-KEY-1NONE"]))
        #expect(key.contradiction()?.contains("keys") == true)
    }
}
