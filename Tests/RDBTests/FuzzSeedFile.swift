// SPDX-License-Identifier: Apache-2.0

import Compression
import Foundation
import FuzzOracle

/// An input to begin with: two bytes that choose variant and chunks, and data that is right, or wrong in one place.
struct FuzzSeedFile {
    /// Small inputs are mutated faster, and a repository keeps them for ever.
    static let bytesMax = 2048

    let name: String
    let bytes: [UInt8]

    static func all(of target: FuzzTarget) throws -> [FuzzSeedFile] {
        let samples =
            switch target {
            case .rdb: rdb
            case .compression: try compression()
            case .age: age()
            case .resp: resp
            case .replication: replication
            }
        return samples.enumerated().compactMap { index, sample in
            // Every length of chunk, regular and not; compression has bits of its own.
            let hasBits = target == .compression || target == .age
            let variant = hasBits ? sample.variant : UInt8(index / 8 & 1)
            let bytes = [variant << 4 | UInt8(index & 7), UInt8(index / 16 & 0xff)] + sample.data
            return bytes.count <= bytesMax ? FuzzSeedFile(name: "seed-\(sample.name)", bytes: bytes) : nil
        }
    }

    private struct Sample {
        let name: String
        let data: [UInt8]
        var variant: UInt8 = 0

        init(_ name: String, _ data: [UInt8], variant: UInt8 = 0) {
            self.name = String(name.lowercased().map { $0.isLetter || $0.isNumber ? $0 : "-" })
            self.data = data
            self.variant = variant
        }

        init(_ name: String, _ text: String) { self.init(name, Array(text.utf8)) }
    }

    // MARK: RDB

    private static var rdb: [Sample] {
        let breaches =
            Breach.ofRecords + Breach.ofStrings + Breach.ofValues + Breach.ofModulesAndArrays + Breach.inListpacks
            + Breach.inOldPackings + Breach.inStreamNodes + Breach.inStreams + Breach.inCompressedStrings
            + Breach.ofDuplicates + Breach.ofScores
        return Fixture.all.map { Sample($0.name, $0.writer.endedWithoutChecksum()) }
            + breaches.map { Sample("\($0.rule.rawValue) \($0.name)", $0.bytes) }
    }

    // MARK: Compression

    /// Bit 0 of the variant chooses gzip, bit 1 the way there and back, the others the level.
    private static func compression() throws -> [Sample] {
        let plain = Fixture.collections.bytes
        let compressor = try ZstdCompressor(level: 1)
        let zstd = try compressor.compress(plain) + compressor.finish()
        let gzip = try GzipMember.compress(plain, level: 6)
        // A frame that is skipped (RFC 8878, 3.1.2), and one with a raw and an RLE block and no checksum.
        let skipped: [UInt8] = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]
        let blocks: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, 0x18, 0, 0, 1, 2, 3, 0x43, 0, 0, 7]
        // A member with a name and a comment, of one stored block of nothing (RFC 1952, 2.3; RFC 1951, 3.2.4).
        let named: [UInt8] =
            [0x1f, 0x8b, 8, 0x18, 0, 0, 0, 0, 0, 3, 0x61, 0, 0x62, 0, 1, 0, 0, 0xff, 0xff]
            + Array(repeating: 0, count: 8)
        return [
            Sample("zstd", zstd), Sample("zstd twice", zstd + zstd), Sample("zstd skipped", skipped + zstd + skipped),
            Sample("zstd blocks", blocks), Sample("zstd cut off", zstd.dropLast(3)),
            Sample("zstd then gzip", zstd + gzip),
            Sample("gzip", gzip, variant: 1), Sample("gzip twice", gzip + gzip, variant: 1),
            Sample("gzip named", named, variant: 1), Sample("gzip cut off", gzip.dropLast(3), variant: 1),
            Sample("there and back zstd", plain, variant: 2), Sample("there and back gzip", plain, variant: 3),
            Sample("there and back gzip 4", plain, variant: 15), Sample("nothing there and back", [], variant: 6),
        ]
    }

    // MARK: age

    /// What Debian's age made for the identity of the oracle; bit 0 of the variant chooses the way there and back.
    private static func age() -> [Sample] {
        let words = [
            "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IFgyNTUxOSBDUm1IdkFWS2kwQVZUYlBsUzVZdDdoVDBEOVdwZkJ5QWsv",
            "TjZqQ0dTMlJrCjUvcStkaVQ4VGNhMnVtTzhMOFRHK1VhT0VZUWphZEdPQjQ1QS9Pdks2T2MKLT4gWDI1NTE5IENk",
            "OGhYREEwbXdFa3h4WEZjRG1iSnZzZHdoWS9WWWJYZWV1V1FhRTN2RWcKekYrT0VnV1lZL2NXbHl0blZhVUJveW50",
            "MmkwSHJjMncrY0JYc09wQVRvOAotLS0gcGh5UjVSZFZhYW0xRkJNcEVNTk41WXc2UWNLdGJuTStUS29jdHdjUXJa",
            "awplQTQGvQGHEHROUwGyXcS38sTu3EaEZCh1jDQX9GuKBFdHerJ94tXjxTKEYm+rrV2sCDCrz1AjkZcuO8aP3A==",
        ]
        let file = Array(Data(base64Encoded: words.joined()) ?? Data())
        let begin = "-----BEGIN AGE ENCRYPTED FILE-----\n"
        let text = file.withUnsafeBufferPointer { Data(buffer: $0) }.base64EncodedString(options: [
            .lineLength64Characters, .endLineWithLineFeed,
        ])
        let version = "age-encryption.org/v1\n"
        return [
            Sample("file", file), Sample("file cut off", file.dropLast(3)), Sample("file and more", file + [0]),
            Sample("in armor", begin + text + "\n-----END AGE ENCRYPTED FILE-----\n"),
            Sample(
                "grease",
                version + "-> grease a b\n\n-> other\nAAAA\n--- " + String(repeating: "A", count: 43) + "\n"
            ),
            Sample(
                "passphrase",
                version + "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 255\n" + String(repeating: "A", count: 43) + "\n--- "
            ),
            Sample("another version", "age-encryption.org/v2\n"),
            Sample("there and back", Array("plain".utf8), variant: 1), Sample("nothing there and back", [], variant: 1),
        ]
    }

    // MARK: The wire

    private static let resp: [Sample] = [
        Sample("lines", "+OK\r\n-ERR no\r\n:-42\r\n_\r\n#t\r\n,1.5e3\r\n,nan\r\n(-349289032840923850932485094385\r\n"),
        Sample("strings", "$5\r\na\r\nb\n\r\n$-1\r\n$0\r\n\r\n!8\r\nERR oops\r\n=7\r\ntxt:a\r\n\r\n"),
        Sample("aggregates", "*3\r\n*0\r\n*-1\r\n*1\r\n$1\r\nx\r\n%1\r\n+k\r\n:1\r\n~2\r\n:1\r\n:2\r\n>1\r\n_\r\n"),
        Sample("attributes", "|1\r\n+ttl\r\n:10\r\n*1\r\n|1\r\n+a\r\n+b\r\n+x\r\n"),
        Sample("keep-alives", "\n\n+OK\r\n\n:1\r\n"),
        Sample("deep", String(repeating: "*1\r\n", count: 33) + ":1\r\n"),
        Sample("enormous", "$9223372036854775807\r\n"), Sample("too many", "*9223372036854775807\r\n"),
        Sample("streamed", "*?\r\n"), Sample("not a type", "HTTP/1.1 400 Bad Request\r\n"),
        Sample("line without carriage return", "+OK\n"), Sample("long line", "+" + String(repeating: "x", count: 40)),
    ]

    private static let replication: [Sample] = {
        let id = String(repeating: "0123456789abcdef", count: 3).prefix(40)
        let mark = String(repeating: "fedcba9876543210", count: 3).prefix(40)
        let granted = "\n+FULLRESYNC \(id) 1234\r\n\n"
        return [
            Sample("of a length", granted + "$5\r\nREDIS"),
            Sample("of a length, and more", granted + "$5\r\nREDISmore"),
            Sample("with a mark", granted + "$EOF:\(mark)\r\nREDIS0011\(mark)"),
            Sample("with a mark inside", granted + "$EOF:\(mark)\r\nREDIS\(mark)0011\(mark)"),
            Sample("without the mark", granted + "$EOF:\(mark)\r\nREDIS0011\(mark.dropLast())"),
            Sample("short mark", granted + "$EOF:\(mark.dropLast())\r\n"),
            Sample("enormous", granted + "$9223372036854775807\r\nR"), Sample("of no length", granted + "$-1\r\n"),
            Sample("refused", "-NOMASTERLINK Can't SYNC\r\n"), Sample("refused late", granted + "-ERR no\r\n"),
            Sample("continued", "+CONTINUE\r\n"), Sample("negative offset", "+FULLRESYNC \(id) -1\r\n"),
        ]
    }()
}
