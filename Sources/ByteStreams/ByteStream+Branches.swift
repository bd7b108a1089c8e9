// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What came of a stream that was read by several readers at the same time.
package struct Branched<Result: Sendable>: Sendable {
    /// What each reader returned or threw, in their order.
    package let results: [Swift.Result<Result, any Error>]
    /// How the stream itself failed, if it did: then the readers failed for that reason, whatever they threw.
    package let sourceFailure: (any Error)?
}

/// How long a reader may take nothing while the others wait for it.
package struct BranchPatience: Sendable {
    let limit: Duration
    let isOver: @Sendable (_ branch: Int) -> Void

    /// - Parameter isOver: called once for a branch that holds the others up for so long. Whoever is told ends its
    ///   reader; until then the others wait.
    package init(limit: Duration, isOver: @escaping @Sendable (_ branch: Int) -> Void) {
        self.limit = limit
        self.isOver = isOver
    }
}

extension ByteStream {
    /// Gives the same chunks to several readers, each in a task of its own.
    ///
    /// - The chunks are shared, not copied. A reader may be `depth` chunks behind the stream: the slowest one holds
    ///   the others up, and memory is bounded.
    /// - A reader that ends, by returning or by throwing, holds nobody up any more; the others read on.
    /// - What the stream throws reaches each reader after the chunks before it. When the task is cancelled, so are all
    ///   readers. All are waited for.
    package func withBranches<Result: Sendable>(
        _ count: Int,
        depth: Int,
        patience: BranchPatience? = nil,
        reading body: @escaping @Sendable (_ branch: Int, ByteStream) async throws -> Result
    ) async -> Branched<Result> {
        let fork = Fork(self, into: count, depth: depth)
        return await withTaskGroup(of: Ended<Result>.self) { group in
            for branch in 0..<count {
                group.addTask { .branch(branch, await fork.reading(branch, by: body)) }
            }
            group.addTask {
                await fork.pump(patience)
                return .source
            }
            var results: [Int: Swift.Result<Result, any Error>] = [:]
            for await ended in group {
                guard case .branch(let branch, let result) = ended else { continue }
                results[branch] = result
                // The source may be waiting for bytes that nobody wants any more.
                if results.count == count { group.cancelAll() }
            }
            // Readers that were cancelled may have gone before the source noticed.
            let failure = fork.sourceFailure ?? (Task.isCancelled ? CancellationError() : nil)
            return Branched(results: (0..<count).compactMap { results[$0] }, sourceFailure: failure)
        }
    }

    private enum Ended<Result: Sendable>: Sendable {
        case branch(Int, Swift.Result<Result, any Error>)
        case source
    }
}

/// A stream on its way into several.
private final class Fork: Sendable {
    private let source: ByteStream
    private let lines: [Handover]
    private let failure = Mutex<(any Error)?>(nil)

    init(_ source: ByteStream, into count: Int, depth: Int) {
        self.source = source
        lines = (0..<count).map { _ in Handover(depth: depth) }
    }

    var sourceFailure: (any Error)? { failure.withLock { $0 } }

    func reading<Result: Sendable>(
        _ branch: Int,
        by body: @Sendable (Int, ByteStream) async throws -> Result
    ) async -> Swift.Result<Result, any Error> {
        defer { lines[branch].abandon() }
        do {
            return .success(try await body(branch, lines[branch].stream))
        } catch {
            return .failure(error)
        }
    }

    /// Gives every reader each chunk, once there is room for it in all lines.
    func pump(_ patience: BranchPatience?) async {
        do {
            var source = source.makeAsyncIterator()
            while lines.contains(where: { !$0.isAbandoned }) {
                for branch in lines.indices { try await waitForRoom(in: branch, patience) }
                guard let chunk = try await source.next() else { break }
                for line in lines { line.put(chunk) }
            }
            for line in lines { line.end(.success(())) }
        } catch {
            // Noted before the readers hear of it. Where all have gone already, it is we who were cancelled.
            if lines.contains(where: { !$0.isAbandoned }) { failure.withLock { $0 = error } }
            for line in lines { line.end(.failure(error)) }
        }
    }

    private func waitForRoom(in branch: Int, _ patience: BranchPatience?) async throws {
        if let patience, try await !lines[branch].waitForRoom(atMost: patience.limit) { patience.isOver(branch) }
        try await lines[branch].waitForRoom()
    }
}
