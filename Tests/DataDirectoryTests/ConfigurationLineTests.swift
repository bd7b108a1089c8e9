// SPDX-License-Identifier: Apache-2.0

import DataDirectory
import Testing

@Suite struct ConfigurationLineTests {
    @Test(arguments: [
        ("dir /data", ["dir", "/data"]),
        ("  dir\t/data  \r", ["dir", "/data"]),
        ("DIR /Data", ["dir", "/Data"]),
        (#"dir "/my data""#, ["dir", "/my data"]),
        (#"dir '/my data'"#, ["dir", "/my data"]),
        (#"dir "a\"b""#, ["dir", "a\"b"]),
        (#"dir 'a\'b'"#, ["dir", "a'b"]),
        (#"dir 'a\nb'"#, ["dir", #"a\nb"#]),
        (#"dir "a\nb\tc\\d\qe""#, ["dir", "a\nb\tc\\dqe"]),
        (#"dir "\x41\x6a\x4""#, ["dir", "Ajx4"]),
        (#"save """#, ["save", ""]),
        ("save ''", ["save", ""]),
        (#"dir /a"b c""#, ["dir", "/ab c"]),
        ("save 900 1 # not a comment", ["save", "900", "1", "#", "not", "a", "comment"]),
        (#""dir" x"#, ["dir", "x"]),
    ])
    func lineIsSplitAsTheServerSplitsIt(text: String, words: [String]) throws {
        let line = try #require(try ConfigurationLine(text))
        #expect([line.name] + line.arguments == words)
    }

    @Test(arguments: ["", "   ", "\t\r", "# dir /data", "   # indented"])
    func emptyLinesAndCommentsSayNothing(text: String) throws {
        let line = try ConfigurationLine(text)
        #expect(line == nil)
    }

    @Test(arguments: [
        #"dir "open"#, "dir 'open", #"dir "a"b"#, "dir 'a'b", #"dir "ends with\"#, #"dir "ends with\""#, #"dir ""x"#,
    ])
    func unbalancedQuotesAreRefused(text: String) {
        #expect(throws: ConfigurationLine.Flaw.unbalancedQuotes) { try ConfigurationLine(text) }
    }

    @Test func everyTruncationIsReadOrRefused() throws {
        let text = #"dir "a\x41\n" 'b\'c' plain"#
        for end in 0...text.count {
            let cut = String(text.prefix(end))
            let quotes = ["\"", "'"].map { quote in cut.contains { String($0) == quote } }
            do {
                _ = try ConfigurationLine(cut)
            } catch {
                #expect(quotes.contains(true), "refused without a quote: \(cut)")
            }
        }
    }
}
