// SPDX-License-Identifier: Apache-2.0

/// The look into one string while its bytes stream by: decompresses it if it is compressed, and walks through it if it
/// is packed data. At level content the others are read too.
struct StringInspection {
    /// What the string holds.
    enum Form {
        /// Text that is one element, or a part of one. At level content the digest takes it.
        case text(RDBField)
        case listpack(PackedShape.Kind)
        case ziplist(PackedShape.Kind)
        case intset
        case zipmap
    }

    /// Where the string stands in the RDB, in bytes; errors point there.
    private(set) var offset: Int64 = 0
    private(set) var isOpen = false
    /// Where the elements go.
    var sink = ElementSink()

    private var form = Form.intset
    private var encoding = RDBStringEncoding.plain
    private var length = 0
    private var inflater = LZFInflater()
    /// The bytes of an integer, lowest first.
    private var integer: (bits: UInt64, bytes: UInt64) = (0, 0)
    private var listpack = ListpackWalk(bytes: 0)
    private var ziplist = ZiplistWalk(bytes: 0)
    private var intset = IntsetWalk(bytes: 0)
    private var zipmap = ZipmapWalk(bytes: 0)
    private var glance = PackedGlance()
    /// How many elements the quick look found, which then makes the walk needless.
    private var glanced: Int?
    /// What was cut off at the end of the last piece.
    private var carry: [UInt8] = []

    /// No field of packed data is longer, in bytes.
    private static let fieldBytesMax = 16

    mutating func begin(_ header: RDBStringHeader, _ form: Form, at offset: Int64) {
        isOpen = true
        encoding = header.encoding
        length = header.length
        self.offset = offset
        self.form = form
        glanced = nil
        carry.removeAll(keepingCapacity: true)
        switch form {
        case .text(let field):
            // The length of an integer is known when its digits are.
            if encoding != .integer { sink.content?.beginText(field, length) }
        case .listpack(let kind):
            listpack = ListpackWalk(bytes: length)
            begin(kind)
        case .ziplist(let kind):
            ziplist = ZiplistWalk(bytes: length)
            begin(kind)
        case .intset: intset = IntsetWalk(bytes: length)
        case .zipmap:
            zipmap = ZipmapWalk(bytes: length)
            begin(.fields)
        }
        switch encoding {
        case .plain: break
        case .integer: integer = (0, 0)
        case .compressed: inflater.begin(length: length)
        }
    }

    private mutating func begin(_ kind: PackedShape.Kind) {
        sink.begin(kind)
        if case .streamNode = kind { sink.content?.beginNode() }
    }

    /// How many elements of the value were in the packed data that was read last.
    @inline(__always)
    var values: Int {
        if let glanced { return glanced }
        return switch form {
        case .text: 0
        case .listpack, .ziplist: sink.shape.values
        case .intset: Int(intset.members)
        case .zipmap: zipmap.fields
        }
    }

    @inline(__always)
    var isStreamNode: Bool { if case .listpack(.streamNode) = form { true } else { false } }

    /// The node of a stream that was read last.
    @inline(__always)
    var node: StreamNodeShape { sink.shape.node }

    /// Looks at packed data that lies at hand as a whole, uncompressed: fast, and sure only of what is right.
    ///
    /// - Returns: how many elements of the value there are if all is right, so that no walk is needed.
    mutating func glance(at bytes: UnsafeRawBufferPointer, _ form: Form) -> Int? {
        sink.content == nil ? glance.count(of: bytes, form) : nil
    }

    /// Looks at the next stored bytes of the string.
    mutating func look(at bytes: UnsafeRawBufferPointer) throws(RDBViolation) {
        switch encoding {
        case .plain: try take(bytes)
        case .integer:
            for byte in bytes {
                integer.bits |= UInt64(byte) << (8 * integer.bytes)
                integer.bytes += 1
            }
        case .compressed:
            var inflater = inflater
            self.inflater = LZFInflater()
            try inflater.inflate(bytes) { (piece) throws(RDBViolation) in try take(piece) }
            self.inflater = inflater
        }
    }

    /// The string is at its end.
    mutating func finish() throws(RDBViolation) {
        isOpen = false
        if encoding == .compressed {
            var inflater = inflater
            self.inflater = LZFInflater()
            try inflater.finish { (piece) throws(RDBViolation) in try take(piece) }
            self.inflater = inflater
        }
        guard glanced == nil else { return }
        switch form {
        case .text(let field): finish(field)
        case .listpack: try listpack.finish(sink)
        case .ziplist: try ziplist.finish(sink)
        case .intset: try intset.finish()
        case .zipmap: try zipmap.finish()
        }
    }

    private mutating func finish(_ field: RDBField) {
        if encoding == .integer {
            let unused = 64 - 8 * Int64(integer.bytes)
            let shifted = Int64(bitPattern: integer.bits) << unused
            var digits = DecimalDigits(shifted >> unused)
            sink.content?.beginText(field, digits.count)
            digits.withBytes { sink.content?.take($0) }
        }
        sink.content?.endText(field)
    }

    /// Takes a piece of the string, decompressed.
    private mutating func take(_ bytes: UnsafeRawBufferPointer) throws(RDBViolation) {
        if case .text = form {
            sink.content?.take(bytes)
            return
        }
        if bytes.count == length {
            glanced = glance(at: bytes, form)
            if glanced != nil { return }
        }
        var rest = bytes
        while !carry.isEmpty, !rest.isEmpty {
            let old = carry.count
            let added = rest.prefix(Self.fieldBytesMax)
            let joined = carry + added
            carry.removeAll(keepingCapacity: true)
            let walked = try joined.withUnsafeBufferPointer { (joined) throws(RDBViolation) in
                try walk(UnsafeRawBufferPointer(joined))
            }
            if walked < old { carry += joined[walked...] }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(walked < old ? added.count : walked - old))
        }
        let walked = try walk(rest)
        if walked < rest.count { carry += rest.dropFirst(walked) }
    }

    private mutating func walk(_ bytes: UnsafeRawBufferPointer) throws(RDBViolation) -> Int {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return 0 }
        var cursor = RDBCursor(start, count: bytes.count)
        switch form {
        case .text: cursor.advance(bytes.count)
        case .listpack: try listpack.walk(&cursor, &sink)
        case .ziplist: try ziplist.walk(&cursor, &sink)
        case .intset: try intset.walk(&cursor, &sink)
        case .zipmap: try zipmap.walk(&cursor, &sink)
        }
        return cursor.position
    }
}
