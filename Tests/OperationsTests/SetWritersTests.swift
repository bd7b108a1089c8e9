// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Catalog
import Failures
import Foundation
import ObjectStorage
import Operations
import Synchronization
import SystemPackage
import TestParts
import Testing

/// One set in several stores, each of which may fail at any step.
@Suite(.timeLimit(.minutes(1))) struct SetWritersTests {
    private struct Broken: Error {}

    private static let chunks = (0..<20).map { [UInt8](repeating: UInt8($0), count: 1000) }
    private static let bytes = chunks.flatMap { $0 }

    /// What is to be committed: two members.
    private static func manifest(_ id: BackupID, _ staged: [StagedCopies]) -> Manifest {
        let members = staged.enumerated().map { number, copies in
            var member = Manifest.Member(member: "redis-\(number)", role: "replica")
            member.rdb = Manifest.Snapshot(
                version: 11,
                bytes: copies.bytes,
                sha256: SHA256Digest.hex(of: bytes),
                crc64: "00000000000000ff",
                createdAt: id.time,
                keys: ["0": 1],
                expires: 0,
                types: ["string": 1],
                usedMemory: nil,
                modules: [],
                functions: 0
            )
            member.stored = Manifest.Stored(
                key: copies.key.description,
                bytes: copies.bytes,
                sha256: SHA256Digest.hex(of: bytes),
                compression: "none"
            )
            return member
        }
        return Manifest(
            id: id,
            name: "demo",
            startedAt: .now(),
            finishedAt: .now(),
            tool: .init(name: "test", version: "1"),
            source: .init(kind: "endpoint"),
            members: members
        )
    }

    /// A whole run into these stores.
    private static func run(
        into destinations: Destinations,
        patience: Duration = SetWriters.patienceUsual
    ) async throws {
        let lease = Lease(holder: "run", purpose: "backup", process: .current(), acquiredAt: .now())
        try await destinations.withLeases(on: "demo", beside: [], as: lease) { leases in
            _ = try await destinations.removeLeftovers(of: "demo")
            let id = destinations.newID(after: try await destinations.listings(of: "demo"))
            let writers = SetWriters(name: "demo", id: id, destinations: destinations, patience: patience)
            let staged = Mutex<[StagedCopies]>([])
            do {
                for number in 0..<2 {
                    let object = SetWriters.Object(member: "redis-\(number)", suffix: ".rdb", estimatedBytes: nil)
                    let copies = try await writers.stage(object, from: ByteStream(chunks))
                    staged.withLock { $0.append(copies) }
                }
                let all = staged.withLock { $0 }
                try await writers.commit(manifest(id, all), staged: all, under: leases)
            } catch {
                await writers.takeBack(staged.withLock { $0 })
                throw error
            }
        }
    }

    private static func files(_ folder: URL) -> [String] {
        let all = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
        return all.filter { path in
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: folder.path + "/" + path, isDirectory: &isFolder)
                && !isFolder.boolValue
        }.sorted()
    }

    private func withFolders(_ body: (URL, URL) async throws -> Void) async throws {
        try await withTemporaryFolder { folder in
            try await body(folder.appendingPathComponent("a"), folder.appendingPathComponent("b"))
        }
    }

    @Test func everyStoreGetsTheSame() async throws {
        try await withFolders { one, two in
            let stores = [one, two].map { FileStore(root: $0.path) }
            let destinations = Destinations(stores, logger: PlanParts.logger)
            try await Self.run(into: destinations)
            #expect(Self.files(one).count == 3 && Self.files(one) == Self.files(two))
            for file in Self.files(one) {
                let (left, right) = (one.appendingPathComponent(file), two.appendingPathComponent(file))
                #expect(try Data(contentsOf: left) == Data(contentsOf: right), "\(file)")
            }
            #expect(destinations.all.allSatisfy { $0.failure == nil })
        }
    }

    /// Each call of one store fails once, the first one, the second one …: the other has its set every time, and the
    /// one that failed lists a whole set or none.
    @Test(arguments: [
        FileSystemCalls.Call.openFolder, .makeFolder, .createFile, .write, .synchronize, .close, .link, .status,
        .listFolder, .openFile, .read, .rename, .lock,
    ])
    func aStoreThatFailsDoesNotStopTheOther(_ call: FileSystemCalls.Call) async throws {
        for number in 1...200 {
            let calls = Atomic(0)
            let faulty = FileSystemCalls { asked in
                guard asked == call else { return nil }
                return calls.wrappingAdd(1, ordering: .relaxed).newValue == number ? .ioError : nil
            }
            var isOver = false
            try await withFolders { one, two in
                let stores = [FileStore(root: two.path, calls: faulty), FileStore(root: one.path)]
                let destinations = Destinations(stores, logger: PlanParts.logger)
                try await Self.run(into: destinations)
                #expect(destinations.all[1].failure == nil)
                #expect(Self.files(one).count == 3, "\(call) \(number)")
                // A lease that cannot be given up runs out by itself. Where nobody knows whether the manifest arrived,
                // members stay for the next run to remove; a set is listed only with its manifest.
                let left = Self.files(two).filter { !$0.hasPrefix(".locks/") && !$0.contains("partial~") }
                let isWhole = left == Self.files(one)
                let isListed = left.contains { $0.hasSuffix("/manifest.json") }
                let hasFailed = destinations.all[0].failure != nil
                #expect(isWhole || (hasFailed && !isListed), "\(call) \(number): \(left)")
                isOver = calls.load(ordering: .relaxed) < number
            }
            if isOver { return }
        }
        Issue.record("\(call) never ends")
    }

    @Test func whenAllFailTheFailureThatTellsMostIsThrown() async throws {
        try await withFolders { one, two in
            let full = FileSystemCalls { $0 == .write ? .noSpace : nil }
            let stale = FileSystemCalls { $0 == .write ? .init(rawValue: ESTALE) : nil }
            let stores = [FileStore(root: one.path, calls: stale), FileStore(root: two.path, calls: full)]
            let destinations = Destinations(stores, logger: PlanParts.logger)
            let failure = await #expect(throws: Failure.self) { try await Self.run(into: destinations) }
            #expect(failure?.code == .noSpace, "\(String(describing: failure))")
            #expect(Self.files(one).isEmpty && Self.files(two).isEmpty)
        }
    }

    /// A store that takes nothing any more, while the other one waits: it drops out, and the other has its set.
    @Test(arguments: [0, 1]) func aStoreThatStandsStillDropsOut(at position: Int) async throws {
        try await withFolders { one, two in
            let stalled = HookedStore(
                FileStore(root: two.path),
                staging: { chunks in
                    let isFirst = Mutex(true)
                    let source = Mutex(chunks.makeAsyncIterator())
                    return ByteStream {
                        let isBeginning = isFirst.withLock { isFirst in
                            defer { isFirst = false }
                            return isFirst
                        }
                        // For ever, as far as a run goes; whoever gives it up cancels it.
                        if !isBeginning { try await Task.sleep(for: .seconds(3600)) }
                        var iterator = source.withLock { $0 }
                        let chunk = try await iterator.next()
                        source.withLock { [iterator] in $0 = iterator }
                        return chunk
                    }
                }
            )
            var stores: [any ObjectStore] = [FileStore(root: one.path)]
            stores.insert(stalled, at: position)
            let destinations = Destinations(stores, logger: PlanParts.logger)
            try await Self.run(into: destinations, patience: .seconds(2))
            #expect(destinations.all[1 - position].failure == nil && Self.files(one).count == 3)
            let failure = try #require(destinations.all[position].failure)
            #expect(failure.code == .timeout && failure.message.contains("took nothing"), "\(failure)")
            #expect(failure.hint?.contains("--spool") == true)
            #expect(Self.files(two).filter { !$0.hasPrefix(".locks/") } == [])
        }
    }

    /// The failure of a server is none of a store.
    @Test func whatTheServerThrowsLetsNoStoreDropOut() async throws {
        try await withFolders { one, two in
            let destinations = Destinations([one, two].map { FileStore(root: $0.path) }, logger: PlanParts.logger)
            let id = destinations.newID(after: try await destinations.listings(of: "demo"))
            let writers = SetWriters(name: "demo", id: id, destinations: destinations)
            let number = Atomic(0)
            let source = ByteStream {
                if number.wrappingAdd(1, ordering: .relaxed).newValue > 5 { throw Broken() }
                return [1, 2, 3]
            }
            await #expect(throws: Broken.self) {
                try await writers.stage(.init(member: "redis-0", suffix: ".rdb", estimatedBytes: nil), from: source)
            }
            #expect(destinations.all.allSatisfy { $0.failure == nil })
            #expect(Self.files(one).isEmpty && Self.files(two).isEmpty)
        }
    }

    @Test func theIDIsNewerThanEveryOneInEveryStore() async throws {
        try await withFolders { one, two in
            let stores = [one, two].map { FileStore(root: $0.path) }
            let later = try #require(BackupID("20990101T000000Z-ffff"))
            try await stores[1].create(ObjectKey(["demo", later.text, "redis-0.rdb"]), [1])
            let destinations = Destinations(stores, logger: PlanParts.logger)
            let id = destinations.newID(after: try await destinations.listings(of: "demo"))
            #expect(id > later)
        }
    }

    /// Another run at work in one of the stores: nothing is done in any of them.
    @Test func aLeaseThatIsHeldInOneStoreEndsTheRun() async throws {
        try await withFolders { one, two in
            let stores = [one, two].map { FileStore(root: $0.path) }
            let other = Lease(holder: "other", purpose: "backup", process: .current(), acquiredAt: .now())
            for store in stores {
                try await Catalog(store: store).withLease(on: "demo", as: other) { _ in
                    let destinations = Destinations(stores, logger: PlanParts.logger)
                    let failure = await #expect(throws: Failure.self) { try await Self.run(into: destinations) }
                    #expect(failure?.code == .locked)
                }
                #expect(Self.files(one).isEmpty && Self.files(two).isEmpty)
            }
        }
    }

    /// A store whose lease is taken away drops out; the other goes on.
    @Test func aStoreWhoseLeaseIsGoneAtTheCommitDropsOut() async throws {
        try await withFolders { one, two in
            let stores = [one, two].map { FileStore(root: $0.path) }
            let destinations = Destinations(stores, logger: PlanParts.logger)
            let lease = Lease(holder: "run", purpose: "backup", process: .current(), acquiredAt: .now())
            try await destinations.withLeases(on: "demo", beside: [], as: lease) { leases in
                let id = destinations.newID(after: try await destinations.listings(of: "demo"))
                let writers = SetWriters(name: "demo", id: id, destinations: destinations)
                let object = SetWriters.Object(member: "redis-0", suffix: ".rdb", estimatedBytes: nil)
                let staged = [try await writers.stage(object, from: ByteStream(Self.chunks))]
                try await stores[1].remove(Lease.key(of: "demo"))
                try await writers.commit(Self.manifest(id, staged), staged: staged, under: leases)
            }
            #expect(destinations.all[0].failure == nil && destinations.all[1].failure?.code == .locked)
            #expect(Self.files(one).count == 2 && Self.files(two).isEmpty)
        }
    }

    @Test func oneAndTheSameStoreTwiceIsRefused() async throws {
        try await withFolders { one, _ in
            let stores = (0..<2).map { _ in FileStore(root: one.path) }
            let destinations = Destinations(stores, logger: PlanParts.logger)
            let failure = await #expect(throws: Failure.self) { try await Self.run(into: destinations) }
            #expect(failure?.code == .usage)
            #expect(Self.files(one).isEmpty)
        }
    }
}
