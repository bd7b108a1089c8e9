// SPDX-License-Identifier: Apache-2.0

/// The shared files of the AWS tools: `~/.aws/credentials` and `~/.aws/config`. Parsing alone, no reading.
///
///     [profile backup]
///     region = eu-central-1
///     s3 =
///       addressing_style = path
///
/// A nested value has the key `s3.addressing_style`. Lines that are none of these are errors, because a profile that is
/// half understood could send a backup to the wrong place.
package struct AWSConfigFile: Sendable {
    /// By the name of the section as it is written: `default`, `profile backup`, `services minio`.
    package private(set) var sections: [String: [String: String]] = [:]

    /// The first line that is not understood.
    package struct SyntaxError: Error, Sendable, Hashable {
        package let line: Int
    }

    package init(parsing text: String) throws(SyntaxError) {
        var section: String?
        var parent: String?
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let isIndented = line.first?.isBlank ?? false
            let content = line.trimmingBlanks
            if content.isEmpty || content.first == "#" || content.first == ";" { continue }
            if content.first == "[" {
                guard let end = content.firstIndex(of: "]") else { throw SyntaxError(line: index + 1) }
                let name = Self.sectionName(content[..<end].dropFirst())
                sections[name, default: [:]] = sections[name] ?? [:]
                (section, parent) = (name, nil)
                continue
            }
            guard let section, let equals = content.firstIndex(of: "="), equals > content.startIndex else {
                throw SyntaxError(line: index + 1)
            }
            let key = String(content[..<equals].trimmingBlanks)
            let value = Self.value(content[equals...].dropFirst())
            if isIndented, let parent {
                sections[section, default: [:]]["\(parent).\(key)"] = value
            } else {
                sections[section, default: [:]][key] = value
                parent = value.isEmpty ? key : nil
            }
        }
    }

    /// A profile in a configuration file, where all but `default` have the word before their name.
    package func profile(_ name: String) -> [String: String]? {
        name == "default" ? sections["profile default"] ?? sections["default"] : sections["profile \(name)"]
    }

    /// `profile  "a b"` and `profile a` without the quotes and with one space.
    private static func sectionName(_ text: Substring) -> String {
        let words = text.split(maxSplits: 1, whereSeparator: \.isBlank).map { $0.trimmingBlanks }
        return words.map { word in
            let isQuoted = word.count >= 2 && word.first == "\"" && word.last == "\""
            return String(isQuoted ? word.dropFirst().dropLast() : word)
        }.joined(separator: " ")
    }

    /// The value without a comment, which needs a blank before its mark.
    private static func value(_ text: Substring) -> String {
        var previous: Character = " "
        var end = text.endIndex
        for index in text.indices {
            if previous.isBlank, text[index] == "#" || text[index] == ";" {
                end = index
                break
            }
            previous = text[index]
        }
        return String(text[..<end].trimmingBlanks)
    }
}

extension Character {
    fileprivate var isBlank: Bool { self == " " || self == "\t" }
}

extension Substring {
    fileprivate var trimmingBlanks: Substring {
        let start = drop(while: \.isBlank)
        guard let last = start.lastIndex(where: { !$0.isBlank }) else { return "" }
        return start[...last]
    }
}
