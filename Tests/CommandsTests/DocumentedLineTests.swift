// SPDX-License-Identifier: Apache-2.0

import Commands
import Foundation
import TestParts
import Testing

/// What the pages tell people to type is what the program understands.
struct DocumentedLineTests {
    private static var root: URL { Parts.testsFolder.deletingLastPathComponent() }

    private static func pages() throws -> [String] {
        let docs = try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent("docs").path)
        return ["README.md", "jobs/README.md"] + docs.filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" }
    }

    /// The command lines in the blocks of a page, a line that is continued as one.
    private static func lines(of page: String) throws -> [String] {
        let text = try String(contentsOf: root.appendingPathComponent(page), encoding: .utf8)
        var isFenced = false
        return text.replacing("\\\n", with: " ").split(separator: "\n").compactMap { line in
            if line.hasPrefix("```") { isFenced.toggle() }
            guard isFenced || line.hasPrefix("    ") else { return nil }
            let words = line.trimmingCharacters(in: .whitespaces).trimmingPrefix("$ ")
            return words.hasPrefix("redoubt ") ? String(words.dropFirst("redoubt ".count)) : nil
        }
    }

    /// As a shell takes them apart, up to a comment or the next command.
    private static func words(_ line: String) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        for character in line {
            switch character {
            case quote: quote = nil
            case _ where quote != nil: word = (word ?? "") + String(character)
            case "'", "\"": (quote, word) = (character, word ?? "")
            case " ":
                if let word { words.append(word) }
                word = nil
            case "#" where word == nil, "|", ";", "&", ">": return words
            default: word = (word ?? "") + String(character)
            }
        }
        if let word { words.append(word) }
        return words
    }

    @Test func whatThePagesSayIsUnderstood() throws {
        var count = 0
        for page in try Self.pages() where page != "docs/command-reference.md" {
            for line in try Self.lines(of: page) {
                let words = Self.words(line)
                // Something is left out there.
                guard !words.contains("…") else { continue }
                count += 1
                #expect(Entry.understands(words), "\(page): redoubt \(line)")
            }
        }
        #expect(count > 70)
    }

    @Test func aLineIsTakenApartAsAShellDoes() {
        let line = #"list  --from 's3://b/p?a=b&c' --name "a b"   # the last; of "all"#
        #expect(Self.words(line) == ["list", "--from", "s3://b/p?a=b&c", "--name", "a b"])
        #expect(Self.words("inspect x --output json | jq .a") == ["inspect", "x", "--output", "json"])
        #expect(!Entry.understands(Self.words("verify --no-such-flag")))
    }
}
