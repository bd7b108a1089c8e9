// SPDX-License-Identifier: Apache-2.0

import Synchronization

extension ByteStream {
    /// The chunks given, in their order. Empty ones are passed over.
    package init(_ chunks: [[UInt8]]) {
        let rest = Mutex(chunks[...])
        self.init { rest.withLock { $0.popFirst() } }
    }

    /// The same chunks, each shown to `observe` before the reader gets it.
    /// - Parameter observe: what it throws ends the stream.
    package func observed(_ observe: @escaping @Sendable ([UInt8]) throws -> Void) -> ByteStream {
        transformed { chunk in
            try observe(chunk)
            return chunk
        }
    }

    /// Each chunk replaced by what `transform` makes of it; where that is empty the reader sees nothing.
    /// - Parameter finish: gives what follows the last chunk; called once, and only when the producer came to its end.
    package func transformed(
        _ transform: @escaping @Sendable ([UInt8]) throws -> [UInt8],
        finish: @escaping @Sendable () throws -> [UInt8] = { [] }
    ) -> ByteStream {
        let isFinished = Atomic(false)
        return ByteStream {
            if isFinished.load(ordering: .relaxed) { return nil }
            if let chunk = try await pull() { return try transform(chunk) }
            isFinished.store(true, ordering: .relaxed)
            return try finish()
        }
    }

    /// For a stage that makes many chunks of one, without ever holding them all: a decompressor.
    /// - Parameters:
    ///   - feed: takes the next chunk of the producer, once `drain` has given everything of the one before.
    ///   - drain: gives the next chunk for the reader, or `nil` when more must be fed.
    ///   - finish: called once, when everything was fed and drained; throws if more should have come.
    package func expanded(
        feed: @escaping @Sendable ([UInt8]) throws -> Void,
        drain: @escaping @Sendable () throws -> [UInt8]?,
        finish: @escaping @Sendable () throws -> Void
    ) -> ByteStream {
        ByteStream {
            while true {
                if let chunk = try drain() { return chunk }
                guard let chunk = try await pull() else {
                    try finish()
                    return nil
                }
                if !chunk.isEmpty { try feed(chunk) }
            }
        }
    }

    /// The same bytes in blocks of exactly `sizeBytes`, the last one shorter. The size may exceed that of usual chunks.
    package func rechunked(to sizeBytes: Int) -> ByteStream {
        precondition(sizeBytes > 0, "a block holds at least one byte")
        let held = Mutex(Held())
        return ByteStream {
            var rest = held.withLock { $0 }
            if rest.isLast { return nil }
            var block: [UInt8] = []
            block.reserveCapacity(sizeBytes)
            while !rest.take(into: &block, upTo: sizeBytes) {
                guard let next = try await pull() else {
                    rest.isLast = true
                    break
                }
                rest.bytes = next[...]
            }
            held.withLock { [rest] in $0 = rest }
            return block
        }
    }
}

/// What is left of a chunk that reaches over the end of a block.
private struct Held: Sendable {
    var bytes: ArraySlice<UInt8> = []
    var isLast = false

    /// Moves bytes into the block; tells whether it is full.
    mutating func take(into block: inout [UInt8], upTo sizeBytes: Int) -> Bool {
        let part = bytes.prefix(sizeBytes - block.count)
        block += part
        bytes = bytes.dropFirst(part.count)
        return block.count == sizeBytes
    }
}
