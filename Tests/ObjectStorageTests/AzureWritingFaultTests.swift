// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import ObjectStorage
import Synchronization
import TestParts
import Testing

/// What goes wrong between us and Azure while something is written.
@Suite struct AzureWritingFaultTests {
    private static let block = AzureRig.blockBytes
    private static func key() throws -> ObjectKey { try #require(ObjectKey(parsing: "set/7f3a/redis-0.rdb.zst")) }

    private static func bytes(_ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: UInt64(count))
        return random.bytes(count)
    }

    static let passing = [
        AzureText.error("503 Busy", "ServerBusy"), AzureText.error("500 Oops", "InternalError"),
        AzureText.error("500 Oops", "OperationTimedOut"), AzureText.error("400 Bad Request", "Md5Mismatch"),
        ScriptedHTTP.response("429 Too Many", headers: ["Connection: close"]),
        ScriptedHTTP.response("502 Bad Gateway", headers: ["Connection: close"], body: "<html><hr></html>"),
    ]

    /// Every operation of a backup, each kind of request spoiled a few times.
    @Test(arguments: passing.indices)
    func whatPassesIsTriedAgainOnEveryVerb(_ index: Int) async throws {
        let (key, lease) = (try Self.key(), try #require(ObjectKey(parsing: "lease.json")))
        let bytes = Self.bytes(2 * Self.block + 5)
        try await AzureRig.with { _, count, _ in
            count <= 3 ? .answer(Self.passing[index]) : .pass
        } _: { rig async throws in
            let store = rig.store
            let object = try await store.write(key, bytes)
            #expect(try await store.stat(key) == object)
            #expect(try await store.readAll(key) == bytes)
            let created = try await store.create(lease, [1])
            let replaced = try await store.replace(lease, version: created.version, with: [2])
            #expect(try await store.list(under: .root) == [replaced, object])
            let other = try #require(ObjectKey(parsing: "other"))
            let staged = try await store.stage(other, estimatedBytes: nil, from: chunked([1]))
            #expect(try await store.leftovers(under: .root).map(\.key) == [other])
            await staged.discard()
            try await store.remove(lease)
            #expect(try await rig.visible() == [key.description])
            #expect(try await rig.unfinished() == [])
            for kind in AzureKind.allCases { #expect(rig.requests(kind).count > 3, "\(kind)") }
        }
    }

    @Test(arguments: 1...4)
    func failureOfAnyBlockIsTriedAgainOrLeavesNothing(_ number: Int) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(3 * Self.block + 1))
        for isForEver in [false, true] {
            let failures = Mutex(0)
            try await AzureRig.with { kind, count, request in
                guard kind == .block, count >= number else { return .pass }
                let failed = failures.withLock { failures in
                    failures += 1
                    return failures
                }
                return isForEver || failed == 1 ? .answer(Self.passing[0]) : .pass
            } configure: { configuration, _ in
                configuration.attemptsMax = 3
            } _: { rig async throws in
                if isForEver {
                    let failure = await #expect(throws: Failure.self) { try await rig.store.write(key, bytes) }
                    #expect(failure?.code == .storeUnavailable)
                    #expect(failure?.message.contains("after 3 tries") == true)
                    #expect(try await rig.visible() == [])
                } else {
                    try await rig.store.write(key, bytes)
                    #expect(try await rig.service.get(key.description, in: rig.container) == bytes)
                }
                #expect(try await rig.unfinished() == [])
            }
        }
    }

    /// A proxy that breaks connections, in bytes: also in the middle of a block, and after its body.
    @Test(arguments: [0, 100, 1 << 20, block, block + 400, block + 900])
    func connectionThatBreaksInABlockIsMadeAgain(_ offset: Int) async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(2 * Self.block))
        try await withAzure { service in
            let container = try await service.makeContainer()
            try await withFaultProxy(to: service.port) { proxy in
                proxy.add(.reset(afterBytes: offset), .toServer, on: .first(6))
                var configuration = azureConfiguration(service.environment)
                configuration.environment["AZURE_STORAGE_BLOB_ENDPOINT"] = proxy.url
                let location = try StoreLocation(parsing: "azblob://\(container)")
                try await withObjectStore(location, configuration: configuration) { store in
                    _ = try await store.write(key, bytes)
                }
            }
            #expect(try await service.get(key.description, in: container) == bytes)
            #expect(try await service.unfinished(in: container) == [])
        }
    }

    @Test func blockWhoseReplyIsLostIsSentAgain() async throws {
        let (key, bytes) = (try Self.key(), Self.bytes(2 * Self.block))
        try await AzureRig.with { kind, count, _ in
            kind == .block && count <= 2 ? .lose : .pass
        } _: { rig async throws in
            try await rig.store.write(key, bytes)
            #expect(try await rig.service.get(key.description, in: rig.container) == bytes)
            let names = rig.requests(.block).map { $0.headers["content-md5"] }
            #expect(names.count == 4 && !names.contains(nil))
        }
    }

    // MARK: The commit

    @Test func lostReplyIsFoundOutByAsking() async throws {
        let key = try Self.key()
        try await AzureRig.with { kind, count, _ in
            kind == .commit && count == 1 ? .lose : .pass
        } _: { rig async throws in
            let object = try await rig.store.write(key, [1, 2, 3])
            #expect(try await rig.store.list(under: .root) == [object])
            #expect(rig.requests(.commit).count == 2)
            #expect(rig.requests(.commit).allSatisfy { $0.headers["if-none-match"] == "*" })
        }
    }

    /// Answers to a commit that are no success, or do not look like one.
    static let falseSuccesses = [
        AzureText.ok(""), AzureText.error("503 Busy", "ServerBusy"),
        ScriptedHTTP.response("201 Created", headers: ["Connection: close"]),
        ScriptedHTTP.response("201 Created", headers: ["Connection: close", "ETag: \"x\"", "Content-Length: 30"]),
        AzureText.error("409 Conflict", "BlobAlreadyExists"), AzureText.error("400 Bad Request", "InvalidBlockList"),
    ]

    @Test(arguments: falseSuccesses.indices)
    func commitThatIsThereAndSaysOtherwiseIsFoundOut(_ index: Int) async throws {
        let key = try Self.key()
        try await AzureRig.with { kind, count, _ in
            kind == .commit && count == 1 ? .answerAfterwards(Self.falseSuccesses[index]) : .pass
        } _: { rig async throws in
            let object = try await rig.store.write(key, [1, 2, 3])
            #expect(try await rig.store.stat(key) == object)
            #expect(try await rig.service.get(key.description, in: rig.container) == [1, 2, 3])
        }
    }

    @Test(arguments: [0, 1, 2])
    func commitThatNeverSucceedsLeavesNothing(_ index: Int) async throws {
        let key = try Self.key()
        try await AzureRig.with { kind, _, _ in
            kind == .commit ? .answer(Self.falseSuccesses[index]) : .pass
        } configure: { configuration, _ in
            configuration.attemptsMax = 3
        } _: { rig async throws in
            let staged = try await rig.store.stage(key, estimatedBytes: nil, from: chunked([1, 2, 3]))
            let failure = await #expect(throws: Failure.self) { try await staged.commit() }
            #expect(failure?.code.isTransient == true, "\(failure?.description ?? "")")
            await staged.discard()
            #expect(try await rig.visible() == [])
            #expect(try await rig.unfinished() == [])
        }
    }

    @Test func discardAfterALostReplyTakesTheObjectBack() async throws {
        let key = try Self.key()
        try await AzureRig.with { kind, _, _ in
            kind == .commit ? .lose : .pass
        } configure: { configuration, _ in
            configuration.attemptsMax = 1
        } _: { rig async throws in
            let staged = try await rig.store.stage(key, estimatedBytes: nil, from: chunked([1, 2, 3]))
            await #expect(throws: Failure.self) { try await staged.commit() }
            #expect(try await rig.visible() == [key.description])
            await staged.discard()
            #expect(try await rig.visible() == [])
        }
    }

    @Test func anotherRunThatIsFasterWins() async throws {
        let (key, small) = (try Self.key(), try #require(ObjectKey(parsing: "x")))
        try await withAzure { service in
            try await AzureRig.with { kind, count, request in
                if kind == .commit || kind == .put, count == 1 {
                    let parts = request.target.split(separator: "?")[0].split(separator: "/", maxSplits: 2)
                    try await service.put(String(parts[2]), in: String(parts[1]), [9])
                }
                return .pass
            } _: { rig async throws in
                let staged = try await rig.store.stage(key, estimatedBytes: nil, from: chunked([1, 2]))
                let late = await #expect(throws: Failure.self) { try await staged.commit() }
                #expect(late?.code == .alreadyExists)
                await staged.discard()
                let second = await #expect(throws: Failure.self) { try await rig.store.create(small, [1]) }
                #expect(second?.code == .alreadyExists)
                #expect(try await service.get(key.description, in: rig.container) == [9])
                #expect(try await service.get("x", in: rig.container) == [9])
            }
        }
    }

    /// Azure knows the blocks of a blob, and nothing of uploads.
    @Test func uploadsToOneKeyDoNotMixAndDoNotHarmEachOther() async throws {
        let key = try Self.key()
        let (one, two) = (Self.bytes(Self.block + 7), Self.bytes(Self.block + 9))
        try await AzureRig.with { _, _, _ in
            .pass
        } _: { rig async throws in
            let first = try await rig.store.stage(key, estimatedBytes: nil, from: chunked(one))
            let second = try await rig.store.stage(key, estimatedBytes: nil, from: chunked(two))
            let found = try await rig.store.leftovers(under: .root)
            #expect(found.count == 2 && Set(found.map(\.handle)).count == 2)
            for leftover in found {
                let failure = await #expect(throws: Failure.self) { try await rig.store.remove(leftover) }
                #expect(failure?.code == .unsupported)
            }
            await first.discard()
            #expect(try await second.commit().bytes == Int64(two.count))
            #expect(try await rig.service.get(key.description, in: rig.container) == two)
            await #expect(throws: Failure.self) { try await first.commit() }
            #expect(try await rig.store.leftovers(under: .root) == [])
        }
    }

    /// The run is killed between the two requests that take blocks away.
    @Test func emptyBlobOverBlocksIsNoObjectAndIsFoundLater() async throws {
        let key = try Self.key()
        let isBroken = SharedFlag(true)
        try await AzureRig.with { kind, _, _ in
            kind == .delete && isBroken.value ? .answer(AzureText.error("403 No", "AuthorizationFailure")) : .pass
        } _: { rig async throws in
            let staged = try await rig.store.stage(key, estimatedBytes: nil, from: chunked([1, 2]))
            await staged.discard()
            #expect(try await rig.visible() == [key.description])
            #expect(try await rig.store.list(under: .root) == [])
            #expect(try await rig.store.stat(key) == nil)
            let found = try await rig.store.leftovers(under: .root)
            #expect(found.map(\.key) == [key])
            isBroken.value = false
            for leftover in found { try await rig.store.remove(leftover) }
            #expect(try await rig.visible() == [])
            #expect(try await rig.store.leftovers(under: .root) == [])
        }
    }

    @Test func cancelledUploadLeavesNothing() async throws {
        let key = try Self.key()
        try await AzureRig.with { kind, count, _ in
            kind == .block && count > 1 ? .answer(AzureText.error("503 Busy", "ServerBusy")) : .pass
        } configure: { configuration, _ in
            configuration.clock = .system
        } _: { rig async throws in
            await #expect(throws: CancellationError.self) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await rig.store.write(key, Self.bytes(2 * Self.block)) }
                    // The first block has arrived: one that is still on its way could arrive after it was looked for.
                    try await eventually("a block to be refused and one to be taken") {
                        let isTaken = try await rig.unfinished() != []
                        return isTaken && rig.requests(.block).count >= 2 ? true : nil
                    }
                    group.cancelAll()
                    try await group.next()
                }
            }
            #expect(try await rig.unfinished() == [])
        }
    }

    @Test func optionsOfTheURLAreSent() async throws {
        let key = try Self.key()
        let options = "/p?tier=cool&tags=team%3Ddata%20b%26env%3Dprod&encryption-scope=scope1"
        try await AzureRig.with(options: options) { _, _, _ in
            .pass
        } _: { rig async throws in
            try await rig.store.write(key, [1])
            try await rig.store.create(try #require(ObjectKey(parsing: "x")), [1])
            let held = try await rig.service.properties("p/\(key)", in: rig.container)
            #expect(held["tier"]?.text == "Cool" && held["scope"]?.text == "scope1")
            let small = try await rig.service.properties("p/x", in: rig.container)
            #expect(small["tier"]?.text == nil && small["scope"]?.text == "scope1")
            for request in rig.requests(.commit) + rig.requests(.put) {
                #expect(request.headers["x-ms-tags"] == "team=data%20b&env=prod")
            }
            #expect(rig.requests(.block).allSatisfy { $0.headers["x-ms-encryption-scope"] == "scope1" })
        }
    }

    @Test func blocksHoldWhatIsEstimatedAndMore() {
        for estimate in [nil, 0, 1, 1 << 30, 1 << 37, 5 << 40, 100 << 40] as [Int64?] {
            let size = AzureStore.blockSizeBytes(estimatedBytes: estimate)
            #expect(size >= 8 << 20 && size <= 4000 << 20)
            #expect(Int64(size) * Int64(AzureStore.blocksMax) >= estimate ?? 0)
        }
    }
}

/// A switch that tests throw.
final class SharedFlag: Sendable {
    private let guarded: Mutex<Bool>

    init(_ value: Bool) {
        guarded = Mutex(value)
    }

    var value: Bool {
        get { guarded.withLock { $0 } }
        set { guarded.withLock { $0 = newValue } }
    }
}
