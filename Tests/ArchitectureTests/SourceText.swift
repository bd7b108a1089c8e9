// SPDX-License-Identifier: Apache-2.0

/// A Swift file as lines: good enough to look for words and braces, no parser.
struct SourceText: Sendable {
    /// A function or initializer that has a body.
    struct Function: Hashable {
        let line: Int
        let lineCount: Int
    }

    /// As it stands.
    let lines: [Substring]
    /// The same lines without comments and without the text of string literals; interpolated code stays.
    let codeLines: [Substring]
    private let code: [UInt8]

    init(_ text: String) {
        var blanker = CodeBlanker(text)
        code = blanker.run()
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        codeLines = String(decoding: code, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    }

    /// The modules it imports.
    var imports: [String] {
        codeLines.compactMap { line in
            let words = line.split(separator: " ")
            guard let place = words.firstIndex(of: "import"), words[..<place].allSatisfy(Self.isImportModifier) else {
                return nil
            }
            // `import struct Module.Type` names a kind first.
            return words.last.map { String($0.prefix { $0 != "." }) }
        }
    }

    private static func isImportModifier(_ word: Substring) -> Bool {
        word.hasPrefix("@") || ["package", "private", "fileprivate", "internal", "public"].contains(word)
    }

    /// The functions and initializers that have a body, in order.
    var functions: [Function] {
        var found: [Function] = []
        var line = 1
        for index in code.indices {
            if code[index] == Byte.newline { line += 1 }
            guard isKeyword(["func", "init", "deinit"], at: index), let open = bodyStart(of: index),
                let close = matchingBrace(at: open)
            else { continue }
            found.append(Function(line: line, lineCount: code[index...close].count { $0 == Byte.newline } + 1))
        }
        return found
    }

    /// Where the body of the function opens whose keyword stands at `index`; `nil` when there is none.
    private func bodyStart(of index: Int) -> Int? {
        var depth = 0
        for place in index..<code.count {
            switch code[place] {
            case Byte.openParenthesis, Byte.openBracket: depth += 1
            case Byte.closeParenthesis, Byte.closeBracket: depth -= 1
            case Byte.openBrace where depth == 0: return place
            // The end of the enclosing type, or the next declaration: a requirement of a protocol.
            case Byte.closeBrace where depth == 0: return nil
            default:
                let isNext = place > index && depth == 0
                if isNext && isKeyword(["func", "init", "var", "let", "static", "case"], at: place) { return nil }
            }
            // A call, such as `self.init` among arguments.
            if depth < 0 { return nil }
        }
        return nil
    }

    private func matchingBrace(at open: Int) -> Int? {
        var depth = 0
        for place in open..<code.count {
            if code[place] == Byte.openBrace { depth += 1 }
            if code[place] == Byte.closeBrace {
                depth -= 1
                if depth == 0 { return place }
            }
        }
        return nil
    }

    /// Whether one of these words stands at `index`, and is not part of a longer one or of a member's name.
    private func isKeyword(_ words: [StaticString], at index: Int) -> Bool {
        guard Byte.isWord(code[index]) else { return false }
        if index > 0 && (Byte.isWord(code[index - 1]) || code[index - 1] == Byte.dot) { return false }
        return words.contains { word in
            let end = index + word.utf8CodeUnitCount
            guard end <= code.count, end == code.count || !Byte.isWord(code[end]) else { return false }
            return word.withUTF8Buffer { $0.elementsEqual(code[index..<end]) }
        }
    }
}

/// The bytes that structure a Swift file.
enum Byte {
    static let newline = UInt8(ascii: "\n")
    static let space = UInt8(ascii: " ")
    static let dot = UInt8(ascii: ".")
    static let openParenthesis = UInt8(ascii: "(")
    static let closeParenthesis = UInt8(ascii: ")")
    static let openBracket = UInt8(ascii: "[")
    static let closeBracket = UInt8(ascii: "]")
    static let openBrace = UInt8(ascii: "{")
    static let closeBrace = UInt8(ascii: "}")

    static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), 0x80...: true
        default: false
        }
    }
}
