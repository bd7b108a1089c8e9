// SPDX-License-Identifier: Apache-2.0

import Crypto

/// The SHA-256 of bytes that arrive in pieces (FIPS 180-4), together with how many they were.
package struct SHA256Digest: Sendable {
    private var hash = SHA256()

    /// How many bytes were given.
    package private(set) var bytes: Int64 = 0

    package init() {}

    /// Takes the next bytes.
    package mutating func update(_ piece: UnsafeRawBufferPointer) {
        hash.update(bufferPointer: piece)
        bytes += Int64(piece.count)
    }

    /// Takes the next bytes.
    package mutating func update(_ piece: [UInt8]) {
        piece.withUnsafeBytes { update($0) }
    }

    /// The digest of the bytes so far, as 64 lower-case hexadecimal digits. More bytes may follow.
    package var hex: String {
        let digits = Array("0123456789abcdef".utf8)
        let text = hash.finalize().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }

    /// The digest of bytes that are all there.
    package static func hex(of bytes: [UInt8]) -> String {
        var digest = SHA256Digest()
        digest.update(bytes)
        return digest.hex
    }
}
