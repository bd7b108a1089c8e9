// SPDX-License-Identifier: Apache-2.0

/// The look into one string while its bytes stream by: decompresses it if it is compressed, and walks through it if it
/// is packed data.
struct StringInspection {
    /// Where the string stands in the RDB, in bytes; errors point there.
    private(set) var offset: Int64 = 0
    private(set) var isOpen = false

    private var isCompressed = false
    private var inflater = LZFInflater()
    private var walk: PackedWalk?
    /// What was cut off at the end of the last piece.
    private var carry: [UInt8] = []

    /// No field of packed data is longer, in bytes.
    private static let fieldBytesMax = 16

    mutating func begin(_ header: RDBStringHeader, _ walk: PackedWalk?, at offset: Int64) {
        isOpen = true
        isCompressed = header.encoding == .compressed
        self.offset = offset
        self.walk = walk
        carry.removeAll(keepingCapacity: true)
        if isCompressed { inflater.begin(length: header.length) }
    }

    /// How many entries the node of a stream has that was walked through last.
    var streamEntries: UInt64 {
        if case .listpack(let walk)? = walk { walk.streamEntries } else { 0 }
    }

    /// Looks at the next stored bytes of the string.
    mutating func look(at bytes: UnsafeRawBufferPointer) throws(RDBViolation) {
        guard isCompressed else { return try walkThrough(bytes) }
        var inflater = inflater
        self.inflater = LZFInflater()
        try inflater.inflate(bytes) { (piece) throws(RDBViolation) in try walkThrough(piece) }
        self.inflater = inflater
    }

    /// The string is at its end.
    mutating func finish() throws(RDBViolation) {
        isOpen = false
        if isCompressed {
            var inflater = inflater
            self.inflater = LZFInflater()
            try inflater.finish { (piece) throws(RDBViolation) in try walkThrough(piece) }
            self.inflater = inflater
        }
        try walk?.finish()
    }

    private mutating func walkThrough(_ bytes: UnsafeRawBufferPointer) throws(RDBViolation) {
        guard walk != nil else { return }
        var rest = bytes
        while !carry.isEmpty, !rest.isEmpty {
            let old = carry.count
            let added = rest.prefix(Self.fieldBytesMax)
            let joined = carry + added
            carry.removeAll(keepingCapacity: true)
            let walked = try joined.withUnsafeBufferPointer { (joined) throws(RDBViolation) in
                try step(UnsafeRawBufferPointer(joined))
            }
            if walked < old { carry += joined[walked...] }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(walked < old ? added.count : walked - old))
        }
        let walked = try step(rest)
        carry += rest.dropFirst(walked)
    }

    private mutating func step(_ bytes: UnsafeRawBufferPointer) throws(RDBViolation) -> Int {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return 0 }
        var cursor = RDBCursor(start, count: bytes.count)
        try walk?.walk(&cursor)
        return cursor.position
    }
}
