// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import ObjectStorage
import TestParts
import Testing

/// The checksum of Google, and the double itself, by what others think of them.
@Suite struct GoogleWitnessTests {
    @Test func checksumIsThatOfTheStandard() {
        func checksum(_ bytes: [UInt8], piece: Int) -> UInt32 {
            var checksum = CastagnoliChecksum()
            for start in stride(from: 0, to: bytes.count, by: piece) {
                checksum.update(Array(bytes[start..<min(start + piece, bytes.count)]))
            }
            return checksum.value
        }
        // RFC 3720, appendix B.4.
        for piece in [1, 3, 8, 100] {
            #expect(checksum([UInt8](repeating: 0, count: 32), piece: piece) == 0x8A91_36AA)
            #expect(checksum([UInt8](repeating: 0xFF, count: 32), piece: piece) == 0x62A8_AB43)
            #expect(checksum(Array(0..<32), piece: piece) == 0x46DD_794E)
            #expect(checksum(Array("123456789".utf8), piece: piece) == 0xE306_9283)
        }
        #expect(CastagnoliChecksum().text == "AAAAAA==")
    }

    /// rclone writes by resumable and by multipart uploads, lists by pages, and compares checksums.
    @Test func rcloneAndWeReadWhatTheOtherWrote() async throws {
        var random = SeededRandom(seed: 4)
        let bytes = random.bytes(17_000_000)
        try await GoogleRig.with(.object(["anonymous": true, "page": 2])) { rig async throws in
            try await withTemporaryFolder { folder async throws in
                for name in ["big", "a", "b", "c"] {
                    try Data(name == "big" ? bytes : [1]).write(to: folder.appendingPathComponent(name))
                }
                let options = [
                    "--config", "", "--gcs-anonymous", "--gcs-no-check-bucket", "--retries", "1", "--gcs-endpoint",
                    "\(rig.double.endpoint)/storage/v1/",
                ]
                let remote = ":gcs:\(rig.bucket)/set"
                try await run(Parts.rclone(), ["copy", folder.path, remote] + options)
                let keys = try await rig.store.list(under: .root).map(\.key.description)
                #expect(keys == ["set/a", "set/b", "set/big", "set/c"])
                #expect(try await rig.store.readAll(try #require(ObjectKey(parsing: "set/big"))) == bytes)
                try await rig.store.remove(try #require(ObjectKey(parsing: "set/big")))
                try await rig.store.write(try #require(ObjectKey(parsing: "set/big")), bytes)
                try await run(Parts.rclone(), ["check", "--download", folder.path, remote] + options)
            }
        }
    }

    /// gcp-storage-emulator knows no conditions and no pages; the rest is tried on it.
    @Test(arguments: [0, 1, 262_144, 3_000_000])
    func emulatorHoldsWhatWasWritten(_ count: Int) async throws {
        var random = SeededRandom(seed: 9)
        let (bytes, key) = (random.bytes(count), try #require(ObjectKey(parsing: "a/b-\(count)")))
        try await withGoogleStorageEmulator { port async throws in
            let configuration = googleConfiguration(["STORAGE_EMULATOR_HOST": "127.0.0.1:\(port)"])
            let bucket = "bucket-\(UInt64.random(in: 0 ... .max))"
            let made = try await ByteChannel.connect(port: port)
            let body = "{\"name\":\"\(bucket)\"}"
            try await made.write(
                "POST /storage/v1/b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            _ = try await made.readToEnd()
            await made.close()
            let location = try StoreLocation(parsing: "gs://\(bucket)/pre")
            try await withObjectStore(location, configuration: configuration) { store async throws in
                let staged = try await store.stage(key, estimatedBytes: nil, from: chunked(bytes))
                #expect(try await store.list(under: .root) == [])
                let object = try await staged.commit()
                #expect(try await store.list(under: .root) == [object])
                #expect(try await store.readAll(key) == bytes)
                try await store.remove(key)
                let created = try await store.create(key, bytes)
                #expect(try await store.stat(key) == created)
                #expect(try await store.readAll(key) == bytes)
            }
        }
    }
}
