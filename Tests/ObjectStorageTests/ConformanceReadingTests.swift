// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import ObjectStorage
import TestParts
import Testing

/// Every sentence of the contract of `ObjectStore`, tried on every store: reading, listing, removing.
@Suite struct ConformanceReadingTests {
    private struct Disturbance: Error, Equatable {}

    private static func key(_ text: String) throws -> ObjectKey {
        try #require(ObjectKey(parsing: text))
    }

    @Test(arguments: TestedStore.allCases)
    func absentObjectIsNotThere(_ kind: TestedStore) async throws {
        let key = try Self.key("a/b")
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                try await store.create(try Self.key("a/c"), [1])
                for absent in [key, try Self.key("a"), try Self.key("a/c/d"), try Self.key("x/y/z")] {
                    #expect(try await store.stat(absent) == nil)
                    let failure = await #expect(throws: Failure.self) {
                        try await store.withObject(absent) { _, _ in Issue.record("there is no \(absent)") }
                    }
                    #expect(failure?.code == .noSuchObject)
                    // To rclone a key is a path: it fails to remove a folder, and of a/c/d it removes the file a/c. No
                    // key of ours is the folder of another.
                    if kind != .rclone || absent.components[0] == "x" { try await store.remove(absent) }
                }
                try await tested.expect(visible: ["a/c": 1])
            }
        }
    }

    @Test(arguments: TestedStore.allCases)
    func objectIsReadInChunks(_ kind: TestedStore) async throws {
        var random = SeededRandom(seed: 1)
        let (bytes, key) = (random.bytes(9_000_001), try Self.key("a/b"))
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                let written = try await store.write(key, bytes)
                let read = try await store.withObject(key) { object, chunks in
                    #expect(object == written)
                    var read: [UInt8] = []
                    for try await chunk in chunks {
                        #expect(!chunk.isEmpty && chunk.count <= 8 * ByteStream.chunkSizeBytes)
                        read += chunk
                    }
                    return read
                }
                #expect(read == bytes)
            }
        }
    }

    @Test(arguments: TestedStore.allCases)
    func readerMayStopOrFailInTheMiddle(_ kind: TestedStore) async throws {
        let key = try Self.key("a/b")
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                try await store.write(key, [UInt8](repeating: 3, count: 8_000_000))
                let first = try await store.withObject(key) { _, chunks in
                    var reader = chunks.makeAsyncIterator()
                    return try await reader.next()?.first
                }
                #expect(first == 3)
                await #expect(throws: Disturbance()) {
                    try await store.withObject(key) { _, chunks in
                        for try await _ in chunks { throw Disturbance() }
                    }
                }
                await #expect(throws: CancellationError.self) {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        group.addTask {
                            try await store.withObject(key) { _, chunks in
                                for try await _ in chunks { try await Task.sleep(for: .seconds(60)) }
                            }
                        }
                        try await Task.sleep(for: .milliseconds(50))
                        group.cancelAll()
                        try await group.next()
                    }
                }
                #expect(try await store.readAll(key).count == 8_000_000)
            }
        }
    }

    @Test(arguments: TestedStore.allCases)
    func listIsRecursiveSortedAndOfTheFolderAlone(_ kind: TestedStore) async throws {
        let keys = ["a/1", "a/b/c/d", "a/b.x", "a-b/1", "ab/1", "b", ".locks/a.json"]
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                #expect(try await store.list(under: .root) == [])
                #expect(try await store.list(under: try KeyFolder(["a"])) == [])
                for (number, key) in keys.enumerated() {
                    try await store.create(try Self.key(key), [UInt8](repeating: 1, count: number))
                }
                for foreign in ["a/what is this?", "lost+found/x", "a/ä"] { try await tested.place(foreign, [1]) }
                let all = try await store.list(under: .root)
                #expect(all.map(\.key.description) == keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
                for object in all {
                    let found = try await store.stat(object.key)
                    #expect(tested.isSame(object, found), "\(object) is not \(String(describing: found))")
                    #expect(object.bytes == Int64(try #require(keys.firstIndex(of: object.key.description))))
                }
                let below = try await store.list(under: try KeyFolder(["a"])).map(\.key.description)
                #expect(below == ["a/1", "a/b.x", "a/b/c/d"])
                #expect(try await store.list(under: try KeyFolder(["a", "b"])).map(\.key.description) == ["a/b/c/d"])
                #expect(try await store.list(under: try KeyFolder(["b"])) == [])
            }
        }
    }

    @Test(arguments: TestedStore.allCases)
    func listIsCompleteOverManyPages(_ kind: TestedStore) async throws {
        // rclone, told to keep no folder in memory, reads all of `set` again for each look into it.
        let count = [.rcloneSFTP, .webdav].contains(kind) ? 103 : 1003
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<count {
                        if number >= 16 { try await group.next() }
                        group.addTask { try await tested.place("set/\(number)/manifest.json", [1]) }
                    }
                    try await group.waitForAll()
                }
                let keys = try await store.list(under: try KeyFolder(["set"])).map(\.key)
                #expect(keys.count == count && Set(keys).count == count && keys == keys.sorted())
            }
        }
    }

    @Test(arguments: TestedStore.allCases)
    func removedObjectIsGone(_ kind: TestedStore) async throws {
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                for key in ["a/b/c", "a/b/d", "a/e"] { try await store.create(try Self.key(key), [1]) }
                try await store.remove(try Self.key("a/b/c"))
                try await store.remove(try Self.key("a/b/c"))
                #expect(try await store.stat(try Self.key("a/b/c")) == nil)
                try await tested.expect(visible: ["a/b/d": 1, "a/e": 1])
                try await store.create(try Self.key("a/b/c"), [1, 2])
                #expect(try await store.readAll(try Self.key("a/b/c")) == [1, 2])
            }
        }
    }

    @Test(arguments: TestedStore.allCases.filter(\.listsLeftovers))
    func leftoversAreFoundAndRemoved(_ kind: TestedStore) async throws {
        let (key, other) = (try Self.key("a/b/c"), try Self.key("a/x"))
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                let staged = try await store.stage(key, estimatedBytes: nil, from: chunked([1]))
                let kept = try await store.stage(other, estimatedBytes: nil, from: chunked([2]))
                #expect(try await store.leftovers(under: .root).map(\.key) == [key, other])
                #expect(try await store.leftovers(under: try KeyFolder(["b"])) == [])
                let found = try await store.leftovers(under: try KeyFolder(["a", "b"]))
                #expect(found.map(\.key) == [key])
                let leftover = try #require(found.first)
                // moto says the same moment of 2010 of every upload.
                #expect(leftover.startedAtSeconds > 1_700_000_000 || kind == .moto)
                try await store.remove(leftover)
                try await store.remove(leftover)
                #expect(try await store.leftovers(under: .root).map(\.key) == [other])
                await #expect(throws: Failure.self) { try await staged.commit() }
                #expect(try await kept.commit().bytes == 1)
                try await tested.expect(visible: ["a/x": 1])
                #expect(try await store.leftovers(under: .root) == [])
            }
        }
    }

    @Test(arguments: TestedStore.allCases)
    func storeThatDoesNotExistIsNotAnEmptyOne(_ kind: TestedStore) async throws {
        let key = try Self.key("a/b")
        try await withTestedStore(kind) { tested async throws in
            let text =
                switch tested.location {
                case .folder(let path): "file://\(path)/none"
                case .bucket: "s3://there-is-no-such-bucket/a"
                case .webDAV: "\(tested.location)/none"
                case .server(let server): server.urlBelow("/none")
                case .container: "azblob://there-is-no-such-container/a"
                case .object(let object): object.description
                case .googleBucket(let bucket):
                    "gs://there-is-no-such-bucket/a?endpoint-url=\(bucket.endpointURL ?? "")"
                }
            let nowhere = try StoreLocation(parsing: text)
            try await withObjectStore(nowhere, configuration: tested.configuration) { store async throws in
                func code(_ body: () async throws -> Void) async -> Failure.Code? {
                    do {
                        try await body()
                        return nil
                    } catch {
                        return (error as? Failure)?.code
                    }
                }
                #expect(await code { _ = try await store.list(under: .root) } == .noSuchStore)
                #expect(await code { _ = try await store.stat(key) } == .noSuchStore)
                #expect(await code { try await store.withObject(key) { _, _ in } } == .noSuchStore)
                // There the first thing that is written makes it: the lease of the first backup.
                if [.folder, .webdav, .openSSH, .rcloneSFTP].contains(kind) {
                    #expect(await code { _ = try await store.create(key, [1]) } == nil)
                    let read = try await store.readAll(key)
                    #expect(read == [1])
                    return
                }
                #expect(await code { _ = try await store.create(key, [1]) } == .noSuchStore)
                #expect(
                    await code { _ = try await store.stage(key, estimatedBytes: nil, from: chunked([1])) }
                        == .noSuchStore
                )
            }
        }
    }
}
