// SPDX-License-Identifier: Apache-2.0

import Failures

/// The files that keys stand in, as age has them: one a line; empty lines, and those that begin with #, say nothing.
package enum AgeKeyFile {
    /// The largest file that is read, in bytes.
    package static let bytesMax = 1 << 20

    /// - Parameter place: what the file is called, for messages.
    /// - Throws: `.configuration`, `.unsupported`, naming the line.
    package static func recipients(_ bytes: [UInt8], in place: String) throws -> [AgeRecipient] {
        let recipients = try lines(of: bytes, in: place).map { number, line in
            try named(place, number) { try AgeRecipient(parsing: line) }
        }
        guard !recipients.isEmpty else {
            throw Failure(.configuration, "read the recipients in \(place): there is none")
        }
        return recipients
    }

    /// Whether a file with identities is encrypted itself, in armor or without.
    package static func isEncrypted(_ bytes: [UInt8]) -> Bool {
        let text = bytes.drop { AgeArmorReader.isSpace($0) }
        return ["age-encryption.org/", "-----BEGIN AGE "].contains { text.starts(with: Array($0.utf8)) }
    }

    /// The content of a file that is encrypted with a passphrase, as `age -p` makes it. Each attempt takes a second or
    /// so, and 256 MiB.
    /// - Parameter passphrases: they are tried one after the other.
    /// - Throws: `.cannotDecrypt` when none of them opens it; `.unsupported` when it is encrypted for a recipient;
    ///   `.corruptEncryption`, `.truncated`, `.trailingBytes`.
    package static func decrypted(
        _ bytes: [UInt8],
        in place: String,
        by passphrases: [AgePassphrase]
    ) throws -> [UInt8] {
        let attempt = "open the identities in \(place)"
        do {
            var decryptor = AgeDecryptor()
            _ = try decryptor.decrypt(bytes)
            guard let header = decryptor.lockedHeader else { return try decryptor.finish() }
            guard header.isForPassphrase else {
                throw Failure(
                    .unsupported,
                    "the file is encrypted for a recipient, and only with a passphrase it can be opened",
                    hint: "Decrypt it to where only you can read it: `age -d -i KEYFILE \(place) > /dev/shm/identity`."
                )
            }
            for passphrase in passphrases {
                if let content = try opened(decryptor, by: passphrase) { return content }
            }
            throw Failure(
                .cannotDecrypt,
                "the file is encrypted with a passphrase, and "
                    + (passphrases.isEmpty ? "none is given" : "it is none of the \(passphrases.count) that are given"),
                hint: "Give the passphrase in a file with --identity-passphrase-file."
            )
        } catch let failure as Failure {
            throw failure.during(attempt)
        }
    }

    private static func opened(_ locked: AgeDecryptor, by passphrase: AgePassphrase) throws -> [UInt8]? {
        var decryptor = locked
        do {
            let content = try decryptor.open(with: AgeKeyring(passphrase: passphrase))
            return try content + decryptor.finish()
        } catch let failure as Failure where failure.code == .cannotDecrypt {
            return nil
        }
    }

    /// - Throws: `.configuration`, `.unsupported`, naming the line and never quoting it.
    package static func identities(_ bytes: [UInt8], in place: String) throws -> [AgeIdentity] {
        if isEncrypted(bytes) {
            throw Failure(.unsupported, "read the identities in \(place): the file is encrypted itself")
        }
        if bytes.starts(with: Array("-----BEGIN ".utf8)) {
            throw Failure(
                .unsupported,
                "read the identities in \(place): it holds a key of another kind (SSH or TLS)",
                hint: "An identity is a line that begins with AGE-SECRET-KEY-, as `age-keygen` writes it."
            )
        }
        let identities = try lines(of: bytes, in: place).map { number, line in
            try named(place, number) { try AgeIdentity(parsing: line) }
        }
        guard !identities.isEmpty else {
            throw Failure(.configuration, "read the identities in \(place): there is none")
        }
        return identities
    }

    /// The passphrase in a file: its first line. More than one line is refused, because nobody could type it.
    package static func passphrase(_ bytes: [UInt8], in place: String) throws -> AgePassphrase {
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        var line = lines.first.map(Array.init) ?? []
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        guard lines.count <= 1, !line.isEmpty else {
            throw Failure(.configuration, "read the passphrase in \(place): it must be one line, and not empty")
        }
        return try AgePassphrase(line)
    }

    private static func lines(of bytes: [UInt8], in place: String) throws -> [(number: Int, line: String)] {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.configuration, "read the keys in \(place): it is not text")
        }
        return text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }.enumerated()
            .map { ($0 + 1, String($1)) }
            .filter { !$1.isEmpty && !$1.hasPrefix("#") }
    }

    private static func named<Key>(_ place: String, _ number: Int, _ parse: () throws -> Key) throws -> Key {
        do {
            return try parse()
        } catch let failure as Failure {
            throw failure.during("read line \(number) of \(place)")
        }
    }
}
