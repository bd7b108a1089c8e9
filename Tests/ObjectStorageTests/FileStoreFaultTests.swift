// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import ObjectStorage
import Synchronization
import SystemPackage
import TestParts
import Testing

/// The n-th system call of a kind fails, for n = 1, 2, … until a run has fewer than n of them (F30).
@Suite struct FileStoreFaultTests {
    private static func key(_ text: String) throws -> ObjectKey { try #require(ObjectKey(parsing: text)) }

    /// Makes one call fail, and tells whether it came to that.
    final class Fault: Sendable {
        private let call: FileSystemCalls.Call
        private let number: Int
        private let errno: Errno
        private let seen = Mutex(0)

        init(_ call: FileSystemCalls.Call, number: Int, _ errno: Errno) {
            self.call = call
            self.number = number
            self.errno = errno
        }

        var hasStruck: Bool { seen.withLock { $0 >= number } }

        var calls: FileSystemCalls {
            FileSystemCalls { call in
                guard call == self.call else { return nil }
                let count = self.seen.withLock { seen in
                    seen += 1
                    return seen
                }
                return count == self.number ? self.errno : nil
            }
        }
    }

    private static let writingCalls: [FileSystemCalls.Call] = [
        .openFolder, .makeFolder, .createFile, .write, .synchronize, .close, .link, .rename, .unlink, .status,
    ]

    /// Runs `body` with the n-th call failing, for every n that there is.
    private static func forEachFault(
        _ call: FileSystemCalls.Call,
        _ errno: Errno,
        _ body: (_ root: URL, FileStore, Fault) async throws -> Void
    ) async throws {
        for number in 1...200 {
            let fault = Fault(call, number: number, errno)
            try await withTemporaryFolder { folder async throws in
                try await body(folder, FileStore(root: folder.path + "/root", calls: fault.calls), fault)
            }
            if !fault.hasStruck { return }
        }
        Issue.record("\(call) never ends")
    }

    private static func files(_ root: URL) -> [String] {
        (FileManager.default.enumerator(atPath: root.path)?.compactMap { $0 as? String } ?? []).filter {
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: root.path + "/" + $0, isDirectory: &isFolder)
                && !isFolder.boolValue
        }
    }

    @Test(arguments: writingCalls, [Errno.noSpace, .ioError, .diskQuotaExceeded, .readOnlyFileSystem])
    func failedWriteLeavesNothingOrAll(_ call: FileSystemCalls.Call, _ errno: Errno) async throws {
        let key = try Self.key("set/id/member.rdb")
        let bytes = [UInt8](repeating: 5, count: 300_000)
        let expected: Failure.Code =
            switch errno {
            case .noSpace, .diskQuotaExceeded: .noSpace
            case .readOnlyFileSystem: .permissionDenied
            default: .inputOutput
            }
        try await Self.forEachFault(call, errno) { folder, store, fault in
            var staged: (any StagedObject)?
            do {
                staged = try await store.stage(key, estimatedBytes: nil, from: chunked(bytes))
                _ = try await staged?.commit()
            } catch {
                #expect((error as? Failure)?.code == expected, "\(call) \(error)")
                await staged?.discard()
                // The one call that cleaning up needs may be the one that failed.
                let left = Self.files(folder).filter { !(call == .unlink && $0.contains("partial~")) }
                #expect(left == [], "\(call)")
                return
            }
            let held = try await FileStore(root: folder.path + "/root").readAll(key)
            #expect(held == bytes)
        }
    }

    @Test(arguments: writingCalls)
    func commitCanBeTriedAgain(_ call: FileSystemCalls.Call) async throws {
        let key = try Self.key("set/id/member.rdb")
        try await Self.forEachFault(call, .ioError) { folder, store, fault in
            guard let staged = try? await store.stage(key, estimatedBytes: nil, from: chunked([1, 2])) else { return }
            if (try? await staged.commit()) == nil { _ = try await staged.commit() }
            #expect(Self.files(folder) == ["root/set/id/member.rdb"], "\(call)")
        }
    }

    @Test(arguments: writingCalls + [.lock, .openFile])
    func failedReplaceLeavesTheOldOrTheNew(_ call: FileSystemCalls.Call) async throws {
        let key = try Self.key("lease.json")
        try await Self.forEachFault(call, .ioError) { folder, store, fault in
            let good = FileStore(root: folder.path + "/root")
            let object = try await good.create(key, [1])
            do {
                _ = try await store.replace(key, version: object.version, with: [2, 2])
                #expect(try await good.readAll(key) == [2, 2])
            } catch {
                #expect((error as? Failure)?.code == .inputOutput, "\(call) \(error)")
                let held = try await good.readAll(key)
                #expect(held == [1] || held == [2, 2])
                #expect(Self.files(folder).count == (call == .unlink ? 2 : 1), "\(call)")
            }
        }
    }

    @Test(arguments: [FileSystemCalls.Call.openFolder, .listFolder, .status])
    func listingThatBreaksOffIsNoListing(_ call: FileSystemCalls.Call) async throws {
        try await Self.forEachFault(call, .ioError) { folder, store, fault in
            let good = FileStore(root: folder.path + "/root")
            for text in ["a/1", "a/2", "b/c/3"] { try await good.create(try Self.key(text), [1]) }
            let listed = try? await store.list(under: .root)
            #expect(listed == nil || listed?.count == 3, "\(call)")
            #expect((listed == nil) == fault.hasStruck, "\(call)")
        }
    }

    @Test(arguments: [FileSystemCalls.Call.openFolder, .openFile, .status, .read])
    func failedReadIsNeitherAbsenceNorAnEnd(_ call: FileSystemCalls.Call) async throws {
        let key = try Self.key("a/b")
        try await Self.forEachFault(call, .ioError) { folder, store, fault in
            let good = FileStore(root: folder.path + "/root")
            try await good.create(key, [UInt8](repeating: 1, count: 1_200_000))
            do {
                #expect(try await store.stat(key)?.bytes == 1_200_000)
                #expect(try await store.readAll(key).count == 1_200_000)
                #expect(!fault.hasStruck, "\(call)")
            } catch {
                #expect((error as? Failure)?.code == .inputOutput, "\(call) \(error)")
            }
        }
    }

    @Test(arguments: [Errno.notPermitted, .notSupported, .noFunction, .tooManyLinks])
    func fileSystemWithoutHardLinksGetsARename(_ errno: Errno) async throws {
        let key = try Self.key("a/b")
        try await withTemporaryFolder { folder async throws in
            let store = FileStore(root: folder.path, calls: FileSystemCalls { $0 == .link ? errno : nil })
            let staged = try await store.stage(key, estimatedBytes: nil, from: chunked([2]))
            try await store.create(key, [1])
            let failure = await #expect(throws: Failure.self) { try await staged.commit() }
            #expect(failure?.code == .alreadyExists)
            await staged.discard()
            #expect(Self.files(folder) == ["a/b"])
            #expect(try await store.readAll(key) == [1])
        }
    }

    @Test func fileSystemWithoutFolderSyncIsGoodEnough() async throws {
        let key = try Self.key("a/b")
        try await withTemporaryFolder { folder async throws in
            let syncs = Mutex(0)
            // The first sync is that of the file.
            let calls = FileSystemCalls { call in
                guard call == .synchronize else { return nil }
                return syncs.withLock { syncs in
                    syncs += 1
                    return syncs == 1 ? nil : .invalidArgument
                }
            }
            try await FileStore(root: folder.path, calls: calls).create(key, [1])
            #expect(Self.files(folder) == ["a/b"])
        }
    }

    @Test func fileSystemWithoutLocksStillReplaces() async throws {
        let key = try Self.key("a")
        try await withTemporaryFolder { folder async throws in
            for errno in [Errno.noLocks, .notSupported] {
                let store = FileStore(root: folder.path, calls: FileSystemCalls { $0 == .lock ? errno : nil })
                let object = try await store.create(key, [1])
                #expect(try await store.replace(key, version: object.version, with: [2]).bytes == 1)
                #expect(try await store.readAll(key) == [2])
                try await store.remove(key)
            }
        }
    }

    @Test func objectThatSomebodyReplacesIsTaken() async throws {
        let key = try Self.key("a")
        try await withTemporaryFolder { folder async throws in
            let store = FileStore(root: folder.path, calls: FileSystemCalls { $0 == .lock ? .wouldBlock : nil })
            let object = try await store.create(key, [1])
            let failure = await #expect(throws: Failure.self) {
                try await store.replace(key, version: object.version, with: [2])
            }
            #expect(failure?.code == .alreadyExists)
            #expect(Self.files(folder) == ["a"])
        }
    }

    @Test func noDescriptorIsLeftOpen() async throws {
        func open() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
        let key = try Self.key("a/b/c")
        let before = try open()
        for call in FileSystemCalls.Call.allCases {
            try await Self.forEachFault(call, .ioError) { _, store, _ in
                _ = try? await store.create(key, [1])
                _ = try? await store.readAll(key)
                _ = try? await store.list(under: .root)
                if let object = try? await store.stat(key) {
                    _ = try? await store.replace(key, version: object.version, with: [2])
                }
                _ = try? await store.remove(key)
            }
        }
        // Other tests run beside this one; a leak would be hundreds.
        #expect(try open() < before + 100)
    }
}
