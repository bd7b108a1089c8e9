// SPDX-License-Identifier: Apache-2.0

import Age
import Failures
import Foundation
import TestParts
import Testing

/// What is written here, age (Go) and rage (Rust) read; what they write is read here. At the boundaries of chunks.
@Suite
struct InteropTests {
    private static let sizes = [
        0, 1, 15, 16, 17, 65535, 65536, 65537, 2 * 65536 - 1, 2 * 65536, 2 * 65536 + 1, 3_000_000,
    ]

    @Test
    func debiansAgeReadsOursAndWeReadItsOwn() async throws {
        let (pair, other) = (try await KeyPair.fresh(), try await KeyPair.fresh())
        let keyring = try pair.keyring()
        let lock = try AgeLock(recipients: [other, pair].map { try AgeRecipient(parsing: $0.recipient) })
        try await withTemporaryFolder { folder in
            func path(_ name: String) -> String { folder.appendingPathComponent(name).path }
            try Data((pair.identity + "\n").utf8).write(to: URL(fileURLWithPath: path("identity")))
            for size in Self.sizes {
                let plain = content(size)
                try Data(plain).write(to: URL(fileURLWithPath: path("plain")))
                try Data(try encrypted(plain, for: lock)).write(to: URL(fileURLWithPath: path("ours")))
                _ = try await run(Parts.age(), ["-d", "-i", path("identity"), "-o", path("back"), path("ours")])
                // It makes no file of nothing.
                let back = FileManager.default.contents(atPath: path("back")).map(Array.init) ?? []
                #expect(back == plain, "\(size) bytes")
                let recipients = ["-r", other.recipient, "-r", pair.recipient]
                _ = try await run(Parts.age(), recipients + ["-o", path("theirs"), path("plain")])
                let theirs = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path("theirs"))))
                #expect(try decrypted(theirs, by: keyring, pieces: 70_000) == plain, "\(size) bytes")
                #expect(try decrypted(theirs, by: other.keyring(), pieces: 70_000) == plain)
            }
        }
    }

    @Test
    func rageReadsOursAndWeReadItsOwnAlsoWithPassphrases() async throws {
        let pair = try await KeyPair.fresh()
        let (passphrase, keyring) = (try AgePassphrase(Array("correct horse".utf8)), try pair.keyring())
        try await withTemporaryFolder { folder in
            func write(_ name: String, _ bytes: [UInt8]) throws {
                try Data(bytes).write(to: folder.appendingPathComponent(name))
            }
            func read(_ name: String) throws -> [UInt8] {
                [UInt8](try Data(contentsOf: folder.appendingPathComponent(name)))
            }
            try write("recipient", Array(pair.recipient.utf8))
            try write("identity", Array(pair.identity.utf8))
            try write("passphrase", Array("correct horse".utf8))
            for (number, size) in Self.sizes.enumerated() {
                try write("\(number).plain", content(size))
                try write("\(number).ours", try encrypted(content(size), for: pair.lock()))
            }
            let quick = AgeLock(passphrase: passphrase, workFactor: 12)
            try write("3.ours-passphrase", try encrypted(content(16), for: quick))
            try write("4.wants-passphrase", [])
            let right = try await run(Parts.python(), [Parts.oracle("age.py"), folder.path])
            #expect(String(decoding: right, as: UTF8.self) == "\(Self.sizes.count + 1)\n")
            for (number, size) in Self.sizes.enumerated() {
                #expect(try decrypted(read("\(number).theirs"), by: keyring, pieces: 70_000) == content(size))
            }
            let locked = try read("4.theirs-passphrase")
            #expect(try decrypted(locked, by: AgeKeyring(passphrase: passphrase), pieces: 30) == content(17))
            let wrong = AgeKeyring(passphrase: try AgePassphrase(Array("wrong horse".utf8)))
            #expect(code { try decrypted(locked, by: wrong, pieces: 30) } == .cannotDecrypt)
        }
    }

    @Test
    func onlyThoseWhomItIsForOpenIt() async throws {
        let (pair, other) = (try await KeyPair.fresh(), try await KeyPair.fresh())
        let file = try encrypted(content(10), for: pair.lock())
        #expect(code { try decrypted(file, by: other.keyring(), pieces: 50) } == .cannotDecrypt)
        #expect(code { try decrypted(file, by: AgeKeyring(), pieces: 50) } == .cannotDecrypt)
        #expect(try pair.keyring().opens(pair.lock().fingerprints))
        #expect(try !other.keyring().opens(pair.lock().fingerprints))
    }
}
