// SPDX-License-Identifier: Apache-2.0

import Age
import Failures
import Testing

/// Whoever can write to the store can damage a file, and never change what is read of it.
@Suite
struct TamperingTests {
    private static let damages: Set<Failure.Code> = [.corruptEncryption, .truncated, .trailingBytes]

    @Test
    func everyFlippedBitIsRefused() async throws {
        let pair = try await KeyPair.fresh()
        let keyring = try pair.keyring()
        let file = try encrypted(content(40), for: pair.lock())
        var codes: [Failure.Code: Int] = [:]
        for bit in 0..<file.count * 8 {
            var changed = file
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            let found = code { try decrypted(changed, by: keyring, pieces: 50) }
            #expect(found != nil, "bit \(bit) of \(file.count * 8)")
            if let found { codes[found, default: 0] += 1 }
        }
        // In the header it may look like a file for somebody else, or of another version.
        #expect(Set(codes.keys).isSubset(of: Self.damages.union([.cannotDecrypt, .unsupported])), "\(codes)")
        #expect(codes[.corruptEncryption, default: 0] > codes[.cannotDecrypt, default: 0])
    }

    @Test
    func everyCutIsRefused() async throws {
        let pair = try await KeyPair.fresh()
        let keyring = try pair.keyring()
        let file = try encrypted(content(40), for: pair.lock())
        for count in 0..<file.count {
            let found = code { try decrypted(Array(file[..<count]), by: keyring, pieces: 64) }
            #expect(found.map(Self.damages.contains) == true, "after \(count) bytes: \(found as Any)")
        }
        for tail in 1...70 {
            let longer = file + [UInt8](repeating: 0, count: tail)
            #expect(code { try decrypted(longer, by: keyring, pieces: 64) } != nil, "\(tail) bytes more")
        }
    }

    @Test
    func chunksCannotBeMovedDoubledOrLeftOut() async throws {
        let pair = try await KeyPair.fresh()
        let keyring = try pair.keyring()
        let plain = content(2 * 65536 + 100)
        let file = try encrypted(plain, for: pair.lock())
        let head = Array(file[..<(headerBytes(of: file) + 16)])
        let chunks = stride(from: head.count, to: file.count, by: 65552).map {
            Array(file[$0..<min($0 + 65552, file.count)])
        }
        try #require(chunks.count == 3)
        let (one, two, last) = (chunks[0], chunks[1], chunks[2])
        func found(_ chunks: [[UInt8]]) -> Failure.Code? {
            code { try decrypted(head + chunks.joined(), by: keyring, pieces: 100_000) }
        }
        #expect(found([one, two, last]) == nil)
        #expect(found([two, one, last]) == .corruptEncryption)
        #expect(found([one, one, two, last]) == .corruptEncryption)
        #expect(found([one, last]) == .corruptEncryption)
        #expect(found([two, last]) == .corruptEncryption)
        #expect(found([last]) == .corruptEncryption)
        #expect(found([one, two]) == .truncated)
        #expect(found([one, two, Array(last.dropLast())]) == .corruptEncryption)
        #expect(found([one, two, last, last]) == .corruptEncryption)
        #expect(found([]) == .truncated)
        // The payload of another file under this header: another key.
        let other = try encrypted(plain, for: pair.lock())
        let transplanted = file[..<headerBytes(of: file)] + other[headerBytes(of: other)...]
        #expect(code { try decrypted(Array(transplanted), by: keyring, pieces: 100_000) } == .corruptEncryption)
    }

    @Test
    func theEndKeepsItsRules() throws {
        let passphrase = "end"
        let scrypt = try CraftedFile.scrypt(passphrase, workFactor: 1)
        let keyring = AgeKeyring(passphrase: try AgePassphrase(Array(passphrase.utf8)))
        let full = content(65536)
        typealias Chunk = (number: UInt8, isLast: Bool, plain: [UInt8])
        let cases: [(String, [Chunk], [UInt8], Failure.Code?)] = [
            ("empty", [(0, true, [])], [], nil),
            ("full", [(0, true, full)], [], nil),
            ("full and more", [(0, false, full), (1, true, [1])], [], nil),
            ("an empty one at the end", [(0, false, full), (1, true, [])], [], .corruptEncryption),
            ("no last", [(0, false, [1])], [], .corruptEncryption),
            ("full and no last", [(0, false, full)], [], .truncated),
            ("two that are last", [(0, true, full), (1, true, [1])], [], .trailingBytes),
            ("a short one inside", [(0, false, [1]), (1, true, [2])], [], .corruptEncryption),
            ("begins with the second", [(1, true, [1])], [], .corruptEncryption),
            ("bytes behind a full one", [(0, true, full)], [0], .trailingBytes),
            ("bytes behind a short one", [(0, true, [1])], [0], .corruptEncryption),
        ]
        for (what, chunks, tail, expected) in cases {
            let header = ["-> scrypt \(scrypt.salt) 1", scrypt.body]
            let file = try CraftedFile(header: header, chunks: chunks, tail: tail).bytes()
            for pieces in [50, 65552, 1 << 20] {
                #expect(code { try decrypted(file, by: keyring, pieces: pieces) } == expected, "\(what), \(pieces)")
            }
        }
    }
}
