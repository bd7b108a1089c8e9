// SPDX-License-Identifier: Apache-2.0

/// Splits a command line into words as a POSIX shell does, without anything else of a shell: no variables, no
/// patterns, no pipes, no comments. The AWS tools read `credential_process` this way.
package enum ShellWords {
    /// - Returns: `nil` when a quote is not closed, or nothing follows a backslash.
    package static func split(_ line: String) -> [String]? {
        var words: [String] = []
        var word: String?
        var rest = line.unicodeScalars[...]
        while let next = rest.popFirst() {
            switch next {
            case " ", "\t", "\r", "\n":
                if let complete = word { words.append(complete) }
                word = nil
            case "'":
                guard let end = rest.firstIndex(of: "'") else { return nil }
                word = (word ?? "") + String(rest[..<end])
                rest = rest[rest.index(after: end)...]
            case "\"":
                guard let quoted = quoted(&rest) else { return nil }
                word = (word ?? "") + quoted
            case "\\":
                guard let escaped = rest.popFirst() else { return nil }
                word = (word ?? "") + String(Character(escaped))
            default: word = (word ?? "") + String(Character(next))
            }
        }
        if let word { words.append(word) }
        return words
    }

    /// What stands up to the closing quote; a backslash is meant only before a quote or a backslash.
    private static func quoted(_ rest: inout Substring.UnicodeScalarView) -> String? {
        var text = String.UnicodeScalarView()
        while let next = rest.popFirst() {
            if next == "\"" { return String(text) }
            if next == "\\", let after = rest.first, after == "\"" || after == "\\" {
                text.append(after)
                rest.removeFirst()
            } else {
                text.append(next)
            }
        }
        return nil
    }
}
