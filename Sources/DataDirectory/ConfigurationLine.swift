// SPDX-License-Identifier: Apache-2.0

/// One line of a `redis.conf`, split into words the way a server splits it.
///
/// The rules are those of `sdssplitargs` in redis/src/sds.c: words are separated by blanks; double quotes know the
/// escapes `\n \r \t \b \a \xHH` and `\` before any other byte; single quotes know only `\'`; a closing quote ends its
/// word. A `#` starts a comment only as the first byte of a line.
package struct ConfigurationLine: Sendable, Hashable {
    /// Why a line cannot be split.
    package enum Flaw: Error, Sendable, Hashable {
        /// A quote is opened and not closed, or a word goes on after its closing quote.
        case unbalancedQuotes
    }

    /// The name of the directive, in lower case.
    package let name: String
    /// What stands after the name, unquoted.
    package let arguments: [String]

    /// - Parameter text: one line, without its line feed.
    /// - Returns: `nil` for an empty line and for a comment.
    /// - Throws: `Flaw`.
    package init?(_ text: some StringProtocol) throws(Flaw) {
        let bytes = Array(text.utf8)
        guard let first = bytes.first(where: { !Self.isTrimmed($0) }), first != UInt8(ascii: "#") else { return nil }
        var splitter = WordSplitter(bytes: bytes)
        var words: [String] = []
        while let word = try splitter.next() { words.append(String(decoding: word, as: UTF8.self)) }
        guard let name = words.first else { return nil }
        self.name = name.lowercased()
        self.arguments = Array(words.dropFirst())
    }

    private static func isTrimmed(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }
}

extension String {
    /// The text between line feeds. To a `Character`, a line feed after a carriage return is no line feed.
    var lines: [Substring] {
        utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map(Substring.init)
    }
}

/// Gives the words of a line one after the other.
private struct WordSplitter {
    let bytes: [UInt8]
    var position = 0

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// What C's `isspace` calls a blank, and the NUL that would end the line in C.
    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || (0x09...0x0D).contains(byte) || byte == 0
    }

    mutating func next() throws(ConfigurationLine.Flaw) -> [UInt8]? {
        while let byte = current, Self.isBlank(byte) { position += 1 }
        guard current != nil else { return nil }
        var word: [UInt8] = []
        while let byte = current, !Self.isBlank(byte) {
            position += 1
            switch byte {
            case UInt8(ascii: "\""): try appendDoubleQuoted(to: &word)
            case UInt8(ascii: "'"): try appendSingleQuoted(to: &word)
            default: word.append(byte)
            }
        }
        return word
    }

    private mutating func appendDoubleQuoted(to word: inout [UInt8]) throws(ConfigurationLine.Flaw) {
        while let byte = current {
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return try endQuoted()
            case UInt8(ascii: "\\") where current != nil: word.append(escaped())
            default: word.append(byte)
            }
        }
        throw .unbalancedQuotes
    }

    private mutating func appendSingleQuoted(to word: inout [UInt8]) throws(ConfigurationLine.Flaw) {
        while let byte = current {
            position += 1
            switch byte {
            case UInt8(ascii: "'"): return try endQuoted()
            case UInt8(ascii: "\\") where current == UInt8(ascii: "'"):
                position += 1
                word.append(UInt8(ascii: "'"))
            default: word.append(byte)
            }
        }
        throw .unbalancedQuotes
    }

    private func endQuoted() throws(ConfigurationLine.Flaw) {
        if let byte = current, !Self.isBlank(byte) { throw .unbalancedQuotes }
    }

    /// The byte that an escape stands for; `position` is on the byte after the backslash.
    private mutating func escaped() -> UInt8 {
        let byte = bytes[position]
        if byte == UInt8(ascii: "x"), position + 2 < bytes.count,
            let high = Self.hexDigit(bytes[position + 1]), let low = Self.hexDigit(bytes[position + 2])
        {
            position += 3
            return high << 4 | low
        }
        position += 1
        return switch byte {
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "a"): 0x07
        default: byte
        }
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        Character(Unicode.Scalar(byte)).hexDigitValue.map(UInt8.init)
    }
}
