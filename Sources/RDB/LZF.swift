// SPDX-License-Identifier: Apache-2.0

/// The compression of strings in an RDB: LZF by Marc Lehmann, as redis src/lzf_d.c reads it.
///
/// A control byte below 32 is followed by that many literal bytes plus one. Any other is a copy from what was written
/// before: its upper three bits are the length minus two (seven: add the next byte), its lower five and the byte after
/// are the distance minus one, at most 8 KiB.
enum LZF {
    /// Nothing shorter than this many output bytes can come from one input byte: a copy of three bytes gives 264.
    static let expansionMax = 88

    /// Whether a string of `length` bytes can have been stored in `stored` bytes of LZF. Literals cost at most two
    /// bytes for one, and no copy takes more bytes than it gives.
    static func canStore(_ length: Int, in stored: Int) -> Bool {
        stored > 1 && length > 0 && stored <= 2 * length && (length - 1) / expansionMax < stored
    }

    /// Decompresses until the input ends or `limit` bytes are written.
    ///
    /// - Returns: what was written, and whether the input ended there, whole.
    static func inflate(_ input: [UInt8], limit: Int) -> (bytes: [UInt8], isWhole: Bool) {
        var output: [UInt8] = []
        output.reserveCapacity(limit)
        var next = 0
        while next < input.count {
            let control = Int(input[next])
            next += 1
            let room = limit - output.count
            if control < 32 {
                let available = min(control + 1, room, input.count - next)
                output += input[next..<next + available]
                guard available == control + 1 else { return (output, false) }
                next += available
            } else {
                guard let copy = backReference(control, input, &next), copy.distance <= output.count else {
                    return (output, false)
                }
                for _ in 0..<min(copy.length, room) { output.append(output[output.count - copy.distance]) }
                guard copy.length <= room else { return (output, false) }
            }
        }
        return (output, true)
    }

    private static func backReference(
        _ control: Int,
        _ input: [UInt8],
        _ next: inout Int
    ) -> (length: Int, distance: Int)? {
        var length = control >> 5
        if length == 7 {
            guard next < input.count else { return nil }
            length += Int(input[next])
            next += 1
        }
        guard next < input.count else { return nil }
        let distance = (control & 31) << 8 + Int(input[next]) + 1
        next += 1
        return (length + 2, distance)
    }
}
