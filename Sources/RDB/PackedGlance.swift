// SPDX-License-Identifier: Apache-2.0

/// A quick look at packed data that lies at hand as a whole. It only ever says yes: what it does not recognise at once,
/// and anything that is wrong, is for the walk to judge, which sees the same bytes in pieces and says what is wrong.
struct PackedGlance {
    /// More fields or members than this are for the walk: comparing them takes a table.
    private static let printsMax = 512
    private static let slots = 2 * printsMax

    /// Prints of the fields or members so far. Equal texts have equal prints, so different prints prove that none
    /// occurs twice; equal ones prove nothing.
    private var prints = [UInt64](repeating: 0, count: slots)

    /// - Returns: how many elements of the value there are, or `nil` if it takes a closer look.
    mutating func count(of bytes: UnsafeRawBufferPointer, _ form: StringInspection.Form) -> Int? {
        guard let start = bytes.baseAddress else { return nil }
        let kind: PackedShape.Kind
        let elements: Int?
        switch form {
        case .listpack(let shape):
            kind = shape
            elements = count(kind) { $0.listpack(start, bytes.count, $1) }
        case .ziplist(let shape):
            kind = shape
            elements = count(kind) { $0.ziplist(start, bytes.count, $1) }
        case .intset, .zipmap, .text: return nil
        }
        guard let elements else { return nil }
        switch kind {
        case .fields, .scores: return elements % 2 == 0 ? elements / 2 : nil
        default: return elements
        }
    }

    private mutating func count(
        _ kind: PackedShape.Kind,
        _ walk: (inout Glance, Glance.Wanted) -> Int?
    ) -> Int? {
        let wanted: Glance.Wanted
        switch kind {
        case .list: wanted = Glance.Wanted(period: 0, hasScores: false)
        case .set: wanted = Glance.Wanted(period: 1, hasScores: false)
        case .fields: wanted = Glance.Wanted(period: 2, hasScores: false)
        case .scores: wanted = Glance.Wanted(period: 2, hasScores: true)
        case .expiringFields, .templateValues, .streamNode: return nil
        }
        return prints.withUnsafeMutableBufferPointer { prints in
            guard let prints = prints.baseAddress else { return nil }
            var glance = Glance(prints)
            return walk(&glance, wanted)
        }
    }
}

/// One look, with the prints of its texts.
private struct Glance {
    /// Which elements must differ (each one, every second one, or none), and whether the others are scores.
    struct Wanted {
        let period: Int
        let hasScores: Bool
    }

    /// Up to this many prints are compared one by one.
    private static let listMax = 16
    private static let mask = 1023

    private let prints: UnsafeMutablePointer<UInt64>
    private var count = 0
    /// An integer and its digits as a text are the same field, but have different prints.
    private var hasIntegers = false
    private var hasDigits = false

    init(_ prints: UnsafeMutablePointer<UInt64>) { self.prints = prints }

    /// - Returns: how many elements the listpack has, or `nil`.
    mutating func listpack(_ start: UnsafeRawPointer, _ bytes: Int, _ wanted: Wanted) -> Int? {
        guard bytes >= 7, word32(start) == UInt32(bytes), start.load(fromByteOffset: bytes - 1, as: UInt8.self) == 255
        else { return nil }
        let announced = Int(start.loadUnaligned(fromByteOffset: 4, as: UInt16.self).littleEndian)
        let end = bytes - 1
        var place = 6
        var elements = 0
        while place < end {
            guard let element = Element(listpack: start + place, end - place) else { return nil }
            let size = element.header + element.text
            guard size < end - place else { return nil }
            if size <= 127 {
                guard start.load(fromByteOffset: place + size, as: UInt8.self) == UInt8(size) else { return nil }
                place += size + 1
            } else {
                guard size < 16_383, size + 1 < end - place,
                    start.load(fromByteOffset: place + size, as: UInt8.self) == UInt8(size >> 7),
                    start.load(fromByteOffset: place + size + 1, as: UInt8.self) == UInt8(size & 127 | 128)
                else { return nil }
                place += size + 2
            }
            guard accept(element, elements, wanted) else { return nil }
            elements += 1
        }
        guard place == end, announced == 65_535 || announced == elements, areDigitsClear else { return nil }
        return elements
    }

    /// - Returns: how many elements the ziplist has, or `nil`.
    mutating func ziplist(_ start: UnsafeRawPointer, _ bytes: Int, _ wanted: Wanted) -> Int? {
        guard bytes >= 11, word32(start) == UInt32(bytes), start.load(fromByteOffset: bytes - 1, as: UInt8.self) == 255
        else { return nil }
        let tail = Int(word32(start + 4))
        guard tail < bytes else { return nil }
        let announced = Int(start.loadUnaligned(fromByteOffset: 8, as: UInt16.self).littleEndian)
        let end = bytes - 1
        var place = 10
        var last = 10
        var elements = 0
        while place < end {
            // Elements of 254 bytes and more are for the walk.
            let before = Int(start.load(fromByteOffset: place, as: UInt8.self))
            guard before < 254, before == place - last, end - place > 1,
                let element = Element(ziplist: start + place + 1, end - place - 1)
            else { return nil }
            let size = 1 + element.header + element.text
            guard size <= end - place else { return nil }
            last = place
            place += size
            guard accept(element, elements, wanted) else { return nil }
            elements += 1
        }
        guard place == end, elements == 0 || last == tail, announced == 65_535 || announced == elements, areDigitsClear
        else { return nil }
        return elements
    }

    private var areDigitsClear: Bool { !(hasIntegers && hasDigits) }

    @inline(__always)
    private mutating func accept(_ element: Element, _ index: Int, _ wanted: Wanted) -> Bool {
        if wanted.period == 1 || (wanted.period == 2 && index & 1 == 0) { return add(element) }
        guard wanted.hasScores, !element.isInteger else { return true }
        return ScoreText.value(of: UnsafeRawBufferPointer(start: element.start, count: element.text)) != nil
    }

    /// - Returns: whether the print is a new one.
    private mutating func add(_ element: Element) -> Bool {
        let print: UInt64
        if element.isInteger {
            hasIntegers = true
            print = mixed(UInt64(bitPattern: element.integer) ^ 0x9e37_79b9_7f4a_7c15)
        } else {
            if element.text > 0 {
                let first = element.start.load(as: UInt8.self)
                if first == 0x2d || (0x30...0x39).contains(first) { hasDigits = true }
            }
            print = textPrint(element.start, element.text)
        }
        return insert(print | 1)
    }

    private mutating func insert(_ print: UInt64) -> Bool {
        if count < Self.listMax {
            for index in 0..<count where prints[index] == print { return false }
            prints[count] = print
            count += 1
            return true
        }
        if count == Self.listMax { spread() }
        guard count < 512 else { return false }
        return place(print)
    }

    /// Turns the list of prints into a table of slots, zero where one is free.
    private mutating func spread() {
        var list = InlineArray<16, UInt64>(repeating: 0)
        for index in 0..<Self.listMax { list[index] = prints[index] }
        prints.update(repeating: 0, count: Self.mask + 1)
        count = 0
        for index in 0..<Self.listMax { _ = place(list[index]) }
    }

    private mutating func place(_ print: UInt64) -> Bool {
        var slot = Int(truncatingIfNeeded: print >> 32) & Self.mask
        while prints[slot] != 0 {
            if prints[slot] == print { return false }
            slot = (slot + 1) & Self.mask
        }
        prints[slot] = print
        count += 1
        return true
    }
}

/// An element of packed data at hand.
private struct Element {
    let header: Int
    let text: Int
    let integer: Int64
    let isInteger: Bool
    let start: UnsafeRawPointer

    @inline(__always)
    private init(_ start: UnsafeRawPointer, _ header: Int, text: Int) {
        self.header = header
        self.text = text
        integer = 0
        isInteger = false
        self.start = start + header
    }

    @inline(__always)
    private init(_ start: UnsafeRawPointer, _ header: Int, integer: Int64) {
        self.header = header
        text = 0
        self.integer = integer
        isInteger = true
        self.start = start
    }

    /// - Parameter count: how many bytes are at hand from `start` on, at least one.
    @inline(__always)
    init?(listpack start: UnsafeRawPointer, _ count: Int) {
        let first = start.load(as: UInt8.self)
        if first < 0x80 {
            self.init(start, 1, integer: Int64(first))
        } else if first < 0xc0 {
            self.init(start, 1, text: Int(first & 0x3f))
        } else {
            // With the length behind it, an element has all the bytes that are read here.
            guard count >= Self.listpackBytes(first) else { return nil }
            self.init(longListpack: start, first)
        }
    }

    /// How many bytes are read to decode an element.
    @inline(__always)
    private static func listpackBytes(_ first: UInt8) -> Int {
        switch first {
        case 0xc0..<0xf0: 2
        case 0xf1: 3
        case 0xf4: 9
        default: 5
        }
    }

    private init?(longListpack start: UnsafeRawPointer, _ first: UInt8) {
        let second = start.load(fromByteOffset: 1, as: UInt8.self)
        switch first {
        case 0xc0..<0xe0:
            let value = Int64(first & 0x1f) << 8 | Int64(second)
            self.init(start, 2, integer: value >= 1 << 12 ? value - 1 << 13 : value)
        case 0xe0..<0xf0: self.init(start, 2, text: Int(first & 0x0f) << 8 | Int(second))
        case 0xf0: self.init(start, 5, text: Int(word32(start + 1)))
        case 0xf1:
            self.init(start, 3, integer: Int64(start.loadUnaligned(fromByteOffset: 1, as: Int16.self).littleEndian))
        case 0xf2: self.init(start, 4, integer: Int64(Int32(bitPattern: word32(start + 1) << 8) >> 8))
        case 0xf3: self.init(start, 5, integer: Int64(Int32(bitPattern: word32(start + 1))))
        case 0xf4:
            self.init(start, 9, integer: start.loadUnaligned(fromByteOffset: 1, as: Int64.self).littleEndian)
        default: return nil
        }
    }

    /// - Parameter count: how many bytes are at hand from `start` on, at least one.
    @inline(__always)
    init?(ziplist start: UnsafeRawPointer, _ count: Int) {
        let first = start.load(as: UInt8.self)
        if first < 0x40 {
            self.init(start, 1, text: Int(first))
        } else if (0xf1...0xfd).contains(first) {
            self.init(start, 1, integer: Int64(first & 0x0f) - 1)
        } else {
            guard count >= Self.ziplistBytes(first) else { return nil }
            self.init(longZiplist: start, first)
        }
    }

    /// How many bytes an element takes, its text aside. The integer of 24 bits is read with the byte after it: there is
    /// always one, at least the end of the ziplist.
    @inline(__always)
    private static func ziplistBytes(_ first: UInt8) -> Int {
        switch first {
        case 0x40..<0x80, 0xfe: 2
        case 0xc0: 3
        case 0xf0: 4
        case 0xe0: 9
        default: 5
        }
    }

    private init?(longZiplist start: UnsafeRawPointer, _ first: UInt8) {
        switch first {
        case 0x40..<0x80:
            self.init(start, 2, text: Int(first & 0x3f) << 8 | Int(start.load(fromByteOffset: 1, as: UInt8.self)))
        case 0x80..<0xc0: self.init(start, 5, text: Int(word32(start + 1).byteSwapped))
        case 0xc0:
            self.init(start, 3, integer: Int64(start.loadUnaligned(fromByteOffset: 1, as: Int16.self).littleEndian))
        case 0xd0: self.init(start, 5, integer: Int64(Int32(bitPattern: word32(start + 1))))
        case 0xe0:
            self.init(start, 9, integer: start.loadUnaligned(fromByteOffset: 1, as: Int64.self).littleEndian)
        case 0xf0: self.init(start, 4, integer: Int64(Int32(bitPattern: word32(start + 1) << 8) >> 8))
        case 0xfe: self.init(start, 2, integer: Int64(start.load(fromByteOffset: 1, as: Int8.self)))
        default: return nil
        }
    }
}

@inline(__always)
private func word32(_ address: UnsafeRawPointer) -> UInt32 {
    UInt32(littleEndian: address.loadUnaligned(as: UInt32.self))
}

@inline(__always)
private func mixed(_ value: UInt64) -> UInt64 {
    let product = value &* 0xbf58_476d_1ce4_e5b9
    return product ^ (product >> 32)
}

@inline(__always)
private func textPrint(_ start: UnsafeRawPointer, _ count: Int) -> UInt64 {
    var print = UInt64(truncatingIfNeeded: count)
    var place = 0
    while count - place >= 8 {
        print = mixed(print ^ start.loadUnaligned(fromByteOffset: place, as: UInt64.self))
        place += 8
    }
    var rest: UInt64 = 0
    if count >= 8 {
        rest = start.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
    } else {
        while place < count {
            rest = rest << 8 | UInt64(start.load(fromByteOffset: place, as: UInt8.self))
            place += 1
        }
    }
    return mixed(print ^ rest)
}
