// SPDX-License-Identifier: Apache-2.0

import CZlib

/// One vector of the testkit of age (c2sp.org/CCTV/age): lines `key: value`, an empty line, then a file of the age
/// format, and what is to become of it.
package struct AgeVector: Sendable {
    /// What decrypting the file ends with.
    package enum Expectation: String, Sendable, CaseIterable {
        case success
        case noMatch = "no match"
        case codeFailure = "HMAC failure"
        case headerFailure = "header failure"
        case payloadFailure = "payload failure"
        case armorFailure = "armor failure"
    }

    /// Why something is no vector that can be run.
    package enum Problem: Error, Equatable {
        case malformed(String)
        /// Of a later testkit: its own words are to leave such a vector alone.
        case unknownKey(String)
    }

    package let expectation: Expectation
    /// The SHA-256 of what may be given of the content, in hexadecimal digits, also where it ends with a failure.
    package let payload: String?
    package let identities: [String]
    package let passphrases: [String]
    /// Whether the file is meant to be in armor.
    package let isArmored: Bool
    package let file: [UInt8]

    /// - Throws: `Problem`.
    package init(parsing bytes: [UInt8]) throws {
        let lines = try Self.lines(bytes)
        var values: [String: [String]] = [:]
        for line in lines.keys {
            guard let colon = line.firstRange(of: ": ") else { throw Problem.malformed("no key in \(line)") }
            values[String(line[..<colon.lowerBound]), default: []].append(String(line[colon.upperBound...]))
        }
        let ignored = ["comment", "file key"]
        let known = ["expect", "payload", "identity", "passphrase", "armored", "compressed"] + ignored
        if let key = values.keys.first(where: { !known.contains($0) }) { throw Problem.unknownKey(key) }
        guard let expectation = values["expect"]?.first.flatMap(Expectation.init(rawValue:)) else {
            throw Problem.malformed("it expects \(values["expect"]?.first ?? "nothing")")
        }
        self.expectation = expectation
        payload = values["payload"]?.first
        identities = values["identity"] ?? []
        passphrases = values["passphrase"] ?? []
        isArmored = values["armored"]?.first == "yes"
        switch values["compressed"]?.first {
        case nil: file = lines.file
        case "zlib": file = try Self.inflated(lines.file)
        case let other?: throw Problem.malformed("it is compressed with \(other)")
        }
    }

    private static func lines(_ bytes: [UInt8]) throws -> (keys: [String], file: [UInt8]) {
        var keys: [String] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            let line = rest[rest.startIndex..<end]
            rest = rest[(end + 1)...]
            if line.isEmpty { return (keys, Array(rest)) }
            keys.append(String(decoding: line, as: UTF8.self))
        }
        throw Problem.malformed("no empty line ends its keys")
    }

    /// The largest file that one may hold.
    private static let fileBytesMax = 64 << 20

    private static func inflated(_ bytes: [UInt8]) throws -> [UInt8] {
        var room = max(1 << 16, bytes.count * 4)
        while room <= fileBytesMax {
            var count = uLongf(room)
            var code = Z_OK
            let file = [UInt8](unsafeUninitializedCapacity: room) { buffer, filled in
                code = uncompress(buffer.baseAddress, &count, bytes, uLong(bytes.count))
                filled = code == Z_OK ? Int(count) : 0
            }
            if code == Z_OK { return file }
            guard code == Z_BUF_ERROR else { break }
            room *= 4
        }
        throw Problem.malformed("it is not compressed as it says, or larger than \(fileBytesMax) bytes")
    }
}
