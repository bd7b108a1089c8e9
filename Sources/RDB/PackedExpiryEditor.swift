// SPDX-License-Identifier: Apache-2.0

/// Moves the expiries in a listpack of fields, values and expiries while its bytes stream by, compressed or not. What
/// comes out is not compressed, and as long as what came in: each expiry keeps the bytes that it has.
struct PackedExpiryEditor {
    private let expiries: RDBRewriting.Expiries
    private let encoding: RDBStringEncoding
    private var inflater = LZFInflater()
    private var listpack: ListpackWalk
    private var sink = ElementSink()
    /// What is decompressed and not walked.
    private var pending: [UInt8] = []
    /// How many expiries were changed.
    private(set) var changed: UInt64 = 0

    init(_ expiries: RDBRewriting.Expiries, _ header: RDBStringHeader) {
        self.expiries = expiries
        encoding = header.encoding
        listpack = ListpackWalk(bytes: header.length)
        sink.begin(.expiringFields)
        if encoding == .compressed { inflater.begin(length: header.length) }
    }

    /// Takes the next stored bytes.
    mutating func take(_ stored: UnsafeRawBufferPointer, into output: inout [UInt8]) throws(RDBViolation) {
        guard encoding == .compressed else { return try edit(stored, &output) }
        var inflater = inflater
        self.inflater = LZFInflater()
        try inflater.inflate(stored) { (piece) throws(RDBViolation) in try edit(piece, &output) }
        self.inflater = inflater
    }

    /// The string is at its end.
    mutating func finish(into output: inout [UInt8]) throws(RDBViolation) {
        if encoding == .compressed {
            var inflater = inflater
            self.inflater = LZFInflater()
            try inflater.finish { (piece) throws(RDBViolation) in try edit(piece, &output) }
        }
        try listpack.finish(sink)
    }

    private mutating func edit(_ bytes: UnsafeRawBufferPointer, _ output: inout [UInt8]) throws(RDBViolation) {
        pending += bytes
        var edited: [UInt8] = []
        swap(&edited, &pending)
        let walked = try edited.withUnsafeMutableBufferPointer { (edited) throws(RDBViolation) in
            try walk(UnsafeMutableRawBufferPointer(edited))
        }
        output += edited[..<walked]
        pending += edited[walked...]
    }

    /// - Returns: how many bytes are done with.
    private mutating func walk(_ bytes: UnsafeMutableRawBufferPointer) throws(RDBViolation) -> Int {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return 0 }
        var cursor = RDBCursor(start, count: bytes.count)
        while cursor.remaining > 0 {
            let (count, position) = (sink.shape.count, cursor.position)
            guard try listpack.step(&cursor, &sink) else { break }
            guard sink.shape.count != count, sink.shape.count % 3 == 0 else { continue }
            try move(UnsafeMutableRawBufferPointer(rebasing: bytes[position..<cursor.position]))
        }
        return cursor.position
    }

    /// Moves one expiry: an integer of a listpack, in any of its forms; zero is none.
    private mutating func move(_ element: UnsafeMutableRawBufferPointer) throws(RDBViolation) {
        let old = Self.value(UnsafeRawBufferPointer(element))
        guard old > 0 else { return }
        changed += 1
        let new = Int64(try expiries.moved(field: UInt64(old), earliest: 1) ?? 0)
        switch element.count {
        case 1 where new < 0x80: element[0] = UInt8(new)
        case 2 where new < 1 << 12:
            element[0] = 0xc0 | UInt8(new >> 8)
            element[1] = UInt8(new & 0xff)
        case 3... where element.count == 9 || new < 1 << (8 * Int64(element.count - 1) - 1):
            for index in 1..<element.count { element[index] = UInt8(new >> (8 * Int64(index - 1)) & 0xff) }
        default:
            throw RDBViolation(
                .rewriting,
                "the field of a hash expires at \(old) ms, in \(element.count) bytes that do not hold \(new)"
            )
        }
    }

    private static func value(_ element: UnsafeRawBufferPointer) -> Int64 {
        switch element.count {
        case 1: return Int64(element[0])
        case 2:
            let value = Int64(element[0] & 0x1f) << 8 | Int64(element[1])
            return value >= 1 << 12 ? value - 1 << 13 : value
        default:
            let bits = (1..<element.count).reduce(UInt64(0)) { $0 | UInt64(element[$1]) << (8 * UInt64($1 - 1)) }
            let unused = 64 - 8 * Int64(element.count - 1)
            return Int64(bitPattern: bits << UInt64(unused)) >> unused
        }
    }
}
