// SPDX-License-Identifier: Apache-2.0

import Age
import Failures
import Foundation
import TestParts
import Testing

/// Files with identities that are encrypted themselves.
@Suite
struct IdentityFileTests {
    private static func passphrases(_ texts: String...) throws -> [AgePassphrase] {
        try texts.map { try AgePassphrase(Array($0.utf8)) }
    }

    /// The content of a file with a key, encrypted with little work.
    private func locked(_ content: String, by passphrase: String = "correct horse") throws -> [UInt8] {
        try encrypted(
            Array(content.utf8),
            for: AgeLock(passphrase: Self.passphrases(passphrase)[0], workFactor: 4)
        )
    }

    @Test(arguments: [[], ["-a"]])
    func whatAgeEncryptsWithAPassphraseIsOpened(armor: [String]) async throws {
        try await withTemporaryFolder { folder in
            let (plain, sealed) = (folder.path + "/identity", folder.path + "/identity.age")
            _ = try await run(Parts.ageKeygen(), ["-o", plain])
            let words = try [Parts.oracle("typed.py"), "correct horse", Parts.age(), "-p", "-o", sealed] + armor
            _ = try await run(Parts.python(), words + [plain])
            let text = [UInt8](try Data(contentsOf: URL(fileURLWithPath: plain)))
            let file = [UInt8](try Data(contentsOf: URL(fileURLWithPath: sealed)))
            #expect(AgeKeyFile.isEncrypted(file) && !AgeKeyFile.isEncrypted(text))
            let content = try AgeKeyFile.decrypted(file, in: "i", by: Self.passphrases("correct horse"))
            #expect(content == text)
            #expect(try AgeKeyFile.identities(content, in: "i").count == 1)
        }
    }

    @Test
    func oneOfSeveralPassphrasesIsEnoughAndAWrongOneIsNot() async throws {
        let pair = try await KeyPair.fresh()
        let file = try locked("# mine\n\(pair.identity)\n")
        let content = try AgeKeyFile.decrypted(file, in: "i", by: Self.passphrases("battery staple", "correct horse"))
        #expect(try AgeKeyFile.identities(content, in: "i").map(\.recipient.text) == [pair.recipient])
        for passphrases in [[], ["battery staple"], ["battery staple", "correct hors"]] {
            let failure = #expect(throws: Failure.self) {
                try AgeKeyFile.decrypted(
                    file,
                    in: "key.age",
                    by: passphrases.map { try AgePassphrase(Array($0.utf8)) }
                )
            }
            #expect(failure?.code == .cannotDecrypt && "\(failure as Any)".contains("key.age"))
            #expect(failure?.hint?.contains("--identity-passphrase-file") == true)
        }
    }

    @Test
    func whatIsDamagedOrForSomebodyElseIsRefused() async throws {
        let pair = try await KeyPair.fresh()
        let right = try Self.passphrases("correct horse")
        let file = try locked(pair.identity)
        let cases: [(String, [UInt8], Failure.Code)] = [
            ("for a recipient", try encrypted(Array(pair.identity.utf8), for: pair.lock()), .unsupported),
            ("cut", Array(file.dropLast()), .corruptEncryption),
            ("cut in its header", Array(file.prefix(40)), .truncated),
            ("changed", file.dropLast() + [file[file.count - 1] ^ 1], .corruptEncryption),
            ("more behind", file + [0], .corruptEncryption),
        ]
        for (what, bytes, expected) in cases {
            #expect(AgeKeyFile.isEncrypted(bytes), "\(what)")
            #expect(code { try AgeKeyFile.decrypted(bytes, in: "i", by: right) } == expected, "\(what)")
        }
        // Not opened, it is no file of keys; what is in it has the rules of every such file.
        #expect(code { try AgeKeyFile.identities(file, in: "i") } == .unsupported)
        let broken = pair.identity.dropLast() + "B"
        let none = try AgeKeyFile.decrypted(locked("# none"), in: "i", by: right)
        #expect(code { try AgeKeyFile.identities(none, in: "i") } == .configuration)
        let mistyped = #expect(throws: Failure.self) {
            try AgeKeyFile.identities(AgeKeyFile.decrypted(locked("\n" + broken), in: "i", by: right), in: "i")
        }
        #expect("\(mistyped as Any)".contains("line 2 of i") && !"\(mistyped as Any)".contains(broken.suffix(20)))
    }
}
