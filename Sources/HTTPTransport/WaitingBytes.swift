// SPDX-License-Identifier: Apache-2.0

/// Bytes that came and that nobody has read yet, in the order in which they came.
///
/// They wait in blocks of one size: an array that grew with them would be copied each time it doubles, and would end as
/// a block so large that the system is asked for it anew each time.
struct WaitingBytes: Sendable {
    private var blocks: [[UInt8]] = []
    /// How many bytes wait.
    private(set) var count = 0

    static let blockSizeBytes = 256 * 1024
    /// Answers of which less comes at once are small: a whole block is not set aside for them.
    private static let bulkBytesMin = 8 * 1024

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            if blocks.last.map({ $0.count >= Self.blockSizeBytes }) ?? true {
                blocks.append([])
                if rest.count >= Self.bulkBytesMin { blocks[blocks.count - 1].reserveCapacity(Self.blockSizeBytes) }
            }
            let last = blocks.count - 1
            let taken = rest.prefix(Self.blockSizeBytes - blocks[last].count)
            blocks[last].append(contentsOf: taken)
            rest = rest.dropFirst(taken.count)
        }
        count += bytes.count
    }

    /// Takes the block that came first; `nil` when nothing waits.
    mutating func next() -> [UInt8]? {
        guard !blocks.isEmpty else { return nil }
        let block = blocks.removeFirst()
        count -= block.count
        return block
    }
}
