// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Foundation
import ObjectStorage
import TestParts
import Testing

/// The archive that a single object is: written for foreign readers, read however it arrives.
@Suite struct TarTests {
    private struct File: Equatable {
        var path: String
        var bytes: [UInt8]
    }

    private static let longPath = "name/" + String(repeating: "x", count: 120) + "/manifest.json"
    private static let files = [
        File(path: "name/id/redis-0.rdb.zst", bytes: Array(repeating: 7, count: 1300)),
        File(path: "name/id/empty.rdb", bytes: []),
        File(path: "name/id/block.rdb", bytes: Array(repeating: 9, count: 512)),
        File(path: longPath, bytes: Array("{}\n".utf8)),
    ]

    private static func archive(_ files: [File] = files) -> [UInt8] {
        files.flatMap { file -> [UInt8] in
            let header = TarHeader.encoded(path: file.path, bytes: Int64(file.bytes.count), modifiedAtSeconds: 1)
            return header + file.bytes + [UInt8](repeating: 0, count: TarHeader.padding(after: Int64(file.bytes.count)))
        } + TarHeader.end
    }

    private static func read(_ chunks: [[UInt8]]) async throws -> [File] {
        let reader = TarReader(ByteStream(chunks))
        var files: [File] = []
        while let entry = try await reader.next() {
            var bytes: [UInt8] = []
            while let chunk = try await reader.chunk() { bytes += chunk }
            guard Int64(bytes.count) == entry.bytes else { throw TarCutOff() }
            files.append(File(path: entry.path, bytes: bytes))
        }
        return files
    }

    @Test func everySplitGivesTheSame() async throws {
        let archive = Self.archive()
        for split in stride(from: 1, to: archive.count, by: 7) {
            #expect(try await Self.read([Array(archive[..<split]), Array(archive[split...])]) == Self.files)
        }
        #expect(try await Self.read(archive.map { [$0] }) == Self.files)
    }

    @Test func everyTruncationIsFoundOut() async throws {
        let archive = Self.archive()
        for count in stride(from: 0, to: archive.count, by: 5) {
            await #expect(throws: TarCutOff.self) { _ = try await Self.read([Array(archive[..<count])]) }
        }
    }

    @Test func everyBitOfAHeaderThatIsFlippedIsFoundOut() async throws {
        let archive = Self.archive([Self.files[2]])
        for byte in 0..<TarHeader.blockBytes {
            for bit in 0..<8 {
                var damaged = archive
                damaged[byte] ^= 1 << bit
                // A digit of the sum itself may become the blank that ends it, or zeros before it.
                if (148..<156).contains(byte), (try? await Self.read([damaged])) == [Self.files[2]] { continue }
                await #expect(throws: (any Error).self) { _ = try await Self.read([damaged]) }
            }
        }
    }

    @Test func bytesBehindTheEndAreRefused() async throws {
        await #expect(throws: TarDamage.self) { _ = try await Self.read([Self.archive(), [1]]) }
        let padded = try await Self.read([Self.archive(), [UInt8](repeating: 0, count: 8192)])
        #expect(padded == Self.files)
    }

    @Test func linksAreRefused() async throws {
        try await withTemporaryFolder { folder in
            try await run("/bin/sh", ["-c", "cd '\(folder.path)' && ln -s /etc/passwd link && tar -cf a.tar link"])
            let archive = try Data(contentsOf: folder.appendingPathComponent("a.tar"))
            await #expect(throws: TarDamage.self) { _ = try await Self.read([Array(archive)]) }
        }
    }

    /// What `tar` makes of a folder, in each of its formats, and what it takes out of ours.
    @Test(arguments: ["gnu", "ustar", "pax", "posix", "oldgnu"])
    func tarReadsOursAndWeReadIts(format: String) async throws {
        let files = format == "ustar" ? Array(Self.files.dropLast()) : Self.files
        try await withTemporaryFolder { folder in
            let path = folder.path
            try Data(Self.archive(files)).write(to: folder.appendingPathComponent("ours.tar"))
            try await run(
                "/bin/sh",
                ["-c", "cd '\(path)' && tar -xf ours.tar && tar --format=\(format) -cf theirs.tar name"]
            )
            for file in files {
                let bytes = try Data(contentsOf: folder.appendingPathComponent(file.path))
                #expect(Array(bytes) == file.bytes)
            }
            let theirs = try Data(contentsOf: folder.appendingPathComponent("theirs.tar"))
            let read = try await Self.read([Array(theirs)])
            #expect(read.sorted { $0.path < $1.path } == files.sorted { $0.path < $1.path })
        }
    }

    @Test func aSizeBeyondEightGibibytesComesBack() throws {
        let size: Int64 = 9 << 30
        let blocks = TarHeader.encoded(path: "a/b/c", bytes: size, modifiedAtSeconds: 0)
        #expect(blocks.count == 3 * TarHeader.blockBytes)
        var header = try #require(try TarHeader(decoding: Array(blocks[1024...])))
        let extended = try #require(try TarHeader(decoding: Array(blocks[..<512])))
        #expect(extended.kind == .extended)
        try header.take(records: Array(blocks[512..<512 + Int(extended.bytes)]))
        #expect(header.bytes == size && header.path == "a/b/c")
        // And as GNU tar writes it.
        var binary = TarHeader.encoded(path: "a", bytes: 0, modifiedAtSeconds: 0)
        let field: [UInt8] = [0x80, 0, 0, 0] + (0..<8).map { UInt8(truncatingIfNeeded: size >> (56 - 8 * $0)) }
        binary.replaceSubrange(124..<136, with: field)
        binary.replaceSubrange(148..<156, with: Array("        ".utf8))
        let sum = String(binary.reduce(0) { $0 + Int($1) }, radix: 8)
        binary.replaceSubrange(148..<148 + sum.utf8.count + 1, with: Array(sum.utf8) + [0])
        #expect(try TarHeader(decoding: binary)?.bytes == size)
    }
}
