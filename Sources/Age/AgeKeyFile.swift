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

    /// - Throws: `.configuration`, `.unsupported`, naming the line and never quoting it.
    package static func identities(_ bytes: [UInt8], in place: String) throws -> [AgeIdentity] {
        if bytes.starts(with: Array("age-encryption.org/".utf8)) || bytes.starts(with: Array("-----BEGIN AGE ".utf8)) {
            throw Failure(
                .unsupported,
                "read the identities in \(place): the file is encrypted itself",
                hint: "Decrypt it to where only you can read it: `age -d \(place) > /dev/shm/identity`."
            )
        }
        if bytes.starts(with: Array("-----BEGIN ".utf8)) {
            throw Failure(
                .unsupported,
                "read the identities in \(place): it holds a key of another kind (SSH or TLS)",
                hint: "An identity is a line that begins with AGE-SECRET-KEY-1, as `age-keygen` writes it."
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
