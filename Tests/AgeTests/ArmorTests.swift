// SPDX-License-Identifier: Apache-2.0

import Age
import Failures
import Foundation
import TestParts
import Testing

/// Files in armor: what age writes with -a, and each rule of it broken by itself.
@Suite
struct ArmorTests {
    private func withArmored(
        _ plain: [UInt8],
        _ body: (_ lines: [String], _ keyring: AgeKeyring) throws -> Void
    ) async throws {
        let pair = try await KeyPair.fresh()
        try await withTemporaryFolder { folder in
            let path = folder.appendingPathComponent("plain").path
            try Data(plain).write(to: URL(fileURLWithPath: path))
            let text = try await run(Parts.age(), ["-a", "-r", pair.recipient, path])
            let lines = String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
            try body(lines, pair.keyring())
        }
    }

    @Test
    func whatAgeWritesAsTextIsReadInPiecesOfEverySize() async throws {
        // The last line is short, full, and padded, whatever the header takes.
        for size in [0, 1, 2, 3, 10, 20, 40, 41, 42, 43, 44, 45, 46, 47, 48, 1000, 70_000] {
            try await withArmored(content(size)) { lines, keyring in
                for (end, tail) in [("\n", ""), ("\r\n", ""), ("\n", "  \n\t\n"), ("\n", "none")] {
                    let text = lines.joined(separator: end) + (tail == "none" ? "" : end + tail)
                    for pieces in [1, 13, 64, 65, 1 << 20] where size < 100 || pieces > 1000 {
                        let found = try decrypted(Array(" \n\n".utf8) + Array(text.utf8), by: keyring, pieces: pieces)
                        #expect(found == content(size), "\(size) bytes in pieces of \(pieces)")
                    }
                }
            }
        }
    }

    @Test
    func everyRuleOfArmorIsKept() async throws {
        try await withArmored(content(30)) { lines, keyring in
            let (first, body, last) = (lines[0], Array(lines[1...(lines.count - 2)]), lines[lines.count - 1])
            let all = [first] + body + [last]
            func text(_ lines: [String]) -> String { lines.joined(separator: "\n") + "\n" }
            var cases: [(String, String)] = [
                ("in lower case", text([first.lowercased()] + body + [last])),
                (
                    "another mark",
                    text([first.replacingOccurrences(of: "AGE ENCRYPTED FILE", with: "MESSAGE")] + body + [last])
                ),
                ("a space in the mark", text([first + " "] + body + [last])),
                ("headers", text([first, "Comment: none", ""] + body + [last])),
                ("an empty line first", text([first, ""] + body + [last])),
                ("an empty line last", text([first] + body + ["", last])),
                ("no end", text([first] + body)),
                ("half an end", text([first] + body) + last.dropLast()),
                ("something before", "x\n" + text(all)),
                ("something behind", text(all) + "x"),
                ("much space before", String(repeating: "\n", count: 2000) + text(all)),
                ("much space behind", text(all) + String(repeating: " ", count: 2000)),
                ("a checksum", text([first] + body + ["=njUN", last])),
                ("a line joined", text([first, body[0] + body[1]] + body.dropFirst(2) + [last])),
                (
                    "a line cut",
                    text([first, String(body[0].prefix(60)), String(body[0].suffix(4))] + body.dropFirst() + [last])
                ),
                ("a space in a line", text([first, body[0] + " "] + body.dropFirst() + [last])),
                ("another letter", text([first, "*" + body[0].dropFirst()] + body.dropFirst() + [last])),
                ("padding inside", text([first, body[0].dropLast() + "="] + body.dropFirst() + [last])),
            ]
            let short = body[body.count - 1]
            if short.hasSuffix("=") {
                cases.append(("no padding", text([first] + body.dropLast() + [short.filter { $0 != "=" }, last])))
            }
            for (what, text) in cases {
                let codes = [7, 1 << 20].map { pieces in
                    code { try decrypted(Array(text.utf8), by: keyring, pieces: pieces) }
                }
                #expect(codes[0] == .corruptEncryption || codes[0] == .truncated, "\(what): \(codes)")
                #expect(codes[0] == codes[1], "\(what)")
            }
            for count in 0..<text(all).utf8.count - 1 {
                let cut = Array(text(all).utf8.prefix(count))
                #expect(code { try decrypted(cut, by: keyring, pieces: 50) } != nil, "after \(count) bytes")
            }
        }
    }
}
