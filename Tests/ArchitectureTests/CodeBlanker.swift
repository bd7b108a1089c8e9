// SPDX-License-Identifier: Apache-2.0

/// Replaces comments and the text of string literals with spaces; every line stays where it is.
struct CodeBlanker {
    private let bytes: [UInt8]
    private var index = 0
    private var result: [UInt8] = []

    init(_ text: String) {
        bytes = Array(text.utf8)
        result.reserveCapacity(bytes.count)
    }

    mutating func run() -> [UInt8] {
        while index < bytes.count { step() }
        return result
    }

    private mutating func step() {
        if starts(with: "//") {
            while index < bytes.count && bytes[index] != Byte.newline { blank(1) }
        } else if starts(with: "/*") {
            comment()
        } else if let (hashes, quotes) = literalStart() {
            literal(hashes, quotes)
        } else {
            keep(1)
        }
    }

    private mutating func comment() {
        var depth = 0
        repeat {
            if starts(with: "/*") {
                depth += 1
                blank(2)
            } else if starts(with: "*/") {
                depth -= 1
                blank(2)
            } else {
                blank(1)
            }
        } while depth > 0 && index < bytes.count
    }

    /// How many `#` and how many quotes open a string literal here.
    private func literalStart() -> (hashes: Int, quotes: Int)? {
        let hashes = bytes[index...].prefix { $0 == UInt8(ascii: "#") }.count
        guard starts(with: "\"", after: hashes) else { return nil }
        return (hashes, starts(with: "\"\"\"", after: hashes) ? 3 : 1)
    }

    private mutating func literal(_ hashes: Int, _ quotes: Int) {
        let pounds = String(repeating: "#", count: hashes)
        let end = String(repeating: "\"", count: quotes) + pounds
        keep(hashes + quotes)
        while index < bytes.count {
            if starts(with: end) { return keep(quotes + hashes) }
            if starts(with: "\\" + pounds + "(") {
                blank(1 + hashes)
                interpolation()
            } else if starts(with: "\\" + pounds) {
                blank(2 + hashes)
            } else if quotes == 1 && bytes[index] == Byte.newline {
                return
            } else {
                blank(1)
            }
        }
    }

    private mutating func interpolation() {
        var depth = 0
        while index < bytes.count {
            if bytes[index] == Byte.openParenthesis { depth += 1 }
            if bytes[index] == Byte.closeParenthesis { depth -= 1 }
            step()
            if depth == 0 { return }
        }
    }

    private mutating func keep(_ count: Int) {
        result += bytes[index...].prefix(count)
        index += count
    }

    private mutating func blank(_ count: Int) {
        for byte in bytes[index...].prefix(count) { result.append(byte == Byte.newline ? byte : Byte.space) }
        index += count
    }

    private func starts(with text: String, after skipped: Int = 0) -> Bool {
        bytes.dropFirst(index + skipped).starts(with: text.utf8)
    }
}
