// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Synchronization
import Testing

/// One stream for several readers.
struct BranchTests {
    private struct Broken: Error, Equatable {
        let who: String
    }

    /// Counts what was asked of the source, and what each reader has.
    private final class Tally: Sendable {
        let given = Atomic(0)
        let most = Atomic(0)
    }

    private static func all(_ stream: ByteStream) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        for try await chunk in stream { bytes += chunk }
        return bytes
    }

    /// Every way to cut twelve bytes into chunks.
    @Test func everyReaderGetsTheSameBytesAtEverySplit() async throws {
        let bytes = [UInt8](0..<12)
        for cuts in 0..<(1 << (bytes.count - 1)) {
            var chunks: [[UInt8]] = [[]]
            for byte in bytes {
                chunks[chunks.count - 1].append(byte)
                if cuts >> Int(byte) & 1 == 1 { chunks.append([]) }
            }
            let branched = await ByteStream(chunks).withBranches(3, depth: 2) { _, branch in try await Self.all(branch)
            }
            #expect(branched.sourceFailure == nil)
            let read = try branched.results.map { try $0.get() }
            #expect(read == [bytes, bytes, bytes], "cut at \(cuts)")
        }
    }

    @Test func theSlowestReaderHoldsTheSourceUpAndMemoryIsBounded() async throws {
        let tally = Tally()
        let source = ByteStream {
            let number = tally.given.wrappingAdd(1, ordering: .relaxed).newValue
            return number > 200 ? nil : [UInt8(truncatingIfNeeded: number)]
        }
        let branched = await source.withBranches(2, depth: 3) { index, branch in
            var read = 0
            for try await _ in branch {
                read += 1
                guard index == 1 else { continue }
                for _ in 0..<20 { await Task.yield() }
                let ahead = tally.given.load(ordering: .relaxed) - read
                tally.most.store(max(tally.most.load(ordering: .relaxed), ahead), ordering: .relaxed)
            }
            return read
        }
        #expect(try branched.results.map { try $0.get() } == [200, 200])
        // Three in the line, and one on its way into it.
        #expect(tally.most.load(ordering: .relaxed) <= 4)
    }

    @Test(arguments: [0, 1, 7]) func aReaderThatFailsDoesNotStopTheOthers(afterChunks limit: Int) async throws {
        let chunks = (0..<40).map { [UInt8($0)] }
        let branched = await ByteStream(chunks).withBranches(3, depth: 2) { index, branch in
            var bytes: [UInt8] = []
            if index == 1, limit == 0 { throw Broken(who: "reader") }
            for try await chunk in branch {
                bytes += chunk
                if index == 1, bytes.count == limit { throw Broken(who: "reader") }
            }
            return bytes
        }
        #expect(branched.sourceFailure == nil)
        #expect(throws: Broken(who: "reader")) { try branched.results[1].get() }
        #expect(try branched.results[0].get() == Array(0..<40))
        #expect(try branched.results[2].get() == Array(0..<40))
    }

    @Test func aReaderThatStopsEarlyDoesNotStopTheOthers() async throws {
        let branched = await ByteStream((0..<40).map { [UInt8($0)] }).withBranches(2, depth: 1) { index, branch in
            var bytes: [UInt8] = []
            for try await chunk in branch {
                bytes += chunk
                if index == 0, bytes.count == 3 { break }
            }
            return bytes
        }
        #expect(try branched.results.map { try $0.get().count } == [3, 40])
    }

    @Test func whatTheSourceThrowsReachesEveryReaderAfterTheChunksBeforeIt() async throws {
        let number = Atomic(0)
        let source = ByteStream {
            let next = number.wrappingAdd(1, ordering: .relaxed).newValue
            if next > 5 { throw Broken(who: "source") }
            return [UInt8(next)]
        }
        let read = Mutex([0, 0])
        let branched = await source.withBranches(2, depth: 2) { index, branch in
            for try await _ in branch { read.withLock { $0[index] += 1 } }
        }
        #expect(branched.sourceFailure as? Broken == Broken(who: "source"))
        for result in branched.results { #expect(throws: Broken(who: "source")) { try result.get() } }
        #expect(read.withLock { $0 } == [5, 5])
    }

    /// Nobody reads any more: the source, which would never give anything again, is let go.
    @Test func aSourceThatGivesNothingIsLetGoWhenAllReadersHaveGone() async throws {
        let source = ByteStream {
            try await Task.sleep(for: .seconds(3600))
            return nil
        }
        let branched = await source.withBranches(2, depth: 1) { index, _ in
            if index == 0 { throw Broken(who: "reader") }
        }
        #expect(branched.sourceFailure == nil)
        #expect(throws: Broken.self) { try branched.results[0].get() }
        #expect(throws: Never.self) { try branched.results[1].get() }
    }

    @Test func cancellationEndsTheSourceAndAllReaders() async throws {
        let begun = Monitor(0)
        let source = ByteStream {
            begun.change { $0 += 1 }
            try await Task.sleep(for: .seconds(3600))
            return nil
        }
        let branched = try await withThrowingTaskGroup(of: Branched<[UInt8]>.self) { group in
            group.addTask { await source.withBranches(2, depth: 1) { _, branch in try await Self.all(branch) } }
            try await begun.wait { $0 > 0 ? () : nil }
            group.cancelAll()
            return try await group.next()
        }
        #expect(branched?.sourceFailure is CancellationError)
        for result in branched?.results ?? [] { #expect(throws: CancellationError.self) { try result.get() } }
        #expect(branched?.results.count == 2)
    }

    /// A reader that stands still is told on; once it is ended, the others go on.
    @Test func aReaderThatStandsStillIsToldOn() async throws {
        let isOut = Monitor(false)
        let told = Atomic(0)
        let patience = BranchPatience(limit: .milliseconds(50)) { branch in
            told.wrappingAdd(branch + 10, ordering: .relaxed)
            isOut.change { $0 = true }
        }
        let chunks = (0..<40).map { [UInt8($0)] }
        let branched = await ByteStream(chunks).withBranches(2, depth: 2, patience: patience) { index, branch in
            if index == 1 {
                try await isOut.wait { $0 ? () : nil }
                throw Broken(who: "frozen")
            }
            return try await Self.all(branch)
        }
        #expect(told.load(ordering: .relaxed) == 11)
        #expect(throws: Broken(who: "frozen")) { try branched.results[1].get() }
        #expect(try branched.results[0].get() == Array(0..<40))
    }

    @Test func aWaitWithALimitEndsWithTheConditionOrWithTheTime() async throws {
        let monitor = Monitor(0)
        let none = try await monitor.wait(atMost: .milliseconds(1)) { $0 > 0 ? $0 : nil }
        #expect(none == nil)
        monitor.change { $0 = 3 }
        let found = try await monitor.wait(atMost: .seconds(3600)) { $0 > 0 ? $0 : nil }
        #expect(found == 3)
        let later = try await withThrowingTaskGroup(of: Int?.self) { group in
            group.addTask { try await monitor.wait(atMost: .seconds(3600)) { $0 > 5 ? $0 : nil } }
            monitor.change { $0 = 7 }
            return try await group.next() ?? nil
        }
        #expect(later == 7)
    }
}
