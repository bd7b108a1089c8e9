// SPDX-License-Identifier: Apache-2.0

import ByteStreams
import Failures
import Foundation
import Logging
import Operations
import Synchronization
import SystemPackage
import TestParts
import Testing

/// Bytes on their way through a spool: in order, whatever the store does and whatever the disk does.
@Suite(.timeLimit(.minutes(1))) struct SpoolTests {
    private struct Broken: Error {}

    private static let size = Spool.blockBytes

    /// Blocks that tell where they belong; the last one is shorter.
    private static func blocks(_ count: Int) -> [[UInt8]] {
        (0..<count).map { number in
            [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: number == count - 1 ? 1000 : size)
        }
    }

    /// A source that counts what was asked of it.
    private static func source(_ blocks: [[UInt8]], _ asked: Monitor<Int>) -> ByteStream {
        let stream = Mutex(ByteStream(blocks).makeAsyncIterator())
        return ByteStream {
            asked.change { $0 += 1 }
            var source = stream.withLock { $0 }
            return try await source.next()
        }
    }

    private func withSpool(
        blocksMax: Int = 1000,
        fault: (@Sendable (SpoolFile.Call) -> Errno?)? = nil,
        _ body: (Spool, URL) async throws -> Void
    ) async throws {
        try await withTemporaryFolder { folder in
            let options = Spool.Options(
                folder: folder.path,
                bytesMax: Int64(blocksMax * Self.size),
                patience: .milliseconds(20)
            )
            try await Operations.withSpool(
                options,
                file: { try SpoolFile(in: folder.path, fault: fault) },
                logger: PlanParts.logger
            ) { spool in
                try await body(spool, folder)
                let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
                #expect(names.isEmpty, "the file has no name")
            }
        }
    }

    /// Reads all, once `mayRead` holds.
    private static func read(_ stream: ByteStream, after isFree: Monitor<Bool> = Monitor(true)) async throws -> [UInt8]
    {
        try await isFree.wait { $0 ? () : nil }
        var bytes: [UInt8] = []
        for try await chunk in stream { bytes += chunk }
        return bytes
    }

    @Test func aStoreThatKeepsUpNeedsNoFile() async throws {
        try await withSpool { spool, _ in
            let blocks = Self.blocks(60)
            let read = try await spool.streaming(ByteStream(blocks), of: "it") { try await Self.read($0) }
            #expect(read == blocks.flatMap { $0 })
            // What is short enough for the memory needs none either, even if nothing is read until its end.
            let (few, asked) = (Self.blocks(Spool.blocksInMemoryMax), Monitor(0))
            let late = try await spool.streaming(Self.source(few, asked), of: "it") { stream in
                try await asked.wait { $0 > few.count ? () : nil }
                return try await Self.read(stream)
            }
            #expect(late == few.flatMap { $0 })
            #expect(spool.mostBytes == 0)
        }
    }

    @Test func theServerIsLetGoWhileTheStoreStandsStill() async throws {
        try await withSpool { spool, _ in
            let (blocks, asked) = (Self.blocks(60), Monitor(0))
            let read = try await spool.streaming(Self.source(blocks, asked), of: "it") { stream in
                // All of the source is taken before the store takes anything.
                try await asked.wait { $0 > blocks.count ? () : nil }
                return try await Self.read(stream)
            }
            #expect(read == blocks.flatMap { $0 })
            #expect(spool.mostBytes == Int64((60 - Spool.blocksInMemoryMax) * Self.size))
        }
    }

    /// Full: the server waits again, nothing is lost, and the places are used again.
    @Test func aFullSpoolIsNoFailure() async throws {
        try await withSpool(blocksMax: 5) { spool, _ in
            let (blocks, asked) = (Self.blocks(200), Monitor(0))
            let room = Spool.blocksInMemoryMax + 5
            let read = try await spool.streaming(Self.source(blocks, asked), of: "it") { stream in
                // One more is in the hands of the one who has no place for it.
                try await asked.wait { $0 == room + 1 ? () : nil }
                return try await Self.read(stream)
            }
            #expect(read == blocks.flatMap { $0 })
            #expect(spool.mostBytes == Int64(5 * Self.size))
        }
    }

    /// One that stands still does not hold the other up; together they take no more than there is.
    @Test func severalStreamsShareIt() async throws {
        try await withSpool(blocksMax: 40) { spool, _ in
            let blocks = Self.blocks(50)
            let isFree = Monitor(false)
            try await withThrowingTaskGroup(of: [UInt8].self) { group in
                for number in 0..<3 {
                    group.addTask {
                        try await spool.streaming(ByteStream(blocks), of: "it") { stream in
                            let bytes = try await Self.read(stream, after: number == 0 ? isFree : Monitor(true))
                            if number > 0 { isFree.change { $0 = true } }
                            return bytes
                        }
                    }
                }
                for try await read in group { #expect(read == blocks.flatMap { $0 }) }
            }
            #expect(spool.mostBytes <= Int64(40 * Self.size))
        }
    }

    /// Every write but the first few fails: what was spooled is used, and the rest waits for the store.
    @Test(arguments: [Errno.noSpace, .diskQuotaExceeded, .ioError], [0, 1, 9])
    func aDiskThatTakesNoMoreIsNoFailure(errno: Errno, after count: Int) async throws {
        let writes = Atomic(0)
        let fault: @Sendable (SpoolFile.Call) -> Errno? = { call in
            guard call == .write else { return nil }
            return writes.wrappingAdd(1, ordering: .relaxed).newValue > count ? errno : nil
        }
        try await withSpool(fault: fault) { spool, _ in
            let (blocks, asked) = (Self.blocks(60), Monitor(0))
            let read = try await spool.streaming(Self.source(blocks, asked), of: "it") { stream in
                try await asked.wait { $0 > Spool.blocksInMemoryMax + count ? () : nil }
                return try await Self.read(stream)
            }
            #expect(read == blocks.flatMap { $0 })
        }
    }

    @Test func whatCannotBeReadAgainIsAFailure() async throws {
        try await withSpool(fault: { $0 == .read ? .ioError : nil }) { spool, _ in
            let (blocks, asked) = (Self.blocks(60), Monitor(0))
            let failure = await #expect(throws: Failure.self) {
                try await spool.streaming(Self.source(blocks, asked), of: "it") { stream in
                    try await asked.wait { $0 > blocks.count ? () : nil }
                    _ = try await Self.read(stream)
                }
            }
            #expect(failure?.code == .inputOutput)
        }
    }

    /// A bit that turns over on the disk never reaches a store.
    @Test func whatIsNotWhatWasWrittenIsAFailure() async throws {
        try await withSpool { spool, folder in
            let (blocks, asked) = (Self.blocks(60), Monitor(0))
            let failure = await #expect(throws: Failure.self) {
                try await spool.streaming(Self.source(blocks, asked), of: "it") { stream in
                    try await asked.wait { $0 > blocks.count ? () : nil }
                    let file = try #require(try Self.openFile(in: folder))
                    try file.writeAll(toAbsoluteOffset: Int64(3 * Self.size + 5), [0xFF])
                    try file.close()
                    _ = try await Self.read(stream)
                }
            }
            #expect(failure?.code == .digestMismatch)
        }
    }

    /// The file of this process in a folder, by way of its descriptor: a name it has not.
    private static func openFile(in folder: URL) throws -> FileDescriptor? {
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            let link = "/proc/self/fd/\(name)"
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: link)
            if target?.hasPrefix(folder.path + "/") == true {
                return try FileDescriptor.open(FilePath(link), .writeOnly)
            }
        }
        return nil
    }

    @Test func whatTheServerThrowsComesAfterTheBytesBeforeIt() async throws {
        try await withSpool { spool, _ in
            let number = Atomic(0)
            let source = ByteStream {
                let next = number.wrappingAdd(1, ordering: .relaxed).newValue
                if next > 30 { throw Broken() }
                return [UInt8](repeating: UInt8(next), count: Self.size)
            }
            let read = Atomic(0)
            await #expect(throws: Broken.self) {
                try await spool.streaming(source, of: "it") { stream in
                    for try await _ in stream { read.wrappingAdd(1, ordering: .relaxed) }
                }
            }
            #expect(read.load(ordering: .relaxed) == 30)
        }
    }

    /// A store that fails, and a run that is cancelled, leave nothing in the spool: its places are free for others.
    @Test func aStreamThatEndsEarlyLeavesNothing() async throws {
        try await withSpool(blocksMax: 30) { spool, _ in
            let blocks = Self.blocks(60)
            for isCancelled in [false, true, false, true] {
                let asked = Monitor(0)
                try? await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        try await spool.streaming(Self.source(blocks, asked), of: "it") { _ in
                            try await asked.wait { $0 > Spool.blocksInMemoryMax + 30 ? () : nil }
                            if !isCancelled { throw Broken() }
                            try await Monitor(false).wait { $0 ? () : nil }
                        }
                    }
                    try await asked.wait { $0 > Spool.blocksInMemoryMax + 30 ? () : nil }
                    if isCancelled { group.cancelAll() }
                    try await group.waitForAll()
                }
            }
            let asked = Monitor(0)
            let read = try await spool.streaming(Self.source(blocks, asked), of: "it") { stream in
                try await asked.wait { $0 > Spool.blocksInMemoryMax + 30 ? () : nil }
                return try await Self.read(stream)
            }
            #expect(read == blocks.flatMap { $0 } && spool.mostBytes == Int64(30 * Self.size))
        }
    }

    @Test func aFolderThatIsNotThereIsRefused() async throws {
        let failure = #expect(throws: Failure.self) { try SpoolFile(in: "/nonexistent/spool") }
        #expect(failure?.code == .configuration)
    }
}
