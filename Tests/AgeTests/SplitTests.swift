// SPDX-License-Identifier: Apache-2.0

import Age
import Failures
import Testing

/// How a file arrives changes nothing.
@Suite
struct SplitTests {
    @Test
    func everySplitOfASmallFileGivesTheSame() async throws {
        let pair = try await KeyPair.fresh()
        let keyring = try pair.keyring()
        let plain = content(100)
        let file = try encrypted(plain, for: pair.lock())
        for split in 0...file.count {
            var decryptor = AgeDecryptor()
            var found: [UInt8] = []
            for piece in [file[..<split], file[split...]] {
                found += try decryptor.decrypt(Array(piece))
                if decryptor.lockedHeader != nil { found += try decryptor.open(with: keyring) }
            }
            found += try decryptor.finish()
            #expect(found == plain, "at \(split)")
        }
        #expect(try decrypted(file, by: keyring, pieces: 1) == plain)
    }

    @Test
    func piecesOfEverySizeCrossTheChunks() async throws {
        let pair = try await KeyPair.fresh()
        let keyring = try pair.keyring()
        let plain = content(3 * 65536 + 17)
        let sizes = [1, 2, 3, 15, 16, 17, 1000, 65535, 65536, 65537, 65551, 65552, 65553, 131072, 200_000, 1 << 20]
        for pieces in sizes {
            let file = try encrypted(plain, for: pair.lock(), pieces: pieces)
            #expect(file.count == headerBytes(of: file) + 16 + plain.count + 4 * 16, "in pieces of \(pieces)")
            #expect(try decrypted(file, by: keyring, pieces: pieces) == plain, "in pieces of \(pieces)")
        }
    }

    @Test
    func aWholeNumberOfChunksHasNoEmptyOneAtItsEnd() async throws {
        let pair = try await KeyPair.fresh()
        for chunks in 1...3 {
            let file = try encrypted(content(chunks * 65536), for: pair.lock(), pieces: 10_000)
            #expect(file.count == headerBytes(of: file) + 16 + chunks * (65536 + 16))
        }
        let empty = try encrypted([], for: pair.lock())
        #expect(empty.count == headerBytes(of: empty) + 16 + 16)
    }

    @Test
    func noTwoFilesOfTheSameContentAreAlike() async throws {
        let pair = try await KeyPair.fresh()
        let files = try (0..<3).map { _ in try encrypted(content(10), for: pair.lock()) }
        #expect(Set(files).count == 3)
        #expect(Set(files.map { Array($0.suffix(26)) }).count == 3)
    }
}

/// Up to the end of the line of the authentication code.
func headerBytes(of file: [UInt8]) -> Int {
    let mark = Array("\n--- ".utf8)
    let start = file.indices.first { file[$0...].starts(with: mark) } ?? 0
    return start + mark.count + 43 + 1
}
