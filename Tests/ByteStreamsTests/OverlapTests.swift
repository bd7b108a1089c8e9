// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Testing

@Suite(.timeLimit(.minutes(1))) struct OverlapTests {
    @Test(arguments: [1, 2, 3, 100])
    func everyChunkArrivesInOrder(depth: Int) async throws {
        let chunks = (0..<1000).map { [UInt8($0 & 255), UInt8($0 >> 8)] }
        #expect(try await ByteStream(chunks).withOverlap(depth: depth) { try await $0.chunks() } == chunks)
    }

    @Test(arguments: [1, 2, 5])
    func theProducerRunsAheadByTheDepthAndNoFurther(depth: Int) async throws {
        let source = Counted()
        try await source.stream.withOverlap(depth: depth) { stream in
            var iterator = stream.makeAsyncIterator()
            for read in 0..<20 {
                _ = try await source.pulled.wait { $0 >= read + depth ? () : nil }
                for _ in 0..<100 { await Task.yield() }
                #expect(source.pulled.quietly { $0 } == read + depth)
                _ = try await iterator.next()
            }
        }
    }

    @Test func whatTheProducerThrowsComesAfterItsChunks() async throws {
        let source = ByteStream([[1], [2], [3]]).observed { chunk in
            if chunk == [3] { throw Failure(.unreachable, "the connection broke") }
        }
        let read = Monitor([[UInt8]]())
        let failure = await #expect(throws: Failure.self) {
            try await source.withOverlap(depth: 8) { stream in
                for try await chunk in stream { read.change { $0.append(chunk) } }
            }
        }
        #expect(failure?.code == .unreachable)
        #expect(read.quietly { $0 } == [[1], [2]])
    }

    @Test(arguments: [1, 4])
    func aTwinHasTheSameChunksAndTheyAreReadOnce(depth: Int) async throws {
        let chunks = (0..<500).map { [UInt8($0 & 255), UInt8($0 >> 8)] }
        let taken = Monitor([[UInt8]]())
        let read = try await ByteStream(chunks).withTwin(depth: depth) { first in
            for try await chunk in first { taken.change { $0.append(chunk) } }
        } reading: {
            try await $0.chunks()
        }
        #expect(read == chunks)
        #expect(taken.quietly { $0 } == chunks)
    }

    @Test func aTwinThrowsWhatTheFirstReaderThrows() async throws {
        let failure = await #expect(throws: Failure.self) {
            try await ByteStream([[1], [2], [3]]).withTwin(depth: 8) { first in
                for try await chunk in first where chunk == [2] { throw Failure(.noSpace, "the disk is full") }
            } reading: {
                _ = try await $0.chunks()
            }
        }
        #expect(failure?.code == .noSpace)
    }

    @Test func aTwinThatThrowsEndsTheFirstReader() async throws {
        let source = Counted()
        let failure = await #expect(throws: Failure.self) {
            try await source.stream.withTwin(depth: 2) { first in
                for try await _ in first {}
            } reading: { twin in
                var iterator = twin.makeAsyncIterator()
                _ = try await iterator.next()
                throw Failure(.digestMismatch, "a byte rotted")
            } as Void
        }
        #expect(failure?.code == .digestMismatch)
        #expect(source.isWaiting.quietly { $0 } == false)
    }

    @Test func whatTheReaderThrowsEndsTheProducer() async throws {
        let source = Counted()
        let failure = await #expect(throws: Failure.self) {
            try await source.stream.withOverlap(depth: 2) { stream in
                var iterator = stream.makeAsyncIterator()
                _ = try await iterator.next()
                throw Failure(.noSpace, "the disk is full")
            } as Void
        }
        #expect(failure?.code == .noSpace)
        #expect(source.isWaiting.quietly { $0 } == false)
    }

    @Test func aReaderThatLeavesEarlyEndsAProducerThatWaits() async throws {
        let source = Waiting()
        let result = try await source.stream.withOverlap(depth: 2) { _ in
            try await source.isWaiting.wait { $0 ? () : nil }
            return 7
        }
        #expect(result == 7)
        #expect(source.isWaiting.quietly { $0 } == false)
    }

    @Test func cancellationEndsBothSides() async throws {
        let source = Waiting()
        await #expect(throws: CancellationError.self) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await source.stream.withOverlap(depth: 1) { _ = try await $0.chunks() }
                }
                try await source.isWaiting.wait { $0 ? () : nil }
                group.cancelAll()
                try await group.waitForAll()
            }
        }
        #expect(source.isWaiting.quietly { $0 } == false)
    }

    @Test func aStreamThatEscapesItsScopeThrows() async throws {
        let escaped = try await Counted().stream.withOverlap(depth: 1) { $0 }
        await #expect(throws: CancellationError.self) {
            while true {
                var iterator = escaped.makeAsyncIterator()
                _ = try await iterator.next()
            }
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct ConcurrentMapTests {
    @Test(arguments: [1, 2, 3, 16])
    func orderIsKeptThoughLaterChunksAreReadyFirst(width: Int) async throws {
        let chunks = (0..<500).map { [UInt8($0 & 255), UInt8($0 >> 8)] }
        let mapped = try await ByteStream(chunks).mappedConcurrently(width: width) { chunk in
            for _ in 0..<(Int(chunk[0]) * 7 % 13) { await Task.yield() }
            return chunk.reversed()
        } reading: {
            try await $0.chunks()
        }
        #expect(mapped == chunks.map { $0.reversed() })
    }

    @Test func asManyRunAtATimeAsAskedAndNoMore() async throws {
        let running = Monitor((now: 0, most: 0))
        let release = Monitor(false)
        let count = try await ByteStream((0..<40).map { [UInt8($0)] }).mappedConcurrently(width: 4) { chunk in
            running.change { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            try await release.wait { $0 ? () : nil }
            running.change { $0.now -= 1 }
            return chunk
        } reading: { stream in
            try await running.wait { $0.now == 4 ? () : nil }
            release.change { $0 = true }
            return try await stream.chunks().count
        }
        #expect(count == 40)
        #expect(running.quietly { $0.most } == 4)
    }

    @Test func aReaderThatWaitsBoundsWhatIsPulled() async throws {
        let source = Counted()
        try await source.stream.mappedConcurrently(width: 3) {
            $0
        } reading: { stream in
            var iterator = stream.makeAsyncIterator()
            _ = try await iterator.next()
            for _ in 0..<500 { await Task.yield() }
            #expect(source.pulled.quietly { $0 } <= 1 + 2 * 3)
        }
    }

    @Test func whatATransformThrowsReachesTheReader() async throws {
        let failure = await #expect(throws: Failure.self) {
            try await Counted().stream.mappedConcurrently(width: 2) { chunk in
                guard chunk != [5] else { throw Failure(.corruptCompression, "chunk 5") }
                return chunk
            } reading: { stream in
                try await stream.chunks()
            }
        }
        #expect(failure?.code == .corruptCompression)
    }

    @Test func whatTheProducerThrowsReachesTheReader() async throws {
        let source = ByteStream([[1], [2]]).transformed({ $0 }) { throw Failure(.truncated, "too short") }
        let failure = await #expect(throws: Failure.self) {
            try await source.mappedConcurrently(width: 2) {
                $0
            } reading: {
                try await $0.chunks()
            }
        }
        #expect(failure?.code == .truncated)
    }

    @Test func leavingEarlyEndsTransformsThatWait() async throws {
        let waiting = Monitor(0)
        try await Counted().stream.mappedConcurrently(width: 3) { chunk in
            waiting.change { $0 += 1 }
            defer { waiting.change { $0 -= 1 } }
            try await Monitor(false).wait { $0 ? () : nil }
            return chunk
        } reading: { _ in
            try await waiting.wait { $0 == 3 ? () : nil }
        }
        #expect(waiting.quietly { $0 } == 0)
    }
}

/// An endless stream of one-byte chunks 0, 1, 2 …, that counts how many were pulled.
private struct Counted: Sendable {
    let pulled = Monitor(0)
    let isWaiting = Monitor(false)

    var stream: ByteStream {
        ByteStream {
            isWaiting.change { $0 = true }
            defer { isWaiting.change { $0 = false } }
            return pulled.change { count in
                defer { count += 1 }
                return [UInt8(truncatingIfNeeded: count)]
            }
        }
    }
}

/// A stream whose producer waits for ever, until it is cancelled.
private struct Waiting: Sendable {
    let isWaiting = Monitor(false)

    var stream: ByteStream {
        ByteStream {
            isWaiting.change { $0 = true }
            defer { isWaiting.change { $0 = false } }
            try await Monitor(false).wait { $0 ? () : nil }
            return nil
        }
    }
}
