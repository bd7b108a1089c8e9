// SPDX-License-Identifier: Apache-2.0

import Failures

/// Gives the bytes behind a compressed stream, piece by piece, and accepts nothing but a whole one.
///
/// Feed a chunk, drain until `nil`, feed the next; at the end `finish`. However far a chunk expands, a piece is never
/// larger than `pieceBytes` (where nothing is compressed it is the chunk). Frames or members may follow each other;
/// anything else after one is refused.
/// Used by one task at a time; of no use any more once it threw.
package final class Decompressor {
    /// The largest piece that `drain` gives.
    package static let pieceBytes = 256 * 1024

    private let decoder: (any Decoder)?
    private let bytesMax: Int64
    private var given: Int64 = 0
    private var input: [UInt8] = []
    private var offset = 0
    /// The last step filled its room: more may come without more input.
    private var mayHoldMore = false

    private var units = 0
    private var isBetweenUnits = true
    /// The first bytes of the unit that is being read.
    private var magic: [UInt8] = []

    /// - Parameter bytesMax: how many bytes may come out, in all.
    /// - Throws: `.unclassified` when there is no memory for it.
    package init(_ format: CompressionFormat, bytesMax: Int64) throws {
        self.bytesMax = bytesMax
        decoder =
            switch format {
            case .zstd: try ZstdDecoder()
            case .gzip: try GzipDecoder()
            case .none: nil
            }
    }

    /// Takes the next chunk of the compressed stream. Everything of the one before must be drained.
    package func feed(_ chunk: [UInt8]) {
        precondition(offset == input.count, "a chunk is fed when the one before is drained")
        (input, offset) = (chunk, 0)
    }

    /// The next piece; `nil` when more must be fed. Never empty.
    /// - Throws: `.corruptCompression` when the stream is not of its format or is damaged; `.trailingBytes` when
    ///   something else follows a whole one; `.digestMismatch` when more than `bytesMax` bytes come; `.unsupported` for
    ///   zstd frames that need a dictionary or a window above 128 MiB.
    package func drain() throws -> [UInt8]? {
        let piece = try nextPiece()
        given += Int64(piece.count)
        guard given <= bytesMax else {
            throw Failure(.digestMismatch, "decompress: more comes than the \(bytesMax) bytes that are expected")
        }
        return piece.isEmpty ? nil : piece
    }

    /// Tells that nothing more will be fed.
    /// - Throws: `.truncated` when the stream is empty, or ends before the end of its last frame or member.
    package func finish() throws {
        precondition(offset == input.count, "the end is told when all is drained")
        guard let decoder else { return }
        guard isBetweenUnits else {
            throw Failure(
                .truncated,
                "decompress: the stream ends inside of a \(type(of: decoder).unit), after \(given) bytes of content"
            )
        }
        guard units > 0 else {
            throw Failure(.truncated, "decompress: the stream is empty, without a single \(type(of: decoder).unit)")
        }
    }

    private func nextPiece() throws -> [UInt8] {
        guard let decoder else {
            defer { (input, offset) = ([], 0) }
            return input
        }
        guard offset < input.count || mayHoldMore else { return [] }
        return try [UInt8](unsafeUninitializedCapacity: Self.pieceBytes) { room, filled in
            try input.withUnsafeBytes { input in
                let room = UnsafeMutableRawBufferPointer(room)
                while filled < room.count, offset < input.count || mayHoldMore {
                    let part = try nextPart(of: input, decoder)
                    let rest = UnsafeMutableRawBufferPointer(rebasing: room[filled...])
                    let step = try decoder.decode(part, into: rest)
                    filled += step.produced
                    mayHoldMore = step.produced == rest.count
                    try advance(step, part)
                }
            }
        }
    }

    /// What to decode next. The bytes that tell the format come alone: they are checked before they are decoded.
    private func nextPart(of input: UnsafeRawBufferPointer, _ decoder: any Decoder) throws -> UnsafeRawBufferPointer {
        let rest = UnsafeRawBufferPointer(rebasing: input[offset...])
        let missing = type(of: decoder).magicBytes - magic.count
        guard missing > 0, !rest.isEmpty else { return rest }
        let part = UnsafeRawBufferPointer(rebasing: rest.prefix(missing))
        guard type(of: decoder).begins(with: magic + part) else {
            let unit = type(of: decoder).unit
            if units == 0 { throw Failure(.corruptCompression, "decompress: the stream does not begin with a \(unit)") }
            throw Failure(.trailingBytes, "decompress: what follows \(units) times a \(unit) is not another one")
        }
        return part
    }

    private func advance(_ step: DecoderStep, _ part: UnsafeRawBufferPointer) throws {
        guard step.consumed > 0 || step.produced > 0 || part.isEmpty else {
            throw Failure(.corruptCompression, "decompress: the stream cannot be read on")
        }
        offset += step.consumed
        if step.consumed > 0 { isBetweenUnits = false }
        let known = magic.count
        if let decoder, known < type(of: decoder).magicBytes { magic += part.prefix(step.consumed) }
        if step.endsUnit, !isBetweenUnits {
            units += 1
            isBetweenUnits = true
            magic = []
        }
    }
}
