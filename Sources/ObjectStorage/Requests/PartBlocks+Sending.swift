// SPDX-License-Identifier: Apache-2.0

import ByteStreams

extension PartBlocks {
    /// Sends a stream as parts, some at a time; all but the last are of one size. A stream without a byte is one empty
    /// part.
    /// - Parameter send: uploads one part; parts are numbered from 1. The block is its own buffer, so that it can be
    ///   sent again. What it throws ends the others and is thrown.
    /// - Returns: what `send` made of the parts, in their order, and how many bytes they hold.
    func send<Part: Sendable>(
        _ chunks: ByteStream,
        sizeBytes: Int,
        _ send: @escaping @Sendable (_ block: [UInt8], _ number: Int) async throws -> Part
    ) async throws -> (parts: [Part], bytes: Int64) {
        try await withThrowingTaskGroup(of: Numbered<Part>.self) { group in
            var parts: [Numbered<Part>] = []
            var (begun, bytes) = (0, Int64(0))
            var block = spare()
            func sendBlock() async throws {
                // Also how the failure of a part is noticed before the stream has come to its end.
                while begun - parts.count >= placesMax, let part = try await group.next() { parts.append(part) }
                begun += 1
                bytes += Int64(block.count)
                try await takePlace()
                group.addTask { [block, number = begun] in
                    defer { self.leavePlace(block) }
                    return Numbered(number: number, part: try await send(block, number))
                }
                block = spare()
            }
            for try await chunk in chunks {
                var rest = chunk[...]
                while Self.fill(&block, to: sizeBytes, from: &rest) { try await sendBlock() }
            }
            if begun == 0 || !block.isEmpty { try await sendBlock() }
            for try await part in group { parts.append(part) }
            return (parts.sorted { $0.number < $1.number }.map(\.part), bytes)
        }
    }

    private struct Numbered<Part: Sendable>: Sendable {
        let number: Int
        let part: Part
    }

    /// Moves bytes into a block; tells whether it is full.
    private static func fill(_ block: inout [UInt8], to sizeBytes: Int, from rest: inout ArraySlice<UInt8>) -> Bool {
        if block.capacity < sizeBytes { block.reserveCapacity(sizeBytes) }
        let piece = rest.prefix(sizeBytes - block.count)
        block += piece
        rest = rest.dropFirst(piece.count)
        return block.count == sizeBytes
    }
}
