// SPDX-License-Identifier: Apache-2.0

/// How much a peer may send in one reply. Lengths that it announces are compared with these, and never size an
/// allocation.
package struct RESPLimits: Sendable, Hashable {
    /// All bytes of one reply.
    package var replyBytes: Int
    /// The bytes of one line: a type byte, a number or text, and the end of the line.
    package var lineBytes: Int
    /// All values of one reply, at every depth.
    package var valueCount: Int
    /// How deep arrays, maps, sets and attributes may stand in each other.
    package var depth: Int

    /// The defaults hold every reply that this program asks for: `CLIENT LIST` of 100,000 clients takes about 40 MiB.
    package init(
        replyBytes: Int = 64 * 1024 * 1024,
        lineBytes: Int = 64 * 1024,
        valueCount: Int = 1_000_000,
        depth: Int = 32
    ) {
        self.replyBytes = replyBytes
        self.lineBytes = lineBytes
        self.valueCount = valueCount
        self.depth = depth
    }
}
