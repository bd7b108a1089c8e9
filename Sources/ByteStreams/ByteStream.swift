// SPDX-License-Identifier: Apache-2.0

/// A run of bytes that arrives in chunks and is read once, by one reader.
///
/// The reader pulls: nothing is produced ahead of it, unless a stage says so (`withOverlap`, `mappedConcurrently`).
/// A chunk is never empty. `nil` is the end; after the end, or after an error, nothing more is asked of the producer.
package struct ByteStream: AsyncSequence, Sendable {
    package typealias Element = [UInt8]

    /// The usual size of a chunk, in bytes. A producer may give less, and gives no more than eight times this.
    package static let chunkSizeBytes = 256 * 1024

    let pull: @Sendable () async throws -> [UInt8]?

    /// - Parameter pull: gives the next chunk, or `nil` at the end. Called by one task at a time.
    package init(pulling pull: @escaping @Sendable () async throws -> [UInt8]?) {
        self.pull = pull
    }

    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let pull: @Sendable () async throws -> [UInt8]?
        fileprivate var ended = false

        package mutating func next() async throws -> [UInt8]? {
            while !ended {
                do {
                    try Task.checkCancellation()
                    guard let chunk = try await pull() else {
                        ended = true
                        return nil
                    }
                    if !chunk.isEmpty { return chunk }
                } catch {
                    ended = true
                    throw error
                }
            }
            return nil
        }
    }

    package func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(pull: pull)
    }
}
