// SPDX-License-Identifier: Apache-2.0

import Failures
import ObjectStorage
import TestParts
import Testing

@Suite struct S3ChecksumTests {
    /// The values that the catalogue of parametrised CRC algorithms gives to check an implementation with.
    @Test func crcsAreThePublishedOnes() {
        let digits = Array("123456789".utf8)
        #expect(CyclicChecksum.crc64NVME.value(of: digits) == 0xAE8B_1486_0A79_9888)
        #expect(CyclicChecksum.crc32C.value(of: digits) == 0xE306_9283)
        #expect(CyclicChecksum.crc64NVME.value(of: []) == 0)
        // RFC 3720, appendix B.4: 32 bytes of zeros.
        #expect(CyclicChecksum.crc32C.value(of: [UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
    }

    /// Bit by bit from the polynomial, at every length around a word.
    @Test func tablesGiveWhatTheDefinitionGives() {
        func slow(_ bytes: [UInt8], _ polynomial: UInt64, _ ones: UInt64) -> UInt64 {
            bytes.reduce(ones) { value, byte in
                (0..<8).reduce(value ^ UInt64(byte)) { value, _ in
                    value & 1 == 1 ? value >> 1 ^ polynomial : value >> 1
                }
            } ^ ones
        }
        var random = SeededRandom(seed: 64)
        for count in 0..<70 {
            let bytes = random.bytes(count)
            #expect(CyclicChecksum.crc64NVME.value(of: bytes) == slow(bytes, 0x9A6C_9329_AC4B_C9B5, .max))
            #expect(CyclicChecksum.crc32C.value(of: bytes) == slow(bytes, 0x82F6_3B78, 0xFFFF_FFFF))
        }
    }

    @Test func crcOfAWholeIsThatOfItsParts() {
        var random = SeededRandom(seed: 65)
        for crc in [CyclicChecksum.crc64NVME, .crc32C] {
            for _ in 0..<200 {
                let first = random.bytes(.random(in: 0...3000, using: &random))
                let second = random.bytes(.random(in: 0...3000, using: &random))
                let joined = crc.value(
                    joining: crc.value(of: first),
                    and: crc.value(of: second),
                    ofBytes: Int64(second.count)
                )
                #expect(joined == crc.value(of: first + second))
            }
        }
    }

    @Test func checksumOfPartsIsThatOfTheObjectOrOfTheirChecksums() {
        var random = SeededRandom(seed: 66)
        let parts = [1000, 1000, 7].map { random.bytes($0) }
        for checksum in S3Checksum.allCases {
            let text = checksum.text(of: parts.map { (checksum.digest(of: $0), $0.count) })
            let whole = checksum.digest(of: parts.flatMap(\.self))
            switch checksum {
            case .crc64nvme: #expect(text == checksum.text(of: [(whole, 2007)]))
            case .crc32c, .sha256: #expect(text.hasSuffix("-3"))
            }
        }
    }

    /// What the store computed itself of what arrived is what we sent, of parts and of small objects.
    @Test(arguments: S3Checksum.allCases)
    func storeComputesTheSame(_ checksum: S3Checksum) async throws {
        let (key, lease) = try (key("set/a"), key(".locks/b"))
        var random = SeededRandom(seed: 67)
        let bytes = random.bytes(2 * StoreWithWitness.partSizeBytes + 11)
        try await withInterceptedStore({ _, _, _ in .pass }, options: "checksum=\(checksum.rawValue)") {
            tested async throws in
            let object = try await tested.store.write(key, bytes)
            #expect(try await tested.store.readAll(key) == bytes)
            #expect(try await tested.store.stat(key) == object)
            let created = try await tested.store.create(lease, [1, 2, 3])
            _ = try await tested.store.replace(lease, version: created.version, with: [4])
            let part = try #require(tested.interceptor.requests(.part).first)
            #expect(part.headers[checksum.header]?.isEmpty == false)
            let begin = try #require(tested.interceptor.requests(.begin).first)
            #expect(begin.headers["x-amz-checksum-algorithm"] == checksum.name)
            #expect(begin.headers["x-amz-checksum-type"] == (checksum == .crc64nvme ? "FULL_OBJECT" : nil))
            let shown = try await tested.service.call(
                "head_object",
                ["Bucket": .text(tested.bucket), "Key": "set/a", "ChecksumMode": "ENABLED"]
            )
            let text = try #require(shown["Checksum\(checksum.name)"]?.text)
            if checksum == .crc64nvme {
                #expect(text == checksum.text(of: [(checksum.digest(of: bytes), bytes.count)]))
            } else {
                #expect(text.hasSuffix("-3"))
            }
        }
    }

    /// The store says that it holds something else than was sent: neither is believed, and nothing stays.
    @Test(arguments: S3Checksum.allCases)
    func anotherChecksumIsAFailureThatLeavesNothing(_ checksum: S3Checksum) async throws {
        let key = try key("set/a")
        try await withInterceptedStore(
            { kind, count, _ in
                guard kind == .head, count == 2 else { return .pass }
                return .edit { answer in
                    let text = String(decoding: answer, as: UTF8.self)
                    let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false).map { line in
                        guard line.lowercased().hasPrefix(checksum.header + ":") else { return String(line) }
                        return "\(checksum.header): AAAA" + line.dropFirst(checksum.header.count + 6)
                    }
                    return Array(lines.joined(separator: "\r\n").utf8)
                }
            },
            options: "checksum=\(checksum.rawValue)"
        ) { tested async throws in
            let failure = await #expect(throws: Failure.self) { try await tested.store.write(key, [1, 2, 3]) }
            #expect(failure?.code == .digestMismatch)
            #expect(failure?.message.contains(checksum.name) == true, "\(failure?.message ?? "")")
            #expect(try await tested.visible() == [])
            #expect(try await tested.uploads() == 0)
        }
    }

    /// Damaged on the way and signed as if it were not: the store refuses the part, and it is sent again.
    @Test func partThatArrivesDamagedIsSentAgain() async throws {
        let key = try key("set/a")
        try await withInterceptedStore(
            { kind, count, _ in
                kind == .part && count == 1 ? .answer(S3Text.error("400 Bad Request", "BadDigest")) : .pass
            },
            options: "checksum=crc64nvme"
        ) { tested async throws in
            try await tested.store.write(key, [1, 2, 3])
            let sent = tested.interceptor.requests(.part).map { $0.headers["x-amz-checksum-crc64nvme"] }
            #expect(sent.count == 2 && sent[0] == sent[1] && sent[0] != nil)
        }
    }

    private func key(_ text: String) throws -> ObjectKey { try #require(ObjectKey(parsing: text)) }
}
