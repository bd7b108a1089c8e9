// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Testing

@Suite struct DigestTests {
    /// The examples of FIPS 180-4, and of nothing.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func digestsAreThoseOfTheStandard(text: String, hex: String) {
        #expect(SHA256Digest.hex(of: Array(text.utf8)) == hex)
    }

    @Test func everySplitGivesTheSameDigest() {
        let bytes = (0..<200).map { UInt8($0) }
        let whole = SHA256Digest.hex(of: bytes)
        for split in 0...bytes.count {
            var digest = SHA256Digest()
            digest.update(Array(bytes[..<split]))
            bytes[split...].withUnsafeBytes { digest.update($0) }
            #expect(digest.hex == whole)
            #expect(digest.bytes == 200)
        }
    }

    @Test func theDigestSoFarDoesNotEndIt() {
        var digest = SHA256Digest()
        digest.update([0x61])
        _ = digest.hex
        digest.update([0x62, 0x63])
        #expect(digest.hex == SHA256Digest.hex(of: Array("abc".utf8)))
    }
}
