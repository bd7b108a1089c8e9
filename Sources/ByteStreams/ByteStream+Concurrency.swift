// SPDX-License-Identifier: Apache-2.0

// `AsyncThrowingChannel` is a rendezvous, it holds nothing; and `buffer(policy:)` starts a task that no scope owns.
// Both stages here run inside a task group: when the scope is left, nothing of them is left.

extension ByteStream {
    /// Gives `body` a stream whose producer runs in a task of its own, at most `depth` chunks ahead of the reader.
    ///
    /// What the producer throws reaches the reader after the chunks before it. When `body` ends, however it ends,
    /// the producer is cancelled and waited for.
    nonisolated(nonsending) package func withOverlap<Result>(
        depth: Int,
        _ body: (ByteStream) async throws -> Result
    ) async throws -> Result {
        try await Self.withProducer(depth: depth) { handover in
            var source = makeAsyncIterator()
            while true {
                try await handover.waitForRoom()
                guard let chunk = try await source.next() else { return }
                handover.put(chunk)
            }
        } reading: {
            try await body($0)
        }
    }

    /// Gives `body` a stream of transformed chunks, in their order, up to `width` of them being transformed at a time.
    ///
    /// At most twice `width` chunks are held. What `transform` or the producer throws reaches the reader; the chunks
    /// that were under way then are lost. When `body` ends, however it ends, all tasks are cancelled and waited for.
    nonisolated(nonsending) package func mappedConcurrently<Result>(
        width: Int,
        transform: @escaping @Sendable ([UInt8]) async throws -> [UInt8],
        reading body: (ByteStream) async throws -> Result
    ) async throws -> Result {
        precondition(width > 0, "at least one chunk must be transformed at a time")
        return try await Self.withProducer(depth: width) { handover in
            try await transformInOrder(width: width, transform: transform, into: handover)
        } reading: {
            try await body($0)
        }
    }

    /// Gives `body` a stream that `produce` fills chunk by chunk from a task of its own, at most `depth` chunks ahead
    /// of the reader: for a source that is a scope itself, such as the answer to a request.
    ///
    /// Errors and the end are as with `withOverlap`.
    /// - Parameter produce: gets a function that takes a chunk, and suspends until there is room for it.
    package static func withProduced<Result>(
        depth: Int,
        by produce: @escaping @Sendable (_ put: @Sendable ([UInt8]) async throws -> Void) async throws -> Void,
        reading body: (ByteStream) async throws -> Result
    ) async throws -> Result {
        try await withProducer(depth: depth) { handover in
            try await produce { chunk in
                try await handover.waitForRoom()
                handover.put(chunk)
            }
        } reading: {
            try await body($0)
        }
    }

    /// Gives `body` a second stream of the chunks that `take` reads from the first, at most `depth` chunks behind it:
    /// for two readers of bytes that come once.
    ///
    /// The second stream ends when `take` has returned, and throws what `take` throws. When `body` ends, however it
    /// ends, `take` is cancelled and waited for.
    nonisolated(nonsending) package func withTwin<Result>(
        depth: Int,
        taking take: @escaping @Sendable (ByteStream) async throws -> Void,
        reading body: (ByteStream) async throws -> Result
    ) async throws -> Result {
        try await Self.withProducer(depth: depth) { handover in
            let first = ByteStream {
                guard let chunk = try await pull() else { return nil }
                if !chunk.isEmpty {
                    try await handover.waitForRoom()
                    handover.put(chunk)
                }
                return chunk
            }
            try await take(first)
        } reading: {
            try await body($0)
        }
    }

    nonisolated(nonsending) private static func withProducer<Result>(
        depth: Int,
        producing produce: @escaping @Sendable (Handover) async throws -> Void,
        reading body: (ByteStream) async throws -> Result
    ) async throws -> Result {
        let handover = Handover(depth: depth)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await handover.fill { try await produce(handover) } }
            defer {
                group.cancelAll()
                handover.end(.failure(CancellationError()))
            }
            return try await body(handover.stream)
        }
    }

    private func transformInOrder(
        width: Int,
        transform: @escaping @Sendable ([UInt8]) async throws -> [UInt8],
        into handover: Handover
    ) async throws {
        try await withThrowingTaskGroup(of: (index: Int, chunk: [UInt8]).self) { group in
            var source = makeAsyncIterator()
            var started = 0
            var handedOver = 0
            var early: [Int: [UInt8]] = [:]
            while true {
                while started - handedOver < width, let chunk = try await source.next() {
                    group.addTask { [index = started] in (index, try await transform(chunk)) }
                    started += 1
                }
                guard let done = try await group.next() else { return }
                early[done.index] = done.chunk
                while let chunk = early.removeValue(forKey: handedOver) {
                    try await handover.waitForRoom()
                    handover.put(chunk)
                    handedOver += 1
                }
            }
        }
    }
}
