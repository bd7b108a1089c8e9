// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import ObjectStorage
import TestParts
import Testing

/// Every sentence of the contract of `ObjectStore`, tried on every store: writing.
@Suite struct ConformanceWritingTests {
    private static let part = StoreWithWitness.partSizeBytes
    private static let key = ObjectKey(parsing: "set/7f3a/redis-0.rdb.zst")

    struct Disturbance: Error, Equatable {}

    @Test(arguments: TestedStore.allCases, [0, 1, 300_000, part - 1, part, part + 1, 3 * part + 7])
    func stagedBytesAppearWholeAtCommit(_ kind: TestedStore, _ count: Int) async throws {
        var random = SeededRandom(seed: UInt64(count))
        let (bytes, key) = (random.bytes(count), try #require(Self.key))
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                let staged = try await store.stage(key, estimatedBytes: Int64(count), from: chunked(bytes, 77_777))
                #expect(staged.bytes == Int64(count) && staged.key == key)
                try await tested.expect(visible: [:])
                #expect(try await store.list(under: .root) == [])
                #expect(try await store.stat(key) == nil)
                let object = try await staged.commit()
                #expect(object.bytes == Int64(count) && object.key == key)
                try await tested.expect(visible: [key.description: count])
                #expect(try await tested.read(key) == bytes)
                #expect(try await store.readAll(key) == bytes)
                let listed = try await store.list(under: .root)
                #expect(listed.count == 1)
                #expect(tested.isSame(listed.first, object), "\(listed) is not \(object)")
                try await tested.expectNothingUnfinished()
            }
        }
    }

    @Test(arguments: TestedStore.allCases, [0, 10, part + 10, 6 * part])
    func errorInTheStreamLeavesNothing(_ kind: TestedStore, _ count: Int) async throws {
        let key = try #require(Self.key)
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                await #expect(throws: Disturbance()) {
                    let stream = failing(after: [UInt8](repeating: 7, count: count), with: Disturbance())
                    _ = try await store.stage(key, estimatedBytes: nil, from: stream)
                }
                try await tested.expect(visible: [:])
                // On a starved machine rclone puts down what it got of a broken upload after that was removed: then it
                // is found, and goes.
                if kind == .webdav {
                    for leftover in try await store.leftovers(under: .root) { try await store.remove(leftover) }
                }
                try await tested.expectNothingUnfinished()
                if kind.listsLeftovers { #expect(try await store.leftovers(under: .root) == []) }
            }
        }
    }

    @Test(arguments: TestedStore.allCases)
    func cancellationWhileStagingLeavesNothing(_ kind: TestedStore) async throws {
        let key = try #require(Self.key)
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                let begun = Signal()
                await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        let endless = ByteStream {
                            begun.raise()
                            try await Task.sleep(for: .milliseconds(1))
                            return [UInt8](repeating: 1, count: 1 << 20)
                        }
                        _ = try await store.stage(key, estimatedBytes: nil, from: endless)
                    }
                    await begun.wait(for: 12)
                    group.cancelAll()
                    await #expect(throws: (any Error).self) { try await group.next() }
                }
                try await tested.expect(visible: [:])
                try await tested.expectNothingUnfinished()
            }
        }
    }

    @Test(arguments: TestedStore.allCases)
    func commitMayBeRepeatedAndDiscardTakesNothingBack(_ kind: TestedStore) async throws {
        let key = try #require(Self.key)
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                let staged = try await store.stage(key, estimatedBytes: nil, from: chunked([1, 2, 3]))
                let object = try await staged.commit()
                #expect(try await staged.commit() == object)
                await staged.discard()
                #expect(try await store.readAll(key) == [1, 2, 3])
            }
        }
    }

    @Test(arguments: TestedStore.allCases)
    func discardLeavesNothingAlsoInACancelledTask(_ kind: TestedStore) async throws {
        let key = try #require(Self.key)
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                let staged = try await store.stage(key, estimatedBytes: nil, from: chunked([1, 2, 3]))
                await withTaskGroup(of: Void.self) { group in
                    group.cancelAll()
                    group.addTask {
                        await #expect(throws: (any Error).self) { try await staged.commit() }
                        await staged.discard()
                    }
                }
                try await tested.expect(visible: [:])
                try await tested.expectNothingUnfinished()
                await staged.discard()
                await #expect(throws: Failure.self) { try await staged.commit() }
                try await tested.expect(visible: [:])
            }
        }
    }

    @Test(arguments: TestedStore.allCases)
    func commitDoesNotOverwrite(_ kind: TestedStore) async throws {
        let key = try #require(Self.key)
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                let staged = try await store.stage(key, estimatedBytes: nil, from: chunked([1, 2, 3]))
                try await store.create(key, [9])
                let failure = await #expect(throws: Failure.self) { try await staged.commit() }
                #expect(failure?.code == .alreadyExists)
                await staged.discard()
                #expect(try await tested.read(key) == [9])
                try await tested.expectNothingUnfinished()
            }
        }
    }

    @Test(arguments: TestedStore.allCases, [0, 1, 200_000])
    func createWritesOnceAndNeverAgain(_ kind: TestedStore, _ count: Int) async throws {
        let key = try #require(Self.key)
        var random = SeededRandom(seed: UInt64(count))
        let bytes = random.bytes(count)
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                let object = try await store.create(key, bytes)
                #expect(object.bytes == Int64(count))
                #expect(try await store.stat(key) == object)
                for other in [bytes, [4, 5]] {
                    let failure = await #expect(throws: Failure.self) { try await store.create(key, other) }
                    #expect(failure?.code == .alreadyExists)
                }
                #expect(try await tested.read(key) == bytes)
                #expect(try await store.stat(key) == object)
            }
        }
    }

    @Test(arguments: TestedStore.allCases)
    func replaceWantsTheVersionThatWasRead(_ kind: TestedStore) async throws {
        let key = try #require(Self.key)
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                let absent = await #expect(throws: Failure.self) {
                    try await store.replace(key, version: ObjectVersion(tag: "\"none\""), with: [1])
                }
                #expect(absent?.code == .alreadyExists)
                try await tested.expect(visible: [:])
                let first = try await store.create(key, [1])
                let second = try await store.replace(key, version: first.version, with: [2, 2])
                #expect(second.version != first.version && second.bytes == 2)
                #expect(try await store.stat(key) == second)
                let stale = await #expect(throws: Failure.self) {
                    try await store.replace(key, version: first.version, with: [3])
                }
                #expect(stale?.code == .alreadyExists)
                #expect(try await tested.read(key) == [2, 2])
                try await tested.expectNothingUnfinished()
            }
        }
    }

    @Test(arguments: TestedStore.allCases.filter(\.isSafeInARace))
    func oneOfManyRacingWritersWins(_ kind: TestedStore) async throws {
        let key = try #require(Self.key)
        try await withTestedStore(kind) { tested async throws in
            try await tested.withStore { store async throws in
                let created = await race(8) { writer in try await store.create(key, [writer]) }
                #expect(created.count == 1)
                let winner = try #require(created.first)
                #expect(try await store.readAll(key) == [winner.key])
                var object = winner.value
                for _ in 0..<5 {
                    let version = object.version
                    let replaced = await race(8) { writer in
                        try await store.replace(key, version: version, with: [writer, writer])
                    }
                    #expect(replaced.count == 1)
                    let winner = try #require(replaced.first)
                    #expect(try await store.readAll(key) == [winner.key, winner.key])
                    object = winner.value
                }
            }
        }
    }

    /// Runs writers at once; gives those that won. The others must say that the key is taken.
    private func race(
        _ count: UInt8,
        _ write: @escaping @Sendable (UInt8) async throws -> StoredObject
    ) async -> [UInt8: StoredObject] {
        await withTaskGroup(of: Attempt.self) { group in
            for writer in 0..<count {
                group.addTask {
                    do {
                        return Attempt(writer: writer, result: .success(try await write(writer)))
                    } catch {
                        return Attempt(writer: writer, result: .failure(error))
                    }
                }
            }
            var winners: [UInt8: StoredObject] = [:]
            for await attempt in group {
                switch attempt.result {
                case .success(let object): winners[attempt.writer] = object
                case .failure(let error): #expect((error as? Failure)?.code == .alreadyExists, "\(error)")
                }
            }
            return winners
        }
    }

    // Not a tuple: the optimizer of Swift 6.3.1 mixes up a tuple that a child task returns from inside a `do`.
    private struct Attempt {
        let writer: UInt8
        let result: Result<StoredObject, any Error>
    }
}

/// Counts, and lets a test wait for a count.
final class Signal: Sendable {
    private let count = Monitor(0)

    func raise() { count.change { $0 += 1 } }

    /// What is to raise it may have failed before: then the wait ends all the same, and so does the test.
    func wait(for target: Int) async {
        let isRaised = try? await count.wait(atMost: .seconds(120)) { $0 >= target ? true : nil }
        if isRaised == nil, !Task.isCancelled { Issue.record("\(target) signals never came") }
    }
}
