// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Operations
import Testing

/// What the two stages of a proof let through, and how they end.
@Suite(.timeLimit(.minutes(1))) struct SnapshotProverTests {
    /// An RDB of strings, `k` of database 0 over and over, without checksum.
    private static func rdb(keys: Int, valueBytes: Int) -> [UInt8] {
        var bytes = Array("REDIS0011".utf8) + [0xFE, 0]
        let length = withUnsafeBytes(of: UInt32(valueBytes).bigEndian) { Array($0) }
        for key in 0..<keys {
            bytes += [0, 1, UInt8(ascii: "k"), 0x80] + length
            bytes += [UInt8](repeating: UInt8(truncatingIfNeeded: key), count: valueBytes)
        }
        return bytes + [0xFF] + [UInt8](repeating: 0, count: 8)
    }

    private static func pieces(_ bytes: [UInt8], of size: Int) -> [[UInt8]] {
        stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<min($0 + size, bytes.count)]) }
    }

    /// Reads all that a prover lets through.
    private static func read(_ stream: ByteStream, with prover: SnapshotProver = SnapshotProver("it")) async throws
        -> [[UInt8]]
    {
        let seen = Monitor([[UInt8]]())
        try await prover.proving(stream) { proven in
            for try await chunk in proven { seen.change { $0.append(chunk) } }
        }
        return seen.quietly { $0 }
    }

    @Test(arguments: [1, 7, 100, 1000, 1 << 20])
    func everyChunkPassesInOrderAndTheProofIsTheSameAtEverySplit(size: Int) async throws {
        let bytes = Self.rdb(keys: 50, valueBytes: 90)
        let prover = SnapshotProver("it")
        let seen = try await Self.read(ByteStream(Self.pieces(bytes, of: size)), with: prover)
        #expect(seen == Self.pieces(bytes, of: size))
        #expect(prover.proof?.sha256 == SHA256Digest.hex(of: bytes))
        #expect(prover.proof?.summary.bytes == Int64(bytes.count))
        #expect(prover.proof?.summary.keyCount == 50)
    }

    @Test func nothingIsProvenBeforeTheEnd() async throws {
        let bytes = Self.rdb(keys: 1, valueBytes: 100)
        let prover = SnapshotProver("it")
        try await prover.proving(ByteStream(Self.pieces(bytes, of: 10))) { proven in
            var iterator = proven.makeAsyncIterator()
            var read = 0
            while read < bytes.count { read += try await iterator.next()?.count ?? 0 }
            // All bytes were seen, and still the end was not.
            #expect(prover.proof == nil)
            #expect(try await iterator.next() == nil)
            #expect(prover.proof != nil)
        }
    }

    @Test(arguments: [
        (Array("RADIS".utf8), Failure.Code.corruptSnapshot), (Array("REDIS0099".utf8), .unsupported),
        (Array(rdb(keys: 3, valueBytes: 50).dropLast(30)), .truncated), ([], .truncated),
        (rdb(keys: 3, valueBytes: 50) + [1], .trailingBytes),
    ])
    func whatBreaksARuleIsNeverProven(bytes: [UInt8], code: Failure.Code) async throws {
        for size in [1, 16, 4096] {
            let prover = SnapshotProver("it")
            let failure = await #expect(throws: Failure.self) {
                try await Self.read(ByteStream(Self.pieces(bytes, of: size)), with: prover)
            }
            #expect(failure?.code == code)
            #expect(prover.proof == nil)
        }
    }

    @Test func aBrokenRuleIsToldThoughTheSourceBreaksSoonAfter() async throws {
        let chunks = Self.pieces(Array("REDIS0011".utf8) + [0xFE, 0, 0xEE] + [UInt8](repeating: 0, count: 100), of: 12)
        let source = ByteStream(chunks).transformed({ $0 }) { throw Failure(.unreachable, "the connection broke") }
        let failure = await #expect(throws: Failure.self) { try await Self.read(source) }
        #expect(failure?.code == .corruptSnapshot)
    }

    @Test func whatTheSourceThrowsIsPassedOn() async throws {
        let chunks = Self.pieces(Array(Self.rdb(keys: 9, valueBytes: 900).dropLast(2000)), of: 256)
        let source = ByteStream(chunks).transformed({ $0 }) { throw Failure(.unreachable, "the connection broke") }
        let prover = SnapshotProver("it")
        let failure = await #expect(throws: Failure.self) { try await Self.read(source, with: prover) }
        #expect(failure?.code == .unreachable)
        #expect(prover.proof == nil)
    }

    @Test func whoDoesNotAcceptTheProofEndsTheStream() async throws {
        let bytes = Self.rdb(keys: 2, valueBytes: 10)
        let failure = await #expect(throws: Failure.self) {
            try await SnapshotProver("it").proving(
                ByteStream([bytes]),
                accept: { proof in throw Failure(.digestMismatch, "\(proof.sha256) is another") }
            ) { proven in
                for try await _ in proven {}
            }
        }
        #expect(failure?.code == .digestMismatch)
    }

    @Test func theDigestIsNeverMoreThanItsChunksAhead() async throws {
        let chunks = Self.pieces(Self.rdb(keys: 40, valueBytes: 90), of: 100)
        let pulled = Monitor(0)
        let source = ByteStream(chunks).observed { _ in pulled.change { $0 += 1 } }
        try await SnapshotProver("it").proving(source) { proven in
            var iterator = proven.makeAsyncIterator()
            for read in 0..<20 {
                let ahead = read + SnapshotPipeline.chunksAhead
                _ = try await pulled.wait { $0 >= ahead ? () : nil }
                for _ in 0..<100 { await Task.yield() }
                #expect(pulled.quietly { $0 } == ahead)
                _ = try await iterator.next()
            }
        }
    }

    @Test func aReaderThatFailsEndsASourceThatWaits() async throws {
        let source = Stuck(Array("REDIS0011".utf8))
        let failure = await #expect(throws: Failure.self) {
            try await SnapshotProver("it").proving(source.stream) { proven in
                var iterator = proven.makeAsyncIterator()
                _ = try await iterator.next()
                throw Failure(.noSpace, "the disk is full")
            } as Void
        }
        #expect(failure?.code == .noSpace)
        #expect(source.isWaiting.quietly { $0 } == false)
    }

    @Test func cancellationEndsBothStages() async throws {
        let source = Stuck(Array("REDIS0011".utf8))
        await #expect(throws: CancellationError.self) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await Self.read(source.stream) }
                try await source.isWaiting.wait { $0 ? () : nil }
                group.cancelAll()
                try await group.waitForAll()
            }
        }
        #expect(source.isWaiting.quietly { $0 } == false)
    }
}

/// A stream that gives one chunk, and then waits until it is cancelled.
private struct Stuck: Sendable {
    let isWaiting = Monitor(false)
    private let first: Monitor<[UInt8]?>

    init(_ chunk: [UInt8]) {
        first = Monitor(chunk)
    }

    var stream: ByteStream {
        ByteStream { [isWaiting, first] in
            let chunk = first.change { first in
                defer { first = nil }
                return first
            }
            if let chunk { return chunk }
            isWaiting.change { $0 = true }
            defer { isWaiting.change { $0 = false } }
            try await Monitor(false).wait { $0 ? () : nil }
            return nil
        }
    }
}
