// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import ObjectStorage
import TestParts
import Testing

/// What is true of files and folders alone.
@Suite struct FileStoreTests {
    private static func key(_ text: String) throws -> ObjectKey { try #require(ObjectKey(parsing: text)) }

    private static func code(_ body: () async throws -> Void) async -> Failure.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? Failure)?.code
        }
    }

    @Test func missingRootIsMadeByWritersAndMissedByReaders() async throws {
        try await withTemporaryFolder { folder async throws in
            let root = folder.path + "/not/there"
            let store = FileStore(root: root)
            let failure = await #expect(throws: Failure.self) { try await store.list(under: .root) }
            #expect(failure?.code == .noSuchStore && failure?.hint?.contains("mount the volume") == true)
            #expect(await Self.code { _ = try await store.leftovers(under: .root) } == .noSuchStore)
            #expect(await Self.code { try await store.remove(try Self.key("a")) } == .noSuchStore)
            #expect(!FileManager.default.fileExists(atPath: folder.path + "/not"))
            try await store.create(try Self.key("a/b"), [1])
            #expect(try await store.list(under: .root).map(\.key.description) == ["a/b"])
        }
    }

    @Test func filesAndFoldersAreForOwnerAndGroup() async throws {
        try await withTemporaryFolder { folder async throws in
            let store = FileStore(root: folder.path + "/root")
            try await store.create(try Self.key("a/b"), [1])
            let mask = umask(0)
            umask(mask)
            for (path, mode) in [("root", 0o750), ("root/a", 0o750), ("root/a/b", 0o640)] {
                let attributes = try FileManager.default.attributesOfItem(atPath: folder.path + "/" + path)
                #expect(attributes[.posixPermissions] as? Int == mode & ~Int(mask), "\(path)")
            }
        }
    }

    @Test func symbolicLinksInsideAreNeverFollowed() async throws {
        try await withTemporaryFolder { folder async throws in
            let (root, outside) = (folder.path + "/root", folder.path + "/outside")
            for path in [root, outside] {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            }
            try Data([7]).write(to: URL(fileURLWithPath: outside + "/secret"))
            try FileManager.default.createSymbolicLink(atPath: root + "/folder", withDestinationPath: outside)
            try FileManager.default.createSymbolicLink(atPath: root + "/file", withDestinationPath: outside + "/secret")
            let store = FileStore(root: root)
            let (inFolder, file) = (try Self.key("folder/secret"), try Self.key("file"))
            #expect(try await store.list(under: .root) == [])
            for key in [inFolder, file] {
                #expect(await Self.code { _ = try await store.stat(key) } == .inputOutput)
                #expect(await Self.code { try await store.withObject(key) { _, _ in } } == .inputOutput)
            }
            #expect(await Self.code { _ = try await store.create(inFolder, [1]) } == .inputOutput)
            #expect(await Self.code { try await store.remove(inFolder) } == .inputOutput)
            #expect(await Self.code { try await store.create(file, [1]) } == .alreadyExists)
            #expect(await Self.code { _ = try await store.list(under: try KeyFolder(["folder"])) } == .inputOutput)
            try await store.remove(file)
            #expect(try FileManager.default.contentsOfDirectory(atPath: outside) == ["secret"])
            #expect(try Data(contentsOf: URL(fileURLWithPath: outside + "/secret")) == Data([7]))
        }
    }

    @Test func rootMayBeASymbolicLink() async throws {
        try await withTemporaryFolder { folder async throws in
            try FileManager.default.createDirectory(atPath: folder.path + "/real", withIntermediateDirectories: false)
            try FileManager.default.createSymbolicLink(
                atPath: folder.path + "/link",
                withDestinationPath: folder.path + "/real"
            )
            try await FileStore(root: folder.path + "/link").create(try Self.key("a/b"), [1])
            #expect(FileManager.default.fileExists(atPath: folder.path + "/real/a/b"))
        }
    }

    @Test func pipesAndDevicesAreNoObjectsAndStopNobody() async throws {
        try await withTemporaryFolder { folder async throws in
            let store = FileStore(root: folder.path)
            let key = try Self.key("pipe")
            #expect(mkfifo(folder.path + "/pipe", 0o600) == 0)
            #expect(try await store.list(under: .root) == [])
            #expect(await Self.code { try await store.withObject(key) { _, _ in } } == .inputOutput)
            #expect(await Self.code { _ = try await store.stat(key) } == .inputOutput)
        }
    }

    @Test func emptyFoldersGoWithTheirLastObject() async throws {
        try await withTemporaryFolder { folder async throws in
            let store = FileStore(root: folder.path)
            for key in ["a/b/c", "a/b/d", "x/y/z"] { try await store.create(try Self.key(key), [1]) }
            func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: folder.path + "/" + path) }
            try await store.remove(try Self.key("x/y/z"))
            #expect(!exists("x"))
            try await store.remove(try Self.key("a/b/c"))
            #expect(exists("a/b/d"))
            try await store.remove(try Self.key("a/b/d"))
            #expect(!exists("a") && exists(""))
            let staged = try await store.stage(try Self.key("q/r/s"), estimatedBytes: nil, from: chunked([1]))
            #expect(exists("q/r"))
            await staged.discard()
            #expect(!exists("q"))
        }
    }

    /// One run removes its last object of a folder while another writes its first one.
    @Test func writersAndRemoversOfOneFolderDoNotDisturbEachOther() async throws {
        try await withTemporaryFolder { folder async throws in
            let store = FileStore(root: folder.path)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<4 {
                    group.addTask {
                        let key = try Self.key("a/b/\(writer)")
                        for _ in 0..<60 {
                            try await store.create(key, [1])
                            try await store.remove(key)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
        }
    }

    @Test func onlyTemporaryFilesAreRemovedAsLeftovers() async throws {
        try await withTemporaryFolder { folder async throws in
            let store = FileStore(root: folder.path + "/root")
            let key = try Self.key("a/b")
            try await store.create(key, [1])
            try Data([1]).write(to: folder.appendingPathComponent(".b.partial~0123456789abcdef"))
            let name = ".b.partial~0123456789abcdef"
            for handle in [
                "a/b", "b", "", name, "../\(name)", "a/../../\(name)", "a/.c.partial~0123456789abcdef", "/a/\(name)",
                "a/.b.partial~0123456789abcdeg",
            ] {
                let forged = Leftover(key: key, handle: handle, startedAtSeconds: 0)
                #expect(await Self.code { try await store.remove(forged) } == .inputOutput, "\(handle)")
            }
            #expect(try await store.readAll(key) == [1])
            #expect(FileManager.default.fileExists(atPath: folder.path + "/" + name))
        }
    }

    @Test func namesThatAreNoTemporaryOnesAreNoLeftovers() async throws {
        try await withTemporaryFolder { folder async throws in
            let store = FileStore(root: folder.path)
            let name = ".a.rdb.partial~00ff00ff00ff00ff"
            for other in [
                name, "a.partial~00ff00ff00ff00ff", ".partial~00ff00ff00ff00ff", ".a.partial~00ff",
                ".a.partial~00FF00FF00FF00FF", ".a b.partial~00ff00ff00ff00ff",
            ] {
                try Data([1]).write(to: folder.appendingPathComponent(other))
            }
            #expect(try await store.leftovers(under: .root).map(\.handle) == [name])
            #expect(try await store.leftovers(under: .root).map(\.key) == [try Self.key("a.rdb")])
            #expect(try await store.list(under: .root) == [])
        }
    }

    @Test func fileThatIsCutWhileItIsReadIsTruncated() async throws {
        try await withTemporaryFolder { folder async throws in
            let store = FileStore(root: folder.path)
            let key = try Self.key("a")
            try await store.create(key, [UInt8](repeating: 1, count: 3_000_000))
            let failure = await #expect(throws: Failure.self) {
                try await store.withObject(key) { _, chunks in
                    for try await _ in chunks { truncate(folder.path + "/a", 700_000) }
                }
            }
            #expect(failure?.code == .truncated)
        }
    }

    @Test func streamThatIsKeptBeyondItsScopeThrows() async throws {
        try await withTemporaryFolder { folder async throws in
            let store = FileStore(root: folder.path)
            let key = try Self.key("a")
            try await store.create(key, [1, 2, 3])
            let kept = try await store.withObject(key) { _, chunks in chunks }
            #expect(await Self.code { for try await _ in kept {} } == .inputOutput)
        }
    }

    @Test func readerGoesOnWithTheVersionThatItOpened() async throws {
        try await withTemporaryFolder { folder async throws in
            let store = FileStore(root: folder.path)
            let key = try Self.key("a")
            let first = try await store.create(key, [UInt8](repeating: 1, count: 2_000_000))
            let read = try await store.withObject(key) { _, chunks in
                _ = try await store.replace(key, version: first.version, with: [9])
                var read: [UInt8] = []
                for try await chunk in chunks { read += chunk }
                return read
            }
            #expect(read == [UInt8](repeating: 1, count: 2_000_000))
            #expect(try await store.readAll(key) == [9])
        }
    }
}
