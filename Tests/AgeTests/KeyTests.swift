// SPDX-License-Identifier: Apache-2.0

import Age
import Failures
import TestParts
import Testing

/// How keys are spelled, and what stands in files of keys.
@Suite
struct KeyTests {
    @Test
    func keysOfAgeKeygenAreReadAndWritten() async throws {
        for _ in 0..<20 {
            let pair = try await KeyPair.fresh()
            let identity = try AgeIdentity(parsing: pair.identity)
            #expect(identity.recipient.text == pair.recipient)
            #expect(try AgeRecipient(parsing: pair.recipient) == identity.recipient)
        }
    }

    @Test
    func aMistypedKeyIsRefusedAtEveryPlace() async throws {
        let pair = try await KeyPair.fresh()
        for index in pair.recipient.indices {
            var changed = pair.recipient
            changed.replaceSubrange(index...index, with: pair.recipient[index] == "q" ? "p" : "q")
            #expect(code { try AgeRecipient(parsing: changed) } != nil, "\(changed)")
            #expect(code { try AgeRecipient(parsing: String(pair.recipient[..<index])) } != nil)
        }
        for index in pair.identity.indices {
            var changed = pair.identity
            changed.replaceSubrange(index...index, with: pair.identity[index] == "Q" ? "P" : "Q")
            #expect(code { try AgeIdentity(parsing: changed) } != nil)
        }
        // Each is in its own case.
        #expect(code { try AgeRecipient(parsing: pair.recipient.uppercased()) } == .configuration)
        #expect(code { try AgeIdentity(parsing: pair.identity.lowercased()) } == .configuration)
        #expect(code { try AgeIdentity(parsing: pair.recipient) } == .configuration)
    }

    @Test
    func otherKindsAreRefusedByNameAndSecretsAreNeverQuoted() async throws {
        let pair = try await KeyPair.fresh()
        let others = [
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEtmcNrG", "age1yubikey1qqqq", "age1tag1qqqq", "age1tagpq1qqqq",
        ]
        for text in others { #expect(code { try AgeRecipient(parsing: text) } == .unsupported, "\(text)") }
        #expect(code { try AgeIdentity(parsing: "AGE-PLUGIN-YUBIKEY-1QQQ") } == .unsupported)
        let misplaced = #expect(throws: Failure.self) { try AgeRecipient(parsing: pair.identity) }
        #expect(misplaced?.code == .configuration)
        let broken = pair.identity.dropLast() + "B"
        let mistyped = #expect(throws: Failure.self) {
            try AgeKeyFile.identities(Array("# a key\n\n\(broken)\n".utf8), in: "key.txt")
        }
        #expect("\(mistyped as Any)".contains("line 3 of key.txt"))
        for failure in [misplaced, mistyped] {
            let said = "\(failure as Any) \(failure?.hint ?? "")"
            #expect(!said.contains(pair.identity.dropFirst(20).prefix(20)), "\(said)")
        }
        let identity = try AgeIdentity(parsing: pair.identity)
        #expect("\(identity) \(String(reflecting: identity))".contains("AGE-SECRET") == false)
        #expect("\(try AgePassphrase(Array("hush".utf8)))".contains("hush") == false)
    }

    @Test
    func filesOfKeysAreReadAsAgeHasThem() async throws {
        let (one, two) = (try await KeyPair.fresh(), try await KeyPair.fresh())
        let recipients = "# the team\n\(one.recipient)\r\n\n# and\n\(two.recipient)"
        #expect(
            try AgeKeyFile.recipients(Array(recipients.utf8), in: "r").map(\.text) == [one.recipient, two.recipient]
        )
        let identities = "# created: today\n# public key: \(one.recipient)\n\(one.identity)\n\(two.identity)\n"
        #expect(
            try AgeKeyFile.identities(Array(identities.utf8), in: "i").map(\.recipient.text)
                == [one.recipient, two.recipient]
        )
        for text in ["", "# nothing\n"] {
            #expect(code { try AgeKeyFile.recipients(Array(text.utf8), in: "r") } == .configuration)
            #expect(code { try AgeKeyFile.identities(Array(text.utf8), in: "i") } == .configuration)
        }
        let ssh = Array("-----BEGIN OPENSSH PRIVATE KEY-----\n".utf8)
        #expect(code { try AgeKeyFile.identities(ssh, in: "i") } == .unsupported)
        #expect(code { try AgeKeyFile.recipients([0xff, 0xfe], in: "r") } == .configuration)
        for text in ["", "\n", "two\nlines\n"] {
            #expect(code { try AgeKeyFile.passphrase(Array(text.utf8), in: "p") } == .configuration, "\(text)")
        }
        for text in ["pass", "pass\n", "pass\r\n"] {
            #expect(code { try AgeKeyFile.passphrase(Array(text.utf8), in: "p") } == nil)
        }
    }

    @Test
    func aFingerprintIsTheStartOfTheDigestOfTheText() throws {
        // printf age1… | sha256sum
        let text = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
        #expect(try AgeRecipient(parsing: text).fingerprint == "x25519:6a804773982840fa")
    }
}
