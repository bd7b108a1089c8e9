// SPDX-License-Identifier: Apache-2.0

/// A listpack; elements that read as integers are written as such.
func listpack(_ elements: [String]) -> [UInt8] {
    var body: [UInt8] = []
    for element in elements {
        let encoded = listpackElement(element)
        body += encoded + lengthBehind(encoded.count)
    }
    let count = UInt16(min(elements.count, 65_535))
    return littleEndianBytes(UInt32(body.count + 7)) + littleEndianBytes(count) + body + [0xff]
}

private func listpackElement(_ element: String) -> [UInt8] {
    let text = Array(element.utf8)
    guard let value = Int64(element) else {
        switch text.count {
        case ..<64: return [0x80 | UInt8(text.count)] + text
        case ..<4096: return [0xe0 | UInt8(text.count >> 8), UInt8(text.count & 0xff)] + text
        default: return [0xf0] + littleEndianBytes(UInt32(text.count)) + text
        }
    }
    switch value {
    case 0...127: return [UInt8(value)]
    case -4096...4095:
        let bits = UInt16(truncatingIfNeeded: value) & 0x1fff
        return [0xc0 | UInt8(bits >> 8), UInt8(bits & 0xff)]
    case -32_768...32_767: return [0xf1] + littleEndianBytes(Int16(value))
    case -8_388_608...8_388_607: return [0xf2] + littleEndianBytes(Int32(value)).prefix(3)
    case Int64(Int32.min)...Int64(Int32.max): return [0xf3] + littleEndianBytes(Int32(value))
    default: return [0xf4] + littleEndianBytes(value)
    }
}

/// The length of a listpack element as it stands behind it: seven bits a byte.
private func lengthBehind(_ length: Int) -> [UInt8] {
    let size = length <= 127 ? 1 : length < 16_383 ? 2 : length < 2_097_151 ? 3 : 4
    return (0..<size).map { index in
        UInt8(length >> (7 * (size - 1 - index)) & 0x7f) | (index == 0 ? 0 : 0x80)
    }
}

/// A ziplist; elements that read as integers are written as such.
func ziplist(_ elements: [String]) -> [UInt8] {
    var body: [UInt8] = []
    var before = 0
    var tail = 10
    for element in elements {
        tail = 10 + body.count
        let length = before < 254 ? [UInt8(before)] : [0xfe] + littleEndianBytes(UInt32(before))
        let encoded = length + ziplistElement(element)
        before = encoded.count
        body += encoded
    }
    return littleEndianBytes(UInt32(body.count + 11)) + littleEndianBytes(UInt32(tail))
        + littleEndianBytes(UInt16(elements.count)) + body + [0xff]
}

private func ziplistElement(_ element: String) -> [UInt8] {
    let text = Array(element.utf8)
    guard let value = Int64(element) else {
        switch text.count {
        case ..<64: return [UInt8(text.count)] + text
        case ..<16_384: return [0x40 | UInt8(text.count >> 8), UInt8(text.count & 0xff)] + text
        default: return [0x80] + littleEndianBytes(UInt32(text.count).byteSwapped) + text
        }
    }
    switch value {
    case 0...12: return [0xf1 + UInt8(value)]
    case -128...127: return [0xfe] + littleEndianBytes(Int8(value))
    case -32_768...32_767: return [0xc0] + littleEndianBytes(Int16(value))
    case -8_388_608...8_388_607: return [0xf0] + littleEndianBytes(Int32(value)).prefix(3)
    case Int64(Int32.min)...Int64(Int32.max): return [0xd0] + littleEndianBytes(Int32(value))
    default: return [0xe0] + littleEndianBytes(value)
    }
}

/// An intset, of the smallest size of integers that holds its members.
func intset(_ members: [Int64]) -> [UInt8] {
    let size =
        members.allSatisfy { Int16(exactly: $0) != nil } ? 2 : members.allSatisfy { Int32(exactly: $0) != nil } ? 4 : 8
    return littleEndianBytes(UInt32(size)) + littleEndianBytes(UInt32(members.count))
        + members.flatMap { littleEndianBytes($0).prefix(size) }
}

/// A zipmap of short strings.
func zipmap(_ pairs: [(String, String)]) -> [UInt8] {
    var bytes = [UInt8(pairs.count)]
    for (field, value) in pairs {
        bytes += [UInt8(field.utf8.count)] + Array(field.utf8)
        bytes += [UInt8(value.utf8.count), 0] + Array(value.utf8)
    }
    return bytes + [0xff]
}

func littleEndianBytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian, Array.init)
}

/// Compresses with LZF: each three bytes that occurred before are copied, as long as they go on.
func lzf(_ input: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    var seen: [UInt32: Int] = [:]
    var literals: [UInt8] = []
    func flush() {
        if !literals.isEmpty { output += [UInt8(literals.count - 1)] + literals }
        literals = []
    }
    var next = 0
    while next < input.count {
        var length = 0
        if next + 2 < input.count {
            let three = UInt32(input[next]) << 16 | UInt32(input[next + 1]) << 8 | UInt32(input[next + 2])
            if let from = seen[three], next - from <= 8192 {
                let most = min(264, input.count - next)
                while length < most, input[from + length] == input[next + length] { length += 1 }
                flush()
                let distance = next - from - 1
                let count = length - 2
                output +=
                    count < 7 ? [UInt8(count << 5 | distance >> 8)] : [UInt8(0xe0 | distance >> 8), UInt8(count - 7)]
                output.append(UInt8(distance & 0xff))
            }
            seen[three] = next
        }
        if length == 0 {
            literals.append(input[next])
            if literals.count == 32 { flush() }
        }
        next += max(length, 1)
    }
    flush()
    return output
}
