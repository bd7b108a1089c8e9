// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Each rule gives the places that break it, as `path:line: why`.
enum Rules {
    static let fileLinesMax = 400
    static let functionLinesMax = 70
    static let lineColumnsMax = 120

    /// What a module may import of ours: only what stands on a lower level.
    static let levels: [String: Int] = [
        "Failures": 0,
        "Age": 1, "ByteStreams": 1, "Compression": 1, "RedisProtocol": 1, "RDB": 1, "Programs": 1,
        "HTTPTransport": 2,
        "ObjectStorage": 3, "RedisClient": 3, "DataDirectory": 3, "Kubernetes": 3, "Telemetry": 3,
        "Catalog": 4,
        "Operations": 5,
        "Commands": 6,
        "redoubt": 7,
    ]

    /// Who may import the C libraries: each stays in its cage.
    static let cages: [String: Set<String>] = [
        "CCurl": ["HTTPTransport"],
        "CZlib": ["Compression"],
        "CZstd": ["Compression"],
        "CLinux": ["Commands", "DataDirectory"],
        "CChecksum": ["RDB"],
    ]

    /// The one place that may start a task outside the tree: clean-up that a cancellation must not stop.
    static let looseTaskPath = "Sources/ByteStreams/CancellationShield.swift"

    static func imports(_ file: SourceTree.File) -> [String] {
        guard let level = levels[file.module] else { return ["\(file.path): \(file.module) has no level in the table"] }
        return file.text.imports.compactMap { name in
            if let other = levels[name], other >= level {
                return "\(file.path): \(file.module) (level \(level)) imports \(name) (level \(other))"
            }
            if let cage = cages[name], !cage.contains(file.module) {
                return "\(file.path): only \(cage.sorted()) may import \(name)"
            }
            if name == "Foundation" { return "\(file.path): imports Foundation, not FoundationEssentials" }
            return nil
        }
    }

    static func sizes(_ file: SourceTree.File) -> [String] {
        var found: [String] = []
        let count = file.text.lines.count
        if count > fileLinesMax + 1 { found.append("\(file.path): \(count) lines, more than \(fileLinesMax)") }
        for function in file.text.functions where function.lineCount > functionLinesMax {
            found.append("\(file.path):\(function.line): a function of \(function.lineCount) lines")
        }
        for (index, line) in file.text.lines.enumerated() where line.count > lineColumnsMax {
            found.append("\(file.path):\(index + 1): \(line.count) columns, more than \(lineColumnsMax)")
        }
        return found
    }

    /// Names that say nothing about the domain.
    static func names(_ file: SourceTree.File) -> [String] {
        let empty = ["Util", "Helper", "Manager", "Common", "Misc"]
        var found = empty.filter { file.name.contains($0) }.map { "\(file.path): a file named \($0)" }
        let kinds: Set<Substring> = ["struct", "class", "enum", "actor", "protocol", "typealias"]
        for (index, line) in file.text.codeLines.enumerated() {
            let words = line.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
            for (kind, name) in zip(words, words.dropFirst()) where kinds.contains(kind) {
                found += empty.filter { name.contains($0) }.map { _ in "\(file.path):\(index + 1): a type named \(name)"
                }
            }
        }
        return found
    }

    /// Unstructured tasks, forced tries and forced unwraps.
    static func dangers(_ file: SourceTree.File) -> [String] {
        file.text.codeLines.enumerated().flatMap { index, line in
            danger(line, mayStartTask: file.path == looseTaskPath).map { "\(file.path):\(index + 1): \($0)" }
        }
    }

    private static func danger(_ line: Substring, mayStartTask: Bool) -> [String] {
        var found: [String] = []
        let places = zip(line.indices, line.indices.dropFirst())
        for (before, place) in places where line[place] == "!" && line[place...].dropFirst().first != "=" {
            if isWord(line[before]) || ")]}>".contains(line[before]) { found.append("a forced unwrap, cast or try") }
        }
        if mayStartTask { return found }
        for range in line.ranges(of: "Task")
        where range.lowerBound == line.startIndex
            || !isWord(line[line.index(before: range.lowerBound)])
        {
            let rest = line[range.upperBound...].drop { $0 == " " }
            if ["{", "(", ".detached", ".immediate", "<"].contains(where: { rest.hasPrefix($0) }) {
                found.append("an unstructured task")
            }
        }
        return found
    }

    private static func isWord(_ character: Character) -> Bool {
        character.isLetter || character.isNumber || character == "_"
    }

    /// What the compiler is told not to check has its reason directly above.
    static func unchecked(_ file: SourceTree.File) -> [String] {
        file.text.codeLines.indices.compactMap { index in
            let code = file.text.codeLines[index]
            guard code.contains("@unchecked Sendable") || code.contains("nonisolated(unsafe)") else { return nil }
            let above = index > 0 ? file.text.lines[index - 1].trimmingCharacters(in: .whitespaces) : ""
            return above.hasPrefix("//") ? nil : "\(file.path):\(index + 1): no comment above says why this is safe"
        }
    }

    static func license(_ file: SourceTree.File) -> [String] {
        file.text.lines.first == "// SPDX-License-Identifier: Apache-2.0" ? [] : ["\(file.path):1: no license line"]
    }

    /// Folders that exist only on the machine where somebody works.
    static func machinePaths(_ path: String, _ text: String) -> [String] {
        // Written in two halves, so that this file does not break its own rule.
        let places = ["/wo" + "rk/", "/ro" + "ot/", "/tmp/hel" + "pers", "venv-" + "try", "/opt/sw" + "ift"]
        return places.filter { text.contains($0) }.map { "\(path): names \($0)" }
    }
}
