// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import ObjectStorage
import TestParts
import Testing

/// What goes wrong between us and Google Cloud Storage (F23 to F28), on the double.
@Suite struct GoogleFaultTests {
    private static let piece = 1 << 20
    private static func key() throws -> ObjectKey { try #require(ObjectKey(parsing: "set/7f3a/redis-0.rdb.zst")) }

    private static func bytes(_ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: UInt64(count))
        return random.bytes(count)
    }

    /// Each verb twice: a busy store, and one that limits the rate with a status of refusal.
    @Test(arguments: [429, 500, 502, 503, 504, 408, 403])
    func whatPassesIsTriedAgainOnEveryVerb(_ status: Int) async throws {
        let (key, lease) = (try Self.key(), try #require(ObjectKey(parsing: "lease.json")))
        let bytes = Self.bytes(2 * Self.piece + 5)
        let error = "{\"error\":{\"code\":\(status),\"errors\":[{\"reason\":\"rateLimitExceeded\"}]}}"
        try await GoogleRig.with { rig async throws in
            for (method, target) in [
                ("GET", "\\?"), ("GET", "/"), ("GET", "/.*alt=media"), ("DELETE", "/"), ("POST", ".*resumable"),
                ("POST", ".*multipart"), ("PUT", ""),
            ] {
                let more: [String: TestJSON] = ["status": .number(Double(status)), "body": .text(error), "times": 2]
                try await rig.add("status", method: method, target: target, more)
            }
            let object = try await rig.store.write(key, bytes)
            #expect(try await rig.store.readAll(key) == bytes)
            let created = try await rig.store.create(lease, [1])
            let replaced = try await rig.store.replace(lease, version: created.version, with: [2])
            #expect(try await rig.store.list(under: .root) == [replaced, object])
            try await rig.store.remove(lease)
            #expect(try await rig.visible() == [key.description])
            #expect(try await rig.double.get(key.description, in: rig.bucket) == bytes)
            #expect(try await rig.double.requests("/b/\(rig.bucket)/").count { $0["status"]?.int == status } == 14)
        }
    }

    /// The store keeps less than was sent, many times over; the rest comes again, and nothing is lost or doubled.
    @Test(arguments: [0, 1, 100_000, 262_144, 300_000, 786_432])
    func whatTheStoreDidNotKeepIsSentAgain(_ kept: Int) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(3 * Self.piece + 77))
        try await GoogleRig.with { rig async throws in
            try await rig.add("keep", method: "PUT", ["bytes": .number(Double(kept)), "times": 5])
            #expect(try await rig.store.write(key, bytes).bytes == Int64(bytes.count))
            #expect(try await rig.double.get(key.description, in: rig.bucket) == bytes)
            #expect(try await rig.double.uploads(in: rig.bucket) == 0)
        }
    }

    /// The connection breaks before, in, or after a piece, or the last one.
    @Test(arguments: ["drop", "lose"], ["/\\*$", "/\\d+$"])
    func lostReplyToAPieceIsFoundOutByAsking(_ fault: String, _ range: String) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(3 * Self.piece + 77))
        try await GoogleRig.with { rig async throws in
            try await rig.add(fault, method: "PUT", ["range": .text("\\d" + range), "times": 2])
            let object = try await rig.store.write(key, bytes)
            #expect(try await rig.store.stat(key) == object)
            #expect(try await rig.double.get(key.description, in: rig.bucket) == bytes)
            let asked = try await rig.double.requests("/b/\(rig.bucket)/").count {
                $0["headers"]?["content-range"]?.text == "bytes */*"
            }
            // On a kept connection that breaks without an answer libcurl sends a request again by itself, once.
            #expect((1...2).contains(asked))
        }
    }

    @Test(arguments: [0, 1])
    func objectWhoseSizeIsAMultipleAppearsAtCommitAlone(_ more: Int) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(2 * Self.piece + more))
        try await GoogleRig.with { rig async throws in
            let staged = try await rig.store.stage(key, estimatedBytes: nil, from: chunked(bytes))
            #expect(try await rig.visible() == [])
            #expect(try await rig.double.uploads(in: rig.bucket) == 1)
            _ = try await staged.commit()
            #expect(try await rig.double.get(key.description, in: rig.bucket) == bytes)
        }
    }

    @Test func commitWhoseReplyIsLostForGoodMayBeRepeatedOrTakenBack() async throws {
        let key = try Self.key()
        for repeats in [true, false] {
            try await GoogleRig.with { configuration in
                configuration.attemptsMax = 1
            } _: { rig async throws in
                // Twice, because libcurl sends again by itself what got no answer on a kept connection.
                try await rig.add("lose", method: "PUT", ["times": 2])
                let staged = try await rig.store.stage(key, estimatedBytes: nil, from: chunked([1, 2, 3]))
                let failure = await #expect(throws: Failure.self) { try await staged.commit() }
                #expect(failure?.code == .unreachable)
                #expect(try await rig.visible() == [key.description])
                if repeats {
                    let object = try await staged.commit()
                    #expect(try await rig.store.stat(key) == object)
                } else {
                    await staged.discard()
                    #expect(try await rig.visible() == [])
                }
            }
        }
    }

    @Test func uploadThatTheStoreForgotIsAFailureThatLeavesNothing() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(3 * Self.piece))
        try await GoogleRig.with { rig async throws in
            try await rig.add("forget", method: "PUT", ["skip": 1])
            let failure = await #expect(throws: Failure.self) { try await rig.store.write(key, bytes) }
            #expect(failure?.code == .storeUnavailable)
            #expect(try await rig.visible() == [])
            #expect(try await rig.double.uploads(in: rig.bucket) == 0)
        }
    }

    @Test func smallObjectIsWrittenOnceWhateverHappensToTheReply() async throws {
        let key = try Self.key()
        for fault in ["lose", "drop"] {
            try await GoogleRig.with { rig async throws in
                try await rig.add(fault, method: "POST")
                let created = try await rig.store.create(key, [1])
                try await rig.add(fault, method: "POST")
                let replaced = try await rig.store.replace(key, version: created.version, with: [2, 2])
                #expect(try await rig.store.stat(key) == replaced)
                #expect(try await rig.count("POST") == 4)
                #expect(try await rig.store.readAll(key) == [2, 2])
            }
        }
    }

    /// What the store keeps is not what was sent, and it says so only by the checksum.
    @Test func objectThatTheStoreSpoiledIsTakenAwayAgain() async throws {
        let key = try Self.key()
        try await GoogleRig.with { rig async throws in
            try await rig.add("spoil", method: "PUT")
            let failure = await #expect(throws: Failure.self) { try await rig.store.write(key, [1, 2, 3]) }
            #expect(failure?.code == .digestMismatch)
            #expect(try await rig.visible() == [])
        }
    }

    @Test func bytesThatWereDamagedOnTheWayAreNotBelieved() async throws {
        let key = try Self.key()
        try await GoogleRig.with { rig async throws in
            try await rig.store.write(key, [1, 2, 3])
            try await rig.add("damage", method: "GET", target: "/.*alt=media")
            let failure = await #expect(throws: Failure.self) { try await rig.store.readAll(key) }
            #expect(failure?.code == .digestMismatch)
        }
    }

    /// A break at every 64 KiB of an object, one after the other.
    @Test func readGoesOnWhereItBrokeAtEveryOffset() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(1 << 20))
        try await GoogleRig.with { rig async throws in
            try await rig.store.write(key, bytes)
            try await rig.add("cut", method: "GET", target: "/.*alt=media", ["bytes": 65536, "times": 15])
            #expect(try await rig.store.readAll(key) == bytes)
            #expect(try await rig.count("GET", "alt=media") == 16)
        }
    }

    @Test func objectReplacedWhileItIsReadIsNeverMixed() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(8 << 20))
        try await GoogleRig.with { rig async throws in
            try await rig.store.write(key, bytes)
            try await rig.add("cut", method: "GET", target: "/.*alt=media", ["bytes": .number(Double(6 << 20))])
            let failure = await #expect(throws: Failure.self) {
                try await rig.store.withObject(key) { _, chunks in
                    var isFirst = true
                    for try await _ in chunks where isFirst {
                        isFirst = false
                        try await rig.double.put(key.description, in: rig.bucket, [0])
                    }
                }
            }
            #expect(failure?.code == .alreadyExists)
        }
    }

    /// The double itself: a client that reads no further once held up every other one, and with them the whole suite.
    @Test func aReaderThatStandsStillHoldsUpNobody() async throws {
        try await withGoogleStorage { double async throws in
            let bucket = try await double.makeBucket(.object(["anonymous": true]))
            let count = 24 << 20
            try await double.put("k", in: bucket, [UInt8](repeating: 7, count: count))
            let reader = try await ByteChannel.connect(port: double.port)
            defer { reader.closeSoon() }
            try await reader.write("GET /storage/v1/b/\(bucket)/o/k?alt=media HTTP/1.1\r\nHost: a\r\n\r\n")
            let answer = try await reader.read(upTo: 12)
            #expect(answer == Array("HTTP/1.1 200".utf8))
            #expect(try await double.objects(in: bucket) == ["k": count])
        }
    }

    /// A later page that fails is asked for again; cut off JSON and an empty document are no shorter list.
    @Test(arguments: ["status", "drop", "lose", "shorten"])
    func listIsCompleteOrFails(_ fault: String) async throws {
        try await GoogleRig.with(.object(["page": 2])) { configuration in
            configuration.attemptsMax = 3
        } _: { rig async throws in
            for number in 0..<7 { try await rig.double.put("a/\(number)", in: rig.bucket, [1]) }
            let more: [String: TestJSON] = ["status": 503, "bytes": 40, "times": 2]
            try await rig.add(fault, method: "GET", target: "\\?.*pageToken", more)
            #expect(try await rig.store.list(under: .root).count == 7)
            try await rig.add(fault, method: "GET", target: "\\?.*pageToken", more.merging(["times": 50]) { $1 })
            let failure = await #expect(throws: Failure.self) { try await rig.store.list(under: .root) }
            #expect(failure?.code.isTransient == true)
        }
        try await GoogleRig.with { rig async throws in
            let more: [String: TestJSON] = ["status": 200, "body": "{}", "times": 50]
            try await rig.add("status", method: "GET", target: "\\?", more)
            let failure = await #expect(throws: Failure.self) { try await rig.store.list(under: .root) }
            #expect(failure?.code == .storeUnavailable)
        }
    }

    @Test func retentionIsReportedAsWhatItIs() async throws {
        let key = try Self.key()
        try await GoogleRig.with(.object(["retention": true])) { rig async throws in
            try await rig.store.create(key, [1])
            let failure = await #expect(throws: Failure.self) { try await rig.store.remove(key) }
            #expect(failure?.code == .retained && failure?.hint?.contains("retention policy") == true)
        }
    }

    @Test func missingRightNamesTheRole() async throws {
        let key = try Self.key()
        try await GoogleRig.with(.object(["denied": .array(["POST"])])) { rig async throws in
            let failure = await #expect(throws: Failure.self) { try await rig.store.create(key, [1]) }
            #expect(failure?.code == .permissionDenied && failure?.hint?.contains("roles/storage.objectUser") == true)
        }
    }

    @Test func optionsOfTheURLReachTheStore() async throws {
        let key = try Self.key()
        try await GoogleRig.with(.object(["requesterPays": true])) { rig async throws in
            let failure = await #expect(throws: Failure.self) { try await rig.store.create(key, [1]) }
            #expect(failure?.code == .configuration && failure?.hint?.contains("user-project") == true)
        }
        let options = "&user-project=payer&storage-class=NEARLINE&kms-key=projects%2Fp%2Fkey"
        try await GoogleRig.with(.object(["requesterPays": true]), options: options) { rig async throws in
            try await rig.store.create(key, [1])
            try await rig.store.write(try #require(ObjectKey(parsing: "b")), [1])
            for object in try await rig.double.call("objects", .text(rig.bucket)).array ?? [] {
                #expect(object["storageClass"]?.text == "NEARLINE" && object["kmsKeyName"]?.text == "projects/p/key")
            }
        }
    }

    /// Resets at offsets of both directions, while an object goes up and comes down again.
    @Test(arguments: [0, 200, 1_000, 70_000, 400_000, 1_048_576, 1_300_000])
    func resetAtAnyOffsetLosesNoByte(_ offset: Int) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(2_500_000))
        try await withGoogleStorage { double async throws in
            let bucket = try await double.makeBucket()
            try await withFaultProxy(to: double.port) { proxy async throws in
                let location = try StoreLocation(parsing: "gs://\(bucket)?endpoint-url=\(proxy.url)")
                let configuration = try await googleConfiguration(double)
                proxy.add(.reset(afterBytes: offset), .toServer, on: .first(3))
                try await withObjectStore(location, configuration: configuration) { store async throws in
                    try await store.write(key, bytes)
                }
                #expect(try await double.get(key.description, in: bucket) == bytes)
                let count = proxy.connections.count
                proxy.add(.reset(afterBytes: offset), .toClient, on: .first(count + 3))
                try await withObjectStore(location, configuration: configuration) { store async throws in
                    #expect(try await store.readAll(key) == bytes)
                }
            }
        }
    }

    @Test func unfinishedUploadsCannotBeListed() async throws {
        try await GoogleRig.with { rig async throws in
            let failure = await #expect(throws: Failure.self) { try await rig.store.leftovers(under: .root) }
            #expect(failure?.code == .unsupported)
        }
    }
}
