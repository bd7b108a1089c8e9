// SPDX-License-Identifier: Apache-2.0

import Crypto
import Failures

/// What stands before the encrypted bytes of a file: the key of the file, wrapped for each recipient, and a code that
/// only who has that key could make.
package struct AgeHeader: Sendable {
    /// One recipient, or something that this program does not know and passes over.
    package struct Stanza: Sendable {
        let arguments: [String]
        let body: [UInt8]

        enum Kind {
            case x25519(share: [UInt8])
            case hybrid(share: [UInt8])
            case scrypt(salt: [UInt8], workFactor: Int)
            case other
        }

        let kind: Kind

        /// One that is known to follow the rules.
        init(arguments: [String], body: [UInt8]) {
            (self.arguments, self.body) = (arguments, body)
            kind = (try? Self.kind(arguments, body)) ?? .other
        }

        /// - Throws: `.corruptEncryption` for one of a known kind that breaks a rule of it.
        init(reading arguments: [String], _ body: [UInt8]) throws {
            (self.arguments, self.body) = (arguments, body)
            kind = try Self.kind(arguments, body)
        }

        private static func kind(_ arguments: [String], _ body: [UInt8]) throws -> Kind {
            switch arguments.first {
            case X25519Wrap.kind:
                return .x25519(share: try share(AgeKeyKind.x25519.publicBytes, arguments, body))
            case HybridWrap.kind:
                return .hybrid(share: try share(HybridWrap.shareBytes, arguments, body))
            case AgePassphrase.kind:
                guard arguments.count == 3, let salt = RawBase64.decode(Array(arguments[1].utf8)),
                    salt.count == AgePassphrase.saltBytes, body.count == FileKeyWrap.bodyBytes,
                    let workFactor = workFactor(arguments[2])
                else { throw broken("the stanza for a passphrase breaks a rule") }
                return .scrypt(salt: salt, workFactor: workFactor)
            default: return .other
            }
        }

        /// What the second of two arguments says, beside a body that could be a wrapped key.
        private static func share(_ count: Int, _ arguments: [String], _ body: [UInt8]) throws -> [UInt8] {
            guard arguments.count == 2, let share = RawBase64.decode(Array(arguments[1].utf8)), share.count == count,
                body.count == FileKeyWrap.bodyBytes
            else { throw broken("a stanza of the kind \(arguments[0]) breaks a rule of it") }
            return share
        }

        /// Decimal digits without a leading zero.
        private static func workFactor(_ text: String) -> Int? {
            let digits = Array(text.utf8)
            guard (1...3).contains(digits.count), digits[0] != UInt8(ascii: "0"),
                digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
            else { return nil }
            return Int(text)
        }
    }

    package let stanzas: [Stanza]
    let code: [UInt8]
    /// What the code is about.
    let coded: [UInt8]

    static let codeBytes = 32
    static let firstLine = Array("age-encryption.org/v1".utf8)
    static let codeMark = Array("---".utf8)
    static let stanzaMark = Array("-> ".utf8)
    static let bodyLineLetters = 64
    /// What a header takes beside its stanzas: the first line, and that of the code.
    static let frameBytes = firstLine.count + 1 + codeMark.count + 1 + 43 + 1

    /// Makes the header of a new file.
    init(for stanzas: [Stanza], fileKey: SymmetricKey) {
        var text = Self.firstLine + Self.lineEnd
        for stanza in stanzas {
            text += Self.stanzaMark + Array(stanza.arguments.joined(separator: " ").utf8) + Self.lineEnd
            let body = RawBase64.text(stanza.body)
            for start in stride(from: 0, through: body.count, by: Self.bodyLineLetters) {
                text += body[start..<min(start + Self.bodyLineLetters, body.count)] + Self.lineEnd
            }
        }
        text += Self.codeMark
        self.stanzas = stanzas
        coded = text
        code = Array(HMAC<SHA256>.authenticationCode(for: text, using: Self.codeKey(fileKey)))
    }

    init(reading stanzas: [Stanza], coded: [UInt8], code: [UInt8]) throws {
        guard !stanzas.isEmpty else { throw Self.broken("it is for nobody") }
        let hasPassphrase = stanzas.contains { if case .scrypt = $0.kind { true } else { false } }
        guard !hasPassphrase || stanzas.count == 1 else {
            throw Self.broken("a passphrase stands beside other recipients")
        }
        (self.stanzas, self.coded, self.code) = (stanzas, coded, code)
    }

    var bytes: [UInt8] {
        coded + [UInt8(ascii: " ")] + RawBase64.text(code) + Self.lineEnd
    }

    private static let lineEnd = [UInt8(ascii: "\n")]

    private static func codeKey(_ fileKey: SymmetricKey) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(inputKeyMaterial: fileKey, info: Array("header".utf8), outputByteCount: 32)
    }

    /// - Throws: `.corruptEncryption` when the code was not made with the key of the file over this very header.
    func requireCode(of fileKey: SymmetricKey) throws {
        let key = Self.codeKey(fileKey)
        guard HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: coded, using: key) else {
            throw Failure(.corruptEncryption, "decrypt: the header was changed: its authentication code is wrong")
        }
    }

    /// Whether a passphrase opens the file.
    package var isForPassphrase: Bool {
        if case .scrypt? = stanzas.first?.kind { true } else { false }
    }

    /// How many recipients it has that this program could be.
    var knownCount: Int {
        stanzas.count {
            switch $0.kind {
            case .x25519, .hybrid: true
            case .scrypt, .other: false
            }
        }
    }

    static func broken(_ rule: String) -> Failure {
        Failure(.corruptEncryption, "read the header of an age file: \(rule)")
    }
}

extension AgeHeader.Stanza {
    fileprivate static func broken(_ rule: String) -> Failure { AgeHeader.broken(rule) }
}
