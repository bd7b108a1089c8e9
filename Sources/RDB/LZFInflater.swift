// SPDX-License-Identifier: Apache-2.0

/// Decompresses LZF as it streams by. No copy reaches further back than 8 KiB, so that much of the output is kept.
struct LZFInflater {
    /// Copies reach back 13 bits (redis src/lzf_c.c, `MAX_OFF`).
    private static let windowBytes = 8 * 1024
    /// The output is handed on when there is no more room than this: a copy takes at most 264 bytes of it.
    private static let reserveBytes = 512
    private static let outputBytes = 72 * 1024
    /// A control byte below this announces one literal more than it says.
    private static let literalsMax = 32

    /// The window, and after it what was not handed on yet.
    private var output: [UInt8] = []
    /// Where the output ends, and where what was not handed on begins.
    private var end = 0
    private var handedOn = 0
    /// How many bytes the whole output shall have.
    private var length = 0
    /// How many bytes of it are written, or announced as literals.
    private var written = 0
    /// How many literal bytes follow.
    private var literals = 0
    /// The bytes of a copy that is cut off: at most three, the first one lowest.
    private var cutOff: (bytes: UInt32, count: Int) = (0, 0)

    /// Begins with a string that shall have `length` bytes.
    mutating func begin(length: Int) {
        if output.isEmpty { output = [UInt8](repeating: 0, count: Self.outputBytes) }
        self.length = length
        (end, handedOn, written, literals, cutOff) = (0, 0, 0, 0, (0, 0))
    }

    /// Reads compressed bytes, and gives pieces of the output to `take`.
    mutating func inflate(
        _ input: UnsafeRawBufferPointer,
        _ take: (UnsafeRawBufferPointer) throws(RDBViolation) -> Void
    ) throws(RDBViolation) {
        var output = output
        self.output = []
        try output.withUnsafeMutableBufferPointer { (buffer) throws(RDBViolation) in
            let output = UnsafeMutableRawBufferPointer(buffer)
            var rest = input
            while !rest.isEmpty {
                var read = try run(rest, output)
                if read == 0 { read = try literals > 0 ? copyLiterals(rest, output) : readControl(rest, output) }
                rest = UnsafeRawBufferPointer(rebasing: rest[read...])
                if end > Self.outputBytes - Self.reserveBytes { try handOn(output, take) }
            }
        }
        self.output = output
    }

    /// Decompresses as long as the input surely holds the next literals or copy as a whole.
    ///
    /// - Returns: how much of the input is read.
    private mutating func run(
        _ input: UnsafeRawBufferPointer,
        _ output: UnsafeMutableRawBufferPointer
    ) throws(RDBViolation) -> Int {
        guard literals == 0, cutOff.count == 0, let source = input.baseAddress, let target = output.baseAddress else {
            return 0
        }
        var next = 0
        while next < input.count - Self.literalsMax, end <= Self.outputBytes - Self.reserveBytes {
            let control = Int(source.load(fromByteOffset: next, as: UInt8.self))
            if control < Self.literalsMax {
                try reserve(control + 1)
                (target + end).copyMemory(from: source + next + 1, byteCount: control + 1)
                end += control + 1
                next += control + 2
                continue
            }
            var count = control >> 5 + 2
            if control >> 5 == 7 {
                next += 1
                count += Int(source.load(fromByteOffset: next, as: UInt8.self))
            }
            let low = Int(source.load(fromByteOffset: next + 1, as: UInt8.self))
            next += 2
            try copy(count, distance: (control & 31) << 8 + low + 1, target)
        }
        return next
    }

    /// The input is at its end: hands on the rest.
    mutating func finish(_ take: (UnsafeRawBufferPointer) throws(RDBViolation) -> Void) throws(RDBViolation) {
        guard literals == 0, cutOff.count == 0, written == length else {
            throw violation("it ends after \(written - literals)")
        }
        var output = output
        self.output = []
        try output.withUnsafeMutableBufferPointer { (buffer) throws(RDBViolation) in
            try handOn(UnsafeMutableRawBufferPointer(buffer), take)
        }
        self.output = output
    }

    private mutating func copyLiterals(_ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer) -> Int
    {
        let count = min(literals, input.count)
        UnsafeMutableRawBufferPointer(rebasing: output[end..<end + count])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: input[..<count]))
        end += count
        literals -= count
        return count
    }

    private mutating func readControl(
        _ input: UnsafeRawBufferPointer,
        _ output: UnsafeMutableRawBufferPointer
    ) throws(RDBViolation) -> Int {
        if cutOff.count == 0, input[0] < Self.literalsMax {
            literals = Int(input[0]) + 1
            try reserve(literals)
            return 1
        }
        cutOff.bytes |= UInt32(input[0]) << (8 * UInt32(cutOff.count))
        cutOff.count += 1
        if cutOff.count == (cutOff.bytes >> 5 & 7 == 7 ? 3 : 2) { try copy(output) }
        return 1
    }

    /// Copies what is cut off no more.
    private mutating func copy(_ output: UnsafeMutableRawBufferPointer) throws(RDBViolation) {
        let (bytes, size) = cutOff
        cutOff = (0, 0)
        let distance = Int(bytes & 31) << 8 + Int(bytes >> (8 * UInt32(size - 1)) & 0xff) + 1
        let count = Int(bytes >> 5 & 7) + (size == 3 ? Int(bytes >> 8 & 0xff) : 0) + 2
        guard let target = output.baseAddress else { return }
        try copy(count, distance: distance, target)
    }

    @inline(__always)
    private mutating func copy(
        _ count: Int,
        distance: Int,
        _ target: UnsafeMutableRawPointer
    ) throws(RDBViolation) {
        guard distance <= end else { throw violation("it copies from before its beginning") }
        try reserve(count)
        let source = target + end - distance
        if distance >= count {
            (target + end).copyMemory(from: source, byteCount: count)
        } else {
            // The source overlaps what is being written: then the copy repeats itself.
            for index in 0..<count {
                let byte = source.load(fromByteOffset: index, as: UInt8.self)
                (source + distance).storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
            }
        }
        end += count
    }

    private mutating func reserve(_ count: Int) throws(RDBViolation) {
        written += count
        guard written <= length else { throw violation("it gives more") }
    }

    private mutating func handOn(
        _ output: UnsafeMutableRawBufferPointer,
        _ take: (UnsafeRawBufferPointer) throws(RDBViolation) -> Void
    ) throws(RDBViolation) {
        try take(UnsafeRawBufferPointer(rebasing: output[handedOn..<end]))
        if end > Self.windowBytes {
            let window = UnsafeRawBufferPointer(rebasing: output[end - Self.windowBytes..<end])
            output.copyMemory(from: window)
            end = Self.windowBytes
        }
        handedOn = end
    }

    private func violation(_ what: String) -> RDBViolation {
        RDBViolation(.compressedString, "a string does not decompress to its \(length) bytes: \(what)")
    }
}
