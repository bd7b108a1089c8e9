// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Testing

@Suite struct StageTests {
    @Test func chunksComeInTheirOrderAndEmptyOnesNever() async throws {
        #expect(try await ByteStream([[], [1], [], [2, 3], []]).chunks() == [[1], [2, 3]])
        #expect(try await ByteStream([]).chunks() == [])
    }

    @Test func afterTheEndTheProducerIsAskedNothing() async throws {
        let asked = Monitor(0)
        var iterator = ByteStream {
            asked.change { $0 += 1 }
            return nil
        }.makeAsyncIterator()
        #expect(try await iterator.next() == nil)
        #expect(try await iterator.next() == nil)
        #expect(asked.quietly { $0 } == 1)
    }

    @Test func anObserverSeesEachChunkOnceBeforeTheReader() async throws {
        let seen = Monitor([[UInt8]]())
        for try await chunk in ByteStream([[1], [2, 3], [4]]).observed({ chunk in seen.change { $0.append(chunk) } }) {
            #expect(seen.quietly { $0.last } == chunk)
        }
        #expect(seen.quietly { $0 } == [[1], [2, 3], [4]])
    }

    @Test func whatAnObserverThrowsEndsTheStream() async throws {
        let stream = ByteStream([[1], [2], [3]]).observed { chunk in
            if chunk == [2] { throw Failure(.digestMismatch, "not this one") }
        }
        var iterator = stream.makeAsyncIterator()
        #expect(try await iterator.next() == [1])
        let failure = await #expect(throws: Failure.self) { try await iterator.next() }
        #expect(failure?.code == .digestMismatch)
        #expect(try await iterator.next() == nil)
    }

    @Test func aTransformReplacesChunksAndMayAddAnEnd() async throws {
        let doubled = ByteStream([[1], [2], [3]]).transformed { chunk in
            chunk == [2] ? [] : chunk + chunk
        } finish: {
            [9]
        }
        #expect(try await doubled.chunks() == [[1, 1], [3, 3], [9]])
        let silent = ByteStream([[1]]).transformed { _ in [] }
        #expect(try await silent.chunks() == [])
    }

    @Test func oneChunkCanBecomeMany() async throws {
        let fed = Monitor([UInt8]())
        let isFinished = Monitor(false)
        let singles = ByteStream([[1, 2, 3], [4]]).expanded { chunk in
            fed.change { $0 = chunk }
        } drain: {
            fed.change { $0.isEmpty ? nil : [$0.removeFirst()] }
        } finish: {
            isFinished.change { $0 = true }
        }
        #expect(try await singles.chunks() == [[1], [2], [3], [4]])
        #expect(isFinished.quietly { $0 })
    }

    @Test(arguments: 1...17)
    func blocksHaveTheirExactSizeWhateverTheChunks(chunkBytes: Int) async throws {
        let bytes = (0..<64).map { UInt8($0) }
        for blockBytes in 1...70 {
            let blocks = try await ByteStream(bytes.split(every: chunkBytes)).rechunked(to: blockBytes).chunks()
            #expect(blocks == bytes.split(every: blockBytes))
        }
    }

    @Test func blocksOfNothingAreNone() async throws {
        #expect(try await ByteStream([[]]).rechunked(to: 4).chunks() == [])
    }
}

extension ByteStream {
    func chunks() async throws -> [[UInt8]] {
        var all: [[UInt8]] = []
        for try await chunk in self { all.append(chunk) }
        return all
    }
}

extension [UInt8] {
    func split(every sizeBytes: Int) -> [[UInt8]] {
        stride(from: 0, to: count, by: sizeBytes).map { Array(self[$0..<Swift.min($0 + sizeBytes, count)]) }
    }
}
