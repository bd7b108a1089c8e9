// SPDX-License-Identifier: Apache-2.0

import Crypto
import Failures
import FoundationEssentials

/// How the content of a file is cut into chunks that are encrypted one by one (STREAM): each is bound to its place, and
/// the last one is marked as the last, so that none can be moved, doubled or left out.
enum AgePayload {
    static let nonceBytes = 16
    static let chunkBytes = 64 * 1024
    static let tagBytes = 16
    static let sealedBytes = chunkBytes + tagBytes

    static func key(_ fileKey: SymmetricKey, nonce: [UInt8]) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: fileKey,
            salt: nonce,
            info: Array("payload".utf8),
            outputByteCount: 32
        )
    }

    /// The number of a chunk, eleven bytes, highest first, and whether it is the last one.
    struct Place {
        static let bytes = 12
        private(set) var number: UInt64 = 0

        mutating func advance() {
            // More than 2^64 chunks would take longer than anybody has.
            number += 1
        }

        func nonce(isLast: Bool) -> [UInt8] {
            var nonce = [UInt8](repeating: 0, count: Self.bytes)
            for index in 0..<8 { nonce[10 - index] = UInt8(truncatingIfNeeded: number >> UInt64(8 * index)) }
            nonce[11] = isLast ? 1 : 0
            return nonce
        }
    }
}

/// Encrypts bytes that arrive in pieces into a file of the age format (age-encryption.org/v1).
///
/// The file is the same at every split but for what is random in it. Used by one task at a time; holds one chunk.
package struct AgeEncryptor: Sendable {
    private let key: SymmetricKey
    private var place = AgePayload.Place()
    private var held: [UInt8] = []
    /// What stands before the first chunk, until it is given.
    private var head: [UInt8]

    /// - Parameter lock: who can open the file. A passphrase takes about a second, and 256 MiB.
    package init(for lock: AgeLock) throws {
        let fileKey = SymmetricKey(size: .bits128)
        self.init(
            header: try lock.header(fileKey),
            fileKey: fileKey,
            nonce: AgeRandom.bytes(AgePayload.nonceBytes)
        )
    }

    init(header: AgeHeader, fileKey: SymmetricKey, nonce: [UInt8]) {
        key = AgePayload.key(fileKey, nonce: nonce)
        head = header.bytes + nonce
        held.reserveCapacity(AgePayload.chunkBytes)
    }

    /// Takes the next piece; gives what can be written of the file by then.
    package mutating func encrypt(_ piece: [UInt8]) throws -> [UInt8] {
        var sealed = takeHead()
        sealed.reserveCapacity(sealed.count + piece.count + piece.count / 1024 + AgePayload.sealedBytes)
        try piece.withUnsafeBytes { piece in
            var rest = piece[...]
            while !rest.isEmpty {
                // A full chunk is held until it is known not to be the last one.
                if held.count == AgePayload.chunkBytes {
                    try held.withUnsafeBytes { try seal($0, isLast: false, to: &sealed) }
                    place.advance()
                    held.removeAll(keepingCapacity: true)
                }
                if held.isEmpty, rest.count > AgePayload.chunkBytes {
                    let chunk = UnsafeRawBufferPointer(rebasing: rest.prefix(AgePayload.chunkBytes))
                    try seal(chunk, isLast: false, to: &sealed)
                    place.advance()
                    rest = rest.dropFirst(AgePayload.chunkBytes)
                } else {
                    let part = rest.prefix(AgePayload.chunkBytes - held.count)
                    held += part
                    rest = rest.dropFirst(part.count)
                }
            }
        }
        return sealed
    }

    /// Gives the rest of the file. Called once, after the last piece.
    package mutating func finish() throws -> [UInt8] {
        var sealed = takeHead()
        try held.withUnsafeBytes { try seal($0, isLast: true, to: &sealed) }
        held = []
        return sealed
    }

    private mutating func takeHead() -> [UInt8] {
        defer { head = [] }
        return head
    }

    private func seal(_ chunk: UnsafeRawBufferPointer, isLast: Bool, to sealed: inout [UInt8]) throws {
        let nonce = try ChaChaPoly.Nonce(data: place.nonce(isLast: isLast))
        let box = try ChaChaPoly.seal(chunk, using: key, nonce: nonce)
        box.combined.withUnsafeBytes { sealed += $0.dropFirst(AgePayload.Place.bytes) }
    }
}

/// Decrypts the content of a file whose key is known, and accepts nothing but a whole one. What it has given is
/// authentic; that it is all, only the end tells.
struct AgePayloadDecryptor: Sendable {
    private let fileKey: SymmetricKey
    private var key: SymmetricKey?
    private var nonce: [UInt8] = []
    private var place = AgePayload.Place()
    /// Room for the nonce of the chunk, then the chunk as it is stored.
    private var held = [UInt8](repeating: 0, count: AgePayload.Place.bytes)
    private static let heldBytesMax = AgePayload.Place.bytes + AgePayload.sealedBytes
    /// What is wrong, and was found when something authentic was still to be given.
    private var verdict: Failure?

    init(_ fileKey: SymmetricKey) {
        self.fileKey = fileKey
        held.reserveCapacity(Self.heldBytesMax)
    }

    /// - Throws: `.corruptEncryption` where a chunk is not what was written; `.trailingBytes` where more follows the
    ///   last one. What is authentic before that is given first.
    mutating func decrypt(_ piece: ArraySlice<UInt8>) throws -> [UInt8] {
        if let verdict { throw verdict }
        var rest = piece
        if key == nil {
            let part = rest.prefix(AgePayload.nonceBytes - nonce.count)
            nonce += part
            rest = rest.dropFirst(part.count)
            guard nonce.count == AgePayload.nonceBytes else { return [] }
            key = AgePayload.key(fileKey, nonce: nonce)
        }
        var plain: [UInt8] = []
        plain.reserveCapacity(held.count + rest.count)
        while !rest.isEmpty {
            // A full chunk that is held did not open as one that others follow.
            if held.count == Self.heldBytesMax {
                let isLast = open(isLast: true, to: &plain)
                let found = isLast ? Self.trailing(after: place.number) : damaged
                guard !plain.isEmpty else { throw found }
                verdict = found
                return plain
            }
            let part = rest.prefix(Self.heldBytesMax - held.count)
            held += part
            rest = rest.dropFirst(part.count)
            if held.count == Self.heldBytesMax, open(isLast: false, to: &plain) {
                place.advance()
                held.removeLast(AgePayload.sealedBytes)
            }
        }
        return plain
    }

    /// - Throws: `.truncated` when the end of the file is not the one that was written; `.corruptEncryption`.
    mutating func finish() throws -> [UInt8] {
        if let verdict { throw verdict }
        guard key != nil else {
            throw Failure(.truncated, "read the header of an age file: it ends inside of the nonce that follows it")
        }
        guard held.count - AgePayload.Place.bytes >= AgePayload.tagBytes else {
            throw Failure(.truncated, "decrypt: the file ends before the end of its chunk \(place.number)")
        }
        var plain: [UInt8] = []
        guard open(isLast: true, to: &plain) else { throw damaged }
        guard !plain.isEmpty || place.number == 0 else {
            throw Failure(.corruptEncryption, "decrypt: the last chunk, number \(place.number), is empty")
        }
        return plain
    }

    private static func trailing(after number: UInt64) -> Failure {
        Failure(.trailingBytes, "decrypt: bytes follow the last chunk, number \(number)")
    }

    private var damaged: Failure {
        Failure(.corruptEncryption, "decrypt: chunk \(place.number) was changed, or the file was cut or put together")
    }

    /// - Returns: whether the chunk that is held is authentic in this place; then it is given.
    private mutating func open(isLast: Bool, to plain: inout [UInt8]) -> Bool {
        guard let key else { return false }
        held.replaceSubrange(0..<AgePayload.Place.bytes, with: place.nonce(isLast: isLast))
        guard let box = try? ChaChaPoly.SealedBox(combined: held), let chunk = try? ChaChaPoly.open(box, using: key)
        else { return false }
        chunk.withUnsafeBytes { plain += $0 }
        return true
    }
}
