// SPDX-License-Identifier: Apache-2.0

import Failures

/// Decrypts a file of the age format (age-encryption.org/v1), in armor or without, that arrives in pieces of any size.
///
/// What it gives is authentic, and in its place; that the file is whole, only `finish` tells. Used by one task at a
/// time; holds the header, then one chunk.
package struct AgeDecryptor: Sendable {
    private enum State: Sendable {
        case header(AgeHeaderReader)
        /// The header is whole; what came after it waits for the key.
        case locked(AgeHeader, [UInt8])
        case payload(AgePayloadDecryptor)
    }

    /// How the file is written down, which its first byte tells.
    private enum Clothes: Sendable {
        case unknown
        case none
        case armor(AgeArmorReader)
    }

    private var clothes = Clothes.unknown
    private var state = State.header(AgeHeaderReader())

    package init() {}

    /// The header, once it is whole and until it is opened: feeding stops there, because opening may take a second.
    package var lockedHeader: AgeHeader? {
        if case .locked(let header, _) = state { header } else { nil }
    }

    /// Takes the next piece; gives what can be decrypted by then.
    /// - Throws: `.corruptEncryption`, `.trailingBytes`, `.unsupported`.
    package mutating func decrypt(_ piece: [UInt8]) throws -> [UInt8] {
        if case .unknown = clothes, let first = piece.first {
            clothes = AgeArmorReader.begins(with: first) ? .armor(AgeArmorReader()) : .none
        }
        guard case .armor(var armor) = clothes else { return try take(piece) }
        let bare = try armor.consume(piece)
        clothes = .armor(armor)
        return try take(bare)
    }

    private mutating func take(_ piece: [UInt8]) throws -> [UInt8] {
        switch state {
        case .header(var reader):
            if let (header, count) = try reader.consume(piece[...]) {
                state = .locked(header, Array(piece.dropFirst(count)))
            } else {
                state = .header(reader)
            }
            return []
        case .locked(let header, let waiting):
            state = .locked(header, waiting + piece)
            return []
        case .payload(var payload):
            // Nothing else holds it meanwhile: its buffer is not copied.
            state = .header(AgeHeaderReader())
            defer { state = .payload(payload) }
            return try payload.decrypt(piece[...])
        }
    }

    /// Opens the header; gives what can be decrypted by then.
    /// - Throws: as `AgeKeyring.fileKey`.
    package mutating func open(with keyring: AgeKeyring) throws -> [UInt8] {
        guard case .locked(let header, let waiting) = state else {
            preconditionFailure("a header is opened when it is whole, and once")
        }
        var payload = AgePayloadDecryptor(try keyring.fileKey(of: header))
        let plain = try payload.decrypt(waiting[...])
        state = .payload(payload)
        return plain
    }

    /// Gives the rest, once everything was taken.
    /// - Throws: `.truncated`, `.corruptEncryption`.
    package mutating func finish() throws -> [UInt8] {
        if case .armor(var armor) = clothes { try armor.finish() }
        switch state {
        case .header(let reader): try reader.finish()
        case .locked: preconditionFailure("a header is opened before the end is told")
        case .payload(var payload): return try payload.finish()
        }
    }
}

extension AgeDecryptor {
    /// Decrypts a file that is at hand as a whole.
    package static func decrypted(_ file: [UInt8], with keyring: AgeKeyring) throws -> [UInt8] {
        var decryptor = AgeDecryptor()
        var plain = try decryptor.decrypt(file)
        if decryptor.lockedHeader != nil { plain += try decryptor.open(with: keyring) }
        return try plain + decryptor.finish()
    }
}
