// SPDX-License-Identifier: Apache-2.0

/// Where the elements of packed data go, one after the other: what they must be together, whether a field or member
/// occurs twice, whether a score is a number, and what they are worth to the digest of the content.
struct ElementSink {
    private(set) var shape = PackedShape(.list)
    /// Set at level content only.
    var content: ContentWalk?

    private var unique = UniqueTexts()
    private var score = ScoreText()
    /// What the text is that is being read.
    private var role = PackedRole.control
    /// How many bytes of it are to come.
    private(set) var textBytes = 0
    /// Whether they are looked at.
    private var takesBytes = false

    mutating func begin(_ kind: PackedShape.Kind) {
        shape = PackedShape(kind)
        unique.removeAll()
        textBytes = 0
    }

    /// The next element: an integer, or a text of so many bytes.
    @inline(__always)
    mutating func accept(_ integer: Int64?, _ text: Int) throws(RDBViolation) {
        if let integer { return try self.integer(integer) }
        try beginText(text)
        if text == 0 { try endText() }
    }

    private mutating func integer(_ value: Int64) throws(RDBViolation) {
        let role = try shape.accept(.integer(value))
        if role == .field || role == .member {
            var digits = DecimalDigits(value)
            unique.begin()
            digits.withBytes { unique.take($0) }
            try endUnique()
        }
        content?.integer(value, role)
        if case .streamNode = shape.kind { content?.accept(shape.node) }
    }

    /// A text begins; `passText` gets its bytes, in pieces.
    private mutating func beginText(_ length: Int) throws(RDBViolation) {
        role = try shape.accept(.text)
        textBytes = length
        takesBytes = content != nil
        switch role {
        case .field, .member:
            unique.begin()
            takesBytes = true
        case .score:
            score.begin()
            takesBytes = true
        default: break
        }
        content?.beginText(role, length)
    }

    /// Passes over what is at hand of the text.
    ///
    /// - Returns: how many bytes that is.
    mutating func passText(_ cursor: inout RDBCursor) throws(RDBViolation) -> Int {
        let count = min(textBytes, cursor.remaining)
        if takesBytes { take(cursor.bytes(count)) }
        cursor.advance(count)
        textBytes -= count
        if textBytes == 0 { try endText() }
        return count
    }

    private mutating func take(_ bytes: UnsafeRawBufferPointer) {
        switch role {
        case .field, .member: unique.take(bytes)
        case .score: score.take(bytes)
        default: break
        }
        if role != .score { content?.take(bytes) }
    }

    private mutating func endText() throws(RDBViolation) {
        switch role {
        case .field, .member: try endUnique()
        case .score:
            guard let value = score.value else {
                throw RDBViolation(.score, "element \(shape.count) should be a score, and is no number")
            }
            content?.score(value)
        default: break
        }
        content?.endText(role)
        takesBytes = false
    }

    private mutating func endUnique() throws(RDBViolation) {
        guard unique.end() else {
            throw RDBViolation(.duplicateElement, "element \(shape.count) of the value occurs in it before")
        }
    }
}

/// The fields of one packed hash, or the members of one packed set, as far as they must differ: hashes of 64 bits with
/// a key that is another one in each process. Among 128 that differ, two share one in fewer than one of 10^15 values.
private struct UniqueTexts {
    /// No server packs as many, with the limits it has by default by far; what follows is not compared.
    private static let countMax = 65_536
    /// A set that grew beyond this is not kept: emptying it would take longer than filling it.
    private static let keptMax = 1024

    private var seen: Set<Int> = []
    private var hasher = Hasher()

    mutating func removeAll() {
        guard !seen.isEmpty else { return }
        seen.removeAll(keepingCapacity: seen.count <= Self.keptMax)
    }

    mutating func begin() { hasher = Hasher() }

    mutating func take(_ bytes: UnsafeRawBufferPointer) { hasher.combine(bytes: bytes) }

    /// - Returns: whether the text was not there before.
    mutating func end() -> Bool {
        guard seen.count < Self.countMax else { return true }
        return seen.insert(hasher.finalize()).inserted
    }
}

/// The text of a score in a packed sorted set: `%.17g`, or an infinity (redis src/util.c, `d2string`).
struct ScoreText {
    /// Seventeen digits, a sign, a point and an exponent are fewer; a number in full may have 309 and a fraction.
    private static let bytesMax = 512

    private var text: [UInt8] = []

    mutating func begin() { text.removeAll(keepingCapacity: true) }

    mutating func take(_ bytes: UnsafeRawBufferPointer) {
        text += bytes.prefix(max(Self.bytesMax + 1 - text.count, 0))
    }

    var value: Double? {
        text.withUnsafeBytes { Self.value(of: $0) }
    }

    /// The number that a text is, if it is one.
    static func value(of text: UnsafeRawBufferPointer) -> Double? {
        guard text.count <= bytesMax else { return nil }
        guard isDecimal(text) || infinities.contains(where: { $0.utf8.elementsEqual(text) }) else { return nil }
        return Double(String(decoding: text, as: UTF8.self))
    }

    private static let infinities = ["inf", "-inf", "+inf", "infinity", "-infinity"]
}

/// The digits that stand for an integer wherever its text is meant.
struct DecimalDigits {
    private var bytes: InlineArray<20, UInt8> = .init(repeating: 0)
    private var start = 20

    init(_ value: Int64) {
        var rest = value.magnitude
        repeat {
            start -= 1
            bytes[start] = 0x30 + UInt8(rest % 10)
            rest /= 10
        } while rest > 0
        if value < 0 {
            start -= 1
            bytes[start] = 0x2d
        }
    }

    var count: Int { 20 - start }

    mutating func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
        let first = start
        withUnsafeBytes(of: &bytes) { body(UnsafeRawBufferPointer(rebasing: $0[first...])) }
    }
}
